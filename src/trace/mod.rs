//! *Which* request it was.
pub mod context;
pub mod endpoint;
pub mod env;
pub mod exporter;
pub mod ids;
pub mod sampling;
pub mod setup;
pub mod span;
pub mod traceparent;

pub use context::TraceRef;
