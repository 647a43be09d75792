//! Why a collection could not be made ready, each with what can be done about it.

use std::time::Duration;

use crate::engine::stop::StopReason;
use crate::milvus::MilvusError;

/// Why the collection could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("set-up, step {step}: {source}")]
    Call {
        /// The step.
        step: &'static str,
        /// The failure.
        source: MilvusError,
    },
    /// Not ready in time.
    #[error(
        "the collection {collection} was not ready within {limit:?}; still missing: {missing}; raise \
         collection.ready.timeout if the server only needs longer"
    )]
    NotReady {
        /// Its name.
        collection: String,
        /// The limit.
        limit: Duration,
        /// What is missing, in words.
        missing: String,
    },
    /// Not made by this tool.
    #[error(
        "the collection {0} exists and was not made by milvus-load, so it is left alone; choose another \
         collection.name, or set collection.prepare = \"never\" to run against it as it is"
    )]
    Foreign(String),
    /// Made by this tool in another version, of whose mark nothing can be told.
    #[error(
        "the collection {collection} was made by {} version of milvus-load, {}, so it is left alone; build it anew, once, with \
         --set collection.prepare=always, drop it, or choose another collection.name",
        if *mark < 2 { "an earlier" } else { "a later" },
        if *mark < 2 { "whose mark names no owner and nothing that can be compared" } else { "whose mark this one cannot read" }
    )]
    OtherMark {
        collection: String,
        /// The mark's version.
        mark: u64,
    },
    /// Made by this tool for another owner, and not to be used as it is.
    #[error(
        "the collection {collection} belongs to {owner}, this run to {we:?}, and {why}; so it is left alone. Choose another \
         collection.name; or, if it is yours too, set collection.owner to its owner; or build it anew whoever's it is, with \
         --set collection.prepare=always"
    )]
    OfAnotherOwner {
        collection: String,
        /// Its owner, in words.
        owner: String,
        /// This run's.
        we: String,
        /// What differs, or what else keeps it from being used.
        why: String,
    },
    /// Another one has its name by now.
    #[error(
        "the collection {0} was replaced by another one while it was about to be dropped, so that is left alone; somebody else is \
         preparing it: run again when they are done, or choose another collection.name"
    )]
    Replaced(String),
    /// `never`, and it is not there.
    #[error(
        "the collection {0} does not exist and collection.prepare is \"never\"; create it, or set prepare = \"auto\""
    )]
    Absent(String),
    /// `never`, and it is not loaded.
    #[error("the collection {0} is not loaded and collection.prepare is \"never\"; load it first")]
    NotLoaded(String),
    /// `never`, and its schema is not one that can be driven.
    #[error("the collection {collection}: {problem}")]
    Schema {
        collection: String,
        /// What does not fit, and the fix.
        problem: String,
    },
    /// A shard never makes anything ready.
    #[error(
        "the collection {collection} is not ready for a shard, which never prepares: {problem}; \
         run once with --prepare-only first, and start the shards when it has ended"
    )]
    NotPrepared {
        collection: String,
        /// What is missing or differs.
        problem: String,
    },
    /// The rows that were inserted are not the rows that are there.
    #[error(
        "the collection {collection} has {found} rows after set-up, not {expected}; run again with prepare = \"always\""
    )]
    RowCount {
        collection: String,
        /// Counted with strong consistency.
        found: u64,
        /// Inserted.
        expected: u64,
    },
    /// The set-up's own connection.
    #[error("set-up could not connect for inserting: {0}")]
    Connect(String),
    /// The user ended it.
    #[error("set-up was interrupted")]
    Stopped(StopReason),
}
