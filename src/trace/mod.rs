//! *Which* request it was.
pub mod context;
pub mod ids;
pub mod sampling;
pub mod traceparent;

pub use context::TraceRef;
