//! What did each arm do? Whether it took effect, and what came of it at the collector.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td, cut};
use super::super::super::text::short;
use super::{document, nothing};
use crate::report::experiment::overhead::Overhead;
use crate::report::terminal::summary::span;

pub(super) fn panel(overhead: &Overhead) -> Panel {
    let body = match overhead.arms.is_empty() {
        true => nothing("No arm has a slot."),
        false => html! {
            (Table::of("What each arm did, over the kept parts of its slots", 1, cut(&document::arms(overhead))).markup())
            p class="note" { (document::ARMS_LEGEND) }
            (pooled(overhead))
        },
    };
    Panel { id: "arms", title: "Arms", question: "What did each arm do?", body }
}

/// The far tail of all slots of an arm together: a number without a decision.
fn pooled(overhead: &Overhead) -> Markup {
    let operations: BTreeSet<&String> =
        overhead.arms.iter().flat_map(|arm| arm.pooled_p99_us.keys()).collect();
    let heading: Vec<String> = operations.iter().map(|operation| short(operation)).collect();
    let heading: Vec<&str> = ["arm"].into_iter().chain(heading.iter().map(String::as_str)).collect();
    let mut table = Table::new("p99 of the response, over all slots of an arm together", 1, &heading);
    for arm in &overhead.arms {
        let p99 = |operation: &&String| match arm.pooled_p99_us.get(*operation) {
            Some(Some(micros)) => Td::from(span(*micros)),
            _ => "unknown".into(),
        };
        let cells = [Td::from(short(&arm.arm))].into_iter().chain(operations.iter().map(p99));
        table.push(Row::from_iter(cells));
    }
    html! {
        @if !operations.is_empty() {
            details {
                summary { "p99 of all slots together" }
                (table.markup())
                p class="note" { "No effect is told of it: a few bad seconds decide it, and they are not shared out fairly among so few slots." }
            }
        }
    }
}
