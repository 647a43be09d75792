//! *Which* request it was: IDs, sampling, spans, their export, what Jaeger knows of them, and where a request's time went.
//!
//! Belongs here: all that makes a request findable. Does not belong here: workloads, and of Milvus no more than the
//! words that stand in a span's attributes.
//!
//! The way of a request: an [`Arm`](sampling::Arm) names it and decides about its header and span; once it
//! is over, the worker hands a [`ClientSpan`](span::ClientSpan) to its [`SpanSink`](exporter::SpanSink); the
//! [`Exporter`](exporter::Exporter) sends it; [`JaegerClient`](jaeger::JaegerClient) finds it again;
//! [`attribute`](attribution::attribute) divides its time by its spans.
//!
//! Invariants: tracing never delays and never fails a request; every span is counted; a link is only shown for a
//! trace that may be there ([`Fate`](exporter::Fate)).

mod attributes;
pub mod attribution;
#[cfg(test)]
#[path = "../../tests/common/closed_port.rs"]
pub(crate) mod closed_port;
pub mod collector;
mod context;
pub mod endpoint;
pub mod env;
pub mod exporter;
pub mod ids;
pub mod jaeger;
pub mod kept;
pub mod link;
pub mod probe;
pub mod sampling;
pub mod setup;
pub mod span;
pub mod spans;
mod summary;
pub mod traceparent;

pub use context::TraceRef;
pub use summary::TraceSummary;
