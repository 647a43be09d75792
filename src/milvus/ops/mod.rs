//! What operations are on the wire: a file each, with its RPC, its frames, what a complete answer to one of them holds, and how
//! an answer is read.
//!
//! Belongs here: whatever depends on which operation it is. Does not belong: when a request is sent, and how (transport).
//! *Invariant:* [`of`] is the only place that tells operations apart, so none can be forgotten elsewhere.

mod get;
pub mod insert;
mod known;
pub mod query;
pub mod search;
#[cfg(test)]
mod test_context;

use std::sync::Arc;

pub use known::KnownRows;

use super::frame::Frame;
use super::rows::RowLayout;
use super::scan::{ScanError, Scanned};
use crate::workload::{Consistency, Metric, OperationKind};

/// Frames that are made ahead take this much memory at most per operation; larger ones give fewer distinct requests.
const FRAMES_BYTES: usize = 256 << 20;

/// Reads a reply without its gRPC prefix. Fails where the bytes are not a protobuf message.
pub type Scan = fn(&[u8]) -> Result<Scanned, ScanError>;

/// What the requests of an operation are about.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub collection: &'a str,
    /// Its columns: the vector field's name, queries, and filter values.
    pub layout: &'a RowLayout,
    /// The distance measure of the index.
    pub metric: Metric,
    pub consistency: Consistency,
    /// Distinct query vectors, and different requests of other reads; at least 1.
    pub queries: u64,
    pub rows: u64,
    /// Those of them whose values are known; `None` in a collection that was taken as it is.
    pub known: Option<&'a KnownRows>,
    pub seed: u64,
    /// The operation's place in the workload, so that two of a kind draw apart.
    pub operation: u64,
}

impl Context<'_> {
    /// Keys below this one are those of rows, as far as anybody knows.
    fn key_range(&self) -> u64 {
        self.known.map_or(self.rows, KnownRows::rows)
    }
}

/// An operation that a collection does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// No key can be named.
    #[error(
        "the keys of {collection} are made by the server, or are no 64-bit integers, so none is known to get rows by; \
         use kind = \"query\" with a filter"
    )]
    UnknownKeys {
        /// Its name.
        collection: String,
    },
    /// Fewer rows than keys per request.
    #[error(
        "{collection} has {rows} rows, and each get asks for {keys} different keys; lower keys, or insert more rows"
    )]
    TooFewRows {
        collection: String,
        rows: u64,
        /// Keys per request.
        keys: u32,
    },
}

/// Where the requests of an operation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// Made before the clock starts and sent over and over.
    Repeated {
        /// So many different ones, at least 1.
        distinct: u64,
    },
    /// Each is made and sent once.
    Fresh {
        /// Of so many rows that no other request writes.
        rows: u32,
    },
}

/// An operation as it is sent.
pub trait Op {
    /// The method's name, which is also `db.operation.name`.
    fn rpc(&self) -> &'static str;

    /// Reads its reply.
    fn scan(&self) -> Scan;

    /// Where its requests come from, where there are `queries` distinct query vectors.
    fn supply(&self, queries: u64) -> Supply;

    /// About how many bytes a request has, where a vector has so many.
    fn payload(&self, vector_bytes: usize) -> usize;

    /// Whether the collection is one that it can work on.
    ///
    /// # Errors
    /// Where it is not.
    fn check(&self, _context: &Context<'_>) -> Result<(), OpError> {
        Ok(())
    }

    /// Request number `place` of those that are repeated, or that which writes the rows from `place` on.
    fn frame(&self, context: &Context<'_>, place: u64) -> Frame;
}

pub fn of(kind: &OperationKind) -> &dyn Op {
    match kind {
        OperationKind::Search(search) => search,
        OperationKind::Insert(insert) => insert,
        OperationKind::Query(query) => query,
        OperationKind::Get(get) => get,
    }
}

/// The first of `distinct` requests of an operation: all, or as many as there is memory for; at least one.
pub fn frames(op: &dyn Op, context: &Context<'_>, distinct: u64) -> Arc<[Frame]> {
    frames_within(FRAMES_BYTES, op, context, distinct)
}

fn frames_within(bytes: usize, op: &dyn Op, context: &Context<'_>, distinct: u64) -> Arc<[Frame]> {
    let first = op.frame(context, 0);
    let mut room = bytes.saturating_sub(first.len());
    let more = (1..distinct).map(|place| op.frame(context, place));
    let fitting = more.map_while(|frame| {
        room = room.checked_sub(frame.len())?;
        Some(frame)
    });
    std::iter::once(first).chain(fitting).collect()
}

/// About how many bytes [`frames`] of so many distinct requests take, where a vector has so many.
pub fn frames_bytes(op: &dyn Op, distinct: u64, vector_bytes: usize) -> usize {
    usize::try_from(distinct).unwrap_or(usize::MAX).saturating_mul(op.payload(vector_bytes)).min(FRAMES_BYTES)
}

#[cfg(test)]
mod tests {
    use super::test_context::TestContext;
    use super::*;
    use crate::workload::Get;

    #[test]
    fn there_are_as_many_frames_as_differ_or_as_there_is_memory_for_and_one_at_least() {
        let test = TestContext::new(1_000);
        let context = test.context();
        let get = Get { keys: 100, output_fields: vec![] };
        let sizes: Vec<usize> = (0..5).map(|place| get.frame(&context, place).len()).collect();
        let room = |frames: usize| sizes[..frames].iter().sum::<usize>();
        let made = |bytes, distinct| {
            let frames = frames_within(bytes, &get, &context, distinct);
            for (place, frame) in frames.iter().enumerate() {
                assert_eq!(frame.to_bytes(None), get.frame(&context, place as u64).to_bytes(None));
            }
            frames.len()
        };
        assert_eq!(made(usize::MAX, 5), 5);
        assert_eq!(made(room(3), 5), 3);
        assert_eq!(made(room(3) - 1, 5), 2);
        assert_eq!(made(0, 5), 1);
    }
}
