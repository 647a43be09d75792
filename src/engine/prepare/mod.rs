//! The prepare phase: from a workload to a collection that is really ready.
//!
//! Order of a fresh build: create, insert, flush, compact, index, load, wait. Loading comes last on purpose: a 2.3 server
//! that loads a finished index is ready in 3 s, one that is loaded first hands segments over for 17 s.
//! Set-up calls are tried again on retriable codes within `ready.timeout`, and counted; measured calls never are. The limit
//! is one of waiting: the time that inserting takes does not count.

mod build;
mod existing;
mod log;
mod steps;

use std::time::{Duration, Instant};

pub use log::{SetupLog, StepRecord};

use super::stop::{Stop, StopReason};
use crate::milvus::{
    CallHeaders, Dialer, MilvusError, Missing, Ownership, RowLayout, Segments, Session, fingerprint,
    ownership,
};
use crate::workload::{Metric, Prepare, Workload};

/// Why the collection could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A call failed.
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
    /// Not ours.
    #[error(
        "the collection {0} exists and was not made by milvus-load, so it is left alone; choose another \
         collection.name, or set collection.prepare = \"never\" to run against it as it is"
    )]
    Foreign(String),
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
        /// Its name.
        collection: String,
        /// What does not fit, and the fix.
        problem: String,
    },
    /// The rows that were inserted are not the rows that are there.
    #[error(
        "the collection {collection} has {found} rows after set-up, not {expected}; run again with prepare = \"always\""
    )]
    RowCount {
        /// Its name.
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

/// How the collection came to be what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was there and fits.
    Reused,
    /// It was not there.
    Created,
    /// It was ours and was dropped first, for this reason.
    Rebuilt(&'static str),
    /// `prepare = "never"`.
    TakenAsItIs,
}

/// A collection that is ready.
#[derive(Debug)]
pub struct Prepared {
    /// How it came to be.
    pub action: Action,
    /// Rows in it.
    pub rows: u64,
    /// Of them, rows that earlier runs have written.
    pub extra_rows: u64,
    /// The first row number that this run may write.
    pub first_free_row: u64,
    /// Its columns.
    pub layout: RowLayout,
    /// The distance measure of its index.
    pub metric: Metric,
    /// Its segments, where the server tells.
    pub segments: Option<Segments>,
    /// What is not ready, where it was taken as it is.
    pub missing: Vec<Missing>,
}

/// Who is told how set-up goes on.
pub trait SetupProgress {
    /// A step begins.
    fn step(&mut self, name: &'static str);
    /// Rows inserted so far, of so many.
    fn rows(&mut self, done: u64, total: u64);
    /// What is being waited for.
    fn waiting(&mut self, missing: &str);
}

/// Everything set-up works with.
pub struct Setup<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// Control calls.
    pub session: &'a Session,
    /// For the connection that inserts.
    pub dialer: &'a Dialer,
    /// Metadata of the inserts.
    pub headers: &'a CallHeaders,
    /// Steps, retries and spans.
    pub log: &'a mut SetupLog,
    /// Told how it goes on.
    pub progress: &'a mut dyn SetupProgress,
    /// Ends it early.
    pub stop: &'a Stop,
    /// When waiting ends: `ready.timeout` after set-up began, or after the last row was inserted.
    deadline: Instant,
}

impl<'a> Setup<'a> {
    /// The limit of `ready.timeout` starts here, and again when all rows are inserted.
    pub fn new(
        workload: &'a Workload,
        session: &'a Session,
        (dialer, headers): (&'a Dialer, &'a CallHeaders),
        log: &'a mut SetupLog,
        progress: &'a mut dyn SetupProgress,
        stop: &'a Stop,
    ) -> Self {
        let deadline = Instant::now() + workload.collection.ready_timeout;
        Self { workload, session, dialer, headers, log, progress, stop, deadline }
    }

    /// Makes the collection ready as `collection.prepare` allows. Must run inside a `LocalSet`.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub async fn prepare(&mut self) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let exists = self.call("inspect", async |s| s.has_collection(&collection.name).await).await?;
        match (collection.prepare, exists) {
            (Prepare::Never, false) => Err(PrepareError::Absent(collection.name.clone())),
            (Prepare::Never, true) => self.take_as_it_is().await,
            (Prepare::Auto | Prepare::Always, false) => self.build(Action::Created).await,
            (Prepare::Auto | Prepare::Always, true) => match (self.whose().await?, collection.prepare) {
                (Ownership::Foreign, _) => Err(PrepareError::Foreign(collection.name.clone())),
                (_, Prepare::Always) => self.rebuild("prepare = \"always\"").await,
                (Ownership::Differs, _) => self.rebuild("its schema, index or data differ").await,
                (Ownership::Fits, _) => self.reuse().await,
            },
        }
    }

    async fn whose(&mut self) -> Result<Ownership, PrepareError> {
        let collection = &self.workload.collection;
        let found = self.call("inspect", async |s| s.describe_collection(&collection.name).await).await?;
        let description = found.schema.map(|schema| schema.description).unwrap_or_default();
        Ok(ownership(&description, &fingerprint(collection, &self.workload.data)))
    }

    async fn rebuild(&mut self, reason: &'static str) -> Result<Prepared, PrepareError> {
        let name = &self.workload.collection.name;
        self.call("drop", async |s| s.drop_collection(name).await).await?;
        self.build(Action::Rebuilt(reason)).await
    }
}
