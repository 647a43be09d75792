//! The page of an experiment: what was found first, then what it was found from, then what ran.

mod capacity;
mod compare;
mod overhead;
mod ran;
mod runs;
mod sweep;
#[cfg(test)]
mod tests;

use maud::{Markup, html};

use super::page::page as whole;
use super::text::short;
use crate::report::experiment::{Experiment, Outcome};

pub use runs::Runs;

pub(super) fn page(experiment: &Experiment, runs: &Runs<'_>) -> String {
    let mut panels = match &experiment.outcome {
        Outcome::Compare(comparison) => compare::panels(experiment, comparison, runs),
        Outcome::Capacity(capacity) => capacity::panels(experiment, capacity, runs),
        Outcome::Sweep(sweep) => sweep::panels(experiment, sweep, runs),
        Outcome::Overhead(overhead) => overhead::panels(experiment, overhead, runs),
    };
    panels.push(ran::panel(experiment, runs));
    let about = &experiment.experiment;
    let title = format!("{} · {} {} · milvus-load", short(&about.name), experiment.kind(), short(&about.id));
    whole(&title, &header(experiment), &panels, &footer(experiment))
}

fn header(experiment: &Experiment) -> Markup {
    let about = &experiment.experiment;
    let untrusted = experiment.runs.iter().filter(|run| !run.trusted).count();
    html! {
        p class="title" { "milvus-load · " (experiment.kind()) }
        h1 { (short(&about.name)) }
        p class="badges" {
            @if !about.complete { span class="badge warning" { "! ended early" } " " }
            @if untrusted > 0 {
                span class="badge bad" { "✗ " (untrusted) " of " (experiment.runs.len()) " runs not trusted" }
            } @else if !experiment.runs.is_empty() {
                @let runs = if experiment.runs.len() == 1 { " run trusted" } else { " runs trusted" };
                span class="badge good" { "✓ " (experiment.runs.len()) (runs) }
            }
        }
    }
}

fn footer(experiment: &Experiment) -> Markup {
    html! {
        p {
            "Made by milvus-load " (short(&experiment.experiment.version)) " from experiment.json, which has every number in full."
        }
    }
}
