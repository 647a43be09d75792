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

    /// Those of its intervals that a shorter window reaches into, at least one.
    pub(super) fn within(self, window: Nanos) -> Self {
        let count = usize::try_from(window.get().div_ceil(self.length.get())).unwrap_or(usize::MAX);
        Self { count: count.clamp(1, self.count), ..self }
    }
}

/// A window divided into slots of one length, the first part of each a lead-in to be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotGrid {
    length: Nanos,
    washout: Nanos,
    count: usize,
}

impl SlotGrid {
    /// So many slots of that length, above 0, each with a washout, below it. `None`: of another kind, or longer than time.
    pub fn new(length: Nanos, washout: Nanos, count: usize) -> Option<Self> {
        let fits = length.get().checked_mul(u64::try_from(count).ok()?).is_some();
        (washout < length && count > 0 && fits).then_some(Self { length, washout, count })
    }

    pub const fn count(&self) -> usize {
        self.count
    }

    /// Of each.
    pub const fn length(&self) -> Nanos {
        self.length
    }

    /// What is discarded at the start of each.
    pub const fn washout(&self) -> Nanos {
        self.washout
    }

    /// When slot `index` begins, from the window's start; for their number it is when the last one ends.
    pub const fn start(&self, index: usize) -> Nanos {
        Nanos::new(self.length.get() * index as u64)
    }

    /// All of it: the window.
    pub const fn window(&self) -> Nanos {
        self.start(self.count)
    }

    /// The slot that this moment belongs to; the last one has no end.
    pub fn slot(&self, since_start: Nanos) -> usize {
        usize::try_from(since_start.get() / self.length.get()).unwrap_or(usize::MAX).min(self.count - 1)
    }

    /// Those of its slots that are whole within a shorter window, at least one.
    pub(super) fn within(self, window: Nanos) -> Self {
        Self { count: self.over(window).max(1), ..self }
    }

    /// How many slots are over so long after the window's start.
    pub fn over(&self, since_start: Nanos) -> usize {
        usize::try_from(since_start.get() / self.length.get()).unwrap_or(usize::MAX).min(self.count)
    }

    /// The moments at which a part begins, in order, and the window's end.
    pub fn edges(&self) -> Vec<Nanos> {
        let of = |index| [self.start(index), self.start(index) + self.washout];
        let mut edges: Vec<Nanos> = (0..self.count).flat_map(of).chain([self.window()]).collect();
        edges.dedup();
        edges
    }
}

/// A window divided one way or another.
#[derive(Clone, Debug)]
pub(super) enum TimeGrid {
    /// Into intervals of one length.
    Even(IntervalGrid),
    /// At these times from its start, ascending; the first is 0.
    At(Vec<Nanos>),
    /// Into the washout and the rest of each slot.
    Slots(SlotGrid),
}

impl TimeGrid {
    /// How many, at least one.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Even(grid) => grid.count,
            Self::At(starts) => starts.len(),
            Self::Slots(grid) => 2 * grid.count,
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
            Self::Slots(grid) => {
                let slot = grid.slot(since_start);
                2 * slot + usize::from(since_start - grid.start(slot) >= grid.washout)
            }
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
            Self::Slots(grid) => {
                let slots = usize::try_from(longest.get().div_ceil(grid.length.get()));
                slots.map_or(usize::MAX, |slots| slots.saturating_mul(2))
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
    fn slots_are_even_and_each_has_its_washout() {
        let of = |washout| SlotGrid::new(Nanos::from_millis(10_500), Nanos::from_millis(washout), 3).unwrap();
        let millis =
            |edges: Vec<Nanos>| edges.into_iter().map(|edge| edge.get() / 1_000_000).collect::<Vec<_>>();
        assert_eq!(millis(of(5_500).edges()), [0, 5_500, 10_500, 16_000, 21_000, 26_500, 31_500]);
        assert_eq!(millis(of(0).edges()), [0, 10_500, 21_000, 31_500]);
        let parts = TimeGrid::Slots(of(5_500));
        let index = |ms| parts.index(Nanos::from_millis(ms));
        assert_eq!(
            [0, 5_499, 5_500, 10_499, 10_500, 16_000, 31_499, 99_000].map(index),
            [0, 0, 1, 1, 2, 3, 5, 5]
        );
        assert_eq!(TimeGrid::Slots(of(0)).index(Nanos::ZERO), 1, "nothing is discarded");
        let over = |ms| of(5_500).over(Nanos::from_millis(ms));
        assert_eq!([0, 10_499, 10_500, 31_500, 99_000].map(over), [0, 0, 1, 3, 3]);
        assert_eq!((parts.count(), parts.open(Nanos::from_secs(1))), (6, 4));
        let hours = SlotGrid::new(Nanos::from_secs(10), Nanos::from_secs(5), 5_000).unwrap();
        assert_eq!(TimeGrid::Slots(hours).open(Nanos::from_secs(3_600)), 8);
        for (length, washout, count) in [(0, 0, 1), (5, 5, 1), (5, 1, 0), (u64::MAX, 1, 2)] {
            assert!(SlotGrid::new(Nanos::new(length), Nanos::new(washout), count).is_none());
        }
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
