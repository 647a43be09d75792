//! The probes in their order: which rate each tried after what came of those before, and what each measured.

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, number, y};
use super::super::super::page::Panel;
use super::super::super::table::{Table, Td, cut};
use super::{Runs, found_rate, interval, mark, outcome, outcome_keys, per_second, rates};
use crate::report::experiment::capacity::document::table;
use crate::report::experiment::capacity::{Probe, ProbeOutcome};
use crate::report::experiment::{Capacity, Experiment};

const HEIGHT: u32 = 200;

pub(super) fn panel(experiment: &Experiment, capacity: &Capacity, runs: &Runs<'_>) -> Panel {
    let body = match rates(capacity) {
        None => html! { p class="empty" { "No probe is complete yet." } },
        Some(axis) => html! {
            (figure(experiment, capacity, axis, runs))
            @if held_late(experiment, capacity) {
                p class="note" {
                    "A probe that held while the generator was late counts, though its run is not trusted: a late generator only makes \
                     response times longer."
                }
            }
        },
    };
    Panel { id: "probes", title: "Probes", question: "What was tried, in which order?", body }
}

/// Whether a probe held in a run that is not trusted.
fn held_late(experiment: &Experiment, capacity: &Capacity) -> bool {
    let held = capacity.probes.iter().filter(|probe| probe.outcome == ProbeOutcome::Held);
    let is_untrusted = |probe: &Probe| experiment.runs.iter().any(|run| run.id == probe.run && !run.trusted);
    held.into_iter().any(is_untrusted)
}

fn figure(experiment: &Experiment, capacity: &Capacity, axis: Axis, runs: &Runs<'_>) -> Markup {
    let last = capacity.probes.len().max(2) as f64;
    let text = move |at: f64| if at < 0.5 || at > last + 0.5 { String::new() } else { format!("{at:.0}") };
    let x = Axis::linear(0.0, last + 1.0, text);
    let at =
        |(index, probe): (usize, &Probe)| (x.place((index + 1) as f64), y(&axis, HEIGHT, probe.rate_per_s));
    let over = html! {
        @if let Some([low, high]) = interval(capacity) {
            @let (top, bottom) = (y(&axis, HEIGHT, high), y(&axis, HEIGHT, low));
            rect class="band interval" x="0" width="100%" y=(number(top)) height=(number(bottom - top)) fill="currentColor" fill-opacity="0.15" {}
        }
        @if let Some(found) = found_rate(capacity) {
            @let top = number(y(&axis, HEIGHT, found));
            line class="capacity" x1="0" x2="100%" y1=(top) y2=(top) stroke="currentColor" {}
        }
        @for (index, probe) in capacity.probes.iter().enumerate() {
            @let (place, top) = at((index, probe));
            (mark(probe).told_at(place, top, &format!("probe {}: {}, {}", index + 1, per_second(probe.rate_per_s), outcome(probe))))
        }
    };
    let path = capacity.probes.iter().enumerate().map(|probe| {
        let (place, top) = at(probe);
        Some((place * UNITS, top))
    });
    let stretched = line("steps", path);
    let mut keys = outcome_keys(capacity);
    if found_rate(capacity).is_some() {
        keys.push(Key::line("capacity", "capacity, its 95 % interval around it"));
    }
    let figure = Figure {
        id: "probes-0",
        title: "The rate of each probe, in order",
        about: "After a probe that held the next one is higher, after one that did not it is lower.",
        x: &x,
        x_label: "probe",
        plots: vec![Plot {
            height: HEIGHT,
            heading: "requests per second, logarithmic".to_owned(),
            y: axis,
            stretched,
            over,
        }],
        keys,
        table: with_reports(
            numbers(capacity, |index, _| Some(x.place((index + 1) as f64))),
            experiment,
            capacity,
            runs,
        ),
        is_open: true,
    };
    figure.markup()
}

/// What each probe measured; `at` is its place in a figure.
pub(super) fn numbers(capacity: &Capacity, at: impl Fn(usize, &Probe) -> Option<f64>) -> Table {
    let mut table = Table { last_left: 1, ..Table::of("Probes, in order", 0, cut(&table(capacity))) };
    table.heading.insert(0, "probe".to_owned());
    table.left = 1;
    for (index, (row, probe)) in table.rows.iter_mut().zip(&capacity.probes).enumerate() {
        row.cells.insert(0, Td::from((index + 1).to_string()));
        row.at = at(index, probe);
    }
    table
}

/// Each probe leads to the page of its run.
fn with_reports(mut table: Table, experiment: &Experiment, capacity: &Capacity, runs: &Runs<'_>) -> Table {
    table.heading.push("report".to_owned());
    table.last_left += 1;
    for (row, probe) in table.rows.iter_mut().zip(&capacity.probes) {
        row.cells.push(runs.named_by(experiment, &probe.run).into());
    }
    table
}
