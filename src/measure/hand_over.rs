//! What a recorder hands over of each interval while it goes on recording, so that it outlives its process.
//!
//! An interval is handed over once nothing due in it can still come, by what `longest` of the configuration says. A sample that
//! comes later all the same makes it be handed over once more: of one interval, the last word counts.

use super::counters::{Counters, ErrorKind, Errors, Hits};
use super::exemplars::Exemplar;
use super::grid::IntervalGrid;
use super::histogram::PackScratch;
use super::intervals::Interval;
use super::moments::Moments;
use super::recorded::OperationRecord;
use super::sample::{Outcome, Sample};
use crate::units::Nanos;

/// One operation's interval, of one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct HandOver {
    /// Index of the operation in the workload.
    pub operation: usize,
    /// Index of the interval.
    pub index: usize,
    pub interval: Interval,
    pub rest: IntervalRest,
    /// Of the run's slowest requests so far, those that were due in it.
    pub slowest: Vec<Exemplar>,
    /// Of the slowest sampled ones.
    pub slowest_sampled: Vec<Exemplar>,
    /// All requests of the warm-up.
    pub warmup: Counters,
}

/// What an interval has beside counters and histograms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalRest {
    pub hits: Hits,
    /// As [`OperationRecord::unsent`].
    pub unsent: Moments,
    /// As [`OperationRecord::waited`].
    pub waited: u128,
    /// As [`OperationRecord::refused_for_server`].
    pub refused_for_server: u64,
    pub errors: Errors,
}

impl IntervalRest {
    fn record(&mut self, sample: &Sample) {
        self.hits.record(sample);
        if sample.sent.is_none() && sample.outcome != Outcome::NotSent {
            self.unsent.record(sample.response());
        }
        if let Outcome::Failed { grpc, milvus, .. } = sample.outcome {
            // The words are the run's, one per kind.
            self.errors.record(grpc, milvus, "");
        }
    }
}

/// One operation's intervals on their way out.
#[derive(Debug)]
pub(super) struct HandingOver {
    grid: IntervalGrid,
    longest: Nanos,
    rests: Vec<IntervalRest>,
    /// The first that was not handed over yet.
    next: usize,
    /// Those before it that have changed since.
    changed: Vec<bool>,
}

impl HandingOver {
    pub(super) fn new(grid: IntervalGrid, longest: Nanos) -> Self {
        Self {
            grid,
            longest,
            rests: vec![IntervalRest::default(); grid.count],
            next: 0,
            changed: vec![false; grid.count],
        }
    }

    pub(super) fn record(&mut self, since_start: Nanos, sample: &Sample) {
        self.rest(since_start).record(sample);
    }

    /// What the interval of that moment has beside its histograms, to be changed.
    pub(super) fn rest(&mut self, since_start: Nanos) -> &mut IntervalRest {
        let index = self.index(since_start);
        self.changed[index] = true;
        &mut self.rests[index]
    }

    fn index(&self, since_start: Nanos) -> usize {
        let index = since_start.get() / self.grid.length.get();
        usize::try_from(index).unwrap_or(usize::MAX).min(self.grid.count - 1)
    }

    /// The interval that is to be handed over now: the next that is over, else one that has changed.
    pub(super) fn due(&mut self, since_start: Nanos) -> Option<usize> {
        // By one interval later, requests have closed and packed it one by one.
        let over = Nanos::new(self.grid.length.get().saturating_mul(self.next as u64 + 2)) + self.longest;
        let index = match self.next < self.grid.count && since_start >= over {
            true => {
                self.next += 1;
                self.next - 1
            }
            false => self.changed[..self.next].iter().position(|changed| *changed)?,
        };
        self.changed[index] = false;
        Some(index)
    }

    /// What is known of an interval of `interval.0`, by the record of the run so far.
    pub(super) fn hand_over(
        &self,
        operation: usize,
        (index, interval): (usize, Interval),
        window_start: Nanos,
        record: &OperationRecord,
    ) -> HandOver {
        let due_in_it = |exemplar: &&Exemplar| {
            exemplar.intended >= window_start && self.index(exemplar.intended - window_start) == index
        };
        HandOver {
            operation,
            index,
            interval,
            rest: IntervalRest {
                errors: worded(&self.rests[index].errors, &record.errors),
                ..self.rests[index].clone()
            },
            slowest: record.slowest.all().filter(due_in_it).copied().collect(),
            slowest_sampled: record.slowest.sampled().filter(due_in_it).copied().collect(),
            warmup: record.warmup,
        }
    }
}

/// The same kinds with the words that the run has for them.
fn worded(errors: &Errors, run: &Errors) -> Errors {
    let words = run.kinds();
    let kind = |kind: &ErrorKind| {
        let known = words.iter().find(|other| (other.grpc, other.milvus) == (kind.grpc, kind.milvus));
        ErrorKind { message: known.map_or_else(|| "".into(), |known| known.message.clone()), ..kind.clone() }
    };
    let kinds = errors.kinds().into_iter().map(kind).collect();
    // Of kinds that were told apart already.
    Errors::of_kinds(kinds, errors.other()).unwrap_or_default()
}

impl OperationRecord {
    /// Adds one worker's interval. The warm-up, which is not of an interval, is left as it is.
    pub fn take_in(&mut self, part: &HandOver) {
        let HandOver { index, interval, rest, slowest, slowest_sampled, .. } = part;
        if self.intervals.len() <= *index {
            self.intervals.resize_with(index + 1, Interval::default);
        }
        self.intervals[*index].merge(interval, &mut PackScratch::default());
        self.counters.merge(&interval.counters);
        self.response.merge_packed(&interval.timings.response);
        self.service.merge_packed(&interval.timings.service);
        self.lag.merge_packed(&interval.timings.lag);
        self.hits.merge(&rest.hits);
        self.unsent.merge(&rest.unsent);
        self.waited = self.waited.saturating_add(rest.waited);
        self.refused_for_server += rest.refused_for_server;
        self.errors.merge(&rest.errors);
        self.slowest.keep(false, slowest);
        self.slowest.keep(true, slowest_sampled);
    }
}
