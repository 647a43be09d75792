//! Collectors: they take spans over OTLP/gRPC.
//!
//! - [`Collector`] listens in this process and keeps the traces that matter: the server exports to it, the client's own spans
//!   come in without a detour ([`Keeping`]), a [`Chooser`] says which requests matter, and what arrives may be passed on. Spans of
//!   requests that are not decided on wait in a bounded ring; of traces that are not kept only the spans' number is.
//! - [`CollectorProcess`] only counts, in a process of its own: an experiment that asks what tracing costs must not pay for receiving
//!   spans in the process that it measures. The tool starts itself once more; that process ends when its standard input does, so it
//!   never outlives the tool.
//!
//! Belongs here: receiving, what is held in which memory, the count of every span. Does not belong: which requests matter, and
//! what a count means.

mod counting;
mod decided;
#[cfg(test)]
mod hand_made;
mod here;
mod keeping;
mod process;
mod receive;
mod scan;
mod store;
mod tally;

pub use here::{Collector, stand_in};
pub use keeping::{Chooser, Collected, Keeping, Onward};
pub use process::{ANYWHERE, COLLECT, CollectorError, CollectorProcess, collect};
pub use receive::{Take, serve_one};
pub use store::Books;
pub use tally::{AskedCalls, BIN, SpanKinds, Tally};
