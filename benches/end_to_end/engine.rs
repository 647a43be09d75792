//! The tool itself: its plan, its engine, its recorder.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milvus_load::data::Mixture;
use milvus_load::engine::{Execution, Finished, Plan, PlannedOperation, Requests, Stop, Tracing};
use milvus_load::measure::RecorderConfig;
use milvus_load::milvus::scan::ReplyKind;
use milvus_load::milvus::transport::Route;
use milvus_load::milvus::{CallHeaders, Dialer, Frame, RowLayout, SearchFrames};
use milvus_load::trace::exporter::SpanSink;
use milvus_load::trace::ids::RunEntropy;
use milvus_load::trace::sampling::{Header, SamplingRule, Switches};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Nanos, Rate};
use milvus_load::workload::{Arrival, Consistency, LoadModel, Metric, Search, Stream, Target};

use super::{DIM, Shape};

type Failure = Box<dyn std::error::Error>;

/// CPU time of the calling thread.
pub fn thread_cpu() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Nanos::from_secs(time.tv_sec as u64) + Nanos::new(time.tv_nsec as u64)
}

/// Searches with distinct vectors.
pub fn searches(count: u64) -> Arc<[Frame]> {
    let mixture = Mixture::new(1, DIM, 10, 0.1);
    let layout = RowLayout { key: None, vector: "vector".to_owned(), mixture, scalars: vec![] };
    let search = Search {
        nq: 1,
        top_k: 10,
        params: serde_json::Map::new(),
        filter: None,
        output_fields: vec![],
        ignore_growing: false,
    };
    let frames = SearchFrames {
        collection: "milvus_load_search",
        layout: &layout,
        metric: Metric::Cosine,
        consistency: Consistency::Bounded,
        search: &search,
    };
    (0..count).map(|place| frames.frame(place, count)).collect()
}

/// The bytes of one of them.
pub fn frame(frames: &[Frame]) -> Bytes {
    frames[0].to_bytes(None)
}

/// Runs against a null server.
pub struct Bench {
    pub frames: Arc<[Frame]>,
    pub uri: String,
    pub shape: Shape,
}

impl Bench {
    pub fn new(server: &TruthServer, shape: Shape) -> Self {
        Self { frames: searches(1_000), uri: server.uri(), shape }
    }

    /// One turn on one worker.
    pub fn run(
        &self,
        model: LoadModel,
        fraction: Fraction,
        spans: Option<SpanSink>,
    ) -> Result<Finished, Failure> {
        let plan = self.plan(model, fraction, spans.is_some())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let finished =
            runtime.block_on(Execution::start(Arc::new(plan), spans, Stop::default()))?.finish()?;
        let counters = finished.recorded.total();
        if counters.unsuccessful() > 0 {
            return Err(format!("not every request succeeded: {counters:?}").into());
        }
        Ok(finished)
    }

    fn plan(&self, model: LoadModel, fraction: Fraction, spans: bool) -> Result<Plan, Failure> {
        let dialer = Dialer::new(&self.uri.parse()?, &target())?;
        let operation = PlannedOperation {
            name: "search".to_owned(),
            route: Route::new(&dialer, "Search", ReplyKind::Search, &CallHeaders::default())?,
            requests: Requests::Ready(Arc::clone(&self.frames)),
            expected: 10,
        };
        Ok(Plan {
            seed: 7,
            streams: vec![Stream { name: "load".to_owned(), model, shares: vec![(0, 1.0)] }],
            operations: vec![operation],
            dialer,
            connections: self.shape.connections,
            workers: 1,
            max_in_flight: 100_000,
            recorder: RecorderConfig {
                operations: 1,
                connections: self.shape.connections,
                window_start: Nanos::ZERO,
                window: self.shape.turn.into(),
                longest: Nanos::from_secs(20),
                slowest: 50,
                seed: 7,
            },
            drain: Nanos::from_secs(10),
            timeout: Duration::from_secs(10),
            tracing: Tracing {
                entropy: RunEntropy::from_os()?,
                rule: SamplingRule::new(fraction),
                switches: Switches { header: Header::Decision, spans },
            },
        })
    }
}

/// Constant arrivals.
pub fn open(rate: f64) -> Result<LoadModel, Failure> {
    Ok(LoadModel::Open { rate: Rate::per_second(rate)?, arrival: Arrival::Constant })
}

fn target() -> Target {
    Target {
        uri: None,
        database: String::new(),
        token: None,
        ca_file: None,
        cert_file: None,
        key_file: None,
        server_name: None,
        timeout: Duration::from_secs(10),
        metrics: vec![],
    }
}
