//! A run's record as a file, `record.jsonl`: what exact merging needs beyond report.json.
//!
//! ```text
//! header                                   which run, which shard, the shape of what follows
//! context                                  what its owner (the room `run`) wants kept beside the numbers
//! operation, times.., sampled, slowest, exemplars..,
//! interval.., stage..                      once per operation
//! connection..
//! end                                      how many lines came before it: a record that was cut off is told
//! ```
//!
//! Beside it while a run lasts, `journal.jsonl`: what a process that dies leaves of its numbers.
//!
//! Belongs here: the lines, and telling from a file of unknown origin whether it is such a record. Does not belong: what a
//! run is, and what its context means. The file is internal: report.json is the promise.
//!
//! Invariant: what is read is what was written, exactly; and what cannot be is refused with its line, without a panic and in
//! memory that grows with the file alone. Start reading at [`write()`] and [`read()`].

mod journal;
mod lines;
mod read;
mod shards;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};

pub use journal::{JOURNAL_FILE, JOURNAL_SCHEMA, Rebuilt, append, begin, read_journal};
pub use read::{RecordError, read};
pub use shards::{Named, ShardError, missing};
pub use write::write;

use crate::measure::Recorded;

/// The schema's name, first field of every record.
pub const SCHEMA: &str = "milvus-load/record/2";
/// The record's file name within a run's directory.
pub const RECORD_FILE: &str = "record.jsonl";

/// The first line: which run, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Of the run; its shards share it.
    pub run_id: String,
    /// Of milvus-load.
    pub version: String,
    /// Hash of the settings that decide what is measured.
    pub workload_hash: String,
    /// Which part of a divided run; `None`: the whole.
    pub shard: Option<Shard>,
    /// When the warm-up was to start, nanoseconds since 1970; `None`: whenever it was ready.
    pub start_at_unix_ns: Option<u64>,
    /// The first row number that the run may write.
    pub first_free_row: u64,
    /// Of the machine since it was started; `None`: the kernel does not tell.
    pub boot_id: Option<String>,
    /// What follows.
    pub shape: Shape,
}

/// One of `of` parts of a run, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Below `of`.
    pub index: u32,
    /// 1 or more.
    pub of: u32,
}

/// How many lines of which kind follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Start of the window, from the run's anchor.
    pub window_start_ns: u64,
    /// The window as planned.
    pub window_ns: u64,
    /// When its stages begin.
    pub stages_ns: Vec<u64>,
    pub operations: usize,
    /// Connections of this process.
    pub connections: u16,
    /// Samples of operations that do not exist: a bug.
    pub stray: u64,
}

impl Shape {
    pub fn of(recorded: &Recorded) -> Self {
        Self {
            window_start_ns: recorded.window_start.get(),
            window_ns: recorded.window.get(),
            stages_ns: recorded.stages.iter().map(|start| start.get()).collect(),
            operations: recorded.operations.len(),
            connections: u16::try_from(recorded.connections.len()).unwrap_or(u16::MAX),
            stray: recorded.stray,
        }
    }
}
