//! What a comparison comes to, in sentences.

use super::compare::{Change, ChangeVerdict, Comparison, DecisionOutcome, Group, Metric, Seen};
use super::compare_numbers::{count, number, one, percent, percent_of, range, relative, shown};

pub(in crate::report) fn headlines(comparison: &Comparison) -> Vec<String> {
    let (Some(metric), Some(baseline)) = (comparison.primary(), comparison.groups.first()) else {
        return vec!["There is nothing to tell: no complete run.".to_owned()];
    };
    if comparison.groups.len() == 1 {
        return vec![alone(metric, baseline)];
    }
    metric.changes.iter().map(|change| headline(metric, change, &baseline.label)).collect()
}

fn alone(metric: &Metric, group: &Group) -> String {
    let spread = &metric.groups[0];
    match (spread.mean, spread.sd) {
        (Some(mean), Some(sd)) => format!(
            "{} is {} (95 % CI {} to {}) over {}; from run to run it varies by {} (one standard deviation).",
            metric.name,
            number(metric.unit, mean.value),
            number(metric.unit, mean.low),
            number(metric.unit, mean.high),
            count(group.runs.len(), "run"),
            relative(metric.unit, sd, mean.value),
        ),
        _ => format!("{}: {}.", metric.name, shown(metric.unit, spread).0),
    }
}

fn headline(metric: &Metric, change: &Change, baseline: &str) -> String {
    let (name, other) = (&metric.name, &change.group);
    let Some(by) = change.change else {
        let reason = change.reason.as_deref().unwrap_or("it has no number");
        return match change.verdict {
            ChangeVerdict::Better | ChangeVerdict::Worse => {
                format!("{other} is {} than {baseline}: {name} is {reason}.", change.verdict.words())
            }
            _ => format!("{name} of {other} and {baseline} cannot be compared: {reason}."),
        };
    };
    let numbers = match &change.interval {
        Some(interval) => {
            format!("{name} {} (95 % CI {})", one(metric.unit, by), range(metric.unit, interval))
        }
        None => format!("{name} {}", one(metric.unit, by)),
    };
    let excluded = change.excluded_above.map(|above| percent_of(above, metric.unit));
    let excluded = excluded.unwrap_or_default();
    match change.verdict {
        ChangeVerdict::Better | ChangeVerdict::Worse => {
            format!("{other} is {} than {baseline}: {numbers}.", change.verdict.words())
        }
        ChangeVerdict::NoneSeen => format!(
            "No difference seen between {other} and {baseline}: {numbers}; that {other} is worse by more than {excluded} is \
             excluded."
        ),
        ChangeVerdict::TooNoisy => format!(
            "Too noisy to say whether {other} differs from {baseline}: {numbers}; only that it is worse by more than \
             {excluded} is excluded. More runs, or longer ones, would tell."
        ),
        ChangeVerdict::DriftNotExcluded => format!(
            "{}: {numbers}. Drift is not excluded: all runs of one side came after those of the other, and the machine may have \
             changed meanwhile. `run --repeat 5 --against` mixes them.",
            seen_between(change.seen, other, baseline)
        ),
        ChangeVerdict::TooFewRuns => {
            format!("Too few runs to decide: {numbers}. It takes 5 of {other} and 5 of {baseline}.")
        }
        ChangeVerdict::SingleRuns => format!(
            "Within these runs, {}: {numbers}. Run-to-run variation unknown: two runs of the same thing may differ as much.",
            uncapitalised(&seen_between(change.seen, other, baseline))
        ),
        ChangeVerdict::Stopped => {
            format!(
                "Stopped before its end, so nothing is decided: {numbers} between {other} and {baseline}."
            )
        }
        ChangeVerdict::Unknown => format!("{numbers}: nothing can be concluded."),
    }
}

fn seen_between(seen: Option<Seen>, other: &str, baseline: &str) -> String {
    match seen {
        Some(Seen::Better) => format!("{other} is better than {baseline}"),
        Some(Seen::Worse) => format!("{other} is worse than {baseline}"),
        Some(Seen::Nothing) => format!("No difference is seen between {other} and {baseline}"),
        None => format!("The difference between {other} and {baseline} is"),
    }
}

fn uncapitalised(text: &str) -> String {
    match text
        .strip_prefix("No ")
        .map(|rest| ("no ", rest))
        .or(text.strip_prefix("The ").map(|rest| ("the ", rest)))
    {
        Some((word, rest)) => format!("{word}{rest}"),
        None => text.to_owned(),
    }
}

pub(in crate::report) fn decided(comparison: &Comparison) -> Option<String> {
    let decision = &comparison.decision;
    let limit = percent(decision.fail_above?);
    let word = match decision.outcome {
        DecisionOutcome::NotAsked => return None,
        DecisionOutcome::Passed => "passed",
        DecisionOutcome::Regressed => "REGRESSED",
        DecisionOutcome::CannotSay => "cannot say",
    };
    Some(format!("Fail above {limit}: {word}: {}.", decision.reason))
}
