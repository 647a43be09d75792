//! Traces that are kept beside a report: as they came, and as files.
//!
//! Belongs here: the value, its files and what reads them. Does not belong: which traces are kept.
//!
//! | file | for | form | loses |
//! |---|---|---|---|
//! | [`TRACES_FILE`] | people: Jaeger's page opens it ("Upload") | Jaeger's JSON ([`write_jaeger`]) of the requests that a report names | what is below a microsecond |
//! | [`TRACES_OTLP_FILE`] | programs, and `slow` | OTLP JSON, packed ([`write_packed`], [`read_otlp`]), of all that were kept | nothing that a span may hold |

mod jaeger;
mod otlp;
#[cfg(test)]
mod samples;
mod tellable;
#[cfg(test)]
mod tests;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

pub use jaeger::write_jaeger;
pub use otlp::{KeptError, MOST_BYTES, read_otlp, write_otlp, write_packed};

use super::spans::{self, Span};

/// Beside report.json: what Jaeger's own page opens.
pub const TRACES_FILE: &str = "traces.json";
/// Beside report.json: all that came, to the nanosecond.
pub const TRACES_OTLP_FILE: &str = "traces.otlp.json.gz";

/// All that came of one trace, lossless: spans of the client and of every server that exported to us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptTrace {
    pub trace_id: u128,
    /// With spans of this trace alone.
    pub resources: Vec<ResourceSpans>,
    /// It is known that spans are missing: they had no room, could not be read, or were not waited for.
    pub is_cut: bool,
}

impl KeptTrace {
    /// Its spans, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        spans::of_otlp(&self.resources)
    }
}
