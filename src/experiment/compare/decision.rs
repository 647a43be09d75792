//! What follows from a comparison for whoever asked whether something regressed.
//!
//! It did where a change for the worse is seen, larger than the limit by its estimate. It did not where the interval excludes
//! one larger than the limit. All else is too noisy to say.

use crate::report::experiment::{
    Change, ChangeVerdict, Decision, DecisionOutcome, Metric, RunOrder, Seen, percent, signed_percent,
};
use crate::stats::compare::FEWEST_RUNS;

use super::analysis::worse_by;

/// What is to be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    /// What is a regression; `None`: nobody asks.
    pub fail_above: Option<FailAbove>,
}

/// What is a regression, and on what ground it may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailAbove {
    /// A change for the worse by more than this share.
    pub limit: f64,
    /// Also by one run of each.
    pub single_run: bool,
    /// Also where one group ran after the other.
    pub drift: bool,
}

impl Asked {
    pub(super) fn limit(self) -> Option<f64> {
        self.fail_above.map(|fail| fail.limit)
    }
}

/// A decision was asked for, and there are not enough runs for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--fail-above cannot decide on so few runs: {words}")]
pub struct TooFewRuns {
    words: String,
}

pub(super) fn decide(
    metrics: &[Metric],
    asked: Asked,
    stopped: bool,
    order: RunOrder,
) -> Result<Decision, TooFewRuns> {
    let decision = |metric: &str, outcome, reason: String| Decision {
        metric: metric.to_owned(),
        fail_above: asked.limit(),
        outcome,
        reason,
    };
    let Some(metric) = metrics.iter().find(|metric| metric.primary) else {
        return Ok(decision("", DecisionOutcome::CannotSay, "there is no complete run".to_owned()));
    };
    if order == RunOrder::OneGroup {
        let reason = "there is nothing to compare with".to_owned();
        return Ok(decision(&metric.name, DecisionOutcome::NotAsked, reason));
    }
    let judged = metric.changes.iter().map(|change| match asked.fail_above {
        Some(fail) if !stopped => judge(metric, change, fail),
        Some(_) => Ok((DecisionOutcome::CannotSay, "stopped before its end".to_owned())),
        None => Ok(without_limit(metric, change)),
    });
    let judged = judged.collect::<Result<Vec<_>, _>>()?;
    // What is known to be worse prevails over what cannot be said, and that over what is in order.
    let rank = |outcome: DecisionOutcome| match outcome {
        DecisionOutcome::Regressed => 0,
        DecisionOutcome::CannotSay => 1,
        DecisionOutcome::Passed => 2,
        DecisionOutcome::NotAsked => 3,
    };
    let worst = judged.iter().map(|(outcome, _)| *outcome).min_by_key(|outcome| rank(*outcome));
    let worst = worst.unwrap_or(DecisionOutcome::CannotSay);
    let reasons = judged.into_iter().filter(|(outcome, _)| *outcome == worst).map(|(_, reason)| reason);
    Ok(decision(&metric.name, worst, reasons.collect::<Vec<_>>().join("; ")))
}

fn without_limit(metric: &Metric, change: &Change) -> (DecisionOutcome, String) {
    match change.verdict {
        ChangeVerdict::TooNoisy | ChangeVerdict::Unknown => (
            DecisionOutcome::CannotSay,
            format!("{} of {} is {}", metric.name, change.group, change.verdict.words()),
        ),
        _ => (DecisionOutcome::NotAsked, "no --fail-above was given".to_owned()),
    }
}

fn judge(metric: &Metric, change: &Change, fail: FailAbove) -> Result<(DecisionOutcome, String), TooFewRuns> {
    let what = format!("{} of {}", metric.name, change.group);
    let limit = percent(fail.limit);
    match change.verdict {
        ChangeVerdict::SingleRuns if !fail.single_run => {
            return Err(TooFewRuns {
                words: format!(
                    "one run tells nothing of how far runs differ from each other; give {FEWEST_RUNS} of each, or let the \
                     difference within single runs decide (--single-run)"
                ),
            });
        }
        ChangeVerdict::TooFewRuns => {
            return Err(TooFewRuns { words: format!("it takes {FEWEST_RUNS} of each") });
        }
        ChangeVerdict::DriftNotExcluded if !fail.drift => {
            let reason = format!(
                "{what} {}, but all runs of one side ran after those of the other, and what the machine did meanwhile is not \
                 told apart (--allow-drift decides all the same)",
                in_words(change)
            );
            return Ok((DecisionOutcome::CannotSay, reason));
        }
        _ => {}
    }
    let by = change.change.map(|by| worse_by(by, metric.better));
    let at_most = change
        .interval
        .map(|interval| worse_by(interval.low, metric.better).max(worse_by(interval.high, metric.better)));
    let is_worse = change.seen == Some(Seen::Worse);
    Ok(match (by, at_most) {
        (None, _) if is_worse => (DecisionOutcome::Regressed, format!("{what} {}", in_words(change))),
        (Some(by), _) if is_worse && by > fail.limit => (
            DecisionOutcome::Regressed,
            format!("{what} {}: more than the {limit} allowed", in_words(change)),
        ),
        (_, Some(at_most)) if at_most <= fail.limit => {
            (DecisionOutcome::Passed, format!("{what} {}: not worse by more than {limit}", in_words(change)))
        }
        (_, Some(_)) => (
            DecisionOutcome::CannotSay,
            format!("{what} {}: whether it is worse by more than {limit} cannot be said", in_words(change)),
        ),
        (_, None) => {
            (DecisionOutcome::CannotSay, format!("{what} {}, without an interval", in_words(change)))
        }
    })
}

/// `changed by +3.1 % (95 % CI -1.0..7.2)`.
fn in_words(change: &Change) -> String {
    match (change.change, &change.interval, &change.reason) {
        (Some(by), Some(interval), _) => {
            let (low, high) = (signed_percent(interval.low), signed_percent(interval.high));
            format!("changed by {} (95 % CI {low} to {high})", signed_percent(by))
        }
        (Some(by), None, _) => format!("changed by {}", signed_percent(by)),
        (None, _, reason) => format!("is not known: {}", reason.as_deref().unwrap_or("no number")),
    }
}
