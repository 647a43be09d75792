//! What Jaeger knows of a request's trace, in words.

use std::io::{self, Write};

use super::super::model::{NoLink, Request, RunReport};
use super::WIDTH;
use super::slow::cut;
use super::table::{Cell, Style, Tone, aligned, grouped, wrap};
use super::words::clean;
use crate::trace::TraceSummary;
use crate::trace::spans::Span;
use crate::units::Nanos;

/// Spaces before each line: beneath the trace's ID.
const INDENT: &str = "      ";
/// Longer names of spans are cut, so that a line fits.
const LONGEST_NAME: usize = 50;
/// The same for services.
const LONGEST_SERVICE: usize = 24;

/// Of a kept trace that had no room, could not be read whole, or was not waited for.
pub const SPANS_MISSING: &str = "spans are known to be missing";

/// What Jaeger said of a request's trace.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was not asked: there was no such trace, or Jaeger could not be reached.
    NotAsked,
    /// It was not asked, for the run has kept the trace.
    Kept {
        summary: TraceSummary,
        /// Whether spans of it are known to be missing.
        is_cut: bool,
    },
    Trace {
        summary: TraceSummary,
        /// Whether the client's span is in it.
        has_client: bool,
        /// Whether all spans had had the time to arrive.
        is_complete: bool,
    },
    /// It has no such trace.
    Absent {
        /// Whether the request ended so recently that its spans may still be on their way.
        may_arrive: bool,
    },
}

impl Answer {
    /// What is in the trace is the client's span alone.
    fn lacks_server(&self) -> bool {
        match self {
            Self::Trace { summary, has_client: true, .. } => summary.spans == 1,
            Self::Trace { .. } | Self::Kept { .. } | Self::NotAsked | Self::Absent { .. } => false,
        }
    }
}

/// Writes what Jaeger said, beneath the request it said it of.
pub(super) fn show(request: &Request, answer: &Answer, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (sentence, longest) = match answer {
        Answer::NotAsked => return Ok(()),
        Answer::Kept { summary, .. } => (format!("kept: {}", sentence(answer, summary)), [].as_slice()),
        Answer::Trace { summary, .. } => (sentence(answer, summary), summary.longest.as_slice()),
        Answer::Absent { may_arrive: true } => ("not in Jaeger: not arrived yet".to_owned(), [].as_slice()),
        Answer::Absent { may_arrive: false } => {
            let why = undelivered(request).map_or_else(String::new, |reason| format!(": {}", reason.words()));
            (format!("not in Jaeger{why}"), [].as_slice())
        }
    };
    let is_well = match answer {
        Answer::Kept { summary, is_cut } => summary.is_joined() && !is_cut,
        Answer::Trace { summary, has_client: true, is_complete: true } => {
            summary.is_joined() && !answer.lacks_server()
        }
        Answer::Trace { .. } | Answer::Absent { .. } | Answer::NotAsked => false,
    };
    let tone = if is_well { Tone::Plain } else { Tone::Warning };
    for line in wrap(&clean(&sentence), WIDTH - INDENT.len()) {
        writeln!(out, "{INDENT}{}", style.paint(tone, &line))?;
    }
    spans(longest, style, out)
}

/// `9 spans (milvus-client 1, segcore 1, standalone 7), parents join up`.
fn sentence(answer: &Answer, summary: &TraceSummary) -> String {
    let services: Vec<String> = summary
        .services
        .iter()
        .map(|(name, count)| format!("{} {}", named(name), grouped(*count as u64)))
        .collect();
    let mut parts = vec![format!("{} ({})", plural(summary.spans, "span"), services.join(", "))];
    if answer.lacks_server() {
        parts.push("none of Milvus's".to_owned());
    } else if summary.is_joined() {
        parts.push("parents join up".to_owned());
    }
    if matches!(answer, Answer::Kept { is_cut: true, .. }) {
        parts.push(SPANS_MISSING.to_owned());
    }
    if matches!(answer, Answer::Trace { has_client: false, .. }) {
        parts.push("the client's span is missing".to_owned());
    }
    if !summary.orphans.is_empty() {
        parts.push(format!("{} without its parent here", plural(summary.orphans.len(), "span")));
    }
    if summary.roots.len() > 1 {
        parts.push(format!("{} roots", summary.roots.len()));
    }
    if matches!(answer, Answer::Trace { is_complete: false, .. }) {
        parts.push("more may be on their way".to_owned());
    }
    parts.join(", ")
}

