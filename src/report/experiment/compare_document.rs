//! What a comparison of runs says to people.

use super::super::document::{Block, Document};
use super::super::terminal::table::{Cell, Tone};
use super::Experiment;
use super::compare::{
    Change, ChangeVerdict, Comparison, Estimate, Metric, RunOrder, Seen, Unit, UntrustedRun, Weight,
};
use super::compare_numbers::{
    count, listed, number, one, percent_of, range, relative, shown, signed_percent,
};
use super::compare_sentence::{decided, headlines};
use super::plot::{Interval, forest};
use super::words;

pub(super) fn document(experiment: &Experiment, comparison: &Comparison) -> Document {
    let mut document = Document::default();
    let mut add = |block| document.push(block);
    add(Block::Title(title(experiment, comparison)));
    headlines(comparison).into_iter().for_each(|text| add(Block::Text(text)));
    if let Some(text) = decided(comparison) {
        add(Block::Text(text));
    }
    if !comparison.untrusted_runs.is_empty() {
        let all = comparison.groups.iter().map(|group| group.runs.len()).sum::<usize>();
        let untrusted = comparison.untrusted_runs.len();
        add(Block::Text(format!(
            "{untrusted} of {} cannot be trusted, see below, and {} nothing unless that is allowed (--allow-untrusted).",
            count(all, "run"),
            if untrusted == 1 { "decides" } else { "decide" },
        )));
    }
    add(Block::Facts(facts(experiment, comparison)));
    match comparison.groups.len() {
        0 => {}
        1 => add(Block::Table(1, spreads(comparison))),
        count => {
            for index in 1..count {
                if count > 2 {
                    let label = |index: usize| &comparison.groups[index].label;
                    add(Block::Heading(format!("{} against {}", label(index), label(0))));
                }
                add(Block::Table(1, changes(comparison, index)));
                let intervals = intervals(comparison, index);
                if !intervals.is_empty() {
                    add(Block::Drawing(forest(&intervals, 0.0, &signed_percent)));
                }
            }
        }
    }
    if !comparison.metrics.is_empty() {
        add(Block::Text(legend(comparison)));
    }
    if !comparison.differences.is_empty() {
        add(Block::Heading("What else is not the same in all runs".to_owned()));
        add(Block::Table(usize::MAX, differences(comparison)));
        add(Block::Text(DIFFERENCES_LEGEND.to_owned()));
    }
    if !comparison.untrusted_runs.is_empty() {
        add(Block::Heading("Runs whose numbers cannot be trusted".to_owned()));
        add(Block::List(comparison.untrusted_runs.iter().map(doubts).collect()));
    }
    document
}

fn title(experiment: &Experiment, comparison: &Comparison) -> String {
    let labels: Vec<&str> = comparison.groups.iter().map(|group| group.label.as_str()).collect();
    let state = if experiment.experiment.complete { "" } else { " (stopped before its end)" };
    let name = &experiment.experiment.name;
    match labels.as_slice() {
        [] => format!("{name}: no complete run{state}"),
        [_] => format!("{name}: {}{state}", count(comparison.groups[0].runs.len(), "run")),
        [baseline, others @ ..] => format!("{name}: {} against {baseline}{state}", others.join(", ")),
    }
}

/// What speaks against a run, and no more than its first words.
pub(in crate::report) fn doubts(run: &UntrustedRun) -> String {
    match run.errors.as_slice() {
        [] => format!("{}, run {}", run.group, run.run),
        [first, others @ ..] => {
            let more =
                if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            format!("{}, run {}: {first}{more}", run.group, run.run)
        }
    }
}

