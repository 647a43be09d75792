//! The page of `sweep`: the best points, response time over throughput, the grid, what is noise, and every point.

mod curve;
mod drift;
mod grid;
mod points;
mod series;
#[cfg(test)]
mod tests;

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::text::{prose, short};
use super::Runs;
use crate::report::experiment::sweep::{best, document};
use crate::report::experiment::{Experiment, Figures, Sweep};

pub(super) fn panels(experiment: &Experiment, sweep: &Sweep, runs: &Runs<'_>) -> Vec<Panel> {
    let mut panels = vec![found(experiment, sweep), curve::panel(sweep)];
    panels.extend(grid::panel(sweep));
    panels.push(drift::panel(experiment, sweep, runs));
    panels.push(points::panel(experiment, sweep, runs));
    panels
}

fn found(experiment: &Experiment, sweep: &Sweep) -> Panel {
    let body = html! {
        (each(sweep, |_, operation| {
            let told = best(sweep, operation);
            html! { @for sentence in told { p class="answer" { (prose(&capital(&sentence))) } } }
        }))
        (super::super::facts(
            document::facts(experiment, sweep).into_iter().map(|(name, value)| (name, html! { (short(&value)) }))
        ))
        @if !sweep.missing().is_empty() {
            p class="warning" { (sweep.missing().len()) " of " (sweep.order.len()) " runs are missing: what is told is of the others." }
        }
    };
    Panel { id: "found", title: "Found", question: "Which setting is best?", body }
}

/// Under the operation's name, where there are several.
fn each(sweep: &Sweep, part: impl Fn(usize, &str) -> Markup) -> Markup {
    let names = sweep.names();
    html! {
        @if names.is_empty() { p class="empty" { "No run is complete yet." } }
        @for (index, name) in names.iter().enumerate() {
            @if names.len() > 1 { h3 { (short(name)) } }
            (part(index, name))
        }
    }
}

/// What a point measured of an operation.
fn figures<'a>(sweep: &'a Sweep, point: usize, operation: &str) -> Option<&'a Figures> {
    sweep.points.get(point)?.operations.get(operation)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}
