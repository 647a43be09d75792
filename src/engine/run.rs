//! A run: start the workers together, let them work, bring their records together.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::error::EngineError;
use super::plan::Plan;
use super::stop::{RunEnd, Stop};
use super::worker::{self, WorkerInput, WorkerResult};
use crate::clock::RunClock;
use crate::measure::{
    HandOver, Live, LiveTotals, LiveWorkers, Recorded, SlotGrid, ThreadReading, WorkerTime,
};
use crate::milvus::transport::PoolStats;
use crate::trace::exporter::SpanSink;
use crate::units::Nanos;

/// Between the start signal and the run's zero: every worker has heard it by then.
const LEAD: Duration = Duration::from_millis(20);

/// A run under way.
pub struct Execution {
    clock: RunClock,
    live: LiveWorkers,
    workers: Vec<JoinHandle<Result<Option<WorkerResult>, EngineError>>>,
    ending: Arc<RunEnd>,
    /// Of the window.
    start: Nanos,
    slots: Option<SlotGrid>,
}

/// What a run has brought.
pub struct Finished {
    /// All workers' records together.
    pub recorded: Recorded,
    pub clock: RunClock,
    /// When the schedule was to end: with the window, or with the slot after which it was told to.
    pub end: Nanos,
    /// Slots that were carried out whole.
    pub slots: usize,
    /// When sending ended early, from the start of the run; `None`: the schedule was carried out to its end.
    pub stopped: Option<Nanos>,
    /// Connections lost, attempts failed, waits for stream slots.
    pub pool: PoolStats,
    /// The addresses that each connection has had at its other end, by number; none where it never was up.
    pub peers: Vec<Vec<SocketAddr>>,
    /// Inserts whose body was not ready in time.
    pub late_bodies: u64,
    /// Arrivals of the window by stream, up to the stop, that the schedule gave this shard's workers; 0 of closed streams.
    pub planned: Vec<u64>,
    /// Of them, those that were dispatched more than 0.1 s (or 1 % of the window, if that is longer) after
    /// its end, or after the stop.
    pub after_the_end: Vec<u64>,
    /// CPU time of the worker threads.
    pub cpu: Nanos,
    /// What of it was busy-waiting with nothing else to do.
    pub spun: Nanos,
    /// How each worker thread fared within the window.
    pub workers: Vec<WorkerTime>,
    /// What each worker thread read of its own time at each of [`Execution::edges`] that it came to, and when it ended.
    pub readings: Vec<Vec<ThreadReading>>,
    /// Why the run ended early where it could not go on. What was measured until then is here, but for the part of a worker
    /// whose thread was lost.
    pub failure: Option<EngineError>,
}

impl Execution {
    /// Starts the workers, waits until all are connected, and sets the clock going: at once, or so that the warm-up begins at
    /// the wall time `start`.
    ///
    /// # Errors
    /// Where a thread cannot be had, a connection does not come up, this shard has nothing to do, or not all is ready before
    /// `start`; nothing has been sent then.
    pub async fn start(
        plan: Arc<Plan>,
        spans: Option<SpanSink>,
        stop: Stop,
        start: Option<SystemTime>,
    ) -> Result<Self, EngineError> {
        Self::start_handing_over(plan, spans, stop, start, None).await
    }

