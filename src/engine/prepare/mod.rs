//! The prepare phase: from a workload to a collection that is really ready.
//!
//! Order of a fresh build: create, insert, flush, compact, index, load, wait. Loading comes last on purpose: a 2.3 server
//! that loads a finished index is ready in 3 s, one that is loaded first hands segments over for 17 s.
//! Set-up calls are tried again on retriable codes within `ready.timeout`, and counted; measured calls never are. The limit
//! is one of waiting: the time that inserting takes does not count.

mod as_it_is;
mod build;
mod error;
mod existing;
mod join;
mod log;
mod steps;

use std::time::Instant;

pub use error::PrepareError;
pub use log::{SetupLog, StepRecord};

use super::stop::Stop;
use crate::milvus::{CallHeaders, Dialer, Missing, RowLayout, Segments, Session};
use crate::workload::{Metric, Prepare, Workload};

/// How the collection came to be what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was there and fits.
    Reused,
    /// It was not there.
    Created,
    /// It fits, is another owner's, and is only read.
    ReusedForReading {
        /// Whose it is.
        owner: String,
    },
    /// It was made by this tool and was dropped first, for this reason.
    Rebuilt(String),
    /// `prepare = "never"`.
    TakenAsItIs,
}

/// A collection that is ready.
#[derive(Debug)]
pub struct Prepared {
    pub action: Action,
    pub rows: u64,
    /// Of them, rows that earlier runs have written.
    pub extra_rows: u64,
    /// The first row number that this run may write.
    pub first_free_row: u64,
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
    pub workload: &'a Workload,
    /// Control calls.
    pub session: &'a Session,
    /// For the connection that inserts.
    pub dialer: &'a Dialer,
    /// Metadata of the inserts.
    pub headers: &'a CallHeaders,
    /// Steps, retries and spans.
    pub log: &'a mut SetupLog,
    pub progress: &'a mut dyn SetupProgress,
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
        let name = &self.workload.collection.name;
        let found = self.find().await?;
        match (self.workload.collection.prepare, found) {
            (Prepare::Never, None) => Err(PrepareError::Absent(name.clone())),
            (Prepare::Never, Some(_)) => self.take_as_it_is().await,
            (Prepare::Auto | Prepare::Always, None) => self.build(Action::Created).await,
            (Prepare::Always, Some(found)) => self.build_anew_always(&found).await,
            (Prepare::Auto, Some(found)) => self.build_or_reuse(&found).await,
        }
    }
}
