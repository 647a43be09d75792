//! How well an experiment under way knows its primary metric by now: the half-width of the interval, never the effect.
//!
//! It goes by what workers hand over while they record: intervals of a second or more, of which those count that lie within the kept part
//! of a slot. The result goes by the slots themselves.

use std::collections::BTreeMap;

use crate::measure::{HandOver, IntervalGrid, SlotGrid, Timings};
use crate::stats::Better;
use crate::stats::blocks::Arm;
use crate::stats::overhead::{Design, Ending, Slot, analyse};
use crate::units::Nanos;

/// What has been handed over.
pub(super) struct SoFar {
    intervals: IntervalGrid,
    slots: SlotGrid,
    order: Vec<(usize, Arm)>,
    fractions: Vec<f64>,
    /// Of blocks under way, by operation and slot: requests offered, and response times of the succeeded.
    seen: BTreeMap<(usize, usize), (u64, Timings<u32>)>,
    /// Of complete blocks, the same: requests offered, and their median. A histogram for each slot would be megabytes by the hour.
    known: BTreeMap<(usize, usize), (u64, Option<f64>)>,
    /// Blocks of which all has come.
    complete: usize,
}

impl SoFar {
    pub fn new(slots: SlotGrid, order: &[Vec<Arm>], fractions: Vec<f64>) -> Self {
        let order =
            order.iter().enumerate().flat_map(|(block, arms)| arms.iter().map(move |arm| (block, *arm)));
        Self {
            intervals: IntervalGrid::of(slots.window()),
            slots,
            order: order.collect(),
            fractions,
            seen: BTreeMap::new(),
            known: BTreeMap::new(),
            complete: 0,
        }
    }

    /// Takes in what a worker has handed over. Where that completes a block, the half-width, as a share, if it can be told by now.
    pub fn take(&mut self, part: &HandOver) -> Option<f64> {
        let start = Nanos::new(self.intervals.length.get().saturating_mul(part.index as u64));
        let slot = self.slots.slot(start);
        let kept = self.slots.start(slot) + self.slots.washout();
        let complete = slot / (self.fractions.len() + 2);
        let is_late = complete < self.complete;
        if !is_late && start >= kept && start + self.intervals.length <= self.slots.start(slot + 1) {
            let (offered, response) =
                self.seen.entry((part.operation, slot)).or_insert_with(|| (0, Timings::new()));
            *offered += part.interval.counters.offered();
            response.merge_packed(&part.interval.timings.response);
        }
        (complete > self.complete).then(|| {
            self.complete = complete;
            self.settle();
            self.half_width()
        })?
    }

    /// Of the slots of complete blocks the medians are all that is needed from here on.
    fn settle(&mut self) {
        let under_way = self.complete * (self.fractions.len() + 2);
        let all = std::mem::take(&mut self.seen);
        for (place, (offered, response)) in all {
            if place.1 >= under_way {
                self.seen.insert(place, (offered, response));
            } else {
                self.known.insert(place, (offered, median(offered, &response)));
            }
        }
    }

    /// Of the operation with the most requests.
    fn half_width(&self) -> Option<f64> {
        let mut offered: BTreeMap<usize, u64> = BTreeMap::new();
        self.known
            .iter()
            .for_each(|((operation, _), (count, _))| *offered.entry(*operation).or_default() += count);
        let (&operation, _) = offered.iter().max_by_key(|(_, count)| **count)?;
        let of_slot = |(slot, (block, arm)): (usize, &(usize, Arm))| Slot {
            block: *block,
            arm: *arm,
            value: self.known.get(&(operation, slot)).and_then(|(_, median)| *median),
        };
        let slots: Vec<Slot> =
            self.order.iter().enumerate().map(of_slot).filter(|slot| slot.block < self.complete).collect();
        let design = Design { fractions: &self.fractions, better: Better::Lower, ending: Ending::Stopped };
        let arms = analyse(&slots, design).ok()?.arms;
        arms.first().map(|arm| arm.effect.half_width())
    }
}

fn median(offered: u64, response: &Timings<u32>) -> Option<f64> {
    let rank = offered.div_ceil(2);
    let known = rank >= 1 && rank <= response.count();
    known.then(|| response.at_ranks(&[rank]))?.first().map(|span| span.get() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Outcome, Recorder, RecorderConfig, Sample};
    use crate::random::{splitmix64, unit_interval};
    use crate::trace::TraceRef;

    /// Slots of 4 s of which 2 s count; 20 requests a second of some 100 ms, half as much again where the arm is on.
    #[test]
    fn it_narrows_with_the_blocks_and_is_that_of_the_slots_themselves() {
        let order = crate::stats::blocks::randomised(1, 1, 12);
        let slots = SlotGrid::new(Nanos::from_secs(4), Nanos::from_secs(2), 36).unwrap();
        let mut so_far = SoFar::new(slots, &order, vec![1.0]);
        let arms: Vec<Arm> = order.into_iter().flatten().collect();
        let mut recorder = Recorder::new(RecorderConfig {
            operations: 1,
            connections: 1,
            window_start: Nanos::ZERO,
            window: slots.window(),
            slots: None,
            by_sampled: false,
            longest: Nanos::from_secs(1),
            slowest: 5,
            stages: vec![],
            seed: 1,
        });
        recorder.start_handing_over();
        let mut told = Vec::new();
        for number in 0..slots.window().get() / 50_000_000 {
            let intended = Nanos::new(number * 50_000_000);
            let slot = slots.slot(intended);
            let level = 100e6 * (1.0 + 0.3 * unit_interval(splitmix64(slot as u64)));
            let cost = if matches!(arms[slot], Arm::On(_)) { 1.5 } else { 1.0 };
            let took = level * cost * (0.9 + 0.2 * unit_interval(splitmix64(number)));
            recorder.record(&Sample {
                operation: 0,
                intended,
                sent: Some(intended),
                done: intended + Nanos::new(took as u64),
                outcome: Outcome::Succeeded { hits: 1 },
                trace: TraceRef::OFF,
                connection: 0,
                hits_expected: Some(1),
            });
            recorder.hand_over(intended, |part| told.extend(so_far.take(&part)));
        }
        assert!(told.len() >= 8, "{told:?}");
        let (early, late) = (told[1], *told.last().unwrap());
        // Some 8 % from slot to slot: 1.5 times t of df 20 or so, over the root of 11 blocks.
        assert!(late < early && late > 0.04 && late < 0.2, "{told:?}");
    }
}
