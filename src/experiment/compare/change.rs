//! One metric of one group against the baseline.

use std::collections::BTreeSet;

use crate::report::experiment::{
    Change, ChangeVerdict, Direction, Estimate, NoValue, RunValue, Seen, Spread, Unit,
};
use crate::stats::compare::{self, FEWEST_RUNS, Order, one_after_the_other};
use crate::stats::{Better, Contrast, Interval, StatsError, Summary, one_sample, welch};

use super::analysis::{CompareError, Question, Runs};
use super::metrics::MetricKey;

/// A change that must be excluded where nobody says how large a one would matter.
const WOULD_MATTER: f64 = 0.1;

/// Level at which a change is seen.
const SEEN_BELOW: f64 = 0.05;

/// How the runs of both lie in time.
pub(super) fn order(baseline: &Runs, candidate: &Runs, paired: bool) -> Order {
    let starts =
        |runs: &Runs| runs.reports.iter().map(|report| report.run.started_unix_us).collect::<Vec<_>>();
    match () {
        () if paired => Order::Pairs,
        () if one_after_the_other(&starts(baseline), &starts(candidate)) => Order::Successive,
        () => Order::Shuffled,
    }
}

pub(super) fn estimate(interval: Interval) -> Estimate {
    Estimate { value: interval.estimate, low: interval.low, high: interval.high }
}

/// One metric of one group and the baseline.
pub(super) struct Pair<'a> {
    pub key: &'a MetricKey,
    pub baseline: &'a Runs,
    pub candidate: &'a Runs,
    /// Of the baseline and of the candidate.
    pub values: (&'a Spread, &'a Spread),
    pub question: Question<'a>,
}

impl Pair<'_> {
    pub(super) fn change(&self) -> Result<Change, CompareError> {
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
