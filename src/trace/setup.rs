//! Spans of set-up: one root, its steps beneath it, their calls beneath those.

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use super::TraceRef;
use super::span::SpanTemplates;

/// A span with a name of its own. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct SetupSpan {
    /// Its IDs; all spans of one set-up share the trace ID.
    pub trace: TraceRef,
    /// The span above it; `None` for the root.
    pub parent: Option<u64>,
    /// True for a call to the server (kind CLIENT), false for a step of our own (INTERNAL).
    pub is_call: bool,
    /// What it did: `prepare books`, `flush`, ...
    pub name: String,
    pub start: u64,
    pub end: u64,
    /// More to tell; no secrets, no vectors.
    pub attributes: Vec<(&'static str, String)>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// Bytes of a text in a set-up span; what is longer, such as a server's message, is cut.
const MOST_TEXT: usize = 512;
/// Attributes of a set-up span; what is more is left out.
const MOST_ATTRIBUTES: usize = 8;

impl SetupSpan {
    /// One of these, its texts included, takes no more bytes than this once it is [bounded](Self::bounded).
    pub(super) const MOST_BYTES: usize = size_of::<Self>()
        + MOST_ATTRIBUTES * size_of::<(&'static str, String)>()
        + (MOST_ATTRIBUTES + 2) * MOST_TEXT;

    /// The same, cut to what a span may take.
    pub(super) fn bounded(mut self) -> Self {
        self.attributes.truncate(MOST_ATTRIBUTES);
        self.attributes.iter_mut().for_each(|(_, value)| cut(value));
        self.attributes.shrink_to_fit();
        cut(&mut self.name);
        self.error.iter_mut().for_each(cut);
        self
    }
}

fn cut(text: &mut String) {
    let end = (0..=MOST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text.shrink_to_fit();
}

impl SpanTemplates {
    /// A set-up span as OpenTelemetry has it.
    pub fn setup_span(&self, span: SetupSpan) -> SpanData {
        let kind = if span.is_call { SpanKind::Client } else { SpanKind::Internal };
        let mut data = self.bare(span.trace, span.parent.unwrap_or(0), kind, span.name, span.start, span.end);
        data.attributes = span.attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        data.status = span.error.map_or(Status::Unset, Status::error);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::SpanId;

    #[test]
    fn steps_hang_beneath_their_root_in_one_trace() {
        let root = SetupSpan {
            trace: TraceRef { trace_id: 9, span_id: 1, sampled: true },
            parent: None,
            is_call: false,
            name: "set-up".into(),
            start: 10,
            end: 90,
            attributes: vec![("milvus_load.run_id", "run-7".into())],
            error: None,
        };
        let step = SetupSpan {
            trace: TraceRef { span_id: 2, ..root.trace },
            parent: Some(1),
            is_call: true,
            name: "Flush".into(),
            error: Some("rate limited".into()),
            ..root.clone()
        };
        let templates = SpanTemplates::new(&[], "run-7");
        let (root, step) = (templates.setup_span(root), templates.setup_span(step));
        assert_eq!(root.parent_span_id, SpanId::INVALID);
        assert_eq!(step.parent_span_id, root.span_context.span_id());
        assert_eq!(step.span_context.trace_id(), root.span_context.trace_id());
        assert_eq!((root.span_kind, step.span_kind), (SpanKind::Internal, SpanKind::Client));
        assert_eq!((root.status, step.status), (Status::Unset, Status::error("rate limited")));
        assert_eq!(root.attributes, [KeyValue::new("milvus_load.run_id", "run-7")]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_keeps_no_room() {
        let long = "é".repeat(100_000);
        let span = SetupSpan {
            trace: TraceRef { trace_id: 9, span_id: 1, sampled: true },
            parent: None,
            is_call: false,
            name: format!("x{long}"),
            start: 10,
            end: 90,
            attributes: vec![("key", long.clone()); 100],
            error: Some(long),
        };
        let span = span.bounded();
        assert_eq!((span.name.len(), span.error.as_ref().map(String::len)), (511, Some(512)));
        let texts = span.attributes.iter().map(|(_, value)| value).chain([&span.name]).chain(&span.error);
        let heap = span.attributes.capacity() * size_of::<(&str, String)>()
            + texts.map(String::capacity).sum::<usize>();
        assert!(size_of::<SetupSpan>() + heap <= SetupSpan::MOST_BYTES, "{heap}");
    }
}