pub(in crate::report) fn facts(experiment: &Experiment, comparison: &Comparison) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    for group in &comparison.groups {
        let untrusted = match group.untrusted {
            0 => String::new(),
            some => format!(", {some} not to be trusted"),
        };
        facts.push((
            group.label.clone(),
            format!("{} ({}{untrusted})", group.source, count(group.runs.len(), "run")),
        ));
    }
    facts.extend(experiment.server.as_ref().map(|server| ("server".to_owned(), words::server(server))));
    let order = match comparison.order {
        RunOrder::Pairs => {
            let seed = &experiment.experiment.seed;
            format!("in pairs of random order (--seed {seed}); paired t on logarithms")
        }
        RunOrder::Mixed => "mixed in time; Welch's t on logarithms".to_owned(),
        RunOrder::Successive => {
            "one group after the other: drift is not excluded; Welch's t on logarithms".to_owned()
        }
        RunOrder::SingleRuns => {
            "one of each: the intervals are those of chance within the runs; run-to-run variation unknown"
                .to_owned()
        }
        RunOrder::OneGroup => "of one kind".to_owned(),
    };
    facts.push(("runs".to_owned(), order));
    facts
}

pub(in crate::report) fn spreads(comparison: &Comparison) -> Vec<Vec<Cell>> {
    let mut rows =
        vec![["", "mean", "95 % CI", "run-to-run SD", "lowest", "highest"].map(Cell::from).to_vec()];
    for metric in &comparison.metrics {
        let spread = &metric.groups[0];
        let unit = metric.unit;
        let mut row = vec![name(metric), shown(unit, spread)];
        match (spread.mean, spread.sd) {
            (Some(mean), Some(sd)) => {
                row.push(format!("{} to {}", number(unit, mean.low), number(unit, mean.high)).into());
                row.push(relative(unit, sd, mean.value).into());
            }
            _ => row.extend(["-", "-"].map(Cell::from)),
        }
        let known: Vec<f64> = spread.values.iter().filter_map(|value| value.value).collect();
        let ends = [known.iter().copied().reduce(f64::min), known.iter().copied().reduce(f64::max)];
        row.extend(ends.map(|end| Cell::from(end.map_or("-".to_owned(), |end| number(unit, end)))));
        rows.push(row);
    }
    rows
}

pub(in crate::report) fn changes(comparison: &Comparison, index: usize) -> Vec<Vec<Cell>> {
    let label = |index: usize| Cell::from(comparison.groups[index].label.as_str());
    let mut rows =
        vec![vec!["".into(), label(0), label(index), "change".into(), "95 % CI".into(), "verdict".into()]];
    for metric in &comparison.metrics {
        let change = &metric.changes[index - 1];
        let or_dash = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".to_owned()));
        rows.push(vec![
            name(metric),
            shown(metric.unit, &metric.groups[0]),
            shown(metric.unit, &metric.groups[index]),
            or_dash(change.change.map(|by| one(metric.unit, by))),
            or_dash(change.interval.map(|interval| range(metric.unit, &interval))),
            verdict(change, metric.unit),
        ]);
    }
    rows
}

/// Relative changes with an interval that is one.
fn intervals(comparison: &Comparison, index: usize) -> Vec<Interval> {
    let of = |metric: &Metric| {
        let interval = metric.changes[index - 1].interval?;
        let is_drawn = metric.unit != Unit::Share && interval.low < interval.high;
        let Estimate { low, value, high } = interval;
        is_drawn.then(|| Interval {
            label: metric.name.clone(),
            low,
            estimate: value,
            high,
            // The table above has the verdict.
            note: String::new(),
        })
    };
    comparison.metrics.iter().filter_map(of).collect()
}

fn name(metric: &Metric) -> Cell {
    match metric.primary {
        true => Cell(format!("* {}", metric.name), Tone::Strong),
        false => Cell::from(format!("  {}", metric.name)),
    }
}

