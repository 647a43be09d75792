//! One worker: a thread with its own runtime, connections and recorder, which sends its share of every stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::EngineError;
use super::feed::InsertFeed;
use super::live::Live;
use super::plan::{Plan, Requests};
use super::request::{Task, WorkerState};
use super::schedule::{Choice, Schedule};
use super::stop::{Ending, Stop};
use super::watch::Watch;
use crate::clock::{Alarm, RunClock, ask_for_short_slices};
use crate::measure::{Recorded, Recorder, RecorderConfig, WorkerTime, cpu_of_this_thread};
use crate::milvus::transport::{Pool, PoolStats};
use crate::trace::exporter::SpanSink;
use crate::units::Nanos;
use crate::workload::LoadModel;

/// How long the connections of a worker may take to come up before the run.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A stop is noticed within this time.
const STOP_POLL: Duration = Duration::from_millis(20);
/// Requests that are admitted in one go where many are due, before the first of them are sent and answers are read.
const BURST: u32 = 64;

/// What a worker is given.
pub(super) struct WorkerInput {
    pub index: usize,
    pub plan: Arc<Plan>,
    pub recorder: RecorderConfig,
    pub spans: Option<SpanSink>,
    pub live: Arc<Live>,
    pub stop: Stop,
    pub ending: Arc<Ending>,
    pub last_write: Arc<AtomicU64>,
    /// Told when connections are up and bodies are waiting.
    pub ready: oneshot::Sender<Result<(), EngineError>>,
    /// Gives the clock to start by.
    pub start: oneshot::Receiver<RunClock>,
}

/// What a worker brings back.
pub(super) struct WorkerResult {
    pub recorded: Recorded,
    pub pool: PoolStats,
    pub peers: Vec<(u16, Vec<std::net::SocketAddr>)>,
    pub late_bodies: u64,
    /// Arrivals of the window, by stream, that were dispatched too late to be part of its load.
    pub after_the_end: Vec<u64>,
    /// CPU time of this thread while it sent, read by itself: the kernel forgets a thread that has ended.
    pub cpu: Nanos,
    /// What of it was busy-waiting with nothing else to do.
    pub spun: Nanos,
    /// How it fared within the window.
    pub time: WorkerTime,
}

/// Runs a worker to its end, on the calling thread.
pub(super) fn run(input: WorkerInput) -> Result<Option<WorkerResult>, EngineError> {
    // Not a `LocalSet`, whose queue of its own costs a second wake-up per task.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(work(input))
}

async fn work(input: WorkerInput) -> Result<Option<WorkerResult>, EngineError> {
    let WorkerInput { index, plan, recorder, spans, live, stop, ending, last_write, ready, start } = input;
    let (first, count) = plan.connections_of(index);
    let pool = Pool::open(&plan.dialer, first, count);
    let feeds = open_feeds(&plan, index)?;
    // After the threads that build bodies were started: what they do is not urgent.
    ask_for_short_slices();
    let prepared = pool.ready(CONNECT_LIMIT).await;
    let prepared = match prepared {
        Ok(()) => bodies_waiting(&feeds, &stop).await,
        Err(error) => Err(EngineError::Connect(error)),
    };
    // Nobody listens any more where another worker has failed already.
    let _ = ready.send(prepared);
    let Ok(clock) = start.await else { return Ok(None) };
    let state = Rc::new(WorkerState {
        recorder: RefCell::new(Some(Recorder::new(recorder))),
        tracer: RefCell::new(plan.tracing.of_worker(index)),
        in_flight: RefCell::new(slab::Slab::new()),
        stream_in_flight: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        operation_in_flight: plan.operations.iter().map(|_| Cell::new(0)).collect(),
        after_the_end: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        with_server: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        feeds: feeds.into_iter().map(|f| f.map(tokio::sync::Mutex::new)).collect(),
        late_bodies: Cell::new(0),
        spun: Rc::default(),
        ending,
        done: tokio::sync::Notify::new(),
        plan,
        clock,
        pool,
        spans,
        live,
        last_write,
    });
    let cpu_before = cpu_of_this_thread();
    let watch =
        Watch::start(clock, (state.plan.recorder.window_start, state.plan.end()), Rc::clone(&state.spun));
    send_all(&state, index).await?;
    watch.sent_all();
    drain(&state).await;
    let time = watch.end();
    // Taken out, so that a request that ends from here on finds nothing to write to.
    let recorder = state.recorder.take();
    Ok(recorder.map(|recorder| WorkerResult {
        recorded: recorder.finish(),
        pool: state.pool.stats(),
        peers: state.pool.peers(),
        late_bodies: state.late_bodies.get(),
        after_the_end: state.after_the_end.iter().map(Cell::get).collect(),
        cpu: cpu_of_this_thread() - cpu_before,
        spun: state.spun.total().into(),
        time,
    }))
}

fn open_feeds(plan: &Plan, worker: usize) -> std::io::Result<Vec<Option<InsertFeed>>> {
    let feed = |requests: &Requests| match requests {
        Requests::Ready(_) => Ok(None),
        Requests::Built(source) => InsertFeed::start(source.clone(), worker).map(Some),
    };
    plan.operations.iter().map(|operation| feed(&operation.requests)).collect()
}

