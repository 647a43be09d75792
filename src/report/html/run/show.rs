//! Show me: the slowest requests one by one, each with its trace, as a waterfall where it was kept.

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::{link, short};
use super::events::Events;
use super::{Kept, drawn, name, not_drawn, nothing, waterfall};
use crate::report::RunReport;
use crate::report::model::{NoLink, Outcome, Request};
use crate::report::terminal::SPANS_MISSING;
use crate::report::terminal::summary::span;
use crate::report::terminal::table::{Cell, Tone};
use crate::report::waterfall::{MOST_LINES, Path, Waterfall, moments};
use crate::trace::attribution::attribute;
use crate::trace::kept::KeptTrace;
use crate::trace::spans::Span;

/// Slowest requests of an operation, and typical ones beside them.
const SLOWEST: usize = 10;
const TYPICAL: usize = 2;
/// Lines of all waterfalls of a page, about half a kilobyte each.
const LINES: usize = 1_500;

pub(super) fn panel(report: &RunReport, kept: &Kept<'_>) -> Panel {
    let mut room = LINES;
    let body = match drawn(report).next() {
        None => nothing(),
        Some(_) => html! {
            @for (index, operation, _) in drawn(report) {
                (name(report, operation))
                (slowest(report, index, operation, kept))
                (waterfalls(report, (index, operation), kept, &mut room))
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

/// Where on the page a waterfall is.
fn waterfall_anchor(operation: usize, number: usize) -> String {
    format!("trace-{operation}-{number}")
}

/// Where on the page a slowest request is.
pub(super) fn anchor(operation: usize, number: usize) -> String {
    format!("slow-{operation}-{number}")
}

/// The traces that are kept of the slowest requests and of typical ones, each with what it is and its number among them.
fn told<'a>(
    report: &'a RunReport,
    operation: &str,
    kept: &Kept<'a>,
) -> Vec<(&'static str, &'a Request, &'a KeptTrace)> {
    let listed = listed(report, operation);
    let sampled = sampled(report, operation, &listed);
    let slow = listed.into_iter().chain(sampled).map(|request| ("slow", request));
    let slow = slow.filter_map(|(what, request)| Some((what, request, kept.of(request)?))).take(SLOWEST);
    let typical = report.typical.iter().filter(|request| request.operation == operation);
    let typical = typical.filter_map(|request| Some(("typical", request, kept.of(request)?))).take(TYPICAL);
    slow.chain(typical).collect()
}

/// The slowest requests, each with the place on the page that tells most of it.
pub(super) fn leads<'a>(
    report: &'a RunReport,
    (index, operation): (usize, &str),
    kept: &Kept<'a>,
) -> Vec<(&'a Request, String)> {
    let told = told(report, operation, kept);
    let place = |(number, request): (usize, &'a Request)| {
        let waterfall = told.iter().position(|(_, other, _)| std::ptr::eq(*other, request));
        let place = waterfall.map_or_else(|| anchor(index, number), |number| waterfall_anchor(index, number));
        (request, place)
    };
    listed(report, operation).into_iter().enumerate().map(place).collect()
}

fn waterfalls(
    report: &RunReport,
    (index, operation): (usize, &str),
    kept: &Kept<'_>,
    room: &mut usize,
) -> Markup {
    let told = told(report, operation, kept);
    if told.is_empty() {
        return html! { p class="empty" { "No trace of these was kept beside the report, so there is no waterfall." } };
    }
    html! {
        @if report.operations.len() > 1 { h4 { "Waterfalls" } } @else { h3 { "Waterfalls" } }
        @for (number, (what, request, trace)) in told.into_iter().enumerate() {
            @let title = format!("{what}: {}, due at {:.3} s", span(request.response_us), request.at_s);
            @let spans = trace.spans();
            @let left = room.checked_sub(spans.len().min(MOST_LINES));
            @match left.and_then(|left| Some((left, drawn_waterfall(request, trace, &spans)?))) {
                Some((left, waterfall)) => {
                    details id=(waterfall_anchor(index, number)) open[number == 0] {
                        summary { (title) }
                        @if trace.is_cut { p class="warning" { "Of this trace " (SPANS_MISSING) "." } }
                        (waterfall)
                    }
                    ({ *room = left; "" })
                }
                None => p class="note" id=(waterfall_anchor(index, number)) { (title) ": not drawn; the file with the traces has it." },
            }
        }
    }
}

/// `None`: the report does not tell when it was sent.
fn drawn_waterfall(request: &Request, trace: &KeptTrace, spans: &[Span]) -> Option<Markup> {
    let told = request.trace_id.as_deref()?;
    let moments = moments(u128::from_str_radix(told, 16).ok()?, Some(request), spans)?;
    let attributed = attribute(&moments, spans);
    let path = attributed.as_ref().map(Path::from).map_err(ToString::to_string);
    let of = Waterfall { request: moments, operation: &request.operation, spans, path };
    Some(waterfall::waterfall(&of, &Events::of(trace), &format!("Trace {}", short(told))))
}

fn slowest(report: &RunReport, index: usize, operation: &str, kept: &Kept<'_>) -> Markup {
    let listed = listed(report, operation);
    let sampled = sampled(report, operation, &listed);
    let told = told(report, operation, kept);
    if listed.is_empty() {
        return html! { p class="empty" { "No request ended within the run." } };
    }
    let rows = |title: &str, requests: &[&Request], first: usize| {
        let heading = ["due at", "response", "service", "lag", "connection", "outcome", "waterfall", "trace"];
        let mut table = Table { last_left: 3, ..Table::new(title, 0, &heading) };
        for (number, request) in (first..).zip(requests) {
            let waterfall = told.iter().position(|(_, other, _)| std::ptr::eq(*other, *request));
            let waterfall = waterfall.map(|number| waterfall_anchor(index, number));
            table.push(Row { id: Some(anchor(index, number)), ..row(request, waterfall.as_deref()) });
        }
        table.markup()
    };
    html! {
        (rows("The slowest requests", &listed, 0))
        @if !sampled.is_empty() { (rows("The slowest sampled requests that are not among them", &sampled, listed.len())) }
    }
}

fn row(request: &Request, waterfall: Option<&str>) -> Row {
    let or_dash = |micros: Option<f64>| Td::from(micros.map_or_else(|| "never sent".to_owned(), span));
    let tone = if request.outcome == Outcome::Succeeded { Tone::Plain } else { Tone::Bad };
    let trace = trace(request, waterfall.is_some());
    let waterfall = match waterfall {
        Some(place) => html! { a href={ "#" (place) } { "open" } },
        None => html! { span class="dim" { "none kept" } },
    };
    let cells: [Td; 8] = [
        format!("{:.3} s", request.at_s).into(),
        span(request.response_us).into(),
        or_dash(request.service_us),
        or_dash(request.lag_us),
        (request.connection + 1).to_string().into(),
        Cell(outcome(request), tone).into(),
        waterfall.into(),
        trace.into(),
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

/// Its ID, which is the link where there is one; else why there is none, unless it is drawn here.
fn trace(request: &Request, is_drawn: bool) -> Markup {
    let id = request.trace_id.as_deref().map_or_else(|| "no trace ID".to_owned(), short);
    let url = request.trace_url.as_deref();
    html! {
        @match (url.and_then(link), url, request.trace_url_reason) {
            (Some(url), ..) => a class="trace" href=(url) rel="noopener noreferrer" { code { (id) } },
            (None, Some(url), _) => { code { (id) } " " span class="dim" { (short(url)) } },
            (None, None, _) if is_drawn => code { (id) },
            (None, None, reason) => span class="trace" { code { (id) } " " span class="dim" { (reason.map_or("no link", NoLink::words)) } },
        }
    }
}
