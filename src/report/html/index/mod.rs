//! The page of a directory of reports: per workload, how its numbers went from run to run, and where each report is.

mod history;
mod link;
mod row;
#[cfg(test)]
mod tests;

use std::path::Path;

use maud::{Markup, html};

use super::page::{Panel, page as whole};
use super::table::{Row, Table, Td};
use super::text::short;
use crate::report::index::{Entry, Index, Workload, bounds};
use crate::report::terminal::slow::cut;
use crate::report::terminal::table::grouped;

/// What its title begins with, by which it is known again.
pub(in crate::report) const TITLE: &str = "Reports in ";

/// Workloads that are listed; so the page stays small enough for a phone.
const WORKLOADS: usize = 100;
/// Files that are named of those that are left out.
const NAMED: usize = 20;
/// Characters of a name, where it is one of many.
const NAME: usize = 60;

pub(in crate::report) fn page(index: &Index, base: &Path) -> String {
    let name = base
        .file_name()
        .map_or_else(|| base.display().to_string(), |name| name.to_string_lossy().into_owned());
    let mut panels = Vec::new();
    if index.workloads.len() > 1 {
        panels.push(newest(index));
    }
    panels.push(workloads(index));
    panels.extend(left_out(index));
    whole(&format!("{TITLE}{} · milvus-load", short(&name)), &header(index, &name), &panels, &footer())
}

fn header(index: &Index, name: &str) -> Markup {
    let runs =
        index.workloads.iter().flat_map(|workload| &workload.entries).filter(|e| e.run().is_some()).count();
    let experiments = index.len() - runs;
    html! {
        p class="title" { "milvus-load · reports" }
        h1 { (short(name)) }
        p {
            (so_many(runs, "run"))
            @if experiments > 0 { " and " (so_many(experiments, "experiment")) }
            " of "
            (so_many(index.workloads.len(), "workload")) ", newest first."
        }
    }
}

fn footer() -> Markup {
    html! {
        p {
            "Made by milvus-load " (env!("CARGO_PKG_VERSION")) " from the reports, which have every number in full; brought up to date after each run, and by "
            code { "milvus-load report --index" }
            ". Response times: from when a request was due; percentiles are of all that was offered. Per s: succeeded, per second of the window. \
             Changed: since the last trusted run before."
        }
    }
}

/// The last report of each workload.
fn newest(index: &Index) -> Panel {
    let heading = ["workload", "last (UTC)", "kind", "verdict", "reports"];
    let mut table = Table::new("The last report of each workload", 4, &heading);
    for (place, workload) in index.workloads.iter().take(WORKLOADS).enumerate() {
        let Some(last) = workload.entries.first() else { continue };
        let name = html! { a href={ "#" (anchor(place)) } { (cut(&workload.name, NAME)) } };
        let cells: [Td; 5] = [
            name.into(),
            row::page(last).into(),
            row::kind(last).into(),
            row::verdict(last).into(),
            grouped(workload.entries.len() as u64).into(),
        ];
        table.push(Row::from_iter(cells));
    }
    let body = html! { (table.markup()) };
    Panel { id: "newest", title: "Newest", question: "What came last?", body }
}

fn workloads(index: &Index) -> Panel {
    let more = index.workloads.len().saturating_sub(WORKLOADS);
    let body = html! {
        @for (place, workload) in index.workloads.iter().take(WORKLOADS).enumerate() {
            h3 id=(anchor(place)) { (short(&workload.name)) }
            (section(place, workload))
        }
        @if more > 0 { p class="note" { (so_many(more, "more workload")) " with older reports are not listed." } }
        @if index.older > 0 {
            p class="note" { (so_many(index.older, "older report")) " not read: " (bounds()) "." }
        }
    };
    Panel { id: "runs", title: "Run after run", question: "How did it change from run to run?", body }
}

fn section(place: usize, workload: &Workload) -> Markup {
    let operations = history::operations(workload);
    let (shown, more) = (operations.shown(), operations.more());
    let table = row::table(workload, shown);
    html! {
        div class="history" {
            @match history::figure(place, workload, shown, table.clone()) {
                Some(figure) => (figure),
                None => (table.markup()),
            }
            @if more > 0 { p class="note" { (so_many(more, "more operation")) " in the reports, not listed here." } }
        }
    }
}

fn left_out(index: &Index) -> Option<Panel> {
    let more = index.left_out.len().saturating_sub(NAMED);
    let body = html! {
        ul { @for words in index.left_out.iter().take(NAMED) { li { (short(words)) } } }
        @if more > 0 { p class="note" { "And " (so_many(more, "more file")) "." } }
    };
    (!index.left_out.is_empty()).then_some(Panel {
        id: "left-out",
        title: "Left out",
        question: "Which files could not be read?",
        body,
    })
}

/// Where on the page a workload is.
fn anchor(place: usize) -> String {
    format!("workload-{place}")
}

/// `1 run`, `2 runs`.
fn so_many(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count as u64), if count == 1 { "" } else { "s" })
}

/// Whether an entry stands in the pictures: runs of which the whole is known.
fn is_drawn(entry: &Entry) -> bool {
    entry.run().is_some_and(|run| run.shard.is_none())
}
