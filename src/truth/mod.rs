//! The truth: a server on loopback that speaks enough of Milvus's gRPC, with delays and stalls that are known.
//!
//! It is the null server of benches, the known quantity of calibration, and the scripted peer of engine tests. Start
//! reading at [`Script`] (what it is told) and [`due`] (when it answers).
//!
//! *Belongs here:* the server, its script, the pure law of its answers, its log. *Does not belong:* anything that
//! measures a client or decides on numbers; vectors, which are received and never read.
//!
//! *Invariant:* no answer leaves before it is due by [`due`]; by how much later, the server's own [`Log`] tells. Guarded
//! by `answers_leave_when_the_law_says_or_as_much_later_as_the_log_admits`.
//!
//! ```text
//! connection -> body -> server (log, catalog, replies) -> law -> now, or the heap and its alarm -> answer -> wire
//! ```

mod answer;
mod body;
mod catalog;
mod collection;
mod connection;
mod law;
mod log;
mod replies;
mod rpc;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod thread;
mod wire;

pub use law::{Delay, Stalls, due, queued, truth};
pub use log::{Database, Entry, Lateness, Log, Traceparent, Traceparents};
pub use rpc::Rpc;
pub use script::{Effect, Existing, Fault, Limits, SampledCost, Script, ScriptError, When};
pub use thread::TruthServer;
