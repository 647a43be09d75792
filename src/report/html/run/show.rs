//! Show me: the slowest requests one by one, each with its trace.

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::{link, short};
use super::{drawn, name, not_drawn, nothing};
use crate::report::RunReport;
use crate::report::model::{NoLink, Outcome, Request};
use crate::report::terminal::summary::span;
use crate::report::terminal::table::{Cell, Tone};

/// Slowest requests of an operation.
const SLOWEST: usize = 10;

pub(super) fn panel(report: &RunReport) -> Panel {
    let body = match drawn(report).next() {
        None => nothing(),
        Some(_) => html! {
            @for (index, operation, _) in drawn(report) {
                (name(report, operation))
                (slowest(report, index, operation))
            }
            p class="note" { "Response = lag + service. A trace shows service alone, from when the request was sent." }
            (not_drawn(report))
        },
    };
    Panel { id: "show", title: "Slowest", question: "Show me the slow ones", body }
}

/// The slowest requests of an operation, slowest first.
pub(super) fn listed<'a>(report: &'a RunReport, operation: &str) -> Vec<&'a Request> {
    report.slowest.iter().filter(|request| request.operation == operation).take(SLOWEST).collect()
}

/// The slowest sampled ones that are not among them, where some of them were not sampled.
fn sampled<'a>(report: &'a RunReport, operation: &str, listed: &[&Request]) -> Vec<&'a Request> {
    let wanted = listed.iter().filter(|request| !request.sampled).count();
    let is_new = |request: &&Request| {
        request.operation == operation && !listed.iter().any(|other| other.trace_id == request.trace_id)
    };
    report.slowest_sampled.iter().filter(is_new).take(wanted).collect()
}

/// Where on the page a slowest request is.
pub(super) fn anchor(operation: usize, number: usize) -> String {
    format!("slow-{operation}-{number}")
}

fn slowest(report: &RunReport, index: usize, operation: &str) -> Markup {
    let listed = listed(report, operation);
    let sampled = sampled(report, operation, &listed);
    if listed.is_empty() {
        return html! { p class="empty" { "No request ended within the run." } };
    }
    let rows = |title: &str, requests: &[&Request], first: usize| {
        let heading = ["due at", "response", "service", "lag", "connection", "outcome", "trace"];
        let mut table = Table { last_left: 2, ..Table::new(title, 0, &heading) };
        for (number, request) in (first..).zip(requests) {
            table.push(Row { id: Some(anchor(index, number)), ..row(request) });
        }
        table.markup()
    };
    html! {
        (rows("The slowest requests", &listed, 0))
        @if !sampled.is_empty() { (rows("The slowest sampled requests that are not among them", &sampled, listed.len())) }
    }
}

fn row(request: &Request) -> Row {
    let or_dash = |micros: Option<f64>| Td::from(micros.map_or_else(|| "never sent".to_owned(), span));
    let tone = if request.outcome == Outcome::Succeeded { Tone::Plain } else { Tone::Bad };
    let cells: [Td; 7] = [
        format!("{:.3} s", request.at_s).into(),
        span(request.response_us).into(),
        or_dash(request.service_us),
        or_dash(request.lag_us),
        (request.connection + 1).to_string().into(),
        Cell(outcome(request), tone).into(),
        trace(request).into(),
    ];
    Row::from_iter(cells)
}

fn outcome(request: &Request) -> String {
    let name = request.outcome.name().replace('_', " ");
    match (request.grpc, request.milvus) {
        (Some(0), Some(code)) => format!("{name}, Milvus code {code}"),
        (Some(code), _) => format!("{name}, gRPC code {code}"),
        (None, _) => name,
    }
}

/// Its ID, which is the link where there is one; else why there is none.
fn trace(request: &Request) -> Markup {
    let id = request.trace_id.as_deref().map_or_else(|| "no trace ID".to_owned(), short);
    let url = request.trace_url.as_deref();
    html! {
        @match (url.and_then(link), url, request.trace_url_reason) {
            (Some(url), ..) => a href=(url) rel="noopener noreferrer" { code { (id) } },
            (None, Some(url), _) => { code { (id) } " " span class="dim" { (short(url)) } },
            (None, None, reason) => { code { (id) } " " span class="dim" { (reason.map_or("no link", NoLink::words)) } },
        }
    }
}
