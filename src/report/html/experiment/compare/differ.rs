//! What differs between them? Settings, versions and surroundings, and the runs that cannot be trusted.

use maud::html;

use super::super::super::page::Panel;
use super::super::super::table::{Table, cut};
use super::super::super::text::short;
use super::document;
use crate::report::experiment::Comparison;

/// `None` where there are no runs.
pub(super) fn panel(comparison: &Comparison) -> Option<Panel> {
    let count = comparison.groups.len();
    let question = match count {
        0 => return None,
        1 => "What is not the same in all runs?",
        2 => "What differs between the two?",
        _ => "What differs between them?",
    };
    let body = html! {
        @if comparison.differences.is_empty() {
            p { "Nothing but the numbers: in all that the reports tell of settings, server, data and machine, the runs are the same." }
        } @else {
            (Table::of("What is not the same in all runs", usize::MAX, cut(&document::differences(comparison))).markup())
            p class="note" { (document::DIFFERENCES_LEGEND) }
        }
        @if !comparison.untrusted_runs.is_empty() {
            h3 { "Runs whose numbers cannot be trusted" }
            ul { @for run in &comparison.untrusted_runs { li { (short(&document::doubts(run))) } } }
        }
    };
    Some(Panel { id: "differ", title: "Differences", question, body })
}
