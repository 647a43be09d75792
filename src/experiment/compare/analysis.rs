//! From the reports of groups of runs to what is said of them.

use crate::measure::HistogramError;
use crate::report::RunReport;
use crate::report::experiment::{
    Comparison, Group, Metric, NoValue, RunOrder, RunValue, Spread, UntrustedRun,
};
use crate::report::model::Severity;
use crate::stats::compare::{FEWEST_RUNS, Order};
use crate::stats::{Summary, one_sample};

use super::change::{Pair, estimate, order};
use super::decision::{self, Asked};
use super::differences::between;
use super::metrics::{MetricKey, of_operations};

/// Runs that are taken to be alike.
#[derive(Clone, Debug)]
pub struct Runs {
    /// `A`, `B`, ...
    pub label: String,
    /// Where they come from.
    pub source: String,
    /// By their start.
    pub reports: Vec<RunReport>,
}

/// What is asked of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// Whether the i-th runs of both groups are a pair, which of the two came first being drawn by lot.
    pub paired: bool,
    /// Whether the experiment was stopped before its end: then nothing is decided.
    pub stopped: bool,
    /// Whether runs that cannot be trusted decide too.
    pub allow_untrusted: bool,
    /// The metric that decides; `None`: the median response time of the operation that was asked for most.
    pub metric: Option<&'a str>,
    /// What is to be decided.
    pub asked: Asked,
}

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A name that is none, or of an operation that not all runs have.
    #[error("there is no {name:?} to compare; there are {}", known.join(", "))]
    NoMetric {
        /// As typed.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Not one operation is in all runs.
    #[error("the runs have no operation in common")]
    NothingInCommon,
    /// One run of each is to decide, and a run tells no more of the number than its value.
    #[error(
        "--single-run cannot decide on {name}: within one run it has no interval; give {FEWEST_RUNS} runs of each, or \
         --metric with a response or service time"
    )]
    NoIntervalWithinRuns {
        /// The metric.
        name: String,
    },
    /// A report is damaged.
    #[error("a report cannot be read: {0}")]
    Histogram(#[from] HistogramError),
    /// So few runs decide nothing.
    #[error(transparent)]
    TooFew(#[from] decision::TooFewRuns),
}

/// Compares every group with the first.
///
/// # Errors
/// See [`CompareError`].
pub fn analyse(groups: &[Runs], question: Question<'_>) -> Result<Comparison, CompareError> {
    let keys = keys(groups, question.metric)?;
    let order = order_of_all(groups, question);
    let decides = keys.iter().find(|(_, primary)| *primary).map(|(key, _)| key);
    if let Some(key) = decides.filter(|key| !key.has_interval_within_runs())
        && order == RunOrder::SingleRuns
        && question.asked.fail_above.is_some_and(|fail| fail.single_run)
    {
        return Err(CompareError::NoIntervalWithinRuns { name: key.name.clone() });
    }
    let metrics = keys
        .iter()
        .map(|(key, primary)| metric(key, *primary, groups, question))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics: Vec<Metric> =
        metrics.into_iter().filter(|metric| metric.primary || is_told(metric)).collect();
    let untrusted_runs: Vec<UntrustedRun> = groups.iter().flat_map(untrusted).collect();
    let decision = decision::decide(&metrics, question.asked, question.stopped, order)?;
    let decision = if question.allow_untrusted {
        decision
    } else {
        let all = groups.iter().map(|group| group.reports.len()).sum();
        decision::if_trusted(decision, untrusted_runs.len(), all)
    };
    let runs: Vec<Vec<&RunReport>> = groups.iter().map(|group| group.reports.iter().collect()).collect();
    Ok(Comparison {
        order,
        groups: groups.iter().map(group).collect(),
        differences: between(&runs),
        untrusted_runs,
        metrics,
        decision,
    })
}

fn group(runs: &Runs) -> Group {
    Group {
        label: runs.label.clone(),
        source: runs.source.clone(),
        runs: runs.reports.iter().map(|report| report.run.id.clone()).collect(),
        untrusted: runs.reports.iter().filter(|report| !report.verdict.trusted).count() as u64,
    }
}

fn untrusted(runs: &Runs) -> impl Iterator<Item = UntrustedRun> {
    runs.reports.iter().filter(|report| !report.verdict.trusted).map(|report| {
        let errors = report.verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
        UntrustedRun {
            group: runs.label.clone(),
            run: report.run.id.clone(),
            errors: errors.map(|finding| finding.message.clone()).collect(),
        }
    })
}

/// The metrics, and which of them decides.
fn keys(groups: &[Runs], named: Option<&str>) -> Result<Vec<(MetricKey, bool)>, CompareError> {
    let reports: Vec<&RunReport> = groups.iter().flat_map(|group| &group.reports).collect();
    let Some(first) = reports.first() else { return Ok(Vec::new()) };
    let is_in_all = |name: &str| reports.iter().all(|report| report.operations.contains_key(name));
    let mut common: Vec<(&str, u64)> = first
        .operations
        .iter()
        .filter(|(name, _)| is_in_all(name))
        .map(|(name, operation)| (name.as_str(), operation.offered))
        .collect();
    // Most asked for first; alike ones by name.
    common.sort_by_key(|(name, offered)| (std::cmp::Reverse(*offered), *name));
    let Some((main, _)) = common.first() else { return Err(CompareError::NothingInCommon) };
    let mut keys = of_operations(common.iter().map(|(name, _)| *name));
    let primary = named.map_or_else(|| format!("{main}.response.p50"), str::to_owned);
    // Any percentile of an operation can be asked for, not only those that are always looked at.
    let asked = MetricKey::parse(&primary)
        .filter(|key| key.can_decide() && key.operation().is_none_or(is_in_all))
        .ok_or_else(|| {
            let known = keys.iter().filter(|key| key.can_decide()).map(|key| key.name.clone());
            CompareError::NoMetric { name: primary.clone(), known: known.collect() }
        })?;
    if !keys.contains(&asked) {
        keys.insert(0, asked);
    }
    let marked = |key: MetricKey| {
        let decides = key.name == primary;
        (key, decides)
    };
    Ok(keys.into_iter().map(marked).collect())
}

/// Whether any run tells it.
fn is_told(metric: &Metric) -> bool {
    let mut values = metric.groups.iter().flat_map(|group| &group.values);
    values.any(|value| !matches!(value.unknown, Some(NoValue::NotTold | NoValue::TooFew)))
}

fn order_of_all(groups: &[Runs], question: Question<'_>) -> RunOrder {
    let Some((baseline, candidates)) = groups.split_first().filter(|(_, others)| !others.is_empty()) else {
        return RunOrder::OneGroup;
    };
    if groups.iter().all(|group| group.reports.len() == 1) {
        return RunOrder::SingleRuns;
    }
    let orders = candidates.iter().map(|candidate| order(baseline, candidate, question.paired));
    // The least that holds for all.
    orders.fold(RunOrder::Pairs, |least, order| match (least, order) {
        (RunOrder::Successive, _) | (_, Order::Successive) => RunOrder::Successive,
        (RunOrder::Mixed, _) | (_, Order::Shuffled) => RunOrder::Mixed,
        (least, Order::Pairs) => least,
    })
}

fn metric(
    key: &MetricKey,
    primary: bool,
    groups: &[Runs],
    question: Question<'_>,
) -> Result<Metric, CompareError> {
    let spreads = groups.iter().map(|group| spread(key, group)).collect::<Result<Vec<_>, _>>()?;
    let mut changes = Vec::new();
    if let (Some((baseline, candidates)), Some((base, others))) =
        (groups.split_first(), spreads.split_first())
    {
        for (candidate, values) in candidates.iter().zip(others) {
            let pair = Pair { key, baseline, candidate, values: (base, values), question };
            changes.push(pair.change()?);
        }
    }
    Ok(Metric {
        name: key.name.clone(),
        unit: key.unit(),
        better: key.better(),
        primary,
        groups: spreads,
        changes,
    })
}

fn spread(key: &MetricKey, runs: &Runs) -> Result<Spread, CompareError> {
    let of = |report| {
        let value = key.value(report)?;
        Ok(RunValue { value: value.ok(), unknown: value.err() })
    };
    let values = runs.reports.iter().map(of).collect::<Result<Vec<_>, HistogramError>>()?;
    let known: Option<Vec<f64>> = values.iter().map(|value| value.value).collect();
    let known = known.unwrap_or_default();
    let mean = one_sample(&known).ok().map(|contrast| estimate(contrast.interval()));
    Ok(Spread { values, mean, sd: Summary::of(&known).ok().map(|summary| summary.sd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::compare::FailAbove;
    use crate::experiment::compare::samples::{report, started};
    use crate::report::experiment::{ChangeVerdict, DecisionOutcome, Seen};

    /// Runs that start at these seconds, of so many searches of about so many milliseconds, and of unsuccessful ones.
    fn runs(label: &str, starts: &[u64], millis: u64, unsuccessful: u64) -> Runs {
        let run = |(index, start): (usize, &u64)| {
            // Alike and not the same.
            let from = millis + index as u64 % 3;
            started(report(from..from + 100, unsuccessful), *start)
        };
        Runs {
            label: label.into(),
            source: label.into(),
            reports: starts.iter().enumerate().map(run).collect(),
        }
    }

    fn p50(groups: &[Runs], question: Question<'_>) -> (RunOrder, ChangeVerdict, Option<Seen>) {
        let comparison = analyse(groups, question).unwrap();
        let metric = comparison.primary().unwrap();
        assert_eq!(metric.name, "search.response.p50");
        (comparison.order, metric.changes[0].verdict, metric.changes[0].seen)
    }

    #[test]
    fn what_may_be_concluded_depends_on_how_runs_lie_in_time() {
        use ChangeVerdict as V;
        let (first, then, mixed) = ([0, 2, 4, 6, 8], [10, 12, 14, 16, 18], [1, 3, 5, 7, 9]);
        let of =
            |a: &[u64], b: &[u64], question| p50(&[runs("A", a, 500, 0), runs("B", b, 900, 0)], question);
        let asked = Question::default();
        let seen = Some(Seen::Worse);
        assert_eq!(of(&first, &then, asked), (RunOrder::Successive, V::DriftNotExcluded, seen));
        assert_eq!(of(&first, &mixed, asked), (RunOrder::Mixed, V::Worse, seen));
        let paired = Question { paired: true, ..asked };
        assert_eq!(of(&first, &mixed, paired), (RunOrder::Pairs, V::Worse, seen));
        assert_eq!(of(&first, &mixed, Question { stopped: true, ..paired }).1, V::Stopped);
        assert_eq!(of(&first[..4], &mixed[..4], asked).1, V::TooFewRuns);
        assert_eq!(of(&first[..1], &mixed[..1], asked), (RunOrder::SingleRuns, V::SingleRuns, seen));
        let same = p50(&[runs("A", &first, 500, 0), runs("B", &mixed, 500, 0)], asked);
        assert_eq!(same, (RunOrder::Mixed, V::NoneSeen, Some(Seen::Nothing)));
    }

    #[test]
    fn what_no_run_answered_any_more_is_worse_and_what_some_did_is_unknown() {
        let (base, others) = (runs("A", &[0, 2, 4, 6, 8], 500, 0), [1, 3, 5, 7, 9]);
        let gone = runs("B", &others, 500, 300);
        let asked = Question::default();
        assert_eq!(
            p50(&[base.clone(), gone.clone()], asked),
            (RunOrder::Mixed, ChangeVerdict::Worse, Some(Seen::Worse))
        );
        assert_eq!(p50(&[gone.clone(), base.clone()], asked).1, ChangeVerdict::Better);
        let mut some = gone;
        some.reports[0] = started(report(500..600, 0), 1);
        let comparison = analyse(&[base, some], asked).unwrap();
        let change = &comparison.primary().unwrap().changes[0];
        assert_eq!((change.verdict, change.seen), (ChangeVerdict::Unknown, None));
        assert_eq!(change.reason.as_deref(), Some("unanswered in 4 of 5 runs of B"));
    }

    #[test]
    fn runs_that_cannot_be_trusted_decide_nothing_unless_that_is_allowed() {
        let (a, b) = ([0, 2, 4, 6, 8], [1, 3, 5, 7, 9]);
        let asked = Asked { fail_above: Some(FailAbove { limit: 0.1, single_run: false, drift: false }) };
        let decision = |millis, is_trusted, allow_untrusted| {
            let mut groups = [runs("A", &a, 500, 0), runs("B", &b, millis, 0)];
            groups.iter_mut().flat_map(|group| &mut group.reports).for_each(|run| run.verdict.trusted = true);
            groups[1].reports[2].verdict.trusted = is_trusted;
            let question = Question { paired: true, asked, allow_untrusted, ..Question::default() };
            analyse(&groups, question).unwrap().decision
        };
        use DecisionOutcome::{CannotSay, Passed, Regressed};
        assert_eq!(decision(900, true, false).outcome, Regressed);
        assert_eq!(decision(900, false, true).outcome, Regressed);
        assert_eq!(decision(500, true, false).outcome, Passed);
        for millis in [500, 900] {
            let undecided = decision(millis, false, false);
            assert_eq!(undecided.outcome, CannotSay);
            assert!(undecided.reason.contains("1 of 10 runs"), "{}", undecided.reason);
        }
    }

    #[test]
    fn any_percentile_of_an_operation_that_all_have_can_decide() {
        let groups = [runs("A", &[0], 500, 0), runs("B", &[1], 500, 0)];
        let named = |name| analyse(&groups, Question { metric: Some(name), ..Question::default() });
        assert_eq!(named("search.service.p25").unwrap().primary().unwrap().name, "search.service.p25");
        for name in ["search.errors", "insert.response.p50", "p50"] {
            assert!(matches!(named(name), Err(CompareError::NoMetric { .. })), "{name}");
        }
        let single = |name, single_run| {
            let asked = Asked { fail_above: Some(FailAbove { limit: 0.05, single_run, drift: false }) };
            analyse(&groups, Question { metric: Some(name), asked, ..Question::default() }).map(|_| ())
        };
        for name in ["search.succeeded_per_s", "server.cpu_us_per_request"] {
            assert!(matches!(single(name, true), Err(CompareError::NoIntervalWithinRuns { .. })), "{name}");
            assert!(matches!(single(name, false), Err(CompareError::TooFew(_))), "{name}");
        }
        assert!(single("search.response.mean", true).is_ok());
        let alone = analyse(&groups[..1], Question::default()).unwrap();
        assert_eq!((alone.order, alone.metrics[0].changes.len()), (RunOrder::OneGroup, 0));
        assert!(analyse(&[], Question::default()).unwrap().metrics.is_empty());
    }
}
