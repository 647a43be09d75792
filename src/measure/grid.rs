//! How a window is divided: into intervals of one length, or where its stages begin.

use crate::units::Nanos;

/// The most intervals that a window is divided into.
pub const MOST_INTERVALS: u64 = 600;
/// The most parts that are open at once: 3.1 MiB per worker and operation. What is later goes the slow way.
const MOST_OPEN: usize = 8;

/// A window divided into intervals of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalGrid {
    /// Length of every interval but the last, which may be shorter; whole seconds.
    pub length: Nanos,
    /// How many.
    pub count: usize,
}

impl IntervalGrid {
    /// max(1 s, window / 600 rounded up to whole seconds), at least one interval.
    pub fn of(window: Nanos) -> Self {
        let second = Nanos::from_secs(1).get();
        let seconds = window.get().div_ceil(second).div_ceil(MOST_INTERVALS).max(1);
        let length = Nanos::from_secs(seconds);
        let count = window.get().div_ceil(length.get()).clamp(1, MOST_INTERVALS);
        // At most 600.
        Self { length, count: count as usize }
    }
}

/// A window divided either way.
#[derive(Clone, Debug)]
pub(super) enum TimeGrid {
    /// Into intervals of one length.
    Even(IntervalGrid),
    /// At these times from its start, ascending; the first is 0.
    At(Vec<Nanos>),
}

impl TimeGrid {
    /// How many, at least one.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Even(grid) => grid.count,
            Self::At(starts) => starts.len(),
        }
    }

    /// The part that this moment belongs to; the last one has no end.
    pub(super) fn index(&self, since_start: Nanos) -> usize {
        match self {
            Self::Even(grid) => {
                let index = since_start.get() / grid.length.get();
                usize::try_from(index).unwrap_or(usize::MAX).min(grid.count - 1)
            }
            Self::At(starts) => starts.partition_point(|start| *start <= since_start).saturating_sub(1),
        }
    }

    /// How many are open at once, where a request may end up to `longest` after it was due: those in which requests that
    /// are under way were due, and one that is being packed.
    pub(super) fn open(&self, longest: Nanos) -> usize {
        let under_way = match self {
            Self::Even(grid) => {
                usize::try_from(longest.get().div_ceil(grid.length.get())).unwrap_or(usize::MAX)
            }
            Self::At(starts) => {
                let before = |(at, start): (usize, &Nanos)| at - self.index(*start - longest);
                starts.iter().enumerate().map(before).max().unwrap_or(0)
            }
        };
        under_way.saturating_add(2).min(MOST_OPEN).min(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_into_whole_seconds_and_at_most_600() {
        let grid = |millis| {
            let grid = IntervalGrid::of(Nanos::from_millis(millis));
            (grid.length.as_secs_f64(), grid.count)
        };
        assert_eq!(grid(0), (1.0, 1));
        assert_eq!(grid(30_000), (1.0, 30));
        assert_eq!(grid(30_500), (1.0, 31));
        assert_eq!(grid(600_000), (1.0, 600));
        assert_eq!(grid(600_001), (2.0, 301));
        assert_eq!(grid(3_600_000), (6.0, 600));
        let year = IntervalGrid::of(Nanos::from_secs(365 * 86_400));
        assert_eq!((year.count, year.length), (600, Nanos::from_secs(52_560)));
    }

    #[test]
    fn only_as_many_are_open_as_can_still_receive() {
        let open = |window, longest| {
            TimeGrid::Even(IntervalGrid::of(Nanos::from_secs(window))).open(Nanos::from_secs(longest))
        };
        assert_eq!(open(300, 3), 5, "one in which requests are due, three before it, and one that is packed");
        assert_eq!((open(300, 3_600), open(2, 10)), (8, 2));
        // 10 s after the third begins, all of the short ones may still receive.
        let at = |starts: &[u64]| TimeGrid::At(starts.iter().copied().map(Nanos::from_secs).collect());
        assert_eq!(at(&[0, 100, 101, 102, 300, 400]).open(Nanos::from_secs(10)), 5);
        assert_eq!(at(&[0, 100, 200]).open(Nanos::from_secs(10)), 3);
        assert_eq!(at(&[0, 100, 200, 300]).open(Nanos::ZERO), 2);
    }

    #[test]
    fn a_moment_belongs_to_the_part_that_begins_last_before_it() {
        let even = TimeGrid::Even(IntervalGrid::of(Nanos::from_secs(3)));
        let at = TimeGrid::At([0, 1_000, 2_500].map(Nanos::from_millis).to_vec());
        let index = |grid: &TimeGrid| {
            [0, 999, 1_000, 2_499, 2_500, 99_000].map(|ms| grid.index(Nanos::from_millis(ms)))
        };
        assert_eq!(index(&even), [0, 0, 1, 2, 2, 2]);
        assert_eq!(index(&at), [0, 0, 1, 1, 2, 2]);
    }
}
