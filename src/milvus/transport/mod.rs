//! The measured path: pre-framed requests over raw HTTP/2, on the worker's own thread.
//!
//! A request's life, and the clock read on each edge:
//!
//! ```text
//!   due --(slot)--> sent --(trailers)--> done: answered
//!    |   wait for a  |  \--(timeout)---> done: timed out (stream reset; a late answer is not read)
//!    |   free stream  \---(connection)-> done: failed
//!    \--(no connection comes about)----> done: failed, never sent
//! ```
//!
//! *sent* is read just before the headers go to a connection that has a free stream slot: waiting for a slot is lag,
//! never service time, and slots are given in the order of asking. There are no retries. Invariant: one call gives exactly one [`Reply`].

mod call;
mod connection;
mod pool;

pub use call::{CallError, Reply, Route};
pub(in crate::milvus) use connection::shake_hands;
pub use connection::{CONNECTION_WINDOW, STREAM_WINDOW};
pub use pool::{Pool, PoolStats};