pub(in crate::report) fn verdict(change: &Change, unit: Unit) -> Cell {
    let above = change.excluded_above.map(|above| percent_of(above, unit)).unwrap_or_default();
    let seen = match change.seen {
        Some(Seen::Better) => "better",
        Some(Seen::Worse) => "worse",
        Some(Seen::Nothing) => "none seen",
        None => "-",
    };
    match change.verdict {
        ChangeVerdict::Better => Cell("better".into(), Tone::Good),
        ChangeVerdict::Worse => Cell("worse".into(), Tone::Bad),
        // Where runs do not differ at all, there is no interval to speak of.
        ChangeVerdict::NoneSeen if change.interval.is_none_or(|i| i.low == i.high) => "none seen".into(),
        ChangeVerdict::NoneSeen => format!("none seen, > {above} excluded").into(),
        ChangeVerdict::TooNoisy => Cell(format!("too noisy, > {above} excluded"), Tone::Warning),
        ChangeVerdict::DriftNotExcluded => Cell(format!("{seen}, drift not excluded"), Tone::Warning),
        ChangeVerdict::SingleRuns if change.seen.is_none() => Cell("-".into(), Tone::Dim),
        ChangeVerdict::SingleRuns => format!("{seen} within runs").into(),
        ChangeVerdict::TooFewRuns | ChangeVerdict::Stopped | ChangeVerdict::Unknown => {
            Cell(change.verdict.words().into(), Tone::Dim)
        }
    }
}

pub(in crate::report) fn legend(comparison: &Comparison) -> String {
    let means =
        "numbers are means over runs; changes are ratios of geometric means, of errors differences in points";
    match comparison.groups.len() {
        1 => "* the metric that a comparison would decide on; percentiles are of all that was offered".to_owned(),
        _ if comparison.order == RunOrder::SingleRuns => {
            "* the metric that decides; all others are exploratory. Worse and better are said where the interval leaves out 0"
                .to_owned()
        }
        _ => format!(
            "* the metric that decides; all others are exploratory: of twenty, one is seen to change where nothing did; {means}"
        ),
    }
}

pub(in crate::report) const DIFFERENCES_LEGEND: &str = "workload or server: a comparison is refused unless such a difference is meant; surroundings: it may \
     explain a change";

