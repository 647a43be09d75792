//! A capacity for people: the rate, what it means, the probes.

use crate::report::document::{Block, Document};
use crate::report::model::Threshold;
use crate::report::terminal::table::{Cell, Tone};

use super::super::Experiment;
use super::super::figures::Figures;
use super::super::scatter::{Axis, Mark, Scale, scatter};
use super::super::words::{self, errors, percent, rate, span, time};
use super::{Capacity, Conclusion, Probe, ProbeOutcome};

/// From the answer to its evidence.
pub(in crate::report::experiment) fn document(experiment: &Experiment, capacity: &Capacity) -> Document {
    let mut document = Document::default();
    document.push(Block::Title(format!("capacity of {}: {}", experiment.experiment.name, answer(capacity))));
    document.push(Block::Text(meaning(capacity)));
    document.push(Block::Facts(facts(experiment, capacity)));
    if !capacity.notes.is_empty() {
        document.push(Block::List(capacity.notes.clone()));
    }
    if !capacity.probes.is_empty() {
        document.push(Block::Heading("probes, in order".to_owned()));
        document.push(Block::Table(0, table(capacity)));
    }
    let drawing = staircase(capacity);
    if capacity.probes.len() > 2 && !drawing.is_empty() {
        document
            .push(Block::Heading("the search: o held, x did not, ? says nothing of the server".to_owned()));
        document.push(Block::Drawing(drawing));
    }
    let names = operations(capacity);
    for name in names.iter().filter(|name| names.len() == 1 || is_asked_for(capacity, name)) {
        let drawing = curve(capacity, name);
        if !drawing.is_empty() {
            let of = if names.len() > 1 { format!("{name}: ") } else { String::new() };
            let heading = "response times over the offered rate: . p50, * p99, where they are known";
            document.push(Block::Heading(format!("{of}{heading}")));
            document.push(Block::Drawing(drawing));
        }
    }
    document
}

fn interval(capacity: &Capacity) -> Option<String> {
    let (found, low, high) = (capacity.rate_per_s?, capacity.low_per_s?, capacity.high_per_s?);
    Some(format!("{}/s (95 % {}..{})", rate(found), rate(low), rate(high)))
}

pub(in crate::report) fn answer(capacity: &Capacity) -> String {
    // What held by chance above a failure of the server's bounds nothing.
    let at_least = || match (capacity.highest_held_per_s, capacity.lowest_failed_per_s) {
        (Some(held), None) => format!("at least {}/s", rate(held)),
        _ => "not found".to_owned(),
    };
    let so_far = interval(capacity).map(|interval| format!("{interval} so far"));
    match capacity.conclusion {
        Conclusion::Found => interval(capacity).unwrap_or_else(at_least),
        Conclusion::HoldsAtNoRate => "the service level holds at no rate".to_owned(),
        Conclusion::GeneratorGaveUp => match so_far {
            Some(so_far) => format!("{so_far}, then the generator gave up"),
            None => format!("{}, where the generator gave up", at_least()),
        },
        Conclusion::BudgetSpent => format!("{}, then the budget was spent", at_least()),
        Conclusion::Untrusted => match so_far {
            Some(so_far) => format!("{so_far}, then the probes could not be trusted"),
            None => "not found, the probes cannot be trusted".to_owned(),
        },
        Conclusion::Stopped => match so_far {
            Some(so_far) => format!("{so_far}, stopped"),
            None => format!("{} so far, stopped", at_least()),
        },
    }
}

