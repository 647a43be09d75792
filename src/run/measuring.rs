//! The part of `run` that touches servers: connect, prepare, drive, look again. Returns what was seen; judges nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::engine::prepare::{Action, PrepareError, Prepared, Setup, SetupLog, StepRecord};
use crate::engine::{Execution, Finished, Plan, Stop};
use crate::measure::{CollectionState, MachineTime, ProcessMetrics, ProcessSnapshot};
use crate::milvus::{CallHeaders, Dialer, MilvusError, Readiness, Session};
use crate::report::model::Calibration;
use crate::trace::exporter::{ExportReport, Exporter, SpanSink};
use crate::units::SignedNanos;
use crate::workload::Workload;

use super::error::RunError;
use super::progress::RunProgress;
use super::settings::Settings;
use super::target::ChosenTarget;
use super::tracing::{Collector, RunTracing, builds_spans};
use super::{planning, scrape};

/// Between two looks at a run under way, for the progress line.
const TICK: Duration = Duration::from_millis(100);
/// How long the first answer may take.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// How long the looks after the run may take together: the server may be gone.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What tells a run from others.
#[derive(Clone, Debug)]
pub struct Identity {
    /// 8 hex digits.
    pub run_id: String,
    /// When it was started, microseconds since 1970.
    pub started_unix_us: u64,
}

/// How long after the last answer the server may still hold spans of it: its C++ part exports every 5 s (seen on 2.3.5).
/// A server that ends with the run would take them with it.
const SERVER_SPANS: Duration = Duration::from_secs(6);

/// All that was seen of a run.
pub struct Observed {
    /// Which run it is.
    pub identity: Identity,
    /// What set-up did.
    pub setup: Vec<StepRecord>,
    /// What the workers brought.
    pub finished: Finished,
    /// Rows that earlier runs had written.
    pub extra_rows: u64,
    /// The server's version before and after.
    pub version: (String, Option<String>),
    /// The collection before and after.
    pub collection: (CollectionState, Option<CollectionState>),
    /// The collector.
    pub collector: Collector,
    /// What the exporter did; `None` where no spans were built.
    pub export: Option<ExportReport>,
    /// This process before and after.
    pub generator: (ProcessSnapshot, ProcessSnapshot),
    /// What this machine did in between, where it tells.
    pub machine: Option<MachineTime>,
    /// By how much the system clock gained on the monotonic one since the run's start.
    pub clock_gained: SignedNanos,
    /// What a calibration before it said; set by whoever made one.
    pub calibration: Option<Calibration>,
    /// The server's process before and after, where it tells.
    pub server: Option<(ProcessMetrics, ProcessMetrics)>,
}

/// Prepares the collection and drives it. Blocks until the run is over.
///
/// # Errors
/// Where anything keeps the run from being measured.
pub fn measure(
    settings: &Settings,
    target: &ChosenTarget,
    identity: &Identity,
    stop: &Stop,
    progress: &mut dyn RunProgress,
) -> Result<Observed, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, observe(settings, target, identity, stop, progress))
}

async fn observe(
    settings: &Settings,
    target: &ChosenTarget,
    identity: &Identity,
    stop: &Stop,
    progress: &mut dyn RunProgress,
) -> Result<Observed, RunError> {
    let workload = &settings.workload;
    let dialer = Dialer::new(&target.uri, &workload.target)?;
    let headers = CallHeaders::new(workload.target.token.as_ref(), target.database(workload))?;
    let session = unless_stopped(stop, Session::connect(&dialer, headers.clone())).await??;
    let version = unless_stopped(stop, first_answer(&session, target)).await??;
    progress.say(&format!("Milvus {version} at {}", target.sentence(settings)));

    let tracing = RunTracing::start(settings, &target.uri, &identity.run_id)?;
    progress.say(&tracing.sentence(settings));
    if let Some(note) = target.export_note(settings) {
        progress.say(&note);
    }
    let traced = builds_spans(workload);
    let mut log = SetupLog::new(tracing.tracing.entropy.generator(u64::MAX), traced);
    let mut setup = Setup::new(workload, &session, (&dialer, &headers), &mut log, progress, stop);
    let prepared = unless_stopped(stop, setup.prepare()).await?;
    let setup = end_setup(log, tracing.exporter.as_ref());
    let prepared = prepared.map_err(|error| match error {
        PrepareError::Stopped(reason) => RunError::Stopped(reason),
        other => RunError::from(other),
    })?;
    progress.say(&describe(workload, &prepared));

    let extra_rows = prepared.extra_rows;
    let collection_start = look_at_collection(&session, workload, prepared.rows).await?;
    let here = target.is_on_this_machine();
    let workers = planning::workers(workload, here);
    let spin = planning::busy_wait(workload, workers, here);
    let plan = Arc::new(planning::plan(
        workload,
        prepared,
        (&dialer, &headers),
        tracing.tracing.clone(),
        (workers, spin),
    )?);
    let sink = tracing.exporter.as_ref().map(Exporter::sink);
    let driven = drive(plan, sink, stop, &target.metrics, progress).await?;
    let over = tokio::time::Instant::now();
    progress.ending();
    let (version_end, collection_end) = look_again(&session, workload).await;
    let (collector, export) = tracing.finish();
    let exported = export.as_ref().is_some_and(|export| export.counts.exported > 0);
    if exported && target.kind.ends_with_run() && !stop.is_raised() {
        progress.server_spans();
        tokio::time::sleep_until(over + SERVER_SPANS).await;
    }
    Ok(Observed {
        identity: identity.clone(),
        setup,
        finished: driven.finished,
        extra_rows,
        version: (version, version_end),
        collection: (collection_start, collection_end),
        collector,
        export,
        generator: driven.generator,
        machine: driven.machine,
        clock_gained: driven.clock_gained,
        calibration: None,
        server: driven.server,
    })
}