    /// As [`Execution::start`]; while they go on, workers give each interval that is over to `hand_over`, with their number. Nobody
    /// waits for whoever takes it.
    ///
    /// # Errors
    /// As above.
    pub async fn start_handing_over(
        plan: Arc<Plan>,
        spans: Option<SpanSink>,
        stop: Stop,
        start: Option<SystemTime>,
        hand_over: Option<mpsc::Sender<(usize, HandOver)>>,
    ) -> Result<Self, EngineError> {
        plan.check()?;
        let ending = Arc::new(RunEnd::new(stop.clone(), plan.end()));
        let (mut workers, mut live, mut waiting, mut starts) = (vec![], vec![], vec![], vec![]);
        let last_write = Arc::new(AtomicU64::new(0));
        for index in 0..plan.workers {
            let (ready, is_ready) = oneshot::channel();
            let (start, started) = oneshot::channel();
            let (operations, longest) = (plan.operations.len(), plan.recorder.longest);
            let counters = Arc::new(Live::new(operations, longest, plan.live_times));
            let input = WorkerInput {
                index,
                recorder: plan.recorder.clone(),
                plan: Arc::clone(&plan),
                spans: spans.clone(),
                live: Arc::clone(&counters),
                stop: stop.clone(),
                ending: Arc::clone(&ending),
                last_write: Arc::clone(&last_write),
                hand_over: hand_over.clone(),
                ready,
                start: started,
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.push(thread.spawn(move || worker::run(input))?);
            live.push(counters);
            waiting.push(is_ready);
            starts.push(start);
        }
        let all_ready = async {
            for ready in waiting {
                ready.await.map_err(|_| EngineError::WorkerLost)??;
            }
            Ok(())
        };
        let clock = match start {
            None => {
                all_ready.await?;
                RunClock::starting_in(LEAD)
            }
            Some(moment) => ready_by(moment, all_ready).await?,
        };
        for start in starts {
            start.send(clock).map_err(|_| EngineError::WorkerLost)?;
        }
        let (start, slots) = (plan.recorder.window_start, plan.recorder.slots);
        let live = LiveWorkers::new(live);
        Ok(Self { clock, live, workers, ending, start, slots })
    }

    /// Wall time of the run's zero, nanoseconds since 1970.
    pub const fn anchor_unix_ns(&self) -> u64 {
        self.clock.unix_nanos(Nanos::ZERO)
    }

    /// Counters now.
    pub fn live(&self) -> LiveTotals {
        self.live.totals()
    }

    /// The counters themselves, for whoever watches.
    pub const fn counters(&self) -> &LiveWorkers {
        &self.live
    }

    /// Time since the run's start.
    pub fn elapsed(&self) -> Nanos {
        self.clock.now()
    }

    /// Whether every worker is done.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// When sending ends, or has ended because of a stop, from the start of the run.
    pub fn until(&self) -> Nanos {
        self.ending.stopped().unwrap_or_else(|| self.ending.planned())
    }

    /// When the schedule ends by itself, from the start of the run.
    pub fn end(&self) -> Nanos {
        self.ending.planned()
    }

    /// When the parts of all slots begin, from the start of the run, and when the last one ends; none without slots. At each of
    /// them every worker reads its own time ([`Finished::readings`]); whoever drives reads what else there is to read.
    pub fn edges(&self) -> Vec<Nanos> {
        let edges = self.slots.map(|grid| grid.edges()).unwrap_or_default();
        edges.into_iter().map(|edge| self.start + edge).collect()
    }

    /// That moment of the run on the monotonic clock, to be slept until.
    pub fn instant(&self, moment: Nanos) -> Instant {
        self.clock.instant(moment)
    }

    /// Lets the load end with slot `slot`, counted from 0, as complete: what is due before that slot's end is sent, and nothing
    /// after it, by any worker. False where the slot is over, or nearly, or there is none: then nothing changes, and a
    /// later one must be named.
    pub fn end_after(&self, slot: usize) -> bool {
        let grid = self.slots.filter(|grid| slot < grid.count());
        grid.is_some_and(|grid| self.ending.end_at(self.start + grid.start(slot + 1), &self.clock))
    }

    /// Waits for the workers and brings their records together. Where a worker could not go on, the run has ended for all
    /// and [`Finished::failure`] says why.
    ///
    /// # Errors
    /// Where every worker was lost, and with them all that was measured.
    pub fn finish(self) -> Result<Finished, EngineError> {
        let (mut all, mut failure): (Option<Finished>, Option<EngineError>) = (None, None);
        for worker in self.workers {
            let result = match worker.join() {
                Ok(Ok(Some(result))) => result,
                Ok(Err(error)) => {
                    failure.get_or_insert(error);
                    continue;
                }
                Ok(Ok(None)) | Err(_) => {
                    failure.get_or_insert(EngineError::WorkerLost);
                    continue;
                }
            };
            match &mut all {
                None => all = Some(Finished::first(self.clock, result)),
                Some(all) => all.add(result)?,
            }
        }
        let Some(mut all) = all else { return Err(failure.unwrap_or(EngineError::WorkerLost)) };
        all.failure = all.failure.or(failure);
        // Known for good only now that no worker looks any more.
        all.stopped = self.ending.stopped();
        all.end = self.ending.planned();
        all.recorded.shorten(all.end - self.start);
        let last = all.stopped.unwrap_or(all.end);
        all.slots = self.slots.map_or(0, |grid| grid.over(last - self.start));
        Ok(all)
    }
}

/// A clock whose zero is that wall time, where all is ready some moments before it.
async fn ready_by(
    moment: SystemTime,
    all_ready: impl Future<Output = Result<(), EngineError>>,
) -> Result<RunClock, EngineError> {
    let late = |by: Duration| EngineError::TooLate { late: by.into() };
    let left = moment.duration_since(SystemTime::now()).map_err(|passed| late(passed.duration()))?;
    tokio::time::timeout(left, all_ready).await.map_err(|_| late(Duration::ZERO))??;
    match moment.duration_since(SystemTime::now()) {
        Ok(left) if left >= LEAD => Ok(RunClock::starting_at(moment)),
        Ok(left) => Err(late(LEAD - left)),
        Err(passed) => Err(late(LEAD + passed.duration())),
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
            end: Nanos::ZERO,
            slots: 0,
            stopped: None,
            pool: result.pool,
            peers: result.peers.into_iter().map(|(_, peers)| peers).collect(),
            late_bodies: result.late_bodies,
            planned: result.planned,
            after_the_end: result.after_the_end,
            cpu: result.cpu,
            spun: result.spun,
            workers: vec![result.time],
            readings: vec![result.readings],
            failure: result.failure,
        }
    }

    fn add(&mut self, result: WorkerResult) -> Result<(), EngineError> {
        self.recorded.merge(&result.recorded)?;
        self.pool.merge(&result.pool);
        self.peers.extend(result.peers.into_iter().map(|(_, peers)| peers));
        self.late_bodies += result.late_bodies;
        self.planned.iter_mut().zip(result.planned).for_each(|(all, more)| *all += more);
        self.after_the_end.iter_mut().zip(result.after_the_end).for_each(|(all, more)| *all += more);
        self.cpu = self.cpu + result.cpu;
        self.spun = self.spun + result.spun;
        self.workers.push(result.time);
        self.readings.push(result.readings);
        self.failure = self.failure.take().or(result.failure);
        Ok(())
    }
}
