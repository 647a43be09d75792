//! How large a span will be once encoded, without encoding it: an upper bound, close enough to fill batches by.

use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;

/// IDs, times, kind, flags and the frames around them: 26 + 18 + 18 + 18 + 2 + 2 + 10 bytes and some to spare.
const FIXED: usize = 128;
/// Tags and lengths around an attribute's key and value, each length in at most 5 bytes.
const PER_ATTRIBUTE: usize = 24;

/// At least as many bytes as the span takes in an OTLP message.
pub(in crate::trace) fn encoded_bytes(span: &SpanData) -> usize {
    let attributes =
        span.attributes.iter().map(|one| PER_ATTRIBUTE + one.key.as_str().len() + value_bytes(&one.value));
    let message = match &span.status {
        opentelemetry::trace::Status::Error { description } => description.len(),
        _ => 0,
    };
    FIXED + span.name.len() + message + attributes.sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 1,
        Value::I64(_) | Value::F64(_) => 10,
        // Arrays are never used here; their text is no shorter than their encoding.
        other => other.as_str().len(),
    }
}
