//! A server with a collection that is ready: what the runs against it share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::engine::prepare::{Action, PrepareError, Prepared, Setup, SetupLog, StepRecord};
use crate::engine::{RowBlocks, Shard, Stop};
use crate::measure::CollectionState;
use crate::milvus::ops::{self, Supply};
use crate::milvus::{CallHeaders, Dialer, MilvusError, Readiness, RowLayout, Session};
use crate::trace::ids::RunEntropy;
use crate::trace::setup::SetupSpan;
use crate::workload::{Access, Metric, Workload};

use super::descriptors;
use super::error::RunError;
use super::metrics::PROBES;
use super::observed::{CollectionLook, VectorRecord};
use super::planning;
use super::progress::RunProgress;
use super::server::Server;
use super::settings::Settings;
use super::tracing::builds_spans;

/// Between two looks whether a signal has come.
const TICK: Duration = Duration::from_millis(100);
/// How long the first answer may take.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// How long the looks after a run may take together: the server may be gone.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// A collection that is ready to be driven, on a server that answers. Any number of runs may follow each other on it; one that
/// wrote leaves it dirty.
pub struct Ready<'a> {
    pub(super) server: &'a Server,
    pub(super) control: Control,
    pub(super) dialer: Dialer,
    pub(super) headers: CallHeaders,
    /// The server's version at the start.
    pub(super) version: String,
    /// Where it tells its metrics.
    pub(super) metrics: Vec<String>,
    pub(super) steps: Vec<StepRecord>,
    /// Its spans, until a run with an exporter takes them.
    pub(super) spans: Vec<SetupSpan>,
    pub(super) layout: Arc<RowLayout>,
    pub(super) metric: Metric,
    /// Rows when it became ready, and those of them that earlier runs had written.
    pub(super) rows: u64,
    pub(super) extra_rows: u64,
    /// Which of the run's processes drives it.
    pub(super) shard: Shard,
    /// Where the next run keeps its journal; `None`: nowhere.
    pub(super) journal: Option<std::path::PathBuf>,
    /// Whether set-up inserted what is in the collection, be it in an earlier run.
    pub(super) inserted_by_setup: bool,
    /// The next rows to be written, by whichever run.
    pub(super) next_rows: Arc<RowBlocks>,
    dirty: bool,
}

/// The control session with the runtime that it lives on, so that nothing asynchronous leaves this room.
pub(super) struct Control {
    runtime: tokio::runtime::Runtime,
    local: tokio::task::LocalSet,
    pub session: Session,
}

impl Control {
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.local.block_on(&self.runtime, work)
    }
}

impl Control {
    /// Makes calls for the server to count. What it answers does not matter.
    fn call_often(&self, collection: &str) {
        self.block_on(async {
            for _ in 0..PROBES {
                let _ = tokio::time::timeout(LOOK_LIMIT, self.session.has_collection(collection)).await;
            }
        });
    }
}

impl Server {
    /// Connects and makes the collection ready as the workload asks. Blocks until it is.
    ///
    /// # Errors
    /// Where the server does not answer, the collection cannot be made ready, or a signal came.
    pub fn prepare(
        &self,
        settings: &Settings,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Ready<'_>, RunError> {
        self.ready(settings, None, stop, progress)
    }

    /// Connects and takes the collection that another process has made ready for all shards. Changes nothing.
    ///
    /// # Errors
    /// As above, and where it is not ready.
    pub fn join(
        &self,
        settings: &Settings,
        shard: Shard,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Ready<'_>, RunError> {
        self.ready(settings, Some(shard), stop, progress)
    }

    fn ready(
        &self,
        settings: &Settings,
        shard: Option<Shard>,
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Ready<'_>, RunError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        let workload = &settings.workload;
        let of = shard.unwrap_or_default();
        let workers = planning::workers(workload, self.is_on_this_machine(), of);
        descriptors::ensure(workload.load.connections, workers)?;
        let dialer = Dialer::new(&self.uri, &workload.target)?;
        let headers = CallHeaders::new(workload.target.token.as_ref(), &workload.target.database)?;
        let connect = unless_stopped(stop, Session::connect(&dialer, headers.clone()));
        let session = local.block_on(&runtime, connect)??;
        let control = Control { runtime, local, session };
        let version = control.block_on(unless_stopped(stop, first_answer(&control.session, self)))??;
        progress.say(&format!("Milvus {version} at {}", self.sentence(settings)));
        let mut log = SetupLog::new(RunEntropy::from_os()?.generator(u64::MAX), builds_spans(workload));
        let of = (&control, &dialer, &headers);
        let prepared = make_ready(workload, of, shard.is_some(), &mut log, stop, progress)?;
        let (steps, spans) = log.finish();
        progress.say(&describe(workload, &prepared));
        let metrics = self.metrics.of_server(|| control.call_often(&workload.collection.name));
        Ok(Ready {
            server: self,
            control,
            dialer,
            headers,
            version,
            metrics,
            steps,
            spans,
            layout: Arc::new(prepared.layout),
            metric: prepared.metric,
            rows: prepared.rows,
            extra_rows: prepared.extra_rows,
            shard: shard.unwrap_or_default(),
            journal: None,
            inserted_by_setup: prepared.action != Action::TakenAsItIs,
            next_rows: Arc::new(RowBlocks::new(
                prepared.first_free_row,
                largest_batch(workload),
                shard.unwrap_or_default(),
            )),
            dirty: false,
        })
    }
}

