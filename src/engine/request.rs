//! One request of one worker: named, sent, recorded.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use slab::Slab;

use super::EngineError;
use super::feed::InsertFeed;
use super::live::Live;
use super::plan::{Plan, Requests};
use super::stop::Ending;
use crate::clock::{IdleTime, RunClock};
use crate::measure::{Outcome, Phase, Recorder, Sample};
use crate::milvus::Frame;
use crate::milvus::transport::{CallError, Pool, Reply};
use crate::trace::exporter::SpanSink;
use crate::trace::ids::IdGenerator;
use crate::trace::sampling::{Arm, RequestTrace};
use crate::trace::span::{ClientSpan, SpanOutcome};
use crate::units::Nanos;

/// What the requests of one worker share. Single-threaded: cells, no locks.
pub(super) struct WorkerState {
    /// The worker's number, from 0.
    pub worker: usize,
    pub plan: Arc<Plan>,
    pub clock: RunClock,
    pub pool: Pool,
    /// `None` once the run is over.
    pub recorder: RefCell<Option<Recorder>>,
    pub ids: RefCell<IdGenerator>,
    /// How requests are treated where there are no slots.
    pub arm: Arm,
    pub spans: Option<SpanSink>,
    pub live: Arc<Live>,
    /// One per operation; `None` where requests are ready beforehand.
    pub feeds: Vec<Option<tokio::sync::Mutex<InsertFeed>>>,
    /// Newest write timestamp of this process, over all workers; 0 before the first write.
    pub last_write: Arc<AtomicU64>,
    /// Due and not done.
    pub in_flight: RefCell<Slab<InFlight>>,
    /// Due and not done, per stream.
    pub stream_in_flight: Vec<Cell<u32>>,
    /// Due and not done, per operation.
    pub operation_in_flight: Vec<Cell<u32>>,
    /// Of those of a stream, the ones that are sent or wait for what the server has to give: a free stream, or a connection.
    pub with_server: Vec<Cell<u32>>,
    /// Arrivals of the window, per stream, that the schedule gave this worker.
    pub planned: Vec<Cell<u64>>,
    /// Of them, those that were dispatched long after its end.
    pub after_the_end: Vec<Cell<u64>>,
    /// Inserts whose body was not ready when it was due.
    pub late_bodies: Cell<u64>,
    /// When to send no more.
    pub ending: Arc<Ending>,
    /// How long this worker has busy-waited with nothing else to do.
    pub spun: Rc<IdleTime>,
    /// Why this worker cannot go on.
    pub failure: Cell<Option<EngineError>>,
    /// Whether a task of this worker has panicked.
    pub panicked: Cell<bool>,
    /// Raised whenever a request is done.
    pub done: tokio::sync::Notify,
}

/// A request between *due* and *done*.
pub(super) struct InFlight {
    pub operation: usize,
    pub intended: Nanos,
    pub sent: Option<Nanos>,
    pub connection: u16,
    pub decided: RequestTrace,
}

/// A request that is due.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub stream: usize,
    /// Index of the arrival in its stream.
    pub index: u64,
    pub operation: usize,
    pub intended: Nanos,
}

/// Ends the load for all where the task that holds it panics: nobody else would notice.
pub(super) struct PanicGuard<'a>(&'a WorkerState);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked.set(true);
            self.0.ending.fail();
        }
    }
}

