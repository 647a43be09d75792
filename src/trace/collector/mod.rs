//! A collector in a process of its own: it takes spans over OTLP/gRPC, counts them and keeps none.
//!
//! An experiment that asks what tracing costs must not pay for receiving spans in the process that it measures. So the tool starts
//! itself once more as a [`CollectorProcess`]; that process ends when its standard input does, so it never outlives the tool.
//!
//! Belongs here: receiving, counting, the two ends of the pipe. Does not belong: what a count means.

mod process;
mod receive;
mod tally;

pub use process::{ANYWHERE, COLLECT, CollectorError, CollectorProcess, collect};
pub use tally::{AskedCalls, BIN, SpanKinds, Tally};
