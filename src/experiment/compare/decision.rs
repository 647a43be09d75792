//! What follows from a comparison for whoever asked whether something regressed.
//!
//! It did where a change for the worse is seen, larger than the limit by its estimate. It did not where the interval excludes
//! one larger than the limit. All else is too noisy to say.

use crate::report::experiment::{
    Change, ChangeVerdict, Decision, DecisionOutcome, Metric, RunOrder, Seen, percent, signed_percent,
};
use crate::stats::compare::FEWEST_RUNS;

use super::change::worse_by;

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

/// Takes back what was decided where runs cannot be trusted; what was not asked, or cannot be said anyway, stays.
pub(super) fn if_trusted(decision: Decision, untrusted: usize, all: usize) -> Decision {
    match decision.outcome {
        DecisionOutcome::Passed | DecisionOutcome::Regressed if untrusted > 0 => Decision {
            outcome: DecisionOutcome::CannotSay,
            reason: format!(
                "{untrusted} of {all} runs cannot be trusted (--allow-untrusted decides all the same: {})",
                decision.reason
            ),
            ..decision
        },
        _ => decision,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::experiment::{Direction, Estimate, Unit};

    fn metric(verdict: ChangeVerdict, [low, change, high]: [f64; 3], better: Direction) -> Metric {
        let worse = worse_by(low, better).min(worse_by(high, better));
        let seen = match () {
            () if low <= 0.0 && high >= 0.0 => Seen::Nothing,
            () if worse > 0.0 => Seen::Worse,
            () => Seen::Better,
        };
        let change = Change {
            group: "B".into(),
            change: Some(change),
            interval: Some(Estimate { value: change, low, high }),
            p_value: Some(0.01),
            smallest_detectable: None,
            verdict,
            seen: Some(seen),
            excluded_above: None,
            reason: None,
        };
        Metric {
            name: "m".into(),
            unit: Unit::Microseconds,
            better,
            primary: true,
            groups: vec![],
            changes: vec![change],
        }
    }

    const ASKED: FailAbove = FailAbove { limit: 0.05, single_run: false, drift: false };

    fn outcome(metrics: &[Metric], fail: FailAbove) -> Option<DecisionOutcome> {
        let asked = Asked { fail_above: Some(fail) };
        decide(metrics, asked, false, RunOrder::Pairs).ok().map(|decision| decision.outcome)
    }

    #[test]
    fn it_regressed_where_worse_by_more_passed_where_more_is_excluded_and_nothing_is_said_in_between() {
        use ChangeVerdict as V;
        use DecisionOutcome::{CannotSay, Passed, Regressed};
        for (verdict, numbers, expected) in [
            (V::Worse, [0.08, 0.1, 0.12], Regressed),
            // Seen worse, and more than the limit by the estimate.
            (V::Worse, [0.03, 0.06, 0.09], Regressed),
            (V::Worse, [0.01, 0.02, 0.03], Passed),
            (V::Worse, [0.01, 0.04, 0.07], CannotSay),
            (V::NoneSeen, [-0.01, 0.01, 0.03], Passed),
            (V::TooNoisy, [-0.01, 0.03, 0.07], CannotSay),
            (V::TooNoisy, [-0.01, 0.06, 0.13], CannotSay),
            (V::Better, [-0.3, -0.2, -0.1], Passed),
        ] {
            let lower = metric(verdict, numbers, Direction::Lower);
            assert_eq!(outcome(&[lower], ASKED), Some(expected), "{numbers:?}");
            let [low, change, high] = numbers;
            let higher = metric(verdict, [-high, -change, -low], Direction::Higher);
            assert_eq!(outcome(&[higher], ASKED), Some(expected), "{numbers:?}, higher is better");
        }
    }

    #[test]
    fn drift_and_single_runs_decide_only_where_that_was_said() {
        let worse = |verdict| [metric(verdict, [0.08, 0.1, 0.12], Direction::Lower)];
        let drift = worse(ChangeVerdict::DriftNotExcluded);
        assert_eq!(outcome(&drift, ASKED), Some(DecisionOutcome::CannotSay));
        assert_eq!(outcome(&drift, FailAbove { drift: true, ..ASKED }), Some(DecisionOutcome::Regressed));
        let single = worse(ChangeVerdict::SingleRuns);
        assert_eq!(outcome(&single, ASKED), None);
        assert_eq!(
            outcome(&single, FailAbove { single_run: true, ..ASKED }),
            Some(DecisionOutcome::Regressed)
        );
        let few = FailAbove { single_run: true, drift: true, ..ASKED };
        assert_eq!(outcome(&worse(ChangeVerdict::TooFewRuns), few), None);
    }

    #[test]
    fn of_several_the_worst_is_told_and_without_a_limit_only_noise() {
        let mut both = metric(ChangeVerdict::NoneSeen, [-0.01, 0.0, 0.01], Direction::Lower);
        both.changes.extend(metric(ChangeVerdict::Worse, [0.2, 0.3, 0.4], Direction::Lower).changes);
        assert_eq!(outcome(&[both.clone()], ASKED), Some(DecisionOutcome::Regressed));
        let unasked =
            |metrics: &[Metric]| decide(metrics, Asked::default(), false, RunOrder::Pairs).unwrap().outcome;
        assert_eq!(unasked(&[both]), DecisionOutcome::NotAsked);
        let noisy = metric(ChangeVerdict::TooNoisy, [-0.5, 0.0, 0.5], Direction::Lower);
        assert_eq!(unasked(std::slice::from_ref(&noisy)), DecisionOutcome::CannotSay);
        let stopped = decide(&[noisy], Asked { fail_above: Some(ASKED) }, true, RunOrder::Pairs).unwrap();
        assert_eq!(stopped.outcome, DecisionOutcome::CannotSay);
    }
}
