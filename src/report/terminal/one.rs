//! One request and its trace.

use std::io::{self, Write};

use super::super::calendar::rfc3339;
use super::super::model::Request;
use super::super::waterfall::Waterfall;
use super::fetched::plural;
use super::sections::{self, span};
use super::table::{Style, Tone};
use super::waterfall;
use super::words::clean;
use super::{Footer, WIDTH};
use crate::units::Nanos;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// As the report tells it; `None`: the trace was kept, and the report does not name its request.
    pub request: Option<&'a Request>,
    /// Where the trace comes from, in words.
    pub from: &'a str,
    pub waterfall: &'a Waterfall<'a>,
    /// Columns of the terminal; 0: not known.
    pub width: usize,
}

/// # Errors
/// Where the writer fails.
pub fn render(drawn: &Drawn<'_>, style: Style, footer: &Footer, out: &mut dyn Write) -> io::Result<()> {
    let Waterfall { request, spans, .. } = drawn.waterfall;
    let id = format!("{:032x}", request.trace_id);
    match drawn.request {
        Some(told) => {
            let name = style.paint(Tone::Strong, &clean(&told.operation));
            writeln!(out, "  {name}  {}", sentence(told))?;
            let link =
                told.trace_url.as_deref().map_or_else(String::new, |link| format!("  {}", clean(link)));
            writeln!(out, "  {id}{link}")?;
        }
        None => {
            let length = Nanos::new(request.done.saturating_sub(request.sent));
            writeln!(out, "  {id}  {length} from sent to done; the report does not name this request")?;
        }
    }
    let from = format!("{}, {}", plural(spans.len(), "span"), drawn.from);
    writeln!(out, "  {}\n", style.paint(Tone::Dim, &clean(&from)))?;
    let width = if drawn.width == 0 { WIDTH } else { drawn.width };
    waterfall::render(drawn.waterfall, width, style, out)?;
    sections::footer(footer, style, out)
}

/// `41.2 ms = lag 1.00 ms + service 40.2 ms, succeeded, due 2026-01-31T12:00:00.000Z`.
fn sentence(request: &Request) -> String {
    let parts = match (request.lag_us, request.service_us) {
        (Some(lag), Some(service)) => format!(" = lag {} + service {}", span(lag), span(service)),
        _ => String::new(),
    };
    let outcome = request.outcome.name().replace('_', " ");
    format!("{}{parts}, {outcome}, due {}", span(request.response_us), rfc3339(request.intended_unix_us))
}
