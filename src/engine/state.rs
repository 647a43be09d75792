//! What the requests of one worker share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use slab::Slab;

use super::EngineError;
use super::feed::InsertFeed;
use super::plan::Plan;
use super::stop::RunEnd;
use crate::clock::{IdleTime, RunClock};
use crate::measure::{Live, Recorder};
use crate::milvus::transport::Pool;
use crate::trace::exporter::SpanSink;
use crate::trace::ids::IdGenerator;
use crate::trace::sampling::{Arm, RequestTrace};
use crate::units::Nanos;

/// The state of one worker. Single-threaded: cells, no locks.
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
    pub ending: Arc<RunEnd>,
    /// How long this worker has busy-waited with nothing else to do.
    pub spun: Rc<IdleTime>,
    /// Why this worker cannot go on.
    pub failure: Cell<Option<EngineError>>,
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
    pub fn arm_at(&self, intended: Nanos) -> &Arm {
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
}
