//! What the counters of a run are at one moment.

use std::sync::atomic::{AtomicU32, Ordering};

use super::OperationCounters;
use super::buckets::BUCKETS;
use crate::units::Nanos;

/// How many slots of time requests in flight are told apart by.
pub(super) const SLOTS: usize = 256;
/// Ages beyond these could not be told from young ones: the slots are used in turn.
const OLDEST: usize = SLOTS - 8;

/// How long a slot of time is, as a power of two of nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotLength(u32);

impl SlotLength {
    /// The shortest that tells ages up to `longest`, but no shorter than 67 ms.
    pub fn for_ages_of(longest: Nanos) -> Self {
        let needed = longest.get() / (OLDEST as u64 - 8);
        Self(needed.max(1).next_power_of_two().ilog2().max(26))
    }

    /// The slot of a moment.
    #[inline]
    pub const fn of(self, moment: Nanos) -> usize {
        (moment.get() >> self.0) as usize % SLOTS
    }

    const fn length(self) -> Nanos {
        Nanos::new(1 << self.0)
    }
}

/// All workers' counters at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// From the start of the run.
    pub at: Nanos,
    pub operations: Vec<OperationReading>,
    slot: SlotLength,
}

/// One operation's: counts since the start of the run.
#[derive(Clone, Debug)]
pub struct OperationReading {
    pub offered: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_sent: u64,
    pub(super) response: Box<[u32]>,
    waiting: Box<[u32]>,
}

/// Requests in flight, by how long they have been due at least; the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ages(Vec<(Nanos, u64)>);

impl Reading {
    pub(super) fn empty(at: Nanos, operations: usize, slot: SlotLength) -> Self {
        let operations = (0..operations).map(|_| OperationReading::empty()).collect();
        Self { at, operations, slot }
    }

    /// How long ago the oldest request that is in flight was due, at least; `None`: nothing is, or nothing for so long that it
    /// can be told.
    pub fn oldest(&self) -> Option<Nanos> {
        (0..self.operations.len()).filter_map(|index| self.ages(index).oldest()).max()
    }

    /// By how much an age may be longer than it is told.
    pub const fn slot_length(&self) -> Nanos {
        self.slot.length()
    }

    /// Ages of an operation's requests in flight. Those of the youngest slots, which may be no age at all, are left out.
    pub(super) fn ages(&self, operation: usize) -> Ages {
        let waiting = &self.operations[operation].waiting;
        let now = self.at.get() >> self.slot.0;
        let age = |back: u64| {
            // A slot before the start holds nothing.
            let slot = now.checked_sub(back)?;
            let count = waiting[slot as usize % SLOTS];
            let end = Nanos::new((slot + 1) << self.slot.0);
            (count > 0).then_some((self.at - end, u64::from(count)))
        };
        Ages((1..OLDEST as u64).rev().filter_map(age).collect())
    }
}

impl Ages {
    pub fn oldest(&self) -> Option<Nanos> {
        self.0.first().map(|(age, _)| *age)
    }

    /// How many have been due for longer than that.
    pub fn longer_than(&self, time: Nanos) -> u64 {
        self.0.iter().take_while(|(age, _)| *age > time).map(|(_, count)| count).sum()
    }

    /// Of the `count` oldest, the age of the one at that rank from the youngest, counted from 1.
    pub fn at_rank(&self, count: u64, rank: u64) -> Option<Nanos> {
        let mut from_oldest = count.checked_sub(rank)?;
        for (age, many) in &self.0 {
            if from_oldest < *many {
                return Some(*age);
            }
            from_oldest -= many;
        }
        None
    }
}

impl OperationReading {
    fn empty() -> Self {
        Self {
            offered: 0,
            succeeded: 0,
            failed: 0,
            timed_out: 0,
            not_sent: 0,
            response: vec![0; BUCKETS].into(),
            waiting: vec![0; SLOTS].into(),
        }
    }

    /// Failed, timed out or not sent.
    pub const fn unsuccessful(&self) -> u64 {
        self.failed + self.timed_out + self.not_sent
    }

    pub const fn done(&self) -> u64 {
        self.succeeded + self.unsuccessful()
    }

    /// Due and not done.
    pub const fn in_flight(&self) -> u64 {
        self.offered.saturating_sub(self.done())
    }

    pub(super) fn add(&mut self, counters: &OperationCounters) {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        // The done before the due: the other way round more could be done than were due.
        self.succeeded += of(&counters.succeeded);
        self.failed += of(&counters.failed);
        self.timed_out += of(&counters.timed_out);
        self.not_sent += of(&counters.not_sent);
        self.offered += of(&counters.offered);
        add_all(&mut self.response, &counters.response);
        add_all(&mut self.waiting, &counters.waiting);
    }
}

fn add_all(sums: &mut [u32], counters: &[AtomicU32]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_tell_every_age_apart_that_a_request_may_have() {
        for longest in [1, 20, 70, 130, 1_300, 86_400].map(Nanos::from_secs) {
            let slot = SlotLength::for_ages_of(longest);
            let reach = slot.length().get() * (OLDEST as u64 - 1);
            assert!(reach >= longest.get(), "{longest}: {reach}");
        }
        assert_eq!(SlotLength::for_ages_of(Nanos::from_secs(1)).length(), Nanos::new(1 << 26));
    }

    /// Requests that were due at these moments and are in flight at `now`.
    fn reading(now: Nanos, due: &[Nanos]) -> Reading {
        let mut reading = Reading::empty(now, 1, SlotLength::for_ages_of(Nanos::from_secs(20)));
        for moment in due {
            reading.operations[0].waiting[reading.slot.of(*moment)] += 1;
        }
        reading
    }

    #[test]
    fn an_age_is_never_told_longer_than_it_is_and_by_a_slot_shorter_at_most() {
        for now in (25_000..26_000).step_by(7).map(Nanos::from_millis) {
            for age in (0..20_000).step_by(613).map(Nanos::from_millis) {
                let reading = reading(now, &[now - age]);
                let told = reading.oldest().unwrap_or(Nanos::ZERO);
                assert!(told <= age && told + reading.slot_length() > age, "{age} at {now} as {told}");
            }
        }
    }

    #[test]
    fn what_became_due_while_it_was_read_is_young() {
        let now = Nanos::from_secs(30);
        let later = now + Nanos::from_millis(200);
        assert_eq!(reading(now, &[later]).oldest(), None);
    }

    #[test]
    fn ranks_of_ages_are_counted_from_the_youngest_of_the_oldest() {
        let (now, sec) = (Nanos::from_secs(30), Nanos::from_secs);
        let reading = reading(now, &[sec(20), sec(20), sec(27), sec(29)]);
        let ages = reading.ages(0);
        assert_eq!([0, 2, 5, 11].map(|age| ages.longer_than(sec(age))), [4, 3, 2, 0]);
        let at = |count, rank| {
            ages.at_rank(count, rank).map(|age| (age + Nanos::from_millis(200)).get() / 1_000_000_000)
        };
        assert_eq!([at(3, 1), at(3, 2), at(3, 3), at(2, 1)], [Some(3), Some(10), Some(10), Some(10)]);
        assert_eq!(at(3, 4), None);
    }
}
