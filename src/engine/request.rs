//! One request of one worker: named, sent, recorded.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::EngineError;
use super::plan::Requests;
use super::state::{InFlight, WorkerState};
use crate::measure::{Outcome, Phase, Sample};
use crate::milvus::Frame;
use crate::milvus::transport::{CallError, Reply};
use crate::trace::sampling::RequestTrace;
use crate::trace::span::{ClientSpan, SpanOutcome};
use crate::units::Nanos;

/// A request that is due.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub stream: usize,
    /// Index of the arrival in its stream.
    pub index: u64,
    pub operation: usize,
    pub intended: Nanos,
}

impl WorkerState {
    /// Takes a request in at its intended time; `None` (and recorded as not sent) where its stream's bound is reached.
    pub fn admit(&self, task: Task, bound: Option<u32>) -> Option<usize> {
        let stream = &self.stream_in_flight[task.stream];
        let now_in_flight = stream.get() + 1;
        let decided = self.arm_at(task.intended).decide(&mut self.ids.borrow_mut());
        self.live.due(task.operation, task.intended);
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
        self.live.done(sample);
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