pub(in crate::report) fn differences(comparison: &Comparison) -> Vec<Vec<Cell>> {
    let mut heading: Vec<Cell> = vec!["".into()];
    heading.extend(comparison.groups.iter().map(|group| Cell::from(group.label.as_str())));
    heading.push("belongs to".into());
    let mut rows = vec![heading];
    for difference in &comparison.differences {
        let (tone, of) = match difference.weight {
            Weight::Decides => (Tone::Warning, "workload or server"),
            Weight::Told => (Tone::Plain, "surroundings"),
        };
        let mut row = vec![Cell(difference.key.clone(), tone)];
        row.extend(difference.values.iter().map(|values| Cell::from(listed(values))));
        row.push(of.into());
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::{About, Decision, Direction, EXPERIMENT_SCHEMA, Outcome};
    use super::*;
    use crate::report::experiment::{DecisionOutcome, Group, NoValue, RunValue, Spread};
    use crate::report::terminal::{Style, WIDTH};

    fn spread(values: &[Option<f64>]) -> Spread {
        let values = values
            .iter()
            .map(|value| RunValue { value: *value, unknown: value.is_none().then_some(NoValue::Unanswered) });
        let mean = Estimate { value: 1_250.0, low: 1_200.0, high: 1_300.0 };
        Spread { values: values.collect(), mean: Some(mean), sd: Some(25.0) }
    }

    fn change(verdict: ChangeVerdict, seen: Seen) -> Change {
        Change {
            group: "B".into(),
            change: Some(0.0312),
            interval: Some(Estimate { value: 0.0312, low: -0.01, high: 1.0625 }),
            p_value: Some(0.2),
            smallest_detectable: Some(0.1),
            verdict,
            seen: Some(seen),
            excluded_above: Some(1.0625),
            reason: None,
        }
    }

    fn told(groups: usize, change: Option<Change>, outcome: DecisionOutcome) -> [String; 2] {
        let group = |label: &str| Group {
            label: label.into(),
            source: "reports/some/where".into(),
            runs: vec!["1".into()],
            untrusted: 1,
        };
        let metric = Metric {
            name: "search.response.p50".into(),
            unit: Unit::Microseconds,
            better: Direction::Lower,
            primary: true,
            groups: vec![spread(&[Some(1_250.0)]); groups],
            changes: change.into_iter().collect(),
        };
        let comparison = Comparison {
            order: if groups == 1 { RunOrder::OneGroup } else { RunOrder::Pairs },
            groups: ["A", "B"][..groups].iter().copied().map(group).collect(),
            differences: vec![],
            untrusted_runs: vec![UntrustedRun {
                group: "B".into(),
                run: "1".into(),
                errors: vec!["requests were late".into(), "another".into()],
            }],
            metrics: vec![metric],
            decision: Decision {
                metric: "search.response.p50".into(),
                fail_above: Some(0.05),
                outcome,
                reason: "it changed".into(),
            },
        };
        let about = About {
            id: "1".into(),
            name: "search".into(),
            command: String::new(),
            version: "0".into(),
            started: String::new(),
            seed: "7".into(),
            complete: true,
        };
        let experiment = Experiment {
            schema: EXPERIMENT_SCHEMA.into(),
            experiment: about,
            server: None,
            machine: None,
            runs: vec![],
            outcome: Outcome::Compare(Box::new(comparison)),
        };
        let (mut terminal, mut markdown) = (Vec::new(), Vec::new());
        experiment.document().terminal(Style::Plain, &mut terminal).unwrap();
        experiment.document().markdown(&mut markdown).unwrap();
        [terminal, markdown].map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn every_verdict_has_its_sentence_in_a_terminal_and_in_markdown() {
        use ChangeVerdict as V;
        for (verdict, seen, words) in [
            (
                V::Better,
                Seen::Better,
                "B is better than A: search.response.p50 +3.1 % (95 % CI -1.0 to +106 %).",
            ),
            (V::Worse, Seen::Worse, "B is worse than A: "),
            (V::NoneSeen, Seen::Nothing, "worse by more than 106.2 % is excluded"),
            (V::TooNoisy, Seen::Nothing, "Too noisy to say whether B differs from A"),
            (V::DriftNotExcluded, Seen::Worse, "B is worse than A: search.response.p50 +3.1 %"),
            (V::DriftNotExcluded, Seen::Nothing, "Drift is not excluded"),
            (V::TooFewRuns, Seen::Nothing, "It takes 5 of B and 5 of A"),
            (V::SingleRuns, Seen::Nothing, "Within these runs, no difference is seen between B and A"),
            (V::SingleRuns, Seen::Worse, "Run-to-run variation unknown"),
            (V::Stopped, Seen::Nothing, "Stopped before its end, so nothing is decided"),
        ] {
            for text in told(2, Some(change(verdict, seen)), DecisionOutcome::Regressed) {
                let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(line.contains(words), "{words}:\n{text}");
                assert!(line.contains("B, run 1: requests were late (and 1 more)"), "{text}");
                assert!(line.contains("1 of 2 runs cannot be trusted"), "{text}");
                assert!(line.contains("Fail above 5 %: REGRESSED: it changed."), "{text}");
            }
        }
        let [terminal, _] = told(2, Some(change(V::NoneSeen, Seen::Nothing)), DecisionOutcome::Passed);
        assert!(terminal.lines().all(|line| line.chars().count() <= WIDTH + 10), "{terminal}");
        assert!(!terminal.lines().any(|line| line.trim_start().starts_with('%')), "{terminal}");
    }

    #[test]
    fn what_has_no_number_says_why_and_runs_of_one_kind_tell_their_spread() {
        let unanswered = Change {
            change: None,
            interval: None,
            reason: Some("unanswered in 5 of 5 runs of B".into()),
            ..change(ChangeVerdict::Worse, Seen::Worse)
        };
        let [terminal, _] = told(2, Some(unanswered), DecisionOutcome::Regressed);
        assert!(
            terminal.contains("B is worse than A: search.response.p50 is unanswered in 5 of 5 runs"),
            "{terminal}"
        );
        let [terminal, markdown] = told(1, None, DecisionOutcome::NotAsked);
        assert!(terminal.contains("is 1.25 ms (95 % CI 1.20 ms to 1.30 ms) over 1 run"), "{terminal}");
        assert!(markdown.contains("\n\\* the metric") && markdown.contains("| * search"), "{markdown}");
    }
}
