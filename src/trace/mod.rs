//! *Which* request it was.
mod context;
pub use context::TraceRef;
