//! Slots: a window that is divided evenly, each slot with a lead-in that is discarded, and all of it by whether requests were
//! sampled.
//!
//! What an experiment compares are the kept parts of slots whose requests were treated differently. Invariant: the parts of
//! all slots together hold every sample of the window, so that their counters and histograms sum to the run's exactly.

use super::counters::Counters;
use super::grid::{SlotGrid, TimeGrid};
use super::histogram::{PackScratch, Packed, Timings};
use super::intervals::{Interval, Intervals, PerClock};
use super::sample::Sample;
use crate::units::Nanos;

/// What happened in one slot, by intended start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotRecord {
    /// Within its washout.
    pub discarded: BySampled,
    /// After it.
    pub kept: BySampled,
}

/// Requests by their label: whether their trace ID was sampled, whatever became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BySampled {
    pub sampled: SlotPart,
    pub unsampled: SlotPart,
}

/// Some of a slot's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotPart {
    pub counters: Counters,
    /// Response and service of the succeeded, lag of all that were sent.
    pub timings: PerClock<Packed>,
}

impl From<Interval> for SlotPart {
    fn from(interval: Interval) -> Self {
        Self { counters: interval.counters, timings: interval.timings }
    }
}

impl SlotPart {
    fn merge(&mut self, other: &Self, scratch: &mut PackScratch) {
        self.counters.merge(&other.counters);
        self.timings.merge(&other.timings, scratch);
    }
}

impl SlotRecord {
    fn parts_mut(&mut self) -> [&mut SlotPart; 4] {
        let Self { discarded, kept } = self;
        [&mut discarded.sampled, &mut discarded.unsampled, &mut kept.sampled, &mut kept.unsampled]
    }

    pub const fn parts(&self) -> [&SlotPart; 4] {
        let Self { discarded, kept } = self;
        [&discarded.sampled, &discarded.unsampled, &kept.sampled, &kept.unsampled]
    }
}

/// Adds the slots of another worker of the same run.
pub(super) fn merge_all(into: &mut [SlotRecord], from: &[SlotRecord]) {
    let mut scratch = PackScratch::default();
    for (into, from) in into.iter_mut().zip(from) {
        into.parts_mut()
            .into_iter()
            .zip(from.parts())
            .for_each(|(into, from)| into.merge(from, &mut scratch));
    }
}

/// One worker's slots of one operation while it records.
#[derive(Debug)]
pub(super) struct Slots {
    sampled: Intervals,
    unsampled: Intervals,
}

impl Slots {
    pub(super) fn new(grid: SlotGrid, longest: Nanos) -> Self {
        let parts = || Intervals::new(TimeGrid::Slots(grid), longest);
        Self { sampled: parts(), unsampled: parts() }
    }

    /// Bytes occupied by the end of the run, at most.
    pub(super) fn memory_bytes(grid: SlotGrid, longest: Nanos) -> usize {
        2 * Intervals::memory_bytes(&TimeGrid::Slots(grid), longest)
    }

    /// Takes in a sample that is due `since_start` after the window's start.
    pub(super) fn record(&mut self, since_start: Nanos, sample: &Sample, succeeded: bool) {
        let parts = if sample.trace.sampled { &mut self.sampled } else { &mut self.unsampled };
        parts.record(since_start, sample, succeeded);
    }

    /// All slots, in order.
    pub(super) fn finish(self) -> Vec<SlotRecord> {
        let mut sampled = self.sampled.finish().into_iter().map(SlotPart::from);
        let mut unsampled = self.unsampled.finish().into_iter().map(SlotPart::from);
        let mut next = || Some(BySampled { sampled: sampled.next()?, unsampled: unsampled.next()? });
        std::iter::from_fn(|| Some(SlotRecord { discarded: next()?, kept: next()? })).collect()
    }
}

/// The sampled requests of a whole run, where some are and some are not. Those that are not: all less these, exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledRecord {
    /// How they ended; of those never sent too the label counts.
    pub counters: Counters,
    /// How many of them were sent.
    pub sent: u64,
    /// done - sent, of the succeeded.
    pub service: Timings<u64>,
}

impl SampledRecord {
    pub(super) fn new() -> Self {
        Self { counters: Counters::default(), sent: 0, service: Timings::new() }
    }

    pub(super) fn record(&mut self, sample: &Sample, succeeded: bool) {
        self.counters.record(&sample.outcome);
        let Some(service) = sample.service() else { return };
        self.sent += 1;
        if succeeded {
            self.service.record(service);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.sent += other.sent;
        self.service.merge(&other.service);
    }
}
