//! The tool itself: its plan, its engine, its recorder.

use std::sync::Arc;
use std::time::Duration;

use milvus_load::engine::{
    BusyWait, Execution, Finished, InsertSource, Plan, PlannedOperation, Requests, Shard, Stop, Tracing,
};
use milvus_load::measure::{LastSeconds, RecorderConfig};
use milvus_load::milvus::ops::{Scan, insert, search};
use milvus_load::milvus::transport::Route;
use milvus_load::milvus::{CallHeaders, Frame};
use milvus_load::trace::exporter::SpanSink;
use milvus_load::trace::ids::RunEntropy;
use milvus_load::trace::sampling::{Header, SamplingRule, Switches};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Nanos, Rate};
use milvus_load::workload::{Arrival, LoadModel, Stream};

use super::Shape;
use super::support::{self, Failure};

/// Between two looks at a load, as `run` looks at it.
const LOOK: Duration = Duration::from_millis(100);

/// Runs against a null server.
pub struct Bench {
    pub frames: Arc<[Frame]>,
    pub uri: String,
    pub shape: Shape,
    /// See `Plan::spin`. Busy-waiting would hide in the CPU time what a request takes.
    pub spin: BusyWait,
}

impl Bench {
    pub fn new(server: &TruthServer, shape: Shape) -> Result<Self, Failure> {
        let frames = support::searches(1_000)?;
        Ok(Self { frames, uri: server.uri(), shape, spin: BusyWait::Never })
    }

    /// One turn on one worker.
    pub fn run(
        &self,
        model: LoadModel,
        fraction: Fraction,
        spans: Option<SpanSink>,
    ) -> Result<Finished, Failure> {
        execute(self.plan(self.search()?, model, fraction, spans.is_some())?, spans)
    }

    /// As [`Bench::run`]; with `watched`, times are counted for a live view, and read as often as one reads them.
    pub fn run_watched(&self, model: LoadModel, watched: bool) -> Result<Finished, Failure> {
        let plan = self.plan(self.search()?, model, Fraction::ZERO, false)?;
        let plan = Arc::new(Plan { live_times: watched, ..plan });
        let execution = runtime()?.block_on(Execution::start(plan, None, Stop::default(), None))?;
        let mut seconds = LastSeconds::default();
        while !execution.is_finished() {
            std::thread::sleep(LOOK);
            let now = execution.elapsed();
            if watched && seconds.take(now, || execution.counters().read(now)) {
                std::hint::black_box((seconds.times(0), seconds.by_second(0)));
            }
        }
        checked(execution.finish()?)
    }

    /// Inserts at full speed, one after the other on each connection.
    pub fn insert(&self, source: InsertSource) -> Result<Finished, Failure> {
        let operation = PlannedOperation {
            name: "insert".to_owned(),
            route: self.route("Insert", insert::scan)?,
            requests: Requests::Built(source),
        };
        let model = LoadModel::Closed { concurrency: self.shape.in_flight };
        execute(self.plan(operation, model, Fraction::ZERO, false)?, None)
    }

    fn search(&self) -> Result<PlannedOperation, Failure> {
        Ok(PlannedOperation {
            name: "search".to_owned(),
            route: self.route("Search", search::scan)?,
            requests: Requests::Ready(Arc::clone(&self.frames)),
        })
    }

    fn route(&self, rpc: &str, scan: Scan) -> Result<Route, Failure> {
        Ok(Route::new(&support::dialer(&self.uri)?, rpc, scan, &CallHeaders::default())?)
    }

    fn plan(
        &self,
        operation: PlannedOperation,
        model: LoadModel,
        fraction: Fraction,
        spans: bool,
    ) -> Result<Plan, Failure> {
        Ok(Plan {
            seed: 7,
            streams: vec![Stream { name: "load".to_owned(), model, shares: vec![(0, 1.0)] }],
            operations: vec![operation],
            dialer: support::dialer(&self.uri)?,
            shard: Shard::WHOLE,
            connections: self.shape.connections,
            workers: 1,
            spin: self.spin,
            max_in_flight: 100_000,
            recorder: RecorderConfig {
                operations: 1,
                connections: self.shape.connections,
                window_start: Nanos::ZERO,
                window: self.shape.turn.into(),
                slots: None,
                by_sampled: false,
                longest: Nanos::from_secs(20),
                slowest: 50,
                stages: vec![],
                seed: 7,
            },
            drain: Nanos::from_secs(10),
            timeout: Duration::from_secs(10),
            slots: None,
            live_times: true,
            tracing: Tracing {
                entropy: RunEntropy::from_os()?,
                rule: SamplingRule::new(fraction),
                switches: Switches { header: Header::Decision, spans },
            },
        })
    }
}

fn execute(plan: Plan, spans: Option<SpanSink>) -> Result<Finished, Failure> {
    checked(runtime()?.block_on(Execution::start(Arc::new(plan), spans, Stop::default(), None))?.finish()?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn checked(finished: Finished) -> Result<Finished, Failure> {
    let counters = finished.recorded.total();
    if counters.unsuccessful() > 0 {
        return Err(format!("not every request succeeded: {counters:?}").into());
    }
    Ok(finished)
}

/// Constant arrivals.
pub fn open(rate: f64) -> Result<LoadModel, Failure> {
    Ok(LoadModel::Open { rate: Rate::per_second(rate)?.into(), arrival: Arrival::Constant })
}
