//! The plan: everything made before the clock starts.

use std::sync::Arc;
use std::time::Duration;

use super::EngineError;
use super::feed::InsertSource;
use super::share::{Arrivals, Shard, share};
use super::slots::Slots;
use crate::measure::RecorderConfig;
use crate::milvus::transport::Route;
use crate::milvus::{Dialer, Frame};
use crate::trace::ids::RunEntropy;
use crate::trace::sampling::{Arm, SamplingRule, Switches};
use crate::units::Nanos;
use crate::workload::{LoadModel, Stream};

/// What the workers carry out. Shared, never changed while they run.
pub struct Plan {
    /// Decides arrivals and operations.
    pub seed: u64,
    /// The arrival processes.
    pub streams: Vec<Stream>,
    /// The operations, in the workload's order.
    pub operations: Vec<PlannedOperation>,
    pub dialer: Dialer,
    /// Which of the run's processes this is. Streams, their concurrency and their in-flight bound are shared out over
    /// shards, then over workers; connections and workers are this process's own.
    pub shard: Shard,
    /// Connections of this process, at least `workers`.
    pub connections: u16,
    pub workers: usize,
    /// How workers wait for the next request to be due.
    pub spin: BusyWait,
    /// Per open stream.
    pub max_in_flight: u32,
    /// How each worker records, and the times of the window.
    pub recorder: RecorderConfig,
    /// How long to wait at the end.
    pub drain: Nanos,
    /// From *sent*.
    pub timeout: Duration,
    /// Names requests and decides about their traces.
    pub tracing: Tracing,
    /// What is done about traces in each slot of the window, in place of what `tracing` says; `None`: there are no slots.
    pub slots: Option<Slots>,
    /// Whether times are counted for whoever watches ([`LiveWorkers::read`](crate::measure::LiveWorkers::read)).
    pub live_times: bool,
}

impl Plan {
    /// No request is intended at or after this moment.
    pub fn end(&self) -> Nanos {
        self.recorder.window_start + self.recorder.window
    }

    /// The part of `total`, which is the whole run's, that a worker of this shard takes.
    pub const fn share(&self, total: u32, worker: usize) -> u32 {
        self.of_worker(self.shard.share(total), worker)
    }

    /// The part of `total`, which is this process's, that a worker takes.
    const fn of_worker(&self, total: u32, worker: usize) -> u32 {
        share(total, self.workers as u32, worker as u32)
    }

    /// The first connection of a worker and how many it has.
    pub fn connections_of(&self, worker: usize) -> (u16, u16) {
        let connections = u32::from(self.connections);
        let first: u32 = (0..worker).map(|w| self.of_worker(connections, w)).sum();
        (first as u16, self.of_worker(connections, worker) as u16)
    }

    /// Whether it can be carried out.
    ///
    /// # Errors
    /// Where this shard has nothing to do, a worker of it could have no request of an open stream in flight, so that all of
    /// them would go unsent, or the slots are not those that the recorders are laid out for.
    pub fn check(&self) -> Result<(), EngineError> {
        let grid = self.slots.as_ref().map(Slots::grid);
        if grid != self.recorder.slots || grid.is_some_and(|grid| grid.window() != self.recorder.window) {
            return Err(EngineError::OtherSlots);
        }
        let is_open = |stream: &Stream| matches!(stream.model, LoadModel::Open { .. });
        let least = (0..self.workers).map(|worker| self.share(self.max_in_flight, worker)).min();
        if self.streams.iter().any(is_open) && least == Some(0) {
            let needed = self.shard.of().saturating_mul(self.workers as u32);
            return Err(EngineError::NoRoom { shard: self.shard, bound: self.max_in_flight, needed });
        }
        let has_work = |(stream, settings): (usize, &Stream)| match &settings.model {
            LoadModel::Closed { concurrency } => self.shard.share(*concurrency) > 0,
            LoadModel::Open { rate, arrival } => {
                let (stream, rate) = (stream as u64, rate.clone());
                Arrivals::new(self.seed, stream, *arrival, rate, self.end(), self.shard).next().is_some()
            }
        };
        let idle = !self.streams.iter().enumerate().any(has_work);
        if idle && self.shard.of() > 1 { Err(EngineError::IdleShard { shard: self.shard }) } else { Ok(()) }
    }

    /// True where every stream is a closed loop.
    pub fn is_closed(&self) -> bool {
        self.streams.iter().all(|s| matches!(s.model, LoadModel::Closed { .. }))
    }
}

/// When a worker busy-waits for the next request to be due, in place of sleeping until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusyWait {
    #[default]
    Never,
    /// Where it is due so soon that a sleep would end too late anyhow.
    ShortWaits,
    /// For the last moments of every wait.
    EveryWait,
}

impl BusyWait {
    /// What a sleep takes at least, wake-up of an idle core included: 25 to 50 us on small virtual machines.
    pub const LONGEST: Duration = Duration::from_micros(40);

    /// For how long to busy-wait at the end of a wait of that length.
    pub fn part_of(self, wait: Duration) -> Duration {
        match self {
            Self::EveryWait => Self::LONGEST,
            Self::ShortWaits if wait < Self::LONGEST => Self::LONGEST,
            Self::ShortWaits | Self::Never => Duration::ZERO,
        }
    }
}

/// Who is sampled and who is told.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// Keeps the IDs of runs and workers apart.
    pub entropy: RunEntropy,
    pub rule: SamplingRule,
    pub switches: Switches,
}

impl Tracing {
    /// How requests are treated where there are no slots.
    pub const fn arm(&self) -> Arm {
        Arm { rule: self.rule, switches: self.switches }
    }
}

/// One operation, ready to be sent.
#[derive(Clone)]
pub struct PlannedOperation {
    pub name: String,
    /// Method and headers.
    pub route: Route,
    pub requests: Requests,
}

impl PlannedOperation {
    /// Rows that one request writes; 0 for reads.
    pub const fn rows(&self) -> u32 {
        match &self.requests {
            Requests::Ready(_) => 0,
            Requests::Built(source) => source.batch,
        }
    }
}

/// Where an operation's requests come from. A clone shares what was made.
#[derive(Clone)]
pub enum Requests {
    /// Made beforehand; arrival k sends number k modulo their count. Never empty.
    Ready(Arc<[Frame]>),
    /// Built ahead while the run goes on.
    Built(InsertSource),
}
