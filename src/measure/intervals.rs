//! The window cut into at most 600 intervals of one length, each with counters and histograms of its own.
//!
//! Invariant: the intervals together hold every sample of the window, so that their histograms sum to the run's exactly.
//! Only intervals that can still receive samples have open histograms; the older ones are packed, and a
//! sample that comes later still is kept aside and merged in.

use super::counters::Counters;
use super::histogram::{PackScratch, Packed, Timings};
use super::sample::Sample;
use crate::units::Nanos;

/// The most intervals that a window is cut into.
pub const MOST_INTERVALS: u64 = 600;
/// The most intervals that are open at once: 6.2 MiB per worker and operation. What is later goes the slow way.
const MOST_OPEN: u64 = 16;
/// Late spans kept aside before they are merged into the packed histograms: 96 KiB.
const LATE: usize = 4_096;

/// How a window is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Length of every interval but the last, which may be shorter; whole seconds.
    pub length: Nanos,
    /// How many.
    pub count: usize,
}

impl Cut {
    /// max(1 s, window / 600 rounded up to whole seconds), at least one interval.
    pub fn of(window: Nanos) -> Self {
        let second = Nanos::from_secs(1).get();
        let seconds = window.get().div_ceil(second).div_ceil(MOST_INTERVALS).max(1);
        let length = Nanos::from_secs(seconds);
        let count = window.get().div_ceil(length.get()).clamp(1, MOST_INTERVALS);
        // At most 600.
        Self { length, count: count as usize }
    }

    /// How many intervals are open at once, where a request may end up to `longest` after its interval's end.
    fn open(&self, longest: Nanos) -> usize {
        let open = (longest.get().div_ceil(self.length.get()) + 2).min(MOST_OPEN);
        self.count.min(open as usize)
    }
}

/// One value for each of a request's three numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerClock<T> {
    /// done - intended.
    pub response: T,
    /// done - sent.
    pub service: T,
    /// sent - intended.
    pub lag: T,
}

/// What happened in one interval, by intended start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// How requests ended.
    pub counters: Counters,
    /// The most that were due and not done at once. Of several workers: the sum of theirs, an upper bound.
    pub in_flight_max: u32,
    /// Response and service of the succeeded, lag of all that were sent.
    pub timings: PerClock<Packed>,
}

impl Interval {
    fn merge(&mut self, other: &Self, scratch: &mut PackScratch) {
        self.counters.merge(&other.counters);
        self.in_flight_max = self.in_flight_max.saturating_add(other.in_flight_max);
        let mut merge = |into: &mut Packed, from: &Packed| {
            if from.count() > 0 {
                let mut sum = into.unpack();
                sum.merge_packed(from);
                *into = sum.pack(scratch);
            }
        };
        merge(&mut self.timings.response, &other.timings.response);
        merge(&mut self.timings.service, &other.timings.service);
        merge(&mut self.timings.lag, &other.timings.lag);
    }
}

/// Adds the intervals of another worker of the same run.
pub(super) fn merge_all(into: &mut [Interval], from: &[Interval]) {
    let mut scratch = PackScratch::default();
    into.iter_mut().zip(from).for_each(|(into, from)| into.merge(from, &mut scratch));
}

#[derive(Debug)]
struct Open {
    counters: Counters,
    in_flight_max: u32,
    timings: PerClock<Timings<u32>>,
}

impl Open {
    fn new() -> Self {
        let timings = PerClock { response: Timings::new(), service: Timings::new(), lag: Timings::new() };
        Self { counters: Counters::default(), in_flight_max: 0, timings }
    }

    /// Packs what it holds and empties it for the next interval.
    fn close(&mut self, scratch: &mut PackScratch) -> Interval {
        let PerClock { response, service, lag } = &mut self.timings;
        let closed = Interval {
            counters: std::mem::take(&mut self.counters),
            in_flight_max: std::mem::take(&mut self.in_flight_max),
            timings: PerClock {
                response: response.pack(scratch),
                service: service.pack(scratch),
                lag: lag.pack(scratch),
            },
        };
        [response, service, lag].into_iter().for_each(Timings::clear);
        closed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Response,
    Service,
    Lag,
}

/// One worker's intervals of one operation while it records.
#[derive(Debug)]
pub(super) struct Intervals {
    cut: Cut,
    /// Finished intervals, in order: 0 up to the first open one.
    closed: Vec<Interval>,
    /// A ring: interval i is in slot i mod its length.
    open: Vec<Open>,
    late: Vec<(usize, Which, Nanos)>,
    scratch: PackScratch,
}

impl Intervals {
    /// With all open histograms allocated.
    pub(super) fn new(cut: Cut, longest: Nanos) -> Self {
        Self {
            cut,
            closed: Vec::with_capacity(cut.count),
            open: (0..cut.open(longest)).map(|_| Open::new()).collect(),
            late: Vec::with_capacity(LATE),
            scratch: PackScratch::default(),
        }
    }

