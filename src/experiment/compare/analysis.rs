//! From the reports of groups of runs to what is said of them.

use std::collections::BTreeSet;

use crate::measure::HistogramError;
use crate::report::RunReport;
use crate::report::experiment::{
    Change, ChangeVerdict, Comparison, Direction, Estimate, Group, Metric, NoValue, RunOrder, RunValue, Seen,
    Spread, Unit,
};
use crate::stats::compare::{self, FEWEST_RUNS, Order, one_after_the_other};
use crate::stats::{Better, Contrast, Interval, StatsError, Summary, one_sample, welch};

use super::decision::{self, Asked};
use super::differences::between;
use super::metrics::{MetricKey, of_operations};

/// A change that must be excluded where nobody says how large a one would matter.
const WOULD_MATTER: f64 = 0.1;

/// Level at which a change is seen.
const SEEN_BELOW: f64 = 0.05;

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
    let metrics = keys
        .iter()
        .map(|(key, primary)| metric(key, *primary, groups, question))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics: Vec<Metric> =
        metrics.into_iter().filter(|metric| metric.primary || is_told(metric)).collect();
    let decision = decision::decide(&metrics, question.asked, question.stopped, order)?;
    let runs: Vec<Vec<&RunReport>> = groups.iter().map(|group| group.reports.iter().collect()).collect();
    Ok(Comparison {
        order,
        groups: groups.iter().map(group).collect(),
        differences: between(&runs),
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

fn order(baseline: &Runs, candidate: &Runs, paired: bool) -> Order {
    let starts =
        |runs: &Runs| runs.reports.iter().map(|report| report.run.started_unix_us).collect::<Vec<_>>();
    match () {
        () if paired => Order::Pairs,
        () if one_after_the_other(&starts(baseline), &starts(candidate)) => Order::Successive,
        () => Order::Shuffled,
    }
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

fn estimate(interval: Interval) -> Estimate {
    Estimate { value: interval.estimate, low: interval.low, high: interval.high }
}

/// One metric of one group and the baseline.
struct Pair<'a> {
    key: &'a MetricKey,
    baseline: &'a Runs,
    candidate: &'a Runs,
    values: (&'a Spread, &'a Spread),
    question: Question<'a>,
}

impl Pair<'_> {
    fn change(&self) -> Result<Change, CompareError> {
        let known =
            |spread: &Spread| spread.values.iter().map(|value| value.value).collect::<Option<Vec<_>>>();
        let (Some(base), Some(other)) = (known(self.values.0), known(self.values.1)) else {
            return Ok(self.unknown());
        };
        if base.len() == 1 && other.len() == 1 {
            return self.within_runs(base[0], other[0]);
        }
        let compared = match self.key.unit() {
            Unit::Share => self.shares(&base, &other),
            Unit::Microseconds | Unit::PerSecond => self.ratios(&base, &other),
        };
        Ok(compared.unwrap_or_else(|error| {
            self.without_number(ChangeVerdict::Unknown, None, Some(error.to_string()))
        }))
    }

    fn within_runs(&self, base: f64, other: f64) -> Result<Change, CompareError> {
        let (zero, one) = (&self.baseline.reports[0], &self.candidate.reports[0]);
        let interval = self.key.within_runs(one, zero)?;
        let change = match (self.key.unit(), interval) {
            (_, Some(interval)) => Some(interval.estimate),
            (Unit::Share, None) => Some(other - base),
            (_, None) => (base > 0.0).then(|| other / base - 1.0),
        };
        let seen = interval.map(|interval| match () {
            () if interval.contains(0.0) => Seen::Nothing,
            () => self.direction(interval.estimate),
        });
        let reason = change.is_none().then(|| format!("{} is 0 in {}", self.key.name, self.baseline.label));
        Ok(Change {
            change,
            interval: interval.map(estimate),
            excluded_above: interval.filter(|_| seen == Some(Seen::Nothing)).map(|i| self.worse_end(i)),
            seen,
            ..self.without_number(ChangeVerdict::SingleRuns, None, reason)
        })
    }

    fn ratios(&self, base: &[f64], other: &[f64]) -> Result<Change, StatsError> {
        let better = match self.key.better() {
            Direction::Lower => Better::Lower,
            Direction::Higher => Better::Higher,
        };
        let must_exclude = self.question.asked.limit().unwrap_or(WOULD_MATTER);
        let question = compare::Question { order: self.order(), better, must_exclude };
        let found = compare::compare(base, other, question)?;
        let seen = found.p_value.map(|p| self.seen(found.change, p));
        let (verdict, excluded_above) = match found.verdict {
            compare::Verdict::Better => (ChangeVerdict::Better, None),
            compare::Verdict::Worse => (ChangeVerdict::Worse, None),
            compare::Verdict::NoneSeen { excluded_above } => (ChangeVerdict::NoneSeen, Some(excluded_above)),
            compare::Verdict::TooNoisy { excluded_above } => (ChangeVerdict::TooNoisy, Some(excluded_above)),
            compare::Verdict::DriftNotExcluded(_) => (
                ChangeVerdict::DriftNotExcluded,
                found.interval.filter(|_| seen == Some(Seen::Nothing)).map(|i| self.worse_end(i)),
            ),
            compare::Verdict::TooFewRuns => (ChangeVerdict::TooFewRuns, None),
            compare::Verdict::SingleRuns => (ChangeVerdict::SingleRuns, None),
        };
        Ok(Change {
            change: Some(found.change),
            interval: found.interval.map(estimate),
            p_value: found.p_value,
            smallest_detectable: found.smallest_detectable,
            seen,
            excluded_above,
            ..self.without_number(self.unless_stopped(verdict), None, None)
        })
    }

    /// Differences, as shares may be 0.
    fn shares(&self, base: &[f64], other: &[f64]) -> Result<Change, StatsError> {
        let contrast: Contrast = match self.order() {
            Order::Pairs => {
                one_sample(&base.iter().zip(other).map(|(base, other)| other - base).collect::<Vec<_>>())?
            }
            Order::Shuffled | Order::Successive => welch(Summary::of(base)?, Summary::of(other)?)?,
        };
        let seen = self.seen(contrast.estimate, contrast.p_value());
        Ok(Change {
            change: Some(contrast.estimate),
            interval: Some(estimate(contrast.interval())),
            p_value: Some(contrast.p_value()),
            smallest_detectable: Some(contrast.smallest_detectable()),
            seen: Some(seen),
            excluded_above: (seen == Seen::Nothing).then(|| self.worse_end(contrast.interval())),
            ..self.without_number(self.conclude(seen), None, None)
        })
    }

    /// Where a number is not known in all runs. That no run of one group answered is seen all the same.
    fn unknown(&self) -> Change {
        let is_unanswered = |spread: &Spread| {
            let endless =
                |value: &RunValue| matches!(value.unknown, Some(NoValue::Unanswered | NoValue::Saturated));
            spread.values.iter().all(endless)
        };
        let is_known = |spread: &Spread| spread.values.iter().all(|value| value.value.is_some());
        let (base, other) = self.values;
        let seen = match () {
            () if is_known(base) && is_unanswered(other) => Some(Seen::Worse),
            () if is_unanswered(base) && is_known(other) => Some(Seen::Better),
            () => None,
        };
        let verdict = seen.map_or(ChangeVerdict::Unknown, |seen| self.conclude(seen));
        let told = [(self.baseline, base), (self.candidate, other)]
            .into_iter()
            .filter_map(|(runs, spread)| why_unknown(&runs.label, spread));
        self.without_number(verdict, seen, Some(told.collect::<Vec<_>>().join("; ")))
    }

    fn without_number(&self, verdict: ChangeVerdict, seen: Option<Seen>, reason: Option<String>) -> Change {
        Change {
            group: self.candidate.label.clone(),
            change: None,
            interval: None,
            p_value: None,
            smallest_detectable: None,
            verdict,
            seen,
            excluded_above: None,
            reason,
        }
    }

    fn order(&self) -> Order {
        order(self.baseline, self.candidate, self.question.paired)
    }

    fn conclude(&self, seen: Seen) -> ChangeVerdict {
        let fewest = self.values.0.values.len().min(self.values.1.values.len());
        self.unless_stopped(match (fewest, self.order(), seen) {
            (0 | 1, ..) => ChangeVerdict::SingleRuns,
            (fewest, ..) if fewest < FEWEST_RUNS => ChangeVerdict::TooFewRuns,
            (_, Order::Successive, _) => ChangeVerdict::DriftNotExcluded,
            (.., Seen::Better) => ChangeVerdict::Better,
            (.., Seen::Worse) => ChangeVerdict::Worse,
            (.., Seen::Nothing) => ChangeVerdict::NoneSeen,
        })
    }

    fn unless_stopped(&self, verdict: ChangeVerdict) -> ChangeVerdict {
        if self.question.stopped { ChangeVerdict::Stopped } else { verdict }
    }

    fn seen(&self, change: f64, p_value: f64) -> Seen {
        if p_value < SEEN_BELOW { self.direction(change) } else { Seen::Nothing }
    }

    fn direction(&self, change: f64) -> Seen {
        if worse_by(change, self.key.better()) > 0.0 { Seen::Worse } else { Seen::Better }
    }

    fn worse_end(&self, interval: Interval) -> f64 {
        let better = self.key.better();
        worse_by(interval.low, better).max(worse_by(interval.high, better))
    }
}

/// The size of a change for the worse; negative for the better.
pub(super) fn worse_by(change: f64, better: Direction) -> f64 {
    match better {
        Direction::Lower => change,
        Direction::Higher => -change,
    }
}

/// `unanswered in 2 of 5 runs of B`.
fn why_unknown(label: &str, spread: &Spread) -> Option<String> {
    let unknown: Vec<NoValue> = spread.values.iter().filter_map(|value| value.unknown).collect();
    let words: BTreeSet<&str> = unknown.iter().map(|reason| reason.words()).collect();
    let words = words.into_iter().collect::<Vec<_>>().join(" or ");
    let all = spread.values.len();
    match (unknown.len(), all) {
        (0, _) => None,
        (_, 1) => Some(format!("{words} in {label}")),
        (some, all) => Some(format!("{words} in {some} of {all} runs of {label}")),
    }
}