/// A run starts with bodies in hand: until then it would measure their building.
async fn bodies_waiting(feeds: &[Option<InsertFeed>], stop: &Stop) -> Result<(), EngineError> {
    while feeds.iter().flatten().any(|feed| feed.waiting() < 2) && !stop.is_raised() {
        if feeds.iter().flatten().any(InsertFeed::is_abandoned) {
            return Err(EngineError::BuilderLost);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Sends this worker's share of every stream; returns when nothing more becomes due.
async fn send_all(state: &Rc<WorkerState>, worker: usize) -> Result<(), EngineError> {
    let mut streams: Vec<JoinHandle<Result<(), EngineError>>> = Vec::new();
    for (stream, settings) in state.plan.streams.iter().enumerate() {
        match &settings.model {
            LoadModel::Open { rate, arrival } => {
                let (seed, end) = (state.plan.seed, state.plan.end());
                let arrivals = Schedule::new(seed, stream as u64, *arrival, rate.clone(), end);
                let open = open_loop(Rc::clone(state), worker, stream, arrivals);
                streams.push(tokio::task::spawn_local(open));
            }
            LoadModel::Closed { concurrency } => {
                let next = Rc::new(Cell::new(0));
                for _ in 0..state.plan.share(*concurrency, worker) {
                    let slot = closed_loop(Rc::clone(state), worker, stream, Rc::clone(&next));
                    streams.push(tokio::task::spawn_local(slot));
                }
            }
        }
    }
    for stream in streams {
        stream.await.map_err(|_| EngineError::WorkerLost)??;
    }
    Ok(())
}

/// What is dispatched so long after the end of the window, or after the stop, was no load of the window any more: a
/// backlog may end a little later than the schedule, but not be most of it.
fn grace(window: Nanos) -> Nanos {
    Nanos::new(window.get() / 100).max(Nanos::from_millis(100))
}

/// Dispatches everything that is due, then sleeps until the next arrival.
async fn open_loop(
    state: Rc<WorkerState>,
    worker: usize,
    stream: usize,
    arrivals: Schedule,
) -> Result<(), EngineError> {
    let plan = &state.plan;
    let choice = Choice::new(plan.seed, stream as u64, &plan.streams[stream].shares);
    let bound = plan.share(plan.max_in_flight, worker);
    let grace = grace(plan.recorder.window);
    let (alarm, mut burst) = (Alarm::new()?, 0);
    for due in arrivals.filter(|due| due.index % plan.workers as u64 == worker as u64) {
        loop {
            // In this order, see `Ending::at`.
            let now = state.clock.has_started().then(|| state.clock.now());
            let end = state.ending.at(&state.clock);
            if due.at >= end {
                return Ok(());
            }
            if let Some(now) = now.filter(|now| due.at <= *now) {
                if now > end + grace && due.at >= plan.recorder.window_start {
                    state.after_the_end[stream].set(state.after_the_end[stream].get() + 1);
                }
                break;
            }
            if burst > 0 {
                // What was dispatched leaves first: setting an alarm takes a call to the system as well.
                burst = 0;
                tokio::task::yield_now().await;
                continue;
            }
            let (moment, look) = (state.clock.instant(due.at), Instant::now() + STOP_POLL);
            if moment > look {
                alarm.sleep_until(look).await?;
            } else {
                let spin = plan.spin.part_of(moment.saturating_duration_since(Instant::now()));
                alarm.spin_until(moment, spin, &state.spun).await?;
            }
        }
        if burst == BURST {
            burst = 0;
            tokio::task::yield_now().await;
        }
        burst += 1;
        let operation = choice.of(due.index);
        let task = Task { stream, index: due.index, operation, intended: due.at };
        if let Some(key) = state.admit(task, Some(bound)) {
            tokio::task::spawn_local(Rc::clone(&state).carry_out(task, key));
        }
    }
    Ok(())
}

/// One slot of a closed loop: the next request is intended the moment the slot became free.
async fn closed_loop(
    state: Rc<WorkerState>,
    worker: usize,
    stream: usize,
    next: Rc<Cell<u64>>,
) -> Result<(), EngineError> {
    let plan = &state.plan;
    let choice = Choice::new(plan.seed, stream as u64, &plan.streams[stream].shares);
    Alarm::new()?.sleep_until(state.clock.instant(Nanos::ZERO)).await?;
    loop {
        let intended = state.clock.now();
        if intended >= state.ending.at(&state.clock) {
            return Ok(());
        }
        let index = next.replace(next.get() + 1) * plan.workers as u64 + worker as u64;
        let task = Task { stream, index, operation: choice.of(index), intended };
        if let Some(key) = state.admit(task, None) {
            Rc::clone(&state).carry_out(task, key).await;
        }
    }
}

/// Waits for what is in flight; what is left at the end of the drain has timed out. The drain begins with the end of the
/// schedule, which may be long after the last arrival, or when the last one was sent, where that was later.
async fn drain(state: &Rc<WorkerState>) {
    let all_sent = state.clock.now();
    while !state.in_flight.borrow().is_empty() {
        let end = state.ending.at(&state.clock).max(all_sent) + state.plan.drain;
        let left = end - state.clock.now();
        if left == Nanos::ZERO {
            break;
        }
        // Not for longer, because a stop moves the end.
        let wait = left.as_duration().min(STOP_POLL);
        let _ = tokio::time::timeout(wait, state.done.notified()).await;
    }
    state.give_up();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_whose_builder_of_bodies_is_gone_does_not_start() {
        let feeds = [None, Some(InsertFeed::abandoned())];
        let waited =
            tokio::time::timeout(Duration::from_secs(120), bodies_waiting(&feeds, &Stop::default())).await;
        assert!(matches!(waited, Ok(Err(EngineError::BuilderLost))), "{waited:?}");
    }

    #[test]
    fn the_load_may_end_a_hundredth_of_the_window_late_or_a_tenth_of_a_second() {
        assert_eq!(grace(Nanos::from_secs(1)), Nanos::from_millis(100));
        assert_eq!(grace(Nanos::from_secs(30)), Nanos::from_millis(300));
    }
}