    /// Bytes occupied from the start on; packed intervals come on top, see [`packed_bytes`](Self::packed_bytes).
    pub(super) fn memory_bytes(cut: Cut, longest: Nanos) -> usize {
        // Serializing takes up to 9 bytes per bucket, twice: once to write and once to copy.
        let scratch = 3 * 9 * Timings::<u32>::memory_bytes() / 4;
        cut.open(longest) * 3 * Timings::<u32>::memory_bytes()
            + cut.count * size_of::<Interval>()
            + LATE * size_of::<(usize, Which, Nanos)>()
            + scratch
    }

    /// Bytes that the packed histograms come to, by a generous rule: 6 KiB each (facts: 6,000 samples take 2 KiB).
    pub(super) const fn packed_bytes(cut: Cut) -> usize {
        cut.count * 3 * 6 * 1024
    }

    /// Takes in a sample that is due `since_start` after the window's start.
    pub(super) fn record(&mut self, since_start: Nanos, sample: &Sample, succeeded: bool) {
        let index = self.index(since_start);
        let (response, service, lag) = (sample.response(), sample.service(), sample.lag());
        if let Some(open) = self.open(index) {
            open.counters.record(&sample.outcome);
            if succeeded {
                open.timings.response.record(response);
                service.into_iter().for_each(|span| open.timings.service.record(span));
            }
            lag.into_iter().for_each(|span| open.timings.lag.record(span));
        } else {
            self.closed[index].counters.record(&sample.outcome);
            if succeeded {
                self.keep_late(index, Which::Response, response);
                service.into_iter().for_each(|span| self.keep_late(index, Which::Service, span));
            }
            lag.into_iter().for_each(|span| self.keep_late(index, Which::Lag, span));
        }
    }

    /// Notes how many are in flight, now that a request due `since_start` after the window's start is.
    pub(super) fn in_flight(&mut self, since_start: Nanos, now_in_flight: u32) {
        let index = self.index(since_start);
        let most = match self.open(index) {
            Some(open) => &mut open.in_flight_max,
            None => &mut self.closed[index].in_flight_max,
        };
        *most = (*most).max(now_in_flight);
    }

    /// All intervals of the window, in order.
    pub(super) fn finish(mut self) -> Vec<Interval> {
        self.merge_late();
        while self.closed.len() < self.cut.count {
            self.close_oldest();
        }
        self.closed
    }

    fn index(&self, since_start: Nanos) -> usize {
        let index = since_start.get() / self.cut.length.get();
        usize::try_from(index).unwrap_or(usize::MAX).min(self.cut.count - 1)
    }

    /// The open histograms of an interval; `None` where it is closed already.
    fn open(&mut self, index: usize) -> Option<&mut Open> {
        while index >= self.closed.len() + self.open.len() {
            self.close_oldest();
        }
        let slot = index % self.open.len();
        (index >= self.closed.len()).then(|| &mut self.open[slot])
    }

    fn close_oldest(&mut self) {
        let slot = self.closed.len() % self.open.len();
        let closed = self.open[slot].close(&mut self.scratch);
        self.closed.push(closed);
    }

    fn keep_late(&mut self, index: usize, which: Which, span: Nanos) {
        if self.late.len() == LATE {
            self.merge_late();
        }
        self.late.push((index, which, span));
    }

    /// Unpacks each histogram that has late spans once, however many there are.
    fn merge_late(&mut self) {
        self.late.sort_unstable();
        for group in self.late.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (index, which, _) = group[0];
            let timings = &mut self.closed[index].timings;
            let packed = match which {
                Which::Response => &mut timings.response,
                Which::Service => &mut timings.service,
                Which::Lag => &mut timings.lag,
            };
            let mut unpacked = packed.unpack();
            group.iter().for_each(|&(_, _, span)| unpacked.record(span));
            *packed = unpacked.pack(&mut self.scratch);
        }
        self.late.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_into_whole_seconds_and_at_most_600() {
        let cut = |millis| {
            let cut = Cut::of(Nanos::from_millis(millis));
            (cut.length.as_secs_f64(), cut.count)
        };
        assert_eq!(cut(0), (1.0, 1));
        assert_eq!(cut(30_000), (1.0, 30));
        assert_eq!(cut(30_500), (1.0, 31));
        assert_eq!(cut(600_000), (1.0, 600));
        assert_eq!(cut(600_001), (2.0, 301));
        assert_eq!(cut(3_600_000), (6.0, 600));
        let year = Cut::of(Nanos::from_secs(365 * 86_400));
        assert_eq!((year.count, year.length), (600, Nanos::from_secs(52_560)));
    }

    #[test]
    fn only_as_many_are_open_as_can_still_receive() {
        let cut = Cut::of(Nanos::from_secs(300));
        assert_eq!(cut.open(Nanos::from_secs(3)), 5);
        assert_eq!(cut.open(Nanos::from_secs(3_600)), 16);
        assert_eq!(Cut::of(Nanos::from_secs(2)).open(Nanos::from_secs(10)), 2);
    }
}
