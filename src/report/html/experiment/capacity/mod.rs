//! The page of `capacity`: the rate and its interval, where the service level gives way, how it was searched, and every probe.

mod knee;
mod search;
#[cfg(test)]
mod tests;

use maud::html;

use super::super::axis::Axis;
use super::super::mark::{Mark, Shape};
use super::super::page::Panel;
use super::super::text::{prose, short};
use super::super::tick_count;
use super::Runs;
use crate::report::experiment::capacity::{Probe, ProbeOutcome, document};
use crate::report::experiment::words::rate;
use crate::report::experiment::{Capacity, Experiment};

pub(super) fn panels(experiment: &Experiment, capacity: &Capacity, runs: &Runs<'_>) -> Vec<Panel> {
    vec![found(experiment, capacity), knee::panel(capacity), search::panel(experiment, capacity, runs)]
}

fn found(experiment: &Experiment, capacity: &Capacity) -> Panel {
    let body = html! {
        p class="answer" { strong { (prose(&document::answer(capacity))) } }
        p { (prose(&document::meaning(capacity))) }
        @if !capacity.slo.is_empty() {
            h3 { "The service level" }
            ul class="plain" { @for expression in &capacity.slo { li { code { (short(expression)) } } } }
        }
        (super::super::facts(
            document::facts(experiment, capacity).into_iter().map(|(name, value)| (name, html! { (short(&value)) }))
        ))
        @if !capacity.notes.is_empty() { ul { @for note in &capacity.notes { li { (short(note)) } } } }
    };
    Panel { id: "found", title: "Capacity", question: "How much load does it hold?", body }
}

/// What came of a probe, as it is drawn.
const fn mark(probe: &Probe) -> Mark {
    match probe.outcome {
        ProbeOutcome::Held => Mark { shape: Shape::Disc, is_hollow: false, class: "held" },
        ProbeOutcome::Failed => Mark { shape: Shape::Cross, is_hollow: false, class: "gave-way" },
        ProbeOutcome::Generator | ProbeOutcome::Untrusted => {
            Mark { shape: Shape::Diamond, is_hollow: true, class: "left-out" }
        }
    }
}

/// The same in words.
const fn outcome(probe: &Probe) -> &'static str {
    match probe.outcome {
        ProbeOutcome::Held => "held",
        ProbeOutcome::Failed => "did not hold",
        ProbeOutcome::Generator => "left out: the generator did not keep up",
        ProbeOutcome::Untrusted => "left out: not trusted",
    }
}

/// A line of the legend for each kind of outcome that there is.
fn outcome_keys(capacity: &Capacity) -> Vec<super::super::chart::Key> {
    let kinds = [ProbeOutcome::Held, ProbeOutcome::Failed, ProbeOutcome::Generator, ProbeOutcome::Untrusted];
    let first = |kind| capacity.probes.iter().find(|probe| probe.outcome == kind);
    kinds.into_iter().filter_map(first).map(|probe| mark(probe).key(outcome(probe))).collect()
}

/// The interval of the capacity, where it is known and not empty.
fn interval(capacity: &Capacity) -> Option<[f64; 2]> {
    let (low, high) = (capacity.low_per_s?, capacity.high_per_s?);
    (low > 0.0 && high >= low && high.is_finite()).then_some([low, high])
}

/// The capacity itself, where it has a place on a logarithmic axis.
fn found_rate(capacity: &Capacity) -> Option<f64> {
    capacity.rate_per_s.filter(|rate| *rate > 0.0 && rate.is_finite())
}

/// Over every rate that a picture shows, with some room at its ends; `None`: there is no probe to show.
fn rates(capacity: &Capacity) -> Option<Axis> {
    let probed = capacity.probes.iter().map(|probe| probe.rate_per_s);
    let all = probed.chain(found_rate(capacity)).chain(interval(capacity).into_iter().flatten());
    let all = all.filter(|rate| *rate > 0.0 && rate.is_finite());
    let (low, high) = all.fold((f64::INFINITY, 0.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
    (!capacity.probes.is_empty() && high > 0.0).then(|| Axis::log_within(low / 1.1, high * 1.1, tick_count))
}

/// `312/s`.
fn per_second(value: f64) -> String {
    format!("{}/s", rate(value))
}
