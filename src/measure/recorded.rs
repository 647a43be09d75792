//! The whole record of a window, of one worker or, merged, of all.

use super::counters::{Counters, Errors, Hits};
use super::exemplars::{End, Exemplar, Exemplars, Slowest};
use super::grid::{IntervalGrid, SlotGrid};
use super::histogram::Timings;
use super::intervals::{Interval, merge_all};
use super::moments::Moments;
use super::sample::Sample;
use super::slots::{self, SampledRecord, SlotRecord};
use crate::units::Nanos;

/// What happened in the window. Merging the records of all workers gives what one recorder of everything would hold, except
/// for `in_flight_max` (see [`Interval`]) and which of several messages of one error kind is shown.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Start of the window, from the run's anchor.
    pub window_start: Nanos,
    /// The window as planned.
    pub window: Nanos,
    pub grid: IntervalGrid,
    /// When its stages begin, see [`RecorderConfig::stages`](super::RecorderConfig::stages).
    pub stages: Vec<Nanos>,
    /// The slots that it was laid out in; `None` where there are none.
    pub slots: Option<SlotGrid>,
    /// By index of the operation in the workload.
    pub operations: Vec<OperationRecord>,
    /// By index of the connection.
    pub connections: Vec<ConnectionRecord>,
    /// Samples of operations that do not exist: 0 unless there is a bug.
    pub stray: u64,
}

#[derive(Clone, Debug)]
pub struct OperationRecord {
    pub warmup: Counters,
    /// Requests of the window.
    pub counters: Counters,
    /// Requests that were due at the window's end or later.
    pub after: Counters,
    /// done - intended, of the succeeded.
    pub response: Timings<u64>,
    /// done - sent, of the succeeded.
    pub service: Timings<u64>,
    /// sent - intended, of all that were sent.
    pub lag: Timings<u64>,
    /// done - intended, of those that failed or were given up before they were sent: all of it was waiting.
    pub unsent: Moments,
    /// Nanoseconds of `lag` that were waiting for what the server has to give: a free stream, or a connection.
    pub waited: u128,
    /// Of those not sent, how many were refused while most of what filled their bound was with the server: sent, or waiting
    /// for a free stream or a connection.
    pub refused_for_server: u64,
    /// done - intended, of the failed.
    pub failure_response: Timings<u64>,
    /// done - sent, of the failed that were sent.
    pub failure_service: Timings<u64>,
    /// done - intended, of the timed out.
    pub timeouts: Timings<u64>,
    pub errors: Errors,
    pub hits: Hits,
    /// The sampled by themselves, where some requests of the run are sampled and others are not.
    pub sampled: Option<SampledRecord>,
    pub slowest: Slowest,
    /// A fair few of every speed.
    pub exemplars: Exemplars,
    /// The window's intervals, in order.
    pub intervals: Vec<Interval>,
    /// The window's stages, in order; none where there are fewer than two.
    pub stages: Vec<Interval>,
    /// The window's slots, in order; none where it has none.
    pub slots: Vec<SlotRecord>,
}

/// What went over one connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionRecord {
    /// Requests of the window that were sent over it.
    pub requests: u64,
    /// Response times of the succeeded; allocated with a connection's first one, for a worker has only some of them.
    pub response: Option<Timings<u32>>,
}

impl ConnectionRecord {
    /// Bytes that one of these occupies once it is used.
    pub fn memory_bytes() -> usize {
        size_of::<Self>() + Timings::<u32>::memory_bytes()
    }

    pub(super) fn record(&mut self, sample: &Sample, succeeded: bool) {
        self.requests += 1;
        if succeeded {
            self.response.get_or_insert_default().record(sample.response());
        }
    }
}

/// Records that cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "records of different runs cannot be merged: {ours} and {theirs}; \
     give every worker the same recorder configuration"
)]
pub struct MergeError {
    ours: String,
    theirs: String,
}

