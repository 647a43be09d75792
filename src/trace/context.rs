//! The identity of a traced request.

/// Which trace a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceRef {
    /// W3C trace ID; 0 where tracing is off.
    pub trace_id: u128,
    /// W3C ID of the client's span.
    pub span_id: u64,
    /// Whether the client sampled it (flag 01 sent, span built).
    pub sampled: bool,
}

impl TraceRef {
    /// A request with tracing switched off: no header, no span, no ID.
    pub const OFF: Self = Self { trace_id: 0, span_id: 0, sampled: false };
}
