//! Traces that are kept beside a report: as they came, and as files.
//!
//! Belongs here: the value, its files and what reads them. Does not belong: which traces are kept.

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::spans::{self, Span};

/// All that came of one trace, lossless: spans of the client and of every server that exported to us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptTrace {
    pub trace_id: u128,
    pub resources: Vec<ResourceSpans>,
}

impl KeptTrace {
    /// Its spans, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        spans::of_otlp(&self.resources)
    }
}