impl Recorded {
    /// Adds another worker's record of the same run.
    ///
    /// # Errors
    /// Where window, stages, operations or connections differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.shape() != other.shape() || self.connections.len() != other.connections.len() {
            let full = |of: &Self| format!("{} on {} connections", of.shape(), of.connections.len());
            return Err(MergeError { ours: full(self), theirs: full(other) });
        }
        for (ours, theirs) in self.operations.iter_mut().zip(&other.operations) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.connections.iter_mut().zip(&other.connections) {
            ours.requests += theirs.requests;
            if let Some(theirs) = &theirs.response {
                ours.response.get_or_insert_default().merge(theirs);
            }
        }
        self.stray += other.stray;
        Ok(())
    }

    /// Takes the end of the window away, from so long after its start on: the load was told to end there, so that nothing was due
    /// in it. What is left is what a recorder of the shorter window would hold, but for the length of its intervals.
    pub fn shorten(&mut self, window: Nanos) {
        if window >= self.window {
            return;
        }
        self.window = window;
        self.grid = self.grid.within(window);
        self.slots = self.slots.map(|grid| grid.within(window));
        self.stages.retain(|start| *start < window);
        // One alone is the window, and is not told twice.
        let stages = if self.stages.len() > 1 { self.stages.len() } else { 0 };
        for operation in &mut self.operations {
            operation.intervals.truncate(self.grid.count);
            operation.stages.truncate(stages);
            operation.slots.truncate(self.slots.map_or(0, |grid| grid.count()));
        }
    }

    /// Adds the record of another shard of the same run, whose connections are others: they come after ours.
    ///
    /// # Errors
    /// Where window, stages or operations differ, or there are more connections than can be numbered.
    pub fn append(&mut self, mut other: Self) -> Result<(), MergeError> {
        let together = self.connections.len() + other.connections.len();
        let offset = u16::try_from(together).ok().and(u16::try_from(self.connections.len()).ok());
        let (Some(offset), true) = (offset, self.shape() == other.shape()) else {
            let full = |of: &Self| format!("{} on {} connections", of.shape(), of.connections.len());
            return Err(MergeError { ours: full(self), theirs: full(&other) });
        };
        for (ours, theirs) in self.operations.iter_mut().zip(&mut other.operations) {
            theirs.slowest.renumber_connections(offset);
            theirs.exemplars.renumber_connections(offset);
            ours.merge(theirs);
        }
        self.connections.append(&mut other.connections);
        self.stray += other.stray;
        Ok(())
    }

    /// All operations' counters of the window together.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.operations.iter().for_each(|operation| total.merge(&operation.counters));
        total
    }

    fn shape(&self) -> String {
        format!(
            "{} operations over {} from {} in stages from {:?}, slots {:?}, {}",
            self.operations.len(),
            self.window,
            self.window_start,
            self.stages.iter().map(Nanos::to_string).collect::<Vec<_>>(),
            self.slots.map(|slots| (slots.count(), slots.washout().to_string())),
            match self.operations.first().and_then(|operation| operation.sampled.as_ref()) {
                Some(_) => "the sampled by themselves too",
                None => "the sampled among all",
            },
        )
    }
}

impl OperationRecord {
    /// At most `count` succeeded requests with a response of `bound` or more, slowest first; sampled ones, where there are
    /// any in the run. All of them where so few are that slow, else drawn fairly from the exemplars.
    pub fn slow(&self, bound: Nanos, count: usize) -> Vec<Exemplar> {
        let all = self.slowest.all_from(bound).filter(|all| all.len() <= count);
        all.map_or_else(
            || self.exemplars.draw(bound..=Nanos::MAX, count),
            |all| all.into_iter().filter(|exemplar| exemplar.end == End::Succeeded).collect(),
        )
    }

    fn merge(&mut self, other: &Self) {
        self.warmup.merge(&other.warmup);
        self.counters.merge(&other.counters);
        self.after.merge(&other.after);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
        self.unsent.merge(&other.unsent);
        self.waited += other.waited;
        self.refused_for_server += other.refused_for_server;
        self.failure_response.merge(&other.failure_response);
        self.failure_service.merge(&other.failure_service);
        self.timeouts.merge(&other.timeouts);
        self.errors.merge(&other.errors);
        self.hits.merge(&other.hits);
        if let (Some(ours), Some(theirs)) = (&mut self.sampled, &other.sampled) {
            ours.merge(theirs);
        }
        self.slowest.merge(&other.slowest);
        self.exemplars.merge(&other.exemplars);
        merge_all(&mut self.intervals, &other.intervals);
        merge_all(&mut self.stages, &other.stages);
        slots::merge_all(&mut self.slots, &other.slots);
    }
}