impl WorkerState {
    /// To be held by every task of this worker.
    pub const fn guard(&self) -> PanicGuard<'_> {
        PanicGuard(self)
    }

    /// Ends the load for all: this worker cannot go on. Its first reason stands.
    pub fn fail(&self, error: EngineError) {
        let first = self.failure.take();
        self.failure.set(first.or(Some(error)));
        self.ending.fail();
        self.ending.at(&self.clock);
    }

    /// How a request that is due at that moment is treated.
    fn arm_at(&self, intended: Nanos) -> &Arm {
        match &self.plan.slots {
            None => &self.arm,
            Some(slots) => slots.arm(intended - self.plan.recorder.window_start),
        }
    }

    /// Counts an arrival of the schedule.
    pub fn plan_arrival(&self, stream: usize, at: Nanos) {
        if at >= self.plan.recorder.window_start {
            self.planned[stream].set(self.planned[stream].get() + 1);
        }
    }

    /// Takes a request in at its intended time; `None` (and recorded as not sent) where its stream's bound is reached.
    pub fn admit(&self, task: Task, bound: Option<u32>) -> Option<usize> {
        let stream = &self.stream_in_flight[task.stream];
        let now_in_flight = stream.get() + 1;
        let decided = self.arm_at(task.intended).decide(&mut self.ids.borrow_mut());
        self.live.due();
        if bound.is_some_and(|bound| now_in_flight > bound) {
            self.record(&Sample {
                operation: task.operation,
                intended: task.intended,
                sent: None,
                done: task.intended,
                outcome: Outcome::NotSent,
                trace: decided.trace,
                connection: 0,
                hits_expected: None,
            });
            let of_server = self.with_server[task.stream].get() > stream.get() / 2;
            if of_server && let Some(recorder) = self.recorder.borrow_mut().as_mut() {
                recorder.refused_for_server(task.operation, task.intended);
            }
            return None;
        }
        stream.set(now_in_flight);
        let of_operation = self.operation_in_flight[task.operation].get() + 1;
        self.operation_in_flight[task.operation].set(of_operation);
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            recorder.in_flight(task.operation, task.intended, of_operation);
        }
        let entry = InFlight {
            operation: task.operation,
            intended: task.intended,
            sent: None,
            connection: 0,
            decided,
        };
        Some(self.in_flight.borrow_mut().insert(entry))
    }

    /// Sends an admitted request and records what became of it.
    pub async fn carry_out(self: Rc<Self>, task: Task, key: usize) {
        let _guard = self.guard();
        let operation = &self.plan.operations[task.operation];
        let Some(frame) = self.frame(task).await else {
            self.finish(task, key, None, Err("the thread that builds insert bodies is gone".to_owned()));
            self.fail(EngineError::BuilderLost);
            return;
        };
        let header = match self.in_flight.borrow().get(key) {
            Some(entry) => entry.decided.header(),
            None => return,
        };
        let last_write = Some(self.last_write.load(Ordering::Relaxed)).filter(|t| *t > 0);
        let note_sent = |sent, connection| {
            if let Some(entry) = self.in_flight.borrow_mut().get_mut(key) {
                entry.sent = Some(self.clock.at(sent));
                entry.connection = connection;
            }
        };
        add(&self.with_server[task.stream], 1);
        let call =
            self.pool.call(&operation.route, &frame, last_write, header, self.plan.timeout, note_sent).await;
        if let Ok(answer) = &call.result
            && answer.timestamp > 0
        {
            self.last_write.fetch_max(answer.timestamp, Ordering::Relaxed);
        }
        add(&self.with_server[task.stream], -1);
        self.finish(task, key, frame.expected(), Ok(call));
    }

    async fn frame(&self, task: Task) -> Option<Frame> {
        match (&self.plan.operations[task.operation].requests, &self.feeds[task.operation]) {
            (Requests::Ready(frames), _) => Some(frames[(task.index % frames.len() as u64) as usize].clone()),
            (Requests::Built(_), Some(feed)) => {
                let mut feed = feed.lock().await;
                match feed.take() {
                    Some(frame) => Some(frame),
                    None => {
                        self.late_bodies.set(self.late_bodies.get() + 1);
                        feed.wait().await
                    }
                }
            }
            (Requests::Built(_), None) => None,
        }
    }

    fn finish(&self, task: Task, key: usize, hits_expected: Option<u32>, reply: Result<Reply, String>) {
        // Given up at the end of the drain: it has been recorded then.
        let Some(entry) = self.in_flight.borrow_mut().try_remove(key) else { return };
        let (sample, peer) = match reply {
            Ok(reply) => {
                let sample = Sample {
                    operation: task.operation,
                    intended: task.intended,
                    sent: reply.sent.map(|sent| self.clock.at(sent)),
                    done: self.clock.at(reply.done),
                    connection: reply.connection,
                    trace: entry.decided.trace,
                    hits_expected,
                    outcome: outcome(reply.result),
                };
                if let Some(recorder) = self.recorder.borrow_mut().as_mut()
                    && sample.sent.is_some()
                    && reply.waited > Duration::ZERO
                {
                    recorder.waited(sample.operation, sample.intended, reply.waited.into());
                }
                (sample, reply.peer)
            }
            Err(message) => {
                let sample = Sample {
                    operation: task.operation,
                    intended: task.intended,
                    sent: None,
                    done: self.clock.now(),
                    connection: 0,
                    trace: entry.decided.trace,
                    hits_expected,
                    outcome: Outcome::Failed { grpc: 0, milvus: 0, message: message.into() },
                };
                (sample, None)
            }
        };
        add(&self.stream_in_flight[task.stream], -1);
        add(&self.operation_in_flight[task.operation], -1);
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            let left = self.operation_in_flight[task.operation].get();
            recorder.in_flight(task.operation, sample.done, left);
        }
        self.record(&sample);
        self.span(&sample, entry.decided, peer);
        self.done.notify_one();
    }

    /// Records everything still in flight as timed out: the drain is over.
    pub fn give_up(&self) {
        let left: Vec<InFlight> = self.in_flight.borrow_mut().drain().collect();
        let now = self.clock.now();
        for entry in left {
            let sample = Sample {
                operation: entry.operation,
                intended: entry.intended,
                sent: entry.sent,
                done: now,
                outcome: Outcome::TimedOut,
                trace: entry.decided.trace,
                connection: entry.connection,
                hits_expected: None,
            };
            self.record(&sample);
            self.span(&sample, entry.decided, None);
        }
    }

    fn record(&self, sample: &Sample) {
        self.live.done(matches!(sample.outcome, Outcome::Succeeded { .. }));
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            recorder.record(sample);
        }
    }

    /// What was never sent has no span, here or at the server.
    fn span(&self, sample: &Sample, decided: RequestTrace, peer: Option<std::net::SocketAddr>) {
        let Some(sink) = &self.spans else { return };
        let Some(sent) = sample.sent else { return };
        if !decided.builds_span() {
            return;
        }
        let phase =
            if sample.intended < self.plan.recorder.window_start { Phase::Warmup } else { Phase::Measure };
        let operation = &self.plan.operations[sample.operation];
        sink.offer(ClientSpan {
            trace: sample.trace,
            operation: sample.operation,
            phase: phase.name(),
            intended: self.clock.unix_nanos(sample.intended),
            sent: self.clock.unix_nanos(sent),
            done: self.clock.unix_nanos(sample.done),
            outcome: span_outcome(&sample.outcome),
            peer,
            rows: operation.rows(),
        });
    }
}

fn add(count: &Cell<u32>, by: i32) {
    count.set(count.get().wrapping_add_signed(by));
}

fn outcome(result: Result<crate::milvus::scan::Scanned, CallError>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Succeeded { hits: u32::try_from(answer.count).unwrap_or(u32::MAX) },
        Err(CallError::Failed { grpc, milvus, message }) => {
            Outcome::Failed { grpc, milvus, message: message.into() }
        }
        Err(CallError::TimedOut) => Outcome::TimedOut,
    }
}

fn span_outcome(outcome: &Outcome) -> SpanOutcome {
    match outcome {
        Outcome::Succeeded { .. } => SpanOutcome::Ok,
        Outcome::Failed { grpc: 0, milvus, .. } => SpanOutcome::Milvus(*milvus),
        Outcome::Failed { grpc, .. } => SpanOutcome::Grpc(*grpc),
        // Never sent has no span; were it to get one, it would have had no answer.
        Outcome::TimedOut | Outcome::NotSent => SpanOutcome::TimedOut,
    }
}