pub(in crate::report) fn meaning(capacity: &Capacity) -> String {
    let slo = capacity.slo.join(" and ");
    match capacity.conclusion {
        Conclusion::Found => {
            let rest = match (capacity.precise, beyond_all(capacity)) {
                (true, _) => String::new(),
                (false, Some(highest)) => format!(
                    " No probe went that far: the highest that counts was at {}/s, and the rate is what all of them together \
                     suggest. Give a longer --budget, or a --start-rate closer to it.",
                    rate(highest)
                ),
                (false, None) => " The budget was spent before the interval was within 2.5 % either way; give a longer --budget \
                                  for a closer one."
                    .to_owned(),
            };
            let window = window(capacity.window_s);
            format!("At that rate half of all {window} windows hold {slo}; at lower rates more of them do.{rest}")
        }
        Conclusion::HoldsAtNoRate => format!(
            "{slo} held at no rate, down to {}/s. Below that a window has too few samples to tell; a longer --window or a lower \
             percentile would reach further down.",
            rate(capacity.lowest_tried_per_s)
        ),
        Conclusion::GeneratorGaveUp => {
            let at = capacity.generator_limit_per_s.map_or_else(String::new, |at| format!(" at {}/s", rate(at)));
            let what = match capacity.rate_per_s {
                Some(_) => format!(
                    "At that rate half of the windows so far hold {slo}; then the generator was late or short of CPU{at}, and the \
                     search ended before its time."
                ),
                None => format!(
                    "This is a bound of the generator's, not of the server's: {slo} did not hold{at}, and the generator was late or \
                     short of CPU there."
                ),
            };
            format!("{what} Give it more cores or more workers, or divide the load over several machines.")
        }
        Conclusion::BudgetSpent => format!(
            "No rate at which {slo} hold and one at which they do not were both found. Give a longer --budget, or a --start-rate \
             closer to the capacity."
        ),
        Conclusion::Untrusted => {
            "Probe after probe could not be trusted, for the reasons below; the runs' own reports tell the remedies.".to_owned()
        }
        Conclusion::Stopped => format!("{slo}: what the complete probes say."),
    }
}

/// The highest rate of a probe that counts, where what was found lies above it.
fn beyond_all(capacity: &Capacity) -> Option<f64> {
    let counts = |probe: &&Probe| matches!(probe.outcome, ProbeOutcome::Held | ProbeOutcome::Failed);
    let highest = capacity.probes.iter().filter(counts).map(|probe| probe.rate_per_s).fold(0.0, f64::max);
    capacity.rate_per_s.filter(|found| *found > highest).map(|_| highest)
}

/// `20-s`, `1.5-s`.
fn window(seconds: f64) -> String {
    format!("{}-s", rate(seconds))
}

pub(in crate::report) fn facts(experiment: &Experiment, capacity: &Capacity) -> Vec<(String, String)> {
    let mut facts = vec![
        ("probes".to_owned(), counts(capacity)),
        (
            "each".to_owned(),
            format!(
                "{} s at its rate, then a window of {} s{}, drained before the next",
                rate(capacity.warmup_s),
                rate(capacity.window_s),
                if has_longer_windows(capacity) {
                    ", longer where its rate is too low for the percentiles asked for"
                } else {
                    ""
                }
            ),
        ),
    ];
    let knee = match &capacity.knee {
        Some(knee) => format!(
            "between {}/s and {}/s the median of {} passes twice the {} that it is at the lowest rate",
            rate(knee.below_per_s),
            rate(knee.above_per_s),
            knee.operation,
            span(knee.unloaded_p50_us)
        ),
        None => "none, no median was over twice that at the lowest rate".to_owned(),
    };
    if !capacity.probes.is_empty() {
        facts.push(("knee".to_owned(), knee));
    }
    facts.extend(experiment.server.iter().map(|server| ("server".to_owned(), words::server(server))));
    facts.push(("seed".to_owned(), experiment.experiment.seed.clone()));
    facts
}

/// Whether the rate of some probe was too low for a window of the length that was asked for.
fn has_longer_windows(capacity: &Capacity) -> bool {
    capacity.probes.iter().any(|probe| probe.window_s != capacity.window_s)
}

fn counts(capacity: &Capacity) -> String {
    let of = |outcome| capacity.probes.iter().filter(|probe| probe.outcome == outcome).count();
    let mut text = format!(
        "{}, of which {} held, {} did not",
        capacity.probes.len(),
        of(ProbeOutcome::Held),
        of(ProbeOutcome::Failed)
    );
    let left_out = of(ProbeOutcome::Generator) + of(ProbeOutcome::Untrusted);
    if left_out > 0 {
        text.push_str(&format!(", and {left_out} are left out, as they say nothing of the server"));
    }
    text
}

pub(in crate::report) fn table(capacity: &Capacity) -> Vec<Vec<Cell>> {
    let names = operations(capacity);
    let mut heading: Vec<Cell> = vec!["rate/s".into()];
    if has_longer_windows(capacity) {
        heading.push("window".into());
    }
    let has_windows = heading.len() > 1;
    heading.extend(capacity.slo.iter().map(|expression| Cell::from(expression.as_str())));
    for name in &names {
        let prefix = if names.len() > 1 { format!("{name} ") } else { String::new() };
        heading.extend(beside(capacity, name).map(|column| format!("{prefix}{column}").into()));
    }
    heading.push("result".into());
    let row = |probe: &Probe| {
        let mut row: Vec<Cell> = vec![rate(probe.rate_per_s).into()];
        if has_windows {
            row.push(format!("{} s", rate(probe.window_s)).into());
        }
        row.extend(probe.slo.iter().map(judged));
        for name in &names {
            let none = Figures::default();
            let figures = probe.operations.get(name).unwrap_or(&none);
            row.extend(beside(capacity, name).map(|column| match column {
                "p50" => time(figures, "p50_us", figures.p50_us),
                "p99" => time(figures, "p99_us", figures.p99_us),
                _ => errors(figures.errors),
            }));
        }
        row.push(outcome(probe));
        row
    };
    std::iter::once(heading).chain(capacity.probes.iter().map(row)).collect()
}

