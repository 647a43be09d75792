//! Why a load could not be carried out, or not to its end.

use super::share::Shard;
use crate::measure::MergeError;
use crate::units::Nanos;

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The system gave no thread, timer or runtime.
    #[error("the load generator could not start: {0}")]
    System(#[from] std::io::Error),
    /// Not every connection came up.
    #[error("not every connection to Milvus came up: {0}")]
    Connect(String),
    /// The thread that builds insert bodies is gone: a bug, unless no key is left.
    #[error("the thread that builds insert bodies ended early; please report this")]
    BuilderLost,
    /// A worker ended without its record. A bug.
    #[error("a worker thread ended early and its part of the numbers is lost; please report this")]
    WorkerLost,
    /// A shard of a run without any work.
    #[error(
        "shard {shard} has nothing to do: every stream has fewer slots, or arrivals, than there are shards; \
         split the run over fewer"
    )]
    IdleShard {
        /// Which.
        shard: Shard,
    },
    /// A worker whose part of the in-flight bound is 0.
    #[error(
        "load.max_in_flight = {bound} leaves a worker of shard {shard} no request in flight at all; \
         raise it to {needed}, or use fewer shards or workers"
    )]
    NoRoom {
        shard: Shard,
        /// `load.max_in_flight`.
        bound: u32,
        /// What gives each worker one.
        needed: u32,
    },
    /// Slots of the plan and of its recorders differ, or do not fill the window. A bug.
    #[error("the slots of the plan are not those of its recorders; please report this")]
    OtherSlots,
    /// The moment at which the run was to start had passed before it could.
    #[error(
        "the run was to start at a given moment and was not ready by then (late by {late} or more), so nothing was sent; \
         name a later moment"
    )]
    TooLate {
        /// By how much, at least.
        late: Nanos,
    },
    /// Records of workers do not fit together. A bug.
    #[error("the workers' records do not fit together: {0}; please report this")]
    Merge(#[from] MergeError),
}
