//! What is known of a run while it goes on: counters that workers write and the control thread reads.
//!
//! Each counter has one writer, so a relaxed load and a relaxed store are enough, and cost what they cost on a plain number.
//! Whoever watches takes a [`Reading`] now and then; what lies between two of them is a difference ([`LastSeconds`]). Belongs
//! here: counting, and numbers of the last seconds. Does not belong: how they are shown. Nothing here is in the report.

mod buckets;
mod last_seconds;
mod reading;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use buckets::{BUCKETS, bucket_of};
pub use last_seconds::{LastSeconds, RecentRates, RecentTimes, Second, Shown};
pub use reading::{OperationReading, Reading};
use reading::{SLOTS, SlotLength};

use crate::measure::{Outcome, Sample};
use crate::units::Nanos;

/// Counters of one worker.
#[derive(Debug)]
pub struct Live {
    operations: Box<[OperationCounters]>,
    slot: SlotLength,
    /// Whether times are counted too.
    times: bool,
}

/// Of one operation. Cache lines that one worker writes are no other's.
#[derive(Debug)]
#[repr(align(128))]
struct OperationCounters {
    offered: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    not_sent: AtomicU64,
    /// Due and not done, by the slot of time in which they were due.
    waiting: [AtomicU32; SLOTS],
    /// Response times of the succeeded.
    response: [AtomicU32; BUCKETS],
}

/// The workers' counters taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveTotals {
    /// Requests due so far, warm-up included.
    pub offered: u64,
    pub succeeded: u64,
    /// Of them failed, timed out or not sent.
    pub unsuccessful: u64,
    /// Due and not done.
    pub in_flight: u64,
}

impl OperationCounters {
    const fn new() -> Self {
        Self {
            offered: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            not_sent: AtomicU64::new(0),
            waiting: [const { AtomicU32::new(0) }; SLOTS],
            response: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }
}

fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// These wrap around; what is read are differences, and no two readings are 2^32 requests apart.
fn add_narrow(counter: &AtomicU32, by: u32) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Live {
    /// For so many operations, whose requests are over `longest` after they are due at the latest. Without `times` only what
    /// becomes of requests is counted.
    pub fn new(operations: usize, longest: Nanos, times: bool) -> Self {
        let operations = (0..operations).map(|_| OperationCounters::new()).collect();
        Self { operations, slot: SlotLength::for_ages_of(longest), times }
    }

    /// A request became due.
    #[inline]
    pub fn due(&self, operation: usize, intended: Nanos) {
        let Some(counters) = self.operations.get(operation) else { return };
        add(&counters.offered, 1);
        if self.times {
            add_narrow(&counters.waiting[self.slot.of(intended)], 1);
        }
    }

    /// A request that became due is over.
    #[inline]
    pub fn done(&self, sample: &Sample) {
        let Some(counters) = self.operations.get(sample.operation) else { return };
        let succeeded = matches!(sample.outcome, Outcome::Succeeded { .. });
        let outcome = match sample.outcome {
            Outcome::Succeeded { .. } => &counters.succeeded,
            Outcome::Failed { .. } => &counters.failed,
            Outcome::TimedOut => &counters.timed_out,
            Outcome::NotSent => &counters.not_sent,
        };
        add(outcome, 1);
        if self.times {
            add_narrow(&counters.waiting[self.slot.of(sample.intended)], u32::MAX);
            if succeeded {
                add_narrow(&counters.response[bucket_of(sample.response())], 1);
            }
        }
    }
}

/// The counters of all workers of a run.
#[derive(Clone, Debug, Default)]
pub struct LiveWorkers(Vec<Arc<Live>>);

impl LiveWorkers {
    pub fn new(workers: Vec<Arc<Live>>) -> Self {
        Self(workers)
    }

    /// What became of requests so far.
    pub fn totals(&self) -> LiveTotals {
        let mut totals = LiveTotals::default();
        for counters in self.0.iter().flat_map(|live| &live.operations) {
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            // The done before the due: the other way round more could be done than were due.
            let succeeded = of(&counters.succeeded);
            let unsuccessful = of(&counters.failed) + of(&counters.timed_out) + of(&counters.not_sent);
            let offered = of(&counters.offered);
            totals.succeeded += succeeded;
            totals.unsuccessful += unsuccessful;
            totals.offered += offered;
            totals.in_flight += offered.saturating_sub(succeeded + unsuccessful);
        }
        totals
    }

    /// All there is, at the moment `now` of the run: some microseconds for each operation and worker.
    pub fn read(&self, now: Nanos) -> Reading {
        let operations = self.0.first().map_or(0, |live| live.operations.len());
        let slot = self.0.first().map_or_else(SlotLength::default, |live| live.slot);
        let mut reading = Reading::empty(now, operations, slot);
        for live in &self.0 {
            for (sum, counters) in reading.operations.iter_mut().zip(&live.operations) {
                sum.add(counters);
            }
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceRef;

    fn sample(operation: usize, outcome: Outcome, response: Nanos) -> Sample {
        Sample {
            operation,
            intended: Nanos::ZERO,
            sent: None,
            done: response,
            outcome,
            trace: TraceRef { trace_id: 1, span_id: 1, sampled: false },
            connection: 0,
            hits_expected: None,
        }
    }

    fn workers(times: bool) -> LiveWorkers {
        let worker = || Arc::new(Live::new(2, Nanos::from_secs(20), times));
        LiveWorkers::new(vec![worker(), worker()])
    }

    #[test]
    fn totals_are_the_sum_of_the_workers() {
        let all = workers(false);
        let [one, two] = [&all.0[0], &all.0[1]];
        for (live, operation) in [(one, 0), (two, 0), (two, 1), (two, 1)] {
            live.due(operation, Nanos::ZERO);
        }
        two.done(&sample(0, Outcome::Succeeded { hits: 1 }, Nanos::new(7)));
        two.done(&sample(1, Outcome::TimedOut, Nanos::new(7)));
        let total = LiveTotals { offered: 4, succeeded: 1, unsuccessful: 1, in_flight: 2 };
        assert_eq!(all.totals(), total);
    }

    #[test]
    fn a_reading_has_every_request_of_every_worker_by_what_became_of_it() {
        let all = workers(true);
        let outcomes = [
            Outcome::Succeeded { hits: 0 },
            Outcome::Failed { grpc: 14, milvus: 0, message: "".into() },
            Outcome::TimedOut,
            Outcome::NotSent,
        ];
        for live in &all.0 {
            (0..7).for_each(|_| live.due(1, Nanos::ZERO));
            for (outcome, times) in outcomes.iter().zip([3, 1, 1, 1]) {
                (0..times).for_each(|_| live.done(&sample(1, outcome.clone(), Nanos::from_millis(5))));
            }
        }
        let reading = all.read(Nanos::from_secs(1));
        let [idle, busy] = reading.operations.as_slice() else { panic!("two operations") };
        assert_eq!((idle.offered, idle.done()), (0, 0));
        assert_eq!((busy.offered, busy.succeeded, busy.done(), busy.in_flight()), (14, 6, 12, 2));
        assert_eq!((busy.failed, busy.timed_out, busy.not_sent), (2, 2, 2));
        assert_eq!(reading.oldest(), Some(Nanos::from_secs(1)).map(|age| age - reading.slot_length()));
    }

    #[test]
    fn a_stray_operation_is_left_out() {
        let all = workers(true);
        all.0[0].due(2, Nanos::ZERO);
        all.0[0].done(&sample(2, Outcome::TimedOut, Nanos::ZERO));
        assert_eq!(all.totals(), LiveTotals::default());
    }
}
