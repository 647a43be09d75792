//! The page of a run: each part answers a question, in the order in which people ask them.

mod columns;
mod events;
mod fast;
mod heat;
mod ran;
mod show;
mod tail;
#[cfg(test)]
mod tests;
mod trust;
mod waterfall;
mod when;
mod why;

use std::collections::HashMap;

use maud::{Markup, html};

use super::page::{Panel, page as whole};
use super::text::short;
use crate::report::RunReport;
use crate::report::model::{Request, State};
use crate::report::terminal::summary::{facts, verdict_words};
use crate::report::terminal::table::Cell;
use crate::trace::kept::KeptTrace;

/// Operations that get pictures and waterfalls; so the page stays small enough to be mailed.
const DRAWN: usize = 8;

/// Traces that were kept beside a report, by ID.
pub(super) struct Kept<'a>(HashMap<u128, &'a KeptTrace>);

impl<'a> Kept<'a> {
    pub(super) fn new(traces: &'a [KeptTrace]) -> Self {
        Self(traces.iter().map(|trace| (trace.trace_id, trace)).collect())
    }

    fn of(&self, request: &Request) -> Option<&'a KeptTrace> {
        let id = u128::from_str_radix(request.trace_id.as_deref()?, 16).ok()?;
        self.0.get(&id).copied()
    }
}

pub(super) fn page(report: &RunReport, kept: &Kept<'_>) -> String {
    let known = [trust::panel(report), fast::panel(report), tail::panel(report), when::panel(report, kept)];
    let panels: Vec<Panel> = known
        .into_iter()
        .chain(why::panel(report))
        .chain([show::panel(report, kept), ran::panel(report)])
        .collect();
    let title = format!("{} · run {} · milvus-load", short(&report.run.name), short(&report.run.id));
    whole(&title, &header(report), &panels, &footer(report))
}

fn header(report: &RunReport) -> Markup {
    let (tone, word, _) = verdict_words(&report.verdict);
    let sign = if report.verdict.trusted { "✓" } else { "✗" };
    let facts = facts(report).into_iter().map(|(name, value)| (name, html! { (short(&value)) }));
    html! {
        p class="title" { "milvus-load · a run" }
        h1 { (short(&report.run.name)) }
        p class="badges" {
            span class={ "badge " (super::table::class(tone).unwrap_or_default()) } { (sign) " " (word) }
            @if report.run.state != State::Complete {
                " " span class="badge warning" { "! " (report.run.state.name()) }
            }
            @let not_met = report.thresholds.iter().filter(|threshold| threshold.met == Some(false)).count();
            // Numbers that cannot be trusted decide none.
            @if report.verdict.trusted && !report.thresholds.is_empty() {
                " "
                @if not_met > 0 {
                    span class="badge bad" { "✗ " (not_met) " of " (report.thresholds.len()) " thresholds not met" }
                } @else if report.thresholds.iter().all(|threshold| threshold.met == Some(true)) {
                    span class="badge good" { "✓ thresholds met" }
                } @else {
                    span class="badge warning" { "? thresholds not all known" }
                }
            }
        }
        (super::facts(facts))
    }
}

fn footer(report: &RunReport) -> Markup {
    html! {
        p {
            "Made by milvus-load " (short(&report.run.version)) " from report.json, which has every number in full. Times: ns, us = millionths of a \
             second, ms, s. Rates divide by the measured window."
        }
    }
}

/// The operations that anything was asked of, with their places: the first [`DRAWN`] of them are drawn.
fn drawn(report: &RunReport) -> impl Iterator<Item = (usize, &String, &crate::report::model::Operation)> {
    offered(report).take(DRAWN)
}

fn offered(report: &RunReport) -> impl Iterator<Item = (usize, &String, &crate::report::model::Operation)> {
    let offered = report.operations.iter().filter(|(_, operation)| operation.offered > 0);
    offered.enumerate().map(|(index, (name, operation))| (index, name, operation))
}

/// Over the part of an operation, where there are several; and what is left out.
fn name(report: &RunReport, name: &str) -> Markup {
    html! { @if report.operations.len() > 1 { h3 { (short(name)) } } }
}

fn not_drawn(report: &RunReport) -> Markup {
    let more: Vec<&str> = offered(report).skip(DRAWN).map(|(_, name, _)| name.as_str()).collect();
    html! {
        @if !more.is_empty() {
            p class="note" { (more.len()) " more operations are not drawn; report.json has them: " (short(&more.join(", "))) "." }
        }
    }
}

fn nothing() -> Markup {
    html! { p class="empty" { "Nothing was offered within the measured window." } }
}

/// A cell as text of its own.
fn word(Cell(text, _): Cell) -> String {
    text
}
