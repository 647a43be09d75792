//! Why no trace shows up: the way of a trace, checked link by link, each failure with the one thing to do.
//!
//! ```text
//! Milvus answers -> its version, its configuration, its log -> the collector takes spans -> Jaeger has them
//!   -> requests of every kind (header 01, 00, none) -> what came of them
//! ```
//!
//! Belongs here: what is asked, and what the answers mean. Deciding is pure and apart from asking: [`Cause`] is every cause with its
//! fix, `configuration`, `log`, `version` and `traces` judge what was seen, `look`, `probes` and `intake` see it. Does not belong:
//! how it is shown. *Invariants:* every cause is told by a signal of its own; of a server's settings nothing but those of `trace` is kept,
//! and no secret is ever in what was seen. Start with [`examine`].

mod cause;
mod check;
mod collector;
mod configuration;
mod examine;
mod eyes;
#[cfg(test)]
mod fakes;
mod fraction;
mod intake;
mod jaeger;
mod known;
mod log;
mod look;
mod milvus;
mod probes;
mod sending;
mod traces;
mod version;

pub use cause::Cause;
pub use examine::{Follow, Orders, examine};
