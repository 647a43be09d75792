//! The page of `overhead`: what tracing costs, how sure that is, what it makes of other fractions, and what it was found from.

mod arms;
mod drift;
mod effects;
mod fraction;
#[cfg(test)]
mod tests;

use maud::{Markup, html};

use super::super::findings::findings;
use super::super::page::Panel;
use super::super::text::{prose, short};
use super::Runs;
use crate::report::experiment::Experiment;
use crate::report::experiment::overhead::Overhead;
use crate::report::experiment::overhead_document as document;
use crate::report::experiment::overhead_sentence::sentence;

pub(super) fn panels(experiment: &Experiment, overhead: &Overhead, _runs: &Runs<'_>) -> Vec<Panel> {
    let mut panels = vec![cost(experiment, overhead), effects::panel(overhead)];
    panels.extend(fraction::panel(overhead));
    panels.extend([drift::panel(overhead), arms::panel(overhead)]);
    panels
}

fn cost(experiment: &Experiment, overhead: &Overhead) -> Panel {
    // The panel of what ran has the others.
    let is_told = |name: &str| !["command", "started"].contains(&name);
    let facts = document::facts(experiment, overhead);
    let facts = facts.iter().filter(|(name, _)| is_told(name));
    let body = html! {
        p class="answer" { (prose(&sentence(overhead))) }
        (findings(&overhead.findings))
        @if let Some(beside) = document::beside(overhead) { p class="note" { (short(&beside)) } }
        (super::super::facts(facts.map(|(name, value)| (name, html! { (short(value)) }))))
    };
    Panel { id: "cost", title: "Cost", question: "What does tracing cost?", body }
}

fn nothing(words: &str) -> Markup {
    html! { p class="empty" { (words) } }
}
