//! Requests of every kind, sent to see what becomes of them.
//!
//! Milvus's exporter sends what ended first first, so that once the last request's span has come, those of all before it have come
//! too, or never will.

use std::time::{SystemTime, UNIX_EPOCH};

use super::milvus::Milvus;
use crate::trace::ids::IdGenerator;
use crate::trace::{TraceRef, traceparent};

/// Requests without a header.
pub(super) const ANONYMOUS: u64 = 300;

/// One request. Times are nanoseconds since 1970, of this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub trace_id: u128,
    pub span_id: u64,
    pub sent: u64,
    pub done: u64,
}

impl Probe {
    pub const fn trace(&self) -> TraceRef {
        TraceRef { trace_id: self.trace_id, span_id: self.span_id, sampled: true }
    }
}

/// How a request's header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Sampled,
    Unsampled,
    /// Sampled, beside a `client_request_id`.
    WithRequestId,
}

pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Sends one request with a header; what Milvus said where it did not answer as it should.
pub(super) fn send(milvus: &Milvus, ids: &mut IdGenerator, header: Header) -> Result<Probe, String> {
    let (trace_id, span_id) = (ids.trace_id(), ids.span_id());
    let value = traceparent::header(trace_id, span_id, header != Header::Unsampled);
    let sent = now();
    milvus.get_version(Some(value), header == Header::WithRequestId)?;
    Ok(Probe { trace_id, span_id, sent, done: now() })
}

/// Sends many requests without a header: when the first was sent and the last was done, and how many were answered.
pub(super) fn send_anonymous(milvus: &Milvus, is_stopped: &dyn Fn() -> bool) -> (u64, u64, u64) {
    let (from, mut answered) = (now(), 0);
    for _ in 0..ANONYMOUS {
        if is_stopped() || milvus.get_version(None, false).is_err() {
            break;
        }
        answered += 1;
    }
    (from, now(), answered)
}