fn spans(longest: &[Span], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let row = |long: &Span| {
        vec![
            Cell::from(format!("{:>8}", Nanos::new(long.length()))),
            Cell(cut(&clean(named(&long.service)), LONGEST_SERVICE), Tone::Dim),
            Cell::from(cut(&clean(&long.name), LONGEST_NAME)),
        ]
    };
    // The first row of a table is its heading, which would say here what is plain to see.
    let rows: Vec<_> = std::iter::once(Vec::new()).chain(longest.iter().map(row)).collect();
    // The table brings two spaces of its own.
    aligned(style, 3, &rows).iter().skip(1).try_for_each(|line| writeln!(out, "{INDENT}{line}"))
}

/// Why it cannot be in Jaeger, as far as the run already knew.
fn undelivered(request: &Request) -> Option<NoLink> {
    match request.trace_url_reason {
        Some(reason @ (NoLink::NotExported | NoLink::NoCollector)) => Some(reason),
        Some(NoLink::TracingOff | NoLink::NotSampled | NoLink::NoUi) | None => None,
    }
}

/// What to do about an answer that is not all one could wish for; `None` also where the remedy is that of the missing link.
pub(super) fn remedy(request: &Request, answer: &Answer, report: &RunReport) -> Option<String> {
    match answer {
        Answer::NotAsked | Answer::Kept { .. } => None,
        Answer::Absent { may_arrive: false } if undelivered(request).is_some() => None,
        Answer::Absent { may_arrive: true } => {
            Some("not arrived yet: spans come up to 5 s after the answer; ask again in some seconds".to_owned())
        }
        Answer::Absent { may_arrive: false } => Some(format!(
            "not in Jaeger: it has been restarted or has thrown the trace away, or it is not where the collector {} \
             stores its traces; name the right one with --jaeger URL, or run again and ask at once",
            at_endpoint(report)
        )),
        Answer::Trace { .. } if answer.lacks_server() => Some(
            "none of Milvus's spans: let it export to the same collector: in its milvus.yaml trace.exporter = otlp, \
             trace.otlp.endpoint = host:port without http://, trace.otlp.secure = false for one without TLS"
                .to_owned(),
        ),
        Answer::Trace { has_client: false, .. } => {
            Some(format!("the client's span is missing: {}; what is delivered there must reach this Jaeger", delivery(report)))
        }
        Answer::Trace { summary, .. } if !summary.is_joined() => Some(
            "parents do not join up: spans were lost on their way from the server, or are late; ask again, and if \
             they stay away, give Milvus's environment a larger OTEL_BSP_MAX_QUEUE_SIZE"
                .to_owned(),
        ),
        Answer::Trace { .. } => None,
    }
}

/// How many of the client's spans got through.
pub(super) fn delivery(report: &RunReport) -> String {
    let at = at_endpoint(report);
    match &report.spans {
        Some(spans) => format!(
            "of the client's {} {} were delivered to the collector {at}, {} were dropped for want of room and {} refused or lost",
            plural(usize::try_from(spans.recorded).unwrap_or(usize::MAX), "span"),
            grouped(spans.exported),
            grouped(spans.dropped),
            grouped(spans.failed)
        ),
        None => format!("none of the client's spans were exported {at}"),
    }
}

/// `at http://localhost:4317`, as far as the report tells.
pub(super) fn at_endpoint(report: &RunReport) -> String {
    report.trace.as_ref().map_or_else(|| "of the run".to_owned(), |trace| format!("at {}", trace.endpoint))
}

fn named(service: &str) -> &str {
    if service.is_empty() { "(no service)" } else { service }
}

pub(super) fn plural(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {word}{s}", grouped(count as u64))
}