impl Ready<'_> {
    /// The server's version, as it told when it was connected to.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether a run has written to the collection since it was made ready: its rows are no longer those that the workload
    /// describes.
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Lets the next run write down what its workers hand over, so that it is not lost where this process dies.
    pub fn keep_journal(&mut self, path: std::path::PathBuf) {
        self.journal = Some(path);
    }

    /// To be told of a run before it starts.
    pub(super) fn note_writes(&mut self, workload: &Workload) {
        self.dirty |= workload.has(Access::Writes);
    }

    /// The vector field that requests name.
    pub(super) fn vector(&self) -> VectorRecord {
        VectorRecord {
            name: self.layout.vector.clone(),
            dim: self.layout.vectors.dim() as u64,
            metric: self.metric.wire_name().to_owned(),
        }
    }

    /// Rows beyond those that set-up inserts: what earlier runs had left, or after a run that wrote whatever is there.
    pub(super) fn rows_beyond_base(&self, workload: &Workload, before: &CollectionState) -> u64 {
        match before.rows {
            Some(rows) if self.dirty => rows.saturating_sub(workload.collection.rows),
            _ => self.extra_rows,
        }
    }

    /// The collection right before a run. Its rows are counted anew: since it was made ready, somebody may have been at it.
    pub(super) fn look_before(&self, workload: &Workload) -> Result<CollectionLook, RunError> {
        Ok(self.control.block_on(self.look(workload))?)
    }

    /// The server's version and the collection after a run; `None` for what no longer answers.
    pub(super) fn look_after(&self, workload: &Workload) -> (Option<String>, Option<CollectionLook>) {
        let Control { session, .. } = &self.control;
        session.set_traceparent(None);
        let look = async {
            let version = session.version().await.ok();
            (version, self.look(workload).await.ok())
        };
        let limited = async { tokio::time::timeout(LOOK_LIMIT, look).await };
        self.control.block_on(limited).unwrap_or((None, None))
    }

    async fn look(&self, workload: &Workload) -> Result<CollectionLook, MilvusError> {
        let (session, name) = (&self.control.session, workload.collection.name.as_str());
        session.set_traceparent(None);
        let rows = session.count(name, "").await?;
        let readiness = Readiness::ask(session, (name, &self.layout.vector), rows).await?;
        let state = CollectionState {
            rows: Some(rows),
            // Where there is no index, none of the rows is in one.
            indexed_rows: Some(readiness.index.map_or(0, |index| index.indexed)),
            sealed: readiness.segments.map(|segments| segments.sealed),
            growing: readiness.segments.map(|segments| segments.growing),
        };
        Ok(CollectionLook { state, index: readiness.described })
    }
}

fn make_ready(
    workload: &Workload,
    (control, dialer, headers): (&Control, &Dialer, &CallHeaders),
    joins: bool,
    log: &mut SetupLog,
    stop: &Stop,
    progress: &mut dyn RunProgress,
) -> Result<Prepared, RunError> {
    let mut setup = Setup::new(workload, &control.session, (dialer, headers), log, progress, stop);
    let work = async {
        match joins {
            true => setup.join().await,
            false => setup.prepare().await,
        }
    };
    control.block_on(unless_stopped(stop, work))?.map_err(|error| match error {
        PrepareError::Stopped(reason) => RunError::Stopped(reason),
        other => RunError::from(other),
    })
}

/// Rows of the largest insert; 0 where there is none.
fn largest_batch(workload: &Workload) -> u32 {
    let batches = workload.operations.iter().map(|operation| match ops::of(&operation.kind).supply(1) {
        Supply::Fresh { rows } => rows,
        Supply::Repeated { .. } => 0,
    });
    batches.max().unwrap_or(0)
}

/// Work before the load, of which nothing need be waited for once a signal has come.
async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Result<T, RunError> {
    let stopped = async {
        loop {
            match stop.reason() {
                Some(reason) => return reason,
                None => tokio::time::sleep(TICK).await,
            }
        }
    };
    tokio::select! {
        biased;
        reason = stopped => Err(RunError::Stopped(reason)),
        done = work => Ok(done),
    }
}

/// The server's version: the first call, which shows whether it is a Milvus at all.
async fn first_answer(session: &Session, server: &Server) -> anyhow::Result<String> {
    let asked =
        || format!("{} does not tell its version; is it the gRPC port of a Milvus (19530)?", server.uri);
    let answer = tokio::time::timeout(FIRST_LIMIT, session.version()).await;
    answer.map_err(|_| anyhow!("no answer within {FIRST_LIMIT:?}")).and_then(|a| Ok(a?)).with_context(asked)
}

fn describe(workload: &Workload, prepared: &Prepared) -> String {
    let Prepared { action, rows, extra_rows, segments, missing, .. } = prepared;
    let how = match action {
        Action::Reused if *extra_rows > 0 => {
            format!("reused, with {extra_rows} rows that earlier runs wrote")
        }
        Action::Reused => "reused".to_owned(),
        Action::Created => "created".to_owned(),
        Action::ReusedForReading { owner } => format!("{owner}'s, read as it is"),
        Action::Rebuilt(reason) => format!("rebuilt: {reason}"),
        Action::TakenAsItIs if missing.is_empty() => "taken as it is".to_owned(),
        Action::TakenAsItIs => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("taken as it is, and not all of it is ready: {}", missing.join("; "))
        }
    };
    let segments = segments
        .map_or_else(String::new, |s| format!(", {} sealed segment(s), {} growing", s.sealed, s.growing));
    format!("collection {}: {rows} rows{segments} ({how})", workload.collection.name)
}