/// The load itself, and what was read of generator, machine and server right before and after it.
struct Driven {
    finished: Finished,
    generator: (ProcessSnapshot, ProcessSnapshot),
    machine: Option<MachineTime>,
    clock_gained: SignedNanos,
    server: Option<(ProcessMetrics, ProcessMetrics)>,
}

async fn drive(
    plan: Arc<Plan>,
    sink: Option<SpanSink>,
    stop: &Stop,
    metrics: &[String],
    progress: &mut dyn RunProgress,
) -> Result<Driven, RunError> {
    let warmup = plan.recorder.window_start;
    let server_before = scrape::first(metrics);
    let (before, machine_before) = (ProcessSnapshot::take(), MachineTime::now());
    let execution = Execution::start(plan, sink, stop.clone()).await?;
    while !execution.is_finished() {
        progress.running(execution.elapsed(), execution.end(), warmup, execution.live());
        tokio::time::sleep(TICK).await;
    }
    let finished = execution.finish()?;
    let (after, machine_after) = (ProcessSnapshot::take(), MachineTime::now());
    let server_after = scrape::first(metrics);
    Ok(Driven {
        clock_gained: finished.clock.gained(),
        finished,
        generator: (before, after),
        machine: machine_before.zip(machine_after).map(|(before, after)| after.since(&before)),
        server: server_before.zip(server_after),
    })
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
async fn first_answer(session: &Session, target: &ChosenTarget) -> anyhow::Result<String> {
    let asked =
        || format!("{} does not tell its version; is it the gRPC port of a Milvus (19530)?", target.uri);
    let answer = tokio::time::timeout(FIRST_LIMIT, session.version()).await;
    answer.map_err(|_| anyhow!("no answer within {FIRST_LIMIT:?}")).and_then(|a| Ok(a?)).with_context(asked)
}

/// Ends the log and hands its spans to the exporter.
fn end_setup(log: SetupLog, exporter: Option<&Exporter>) -> Vec<StepRecord> {
    let (steps, spans) = log.finish();
    if let Some(exporter) = exporter {
        let sink = exporter.sink();
        spans.into_iter().for_each(|span| sink.offer_setup(span));
    }
    steps
}

fn describe(workload: &Workload, prepared: &Prepared) -> String {
    let Prepared { action, rows, extra_rows, segments, .. } = prepared;
    let how = match action {
        Action::Reused if *extra_rows > 0 => {
            format!("reused, with {extra_rows} rows that earlier runs wrote")
        }
        Action::Reused => "reused".to_owned(),
        Action::Created => "created".to_owned(),
        Action::Rebuilt(reason) => format!("rebuilt: {reason}"),
        Action::TakenAsItIs => "taken as it is".to_owned(),
    };
    let segments = segments
        .map_or_else(String::new, |s| format!(", {} sealed segment(s), {} growing", s.sealed, s.growing));
    format!("collection {}: {rows} rows{segments} ({how})", workload.collection.name)
}

async fn look_at_collection(
    session: &Session,
    workload: &Workload,
    rows: u64,
) -> Result<CollectionState, MilvusError> {
    session.set_traceparent(None);
    let readiness =
        Readiness::ask(session, (&workload.collection.name, &workload.collection.vector.name), rows).await?;
    Ok(CollectionState {
        rows: Some(rows),
        // Where there is no index, none of the rows is in one.
        indexed_rows: Some(readiness.index.map_or(0, |index| index.indexed)),
        sealed: readiness.segments.map(|segments| segments.sealed),
        growing: readiness.segments.map(|segments| segments.growing),
    })
}

/// The server's version and the collection after the run; `None` for what no longer answers.
async fn look_again(session: &Session, workload: &Workload) -> (Option<String>, Option<CollectionState>) {
    session.set_traceparent(None);
    let look = async {
        let version = session.version().await.ok();
        let rows = session.count(&workload.collection.name, "").await.ok();
        let state = match rows {
            Some(rows) => look_at_collection(session, workload, rows).await.ok(),
            None => None,
        };
        (version, state)
    };
    tokio::time::timeout(LOOK_LIMIT, look).await.unwrap_or((None, None))
}