/// What is told of an operation beside the service level, which is not told twice.
fn beside<'a>(capacity: &'a Capacity, operation: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    let is_told = move |column: &str| {
        let metrics = capacity.slo.iter().filter_map(|expression| expression.split_whitespace().next());
        let own = if column == "errors" {
            format!("{operation}.errors")
        } else {
            format!("{operation}.response.{column}")
        };
        metrics
            .into_iter()
            .any(|metric| metric == own || (metric == column && operations(capacity).len() == 1))
    };
    ["p50", "p99", "errors"].into_iter().filter(move |column| !is_told(column))
}

pub(in crate::report) fn operations(capacity: &Capacity) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> =
        capacity.probes.iter().flat_map(|probe| probe.operations.keys()).collect();
    names.into_iter().cloned().collect()
}

/// The number that was judged.
fn judged(threshold: &Threshold) -> Cell {
    let is_time =
        [".response.", ".service.", ".lag."].iter().any(|clock| threshold.expression.contains(clock));
    let is_share = threshold.expression.split(' ').next().is_some_and(|metric| metric.ends_with("errors"));
    let text = match threshold.value {
        Some(micros) if is_time => span(micros),
        Some(share) if is_share => percent(share),
        Some(number) => rate(number),
        None => threshold.unknown.map_or("unknown", |reason| reason.name()).replace('_', " "),
    };
    Cell(text, if threshold.met == Some(true) { Tone::Plain } else { Tone::Bad })
}

pub(in crate::report) fn outcome(probe: &Probe) -> Cell {
    match probe.outcome {
        ProbeOutcome::Held => Cell("held".into(), Tone::Good),
        ProbeOutcome::Failed => Cell("did not hold".into(), Tone::Warning),
        ProbeOutcome::Generator | ProbeOutcome::Untrusted => {
            Cell(format!("left out: {}", probe.reasons.join(", ")), Tone::Dim)
        }
    }
}

fn staircase(capacity: &Capacity) -> Vec<String> {
    let marks: Vec<Mark> = capacity
        .probes
        .iter()
        .enumerate()
        .map(|(index, probe)| Mark {
            x: (index + 1) as f64,
            y: probe.rate_per_s,
            mark: match probe.outcome {
                ProbeOutcome::Held => 'o',
                ProbeOutcome::Failed => 'x',
                ProbeOutcome::Generator | ProbeOutcome::Untrusted => '?',
            },
        })
        .collect();
    let number = |value: f64| format!("{value:.0}");
    let across = Axis { name: "probes", scale: Scale::Linear, words: &number };
    scatter(&marks, &across, &Axis { name: "rate/s", scale: Scale::Log, words: &|value| rate(value) })
}

/// Whether the service level asks for a time of it.
fn is_asked_for(capacity: &Capacity, operation: &str) -> bool {
    let clocks = ["response", "service", "lag"].map(|clock| format!("{operation}.{clock}."));
    capacity.slo.iter().any(|expression| clocks.iter().any(|clock| expression.starts_with(clock)))
}

fn curve(capacity: &Capacity, operation: &str) -> Vec<String> {
    let mut marks = Vec::new();
    for probe in &capacity.probes {
        let Some(figures) = probe.operations.get(operation) else { continue };
        if matches!(probe.outcome, ProbeOutcome::Held | ProbeOutcome::Failed) {
            let both = [(figures.p99_us, '*'), (figures.p50_us, '.')];
            marks.extend(both.into_iter().filter_map(|(time, mark)| {
                Some(Mark { x: probe.rate_per_s, y: time.filter(|time| *time > 0.0)?, mark })
            }));
        }
    }
    if marks.len() < 4 {
        return Vec::new();
    }
    let across = Axis { name: "/s offered", scale: Scale::Linear, words: &|value| rate(value) };
    scatter(&marks, &across, &Axis { name: "response", scale: Scale::Log, words: &span })
}
