//! One worker: a thread with its own runtime, connections and recorder, which sends its share of every stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::EngineError;
use super::feed::InsertFeed;
use super::loops::send_all;
use super::plan::{Plan, Requests};
use super::state::WorkerState;
use super::stop::{RunEnd, Stop};
use super::watch::{Watch, Watched};
use crate::clock::{RunClock, ask_for_short_slices};
use crate::measure::{
    HandOver, Live, Recorded, Recorder, RecorderConfig, ThreadReading, WorkerTime, cpu_of_this_thread,
};
use crate::milvus::transport::{Pool, PoolStats};
use crate::trace::exporter::SpanSink;
use crate::units::Nanos;

/// How long the connections of a worker may take to come up before the run.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A stop is noticed within this time.
pub(super) const STOP_POLL: Duration = Duration::from_millis(20);

/// How often a worker looks whether an interval is over, each of which lasts a second or more.
const HAND_OVER_TICK: Duration = Duration::from_millis(250);

pub(super) struct WorkerInput {
    pub index: usize,
    pub plan: Arc<Plan>,
    pub recorder: RecorderConfig,
    pub spans: Option<SpanSink>,
    pub live: Arc<Live>,
    pub stop: Stop,
    pub ending: Arc<RunEnd>,
    pub last_write: Arc<AtomicU64>,
    /// Takes intervals that are over, where anybody wants them.
    pub hand_over: Option<mpsc::Sender<(usize, HandOver)>>,
    /// Told when connections are up and bodies are waiting.
    pub ready: oneshot::Sender<Result<(), EngineError>>,
    /// Gives the clock to start by.
    pub start: oneshot::Receiver<RunClock>,
}

pub(super) struct WorkerResult {
    pub recorded: Recorded,
    pub pool: PoolStats,
    pub peers: Vec<(u16, Vec<std::net::SocketAddr>)>,
    pub late_bodies: u64,
    /// Arrivals of the window, by stream, that its schedule gave this worker.
    pub planned: Vec<u64>,
    /// Of those that were dispatched, the ones that came too late to be part of the window's load.
    pub after_the_end: Vec<u64>,
    /// CPU time of this thread while it sent, read by itself: the kernel forgets a thread that has ended.
    pub cpu: Nanos,
    /// What of it was busy-waiting with nothing else to do.
    pub spun: Nanos,
    /// How it fared within the window.
    pub time: WorkerTime,
    /// What it read of its own time at the edges of slots.
    pub readings: Vec<ThreadReading>,
    /// Why it could not go on, where it could not.
    pub failure: Option<EngineError>,
}

/// Runs a worker to its end, on the calling thread. Where it cannot go on, the load ends for all workers.
pub(super) fn run(input: WorkerInput) -> Result<Option<WorkerResult>, EngineError> {
    let _guard = EndsAllOnPanic(Arc::clone(&input.ending));
    // Not a `LocalSet`, whose queue of its own costs a second wake-up per task.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    match runtime {
        Ok(runtime) => runtime.block_on(work(input)),
        Err(error) => refuse(input.ready, error),
    }
}

/// Before the start: whoever starts the run is told why there will be none.
fn refuse(
    ready: oneshot::Sender<Result<(), EngineError>>,
    error: std::io::Error,
) -> Result<Option<WorkerResult>, EngineError> {
    // Nobody listens any more where another worker has failed already.
    let _ = ready.send(Err(error.into()));
    Ok(None)
}

/// A worker that panicked sends nothing any more, so the others must not go on by themselves.
struct EndsAllOnPanic(Arc<RunEnd>);

impl Drop for EndsAllOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

async fn work(input: WorkerInput) -> Result<Option<WorkerResult>, EngineError> {
    let WorkerInput { index, plan, recorder, spans, live, stop, ending, last_write, hand_over, ready, start } =
        input;
    let (first, count) = plan.connections_of(index);
    let pool = Pool::open(&plan.dialer, first, count);
    let feeds = match open_feeds(&plan, index) {
        Ok(feeds) => feeds,
        Err(error) => return refuse(ready, error),
    };
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
        worker: index,
        recorder: RefCell::new(Some(Recorder::new(recorder))),
        ids: RefCell::new(plan.tracing.entropy.generator(index as u64)),
        arm: plan.tracing.arm(),
        in_flight: RefCell::new(slab::Slab::new()),
        stream_in_flight: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        operation_in_flight: plan.operations.iter().map(|_| Cell::new(0)).collect(),
        planned: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        after_the_end: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        with_server: plan.streams.iter().map(|_| Cell::new(0)).collect(),
        feeds: feeds.into_iter().map(|f| f.map(tokio::sync::Mutex::new)).collect(),
        late_bodies: Cell::new(0),
        spun: Rc::default(),
        ending,
        failure: Cell::new(None),
        panicked: Cell::new(false),
        done: tokio::sync::Notify::new(),
        plan,
        clock,
        pool,
        spans,
        live,
        last_write,
    });
    let cpu_before = cpu_of_this_thread();
    let window = (state.plan.recorder.window_start, state.plan.end());
    let edges = state.plan.recorder.slots.map(|grid| grid.edges()).unwrap_or_default();
    let edges = edges.into_iter().map(|edge| window.0 + edge).collect();
    let watch = Watch::start(clock, window, edges, Rc::clone(&state.spun));
    let handing_over =
        hand_over.map(|to| tokio::task::spawn_local(hand_over_intervals(Rc::clone(&state), to)));
    send_all(&state).await;
    watch.sent_all();
    drain(&state).await;
    let Watched { time, readings } = watch.end();
    if state.panicked.get() {
        // Whatever it was recording may be recorded by half.
        return Err(EngineError::WorkerLost);
    }
    handing_over.iter().for_each(tokio::task::JoinHandle::abort);
    // Taken out, so that a request that ends from here on finds nothing to write to.
    let recorder = state.recorder.take();
    Ok(recorder.map(|recorder| WorkerResult {
        recorded: recorder.finish(),
        pool: state.pool.stats(),
        peers: state.pool.peers(),
        late_bodies: state.late_bodies.get(),
        planned: state.planned.iter().map(Cell::get).collect(),
        after_the_end: state.after_the_end.iter().map(Cell::get).collect(),
        cpu: cpu_of_this_thread() - cpu_before,
        spun: state.spun.total().into(),
        time,
        readings,
        failure: state.failure.take(),
    }))
}

/// Gives away what the recorder has of intervals that are over. Sending to the channel waits for nobody.
async fn hand_over_intervals(state: Rc<WorkerState>, to: mpsc::Sender<(usize, HandOver)>) {
    if let Some(recorder) = state.recorder.borrow_mut().as_mut() {
        recorder.start_handing_over();
    }
    loop {
        tokio::time::sleep(HAND_OVER_TICK).await;
        let now = state.clock.now();
        if let Some(recorder) = state.recorder.borrow_mut().as_mut() {
            // Whoever took them may be gone.
            recorder.hand_over(now, |part| drop(to.send((state.worker, part))));
        }
    }
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

/// Waits for what is in flight; what is left at the end of the drain has timed out. The drain begins with the end of the
/// schedule, which may be long after the last arrival, or when the last one was sent, where that was later.
async fn drain(state: &Rc<WorkerState>) {
    let all_sent = state.clock.now();
    // What a panic has left in flight will never be done.
    while !state.in_flight.borrow().is_empty() && !state.panicked.get() {
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
}
