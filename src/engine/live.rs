//! What the progress line knows while a run goes on.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one worker; only that worker writes, so relaxed stores are enough and cost no more than plain ones.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Live {
    offered: AtomicU64,
    succeeded: AtomicU64,
    unsuccessful: AtomicU64,
    in_flight: AtomicU64,
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

impl Live {
    fn add(counter: &AtomicU64, by: u64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// A request became due.
    pub fn due(&self) {
        Self::add(&self.offered, 1);
        Self::add(&self.in_flight, 1);
    }

    /// A request is over.
    pub fn done(&self, succeeded: bool) {
        Self::add(if succeeded { &self.succeeded } else { &self.unsuccessful }, 1);
        Self::add(&self.in_flight, u64::MAX);
    }

    pub fn total<'a>(workers: impl IntoIterator<Item = &'a Self>) -> LiveTotals {
        workers.into_iter().fold(LiveTotals::default(), |sum, live| LiveTotals {
            offered: sum.offered + live.offered.load(Ordering::Relaxed),
            succeeded: sum.succeeded + live.succeeded.load(Ordering::Relaxed),
            unsuccessful: sum.unsuccessful + live.unsuccessful.load(Ordering::Relaxed),
            in_flight: sum.in_flight.wrapping_add(live.in_flight.load(Ordering::Relaxed)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sum_of_the_workers() {
        let workers = [Live::default(), Live::default()];
        workers.iter().for_each(Live::due);
        workers[1].due();
        workers[0].done(true);
        workers[1].done(false);
        let total = LiveTotals { offered: 3, succeeded: 1, unsuccessful: 1, in_flight: 1 };
        assert_eq!(Live::total(&workers), total);
    }
}
