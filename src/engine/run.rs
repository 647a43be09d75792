//! A run: start the workers together, let them work, bring their records together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::live::{Live, LiveTotals};
use super::plan::Plan;
use super::stop::{Ending, Stop};
use super::worker::{self, WorkerInput, WorkerResult};
use crate::clock::RunClock;
use crate::measure::{MergeError, Recorded, WorkerTime};
use crate::milvus::transport::PoolStats;
use crate::trace::exporter::SpanSink;
use crate::units::Nanos;

/// Between the start signal and the run's zero: every worker has heard it by then.
const LEAD: Duration = Duration::from_millis(20);

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The system gave no thread, timer or runtime.
    #[error("the load generator could not start: {0}")]
    System(#[from] std::io::Error),
    /// Not every connection came up.
    #[error("not every connection to Milvus came up: {0}")]
    Connect(String),
    /// The thread that builds insert bodies panicked before the run. A bug.
    #[error("the thread that builds insert bodies ended early and nothing was sent; please report this")]
    BuilderLost,
    /// A worker ended without its record. A bug.
    #[error("a worker thread ended early and its part of the numbers is lost; please report this")]
    WorkerLost,
    /// Records of workers do not fit together. A bug.
    #[error("the workers' records do not fit together: {0}; please report this")]
    Merge(#[from] MergeError),
}

/// A run under way.
pub struct Execution {
    clock: RunClock,
    live: Vec<Arc<Live>>,
    workers: Vec<JoinHandle<Result<Option<WorkerResult>, EngineError>>>,
    ending: Arc<Ending>,
    end: Nanos,
}

/// What a run has brought.
pub struct Finished {
    /// All workers' records together.
    pub recorded: Recorded,
    /// The run's clock.
    pub clock: RunClock,
    /// When sending ended early, from the start of the run; `None`: the schedule was carried out to its end.
    pub stopped: Option<Nanos>,
    /// Connections lost, attempts failed, waits for stream slots.
    pub pool: PoolStats,
    /// The addresses that each connection has had at its other end, by number; none where it never was up.
    pub peers: Vec<Vec<SocketAddr>>,
    /// Inserts whose body was not ready in time.
    pub late_bodies: u64,
    /// Arrivals of the window, by stream, that were dispatched more than 0.1 s (or 1 % of the window, if that is longer) after
    /// its end, or after the stop.
    pub after_the_end: Vec<u64>,
    /// CPU time of the worker threads.
    pub cpu: Nanos,
    /// What of it was busy-waiting with nothing else to do.
    pub spun: Nanos,
    /// How each worker thread fared within the window.
    pub workers: Vec<WorkerTime>,
}

impl Execution {
    /// Starts the workers, waits until all are connected, and sets the clock going.
    ///
    /// # Errors
    /// Where a thread cannot be had or a connection does not come up; nothing has been sent then.
    pub async fn start(plan: Arc<Plan>, spans: Option<SpanSink>, stop: Stop) -> Result<Self, EngineError> {
        let last_write = Arc::new(AtomicU64::new(0));
        let ending = Arc::new(Ending::new(stop.clone(), plan.end()));
        let (mut workers, mut live, mut waiting, mut starts) = (vec![], vec![], vec![], vec![]);
        for index in 0..plan.workers {
            let (ready, is_ready) = oneshot::channel();
            let (start, started) = oneshot::channel();
            let counters = Arc::new(Live::default());
            let input = WorkerInput {
                index,
                recorder: plan.recorder.clone(),
                plan: Arc::clone(&plan),
                spans: spans.clone(),
                live: Arc::clone(&counters),
                stop: stop.clone(),
                ending: Arc::clone(&ending),
                last_write: Arc::clone(&last_write),
                ready,
                start: started,
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.push(thread.spawn(move || worker::run(input))?);
            live.push(counters);
            waiting.push(is_ready);
            starts.push(start);
        }
        for ready in waiting {
            ready.await.map_err(|_| EngineError::WorkerLost)??;
        }
        let clock = RunClock::starting_in(LEAD);
        for start in starts {
            start.send(clock).map_err(|_| EngineError::WorkerLost)?;
        }
        Ok(Self { clock, live, workers, ending, end: plan.end() })
    }

    /// Counters now.
    pub fn live(&self) -> LiveTotals {
        Live::total(self.live.iter().map(Arc::as_ref))
    }

    /// Time since the run's start.
    pub fn elapsed(&self) -> Nanos {
        self.clock.now()
    }

    /// Whether every worker is done.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// When the last request is due, from the start of the run.
    pub const fn end(&self) -> Nanos {
        self.end
    }

    /// Waits for the workers and brings their records together.
    ///
    /// # Errors
    /// Where a worker was lost and nothing is left to report.
    pub fn finish(self) -> Result<Finished, EngineError> {
        let mut all: Option<Finished> = None;
        for worker in self.workers {
            let result =
                worker.join().map_err(|_| EngineError::WorkerLost)??.ok_or(EngineError::WorkerLost)?;
            match &mut all {
                None => all = Some(Finished::first(self.clock, result)),
                Some(all) => all.add(result)?,
            }
        }
        let mut all = all.ok_or(EngineError::WorkerLost)?;
        // Known for good only now that no worker looks any more.
        all.stopped = self.ending.stopped();
        Ok(all)
    }
}

impl Finished {
    /// The addresses of [`Finished::peers`] as text.
    pub fn peer_names(&self) -> Vec<Vec<String>> {
        self.peers.iter().map(|peers| peers.iter().map(SocketAddr::to_string).collect()).collect()
    }

    fn first(clock: RunClock, result: WorkerResult) -> Self {
        Self {
            recorded: result.recorded,
            clock,
            stopped: None,
            pool: result.pool,
            peers: result.peers.into_iter().map(|(_, peers)| peers).collect(),
            late_bodies: result.late_bodies,
            after_the_end: result.after_the_end,
            cpu: result.cpu,
            spun: result.spun,
            workers: vec![result.time],
        }
    }

    fn add(&mut self, result: WorkerResult) -> Result<(), EngineError> {
        self.recorded.merge(&result.recorded)?;
        self.pool.merge(&result.pool);
        self.peers.extend(result.peers.into_iter().map(|(_, peers)| peers));
        self.late_bodies += result.late_bodies;
        self.after_the_end.iter_mut().zip(result.after_the_end).for_each(|(all, more)| *all += more);
        self.cpu = self.cpu + result.cpu;
        self.spun = self.spun + result.spun;
        self.workers.push(result.time);
        Ok(())
    }
}
