//! How fast is it? The numbers of each operation; a number that is not known says why.

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::table::Table;
use super::super::text::{LONGEST, short};
use super::{nothing, offered};
use crate::report::RunReport;
use crate::report::model::Operation;
use crate::report::terminal::summary::{
    RANKS, SAMPLING_LEAVES_OUT, STAGES_NOTE, clocks, count_rows, error_rows, percent, sampling,
    short as digits, stage_rows, time_row,
};
use crate::report::terminal::table::{Cell, Tone, grouped};

pub(super) fn panel(report: &RunReport) -> Panel {
    let body = match offered(report).next() {
        None => nothing(),
        Some(_) => html! {
            (times(report).markup())
            p class="note" { (sentence(&clocks(report.run.load_model))) " " (sentence(RANKS)) }
            (Table::of("Requests", 1, count_rows(report)).markup())
            (brought_back(report))
            (sampled(report))
            (errors(report))
            @if report.stages.len() > 1 {
                (Table::of("Stages", 2, stage_rows(report)).markup())
                p class="note" { (sentence(STAGES_NOTE)) }
            }
        },
    };
    Panel { id: "fast", title: "Numbers", question: "How fast is it?", body }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).chain(['.']).collect()
}

fn times(report: &RunReport) -> Table {
    let mut rows = vec![["operation", "time", "p50", "p90", "p99", "p99.9", "max"].map(Cell::from).to_vec()];
    for (_, name, Operation { response, service, lag, .. }) in offered(report) {
        for (clock, dist) in [("response", response), ("service", service), ("lag", lag)] {
            rows.push(time_row(Cell(short(name), Tone::Strong), clock, dist));
        }
    }
    Table::of("Times", 2, rows)
}

/// What answers held, and how near to the truth it was.
fn brought_back(report: &RunReport) -> Markup {
    let told = |operation: &Operation| -> Vec<String> {
        let hits = &operation.hits;
        let mut told = Vec::new();
        if hits.expected > 0 {
            told.push(format!(
                "{} hits or rows of {} expected",
                grouped(hits.returned),
                grouped(hits.expected)
            ));
        }
        if hits.empty > 0 {
            told.push(format!("{} empty answers", grouped(hits.empty)));
        }
        if hits.short > 0 {
            told.push(format!("{} answers with fewer than expected", grouped(hits.short)));
        }
        told.extend(operation.recall.map(|recall| format!("recall {}", percent(recall))));
        let per_s = |rate: Option<f64>, what: &str| {
            rate.map(|rate| format!("{} {what} per second", digits((rate * 10.0).round() / 10.0)))
        };
        told.extend(per_s(operation.vectors_per_s, "query vectors"));
        told.extend(per_s(operation.rows_per_s, "rows"));
        told
    };
    html! {
        ul class="plain" {
            @for (_, name, operation) in offered(report) {
                @let told = told(operation);
                @if !told.is_empty() { li { strong { (short(name)) } ": " (told.join(", ")) } }
            }
        }
    }
}

fn sampled(report: &RunReport) -> Markup {
    let mut told = offered(report)
        .filter_map(|(_, name, operation)| Some((name, operation.sampling.as_ref()?)))
        .peekable();
    html! {
        @if told.peek().is_some() {
            h3 { "What being sampled costs" }
            ul class="plain" { @for (name, cost) in told { li { strong { (short(name)) } ": " (sampling(cost)) } } }
            p class="note" { (sentence(SAMPLING_LEAVES_OUT)) }
        }
    }
}

fn errors(report: &RunReport) -> Markup {
    let rows = error_rows(report, LONGEST);
    html! {
        @if rows.len() > 1 {
            (Table { last_left: 1, ..Table::of("Failures by kind", 1, rows) }.markup())
        } @else {
            p class="empty" { "No request was refused." }
        }
    }
}
