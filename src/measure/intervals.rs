//! The parts of a window, each with counters and histograms of its own: its intervals, and likewise its stages.
//!
//! Invariant: the parts together hold every sample of the window, so that their histograms sum to the run's exactly.
//! Only parts that can still receive samples have open histograms; the older ones are packed, one histogram at a time so
//! that no request waits for more than that (some 20 us), and a sample that comes later still is kept aside and merged in.

use super::counters::Counters;
use super::grid::TimeGrid;
use super::histogram::{PackScratch, Packed, Timings};
use super::sample::Sample;
use crate::units::Nanos;

/// Late spans kept aside before they are merged into the packed histograms: 96 KiB.
const LATE: usize = 4_096;

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

/// What happened in one interval or stage, by intended start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    pub counters: Counters,
    /// The most that were due and not done at once. Of several workers: the sum of theirs, an upper bound.
    pub in_flight_max: u32,
    /// Response and service of the succeeded, lag of all that were sent.
    pub timings: PerClock<Packed>,
}

impl Interval {
    pub(super) fn merge(&mut self, other: &Self, scratch: &mut PackScratch) {
        self.counters.merge(&other.counters);
        self.in_flight_max = self.in_flight_max.saturating_add(other.in_flight_max);
        self.timings.merge(&other.timings, scratch);
    }
}

impl PerClock<Packed> {
    pub(super) fn merge(&mut self, other: &Self, scratch: &mut PackScratch) {
        let mut merge = |into: &mut Packed, from: &Packed| {
            if from.count() > 0 {
                let mut sum = into.unpack();
                sum.merge_packed(from);
                *into = sum.pack(scratch);
            }
        };
        merge(&mut self.response, &other.response);
        merge(&mut self.service, &other.service);
        merge(&mut self.lag, &other.lag);
    }
}

/// Adds the intervals of another worker of the same run.
pub(super) fn merge_all(into: &mut [Interval], from: &[Interval]) {
    let mut scratch = PackScratch::default();
    into.iter_mut().zip(from).for_each(|(into, from)| into.merge(from, &mut scratch));
}

/// The histograms and counters of a part that receives samples.
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

    fn record(&mut self, sample: &Sample, succeeded: bool) {
        self.counters.record(&sample.outcome);
        for_each_span(sample, succeeded, |which, span| self.timings.get_mut(which).record(span));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Response,
    Service,
    Lag,
}

impl Which {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Response => Some(Self::Service),
            Self::Service => Some(Self::Lag),
            Self::Lag => None,
        }
    }
}

impl<T> PerClock<T> {
    const fn get_mut(&mut self, which: Which) -> &mut T {
        match which {
            Which::Response => &mut self.response,
            Which::Service => &mut self.service,
            Which::Lag => &mut self.lag,
        }
    }
}

/// Response and service of the succeeded, lag of all that were sent.
fn for_each_span(sample: &Sample, succeeded: bool, mut take: impl FnMut(Which, Nanos)) {
    if succeeded {
        take(Which::Response, sample.response());
        sample.service().into_iter().for_each(|span| take(Which::Service, span));
    }
    sample.lag().into_iter().for_each(|span| take(Which::Lag, span));
}

/// One worker's parts of one operation while it records.
#[derive(Debug)]
pub(super) struct Intervals {
    grid: TimeGrid,
    /// Parts that are over, in order: 0 up to the first that is open.
    closed: Vec<Interval>,
    /// A ring: part i is in slot i mod its length.
    open: Vec<Open>,
    /// In flight at the moment that was noted last.
    in_flight: u32,
    /// Parts that have begun by then.
    begun: usize,
    /// What of the last closed one is still in the ring, to be packed next.
    to_pack: Option<Which>,
    late: Vec<(usize, Which, Nanos)>,
    scratch: PackScratch,
}

impl Intervals {
    /// With all open histograms allocated.
    pub(super) fn new(grid: TimeGrid, longest: Nanos) -> Self {
        Self {
            closed: Vec::with_capacity(grid.count()),
            open: (0..grid.open(longest)).map(|_| Open::new()).collect(),
            grid,
            in_flight: 0,
            begun: 0,
            to_pack: None,
            late: Vec::with_capacity(LATE),
            scratch: PackScratch::default(),
        }
    }

    /// Bytes occupied by the end of the run, at most. Packed histograms by a generous rule: 6 KiB each (42,000 samples over
    /// two octaves take 4 KiB).
    pub(super) fn memory_bytes(grid: &TimeGrid, longest: Nanos) -> usize {
        // Serializing takes up to 9 bytes per bucket, twice: once to write and once to copy.
        let scratch = 3 * 9 * Timings::<u32>::memory_bytes() / 4;
        grid.open(longest) * 3 * Timings::<u32>::memory_bytes()
            + grid.count() * (size_of::<Interval>() + 3 * 6 * 1024)
            + LATE * size_of::<(usize, Which, Nanos)>()
            + scratch
    }

    /// Takes in a sample that is due `since_start` after the window's start.
    pub(super) fn record(&mut self, since_start: Nanos, sample: &Sample, succeeded: bool) {
        let index = self.grid.index(since_start);
        match self.open(index) {
            Some(open) => open.record(sample, succeeded),
            None => {
                self.closed[index].counters.record(&sample.outcome);
                for_each_span(sample, succeeded, |which, span| self.keep_late(index, which, span));
            }
        }
        self.pack_one();
    }

    /// Notes how many are in flight from so long after the window's start on.
    pub(super) fn in_flight(&mut self, since_start: Nanos, now_in_flight: u32) {
        let index = self.grid.index(since_start);
        self.carry_in_flight(index);
        self.in_flight_at_least(index, now_in_flight);
        self.in_flight = now_in_flight;
    }

    /// The same of a moment before the window.
    pub(super) const fn in_flight_before(&mut self, now_in_flight: u32) {
        self.in_flight = now_in_flight;
    }

    /// What was in flight when a part began counts in it too, even where nothing became due or ended in it.
    fn carry_in_flight(&mut self, index: usize) {
        while self.begun <= index {
            self.in_flight_at_least(self.begun, self.in_flight);
            self.begun += 1;
        }
    }

    fn in_flight_at_least(&mut self, index: usize, count: u32) {
        let most = match self.open(index) {
            Some(open) => &mut open.in_flight_max,
            None => &mut self.closed[index].in_flight_max,
        };
        *most = (*most).max(count);
    }

    /// A copy of a part, which is over from now on: a sample of it that comes later is a late one.
    pub(super) fn copy_of(&mut self, index: usize) -> Interval {
        self.carry_in_flight(index);
        while self.closed.len() <= index {
            self.close_oldest();
        }
        self.pack_rest();
        if self.late.iter().any(|(late, ..)| *late == index) {
            self.merge_late();
        }
        self.closed[index].clone()
    }

    /// All parts of the window, in order.
    pub(super) fn finish(mut self) -> Vec<Interval> {
        self.merge_late();
        self.carry_in_flight(self.grid.count() - 1);
        while self.closed.len() < self.grid.count() {
            self.close_oldest();
        }
        self.pack_rest();
        self.closed
    }

    /// The open histograms of a part; `None` where it is closed already.
    fn open(&mut self, index: usize) -> Option<&mut Open> {
        while index >= self.closed.len() + self.most_open() {
            self.close_oldest();
        }
        let slot = index % self.open.len();
        (index >= self.closed.len()).then(|| &mut self.open[slot])
    }

    /// All slots of the ring but the one that is being packed; where there is a slot for every part, all.
    fn most_open(&self) -> usize {
        if self.open.len() < self.grid.count() { self.open.len() - 1 } else { self.open.len() }
    }

    fn close_oldest(&mut self) {
        self.pack_rest();
        let slot = self.closed.len() % self.open.len();
        let open = &mut self.open[slot];
        self.closed.push(Interval {
            counters: std::mem::take(&mut open.counters),
            in_flight_max: std::mem::take(&mut open.in_flight_max),
            timings: PerClock::default(),
        });
        self.to_pack = Some(Which::Response);
    }

    /// Packs one histogram of the part that was closed last, and empties it for the next part.
    fn pack_one(&mut self) {
        if let Some(which) = self.to_pack
            && let Some(last) = self.closed.len().checked_sub(1)
        {
            let slot = last % self.open.len();
            let timings = self.open[slot].timings.get_mut(which);
            *self.closed[last].timings.get_mut(which) = timings.pack(&mut self.scratch);
            timings.clear();
            self.to_pack = which.next();
        }
    }

    fn pack_rest(&mut self) {
        while self.to_pack.is_some() {
            self.pack_one();
        }
    }

    fn keep_late(&mut self, index: usize, which: Which, span: Nanos) {
        if self.late.len() == LATE {
            self.merge_late();
        }
        self.late.push((index, which, span));
    }

    /// Unpacks each histogram that has late spans once, however many there are.
    fn merge_late(&mut self) {
        self.pack_rest();
        self.late.sort_unstable();
        for group in self.late.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (index, which, _) = group[0];
            let packed = self.closed[index].timings.get_mut(which);
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
    use crate::measure::{IntervalGrid, Outcome};
    use crate::trace::TraceRef;

    /// Due at that millisecond of the window, answered 2 ms later.
    fn record(intervals: &mut Intervals, due: u64) {
        let intended = Nanos::from_millis(due);
        let sample = Sample {
            operation: 0,
            intended,
            sent: Some(intended),
            done: intended + Nanos::from_millis(2),
            outcome: Outcome::Succeeded { hits: 1 },
            trace: TraceRef { trace_id: 1, span_id: 1, sampled: false },
            connection: 0,
            hits_expected: Some(1),
        };
        intervals.record(intended, &sample, true);
    }

    /// How many spans of the first interval are packed.
    fn packed(intervals: &Intervals) -> [u64; 3] {
        let PerClock { response, service, lag } = &intervals.closed[0].timings;
        [response.count(), service.count(), lag.count()]
    }

    #[test]
    fn each_request_packs_one_histogram_and_a_late_one_in_between_is_not_lost() {
        let grid = TimeGrid::Even(IntervalGrid::of(Nanos::from_secs(30)));
        let mut intervals = Intervals::new(grid, Nanos::from_secs(1));
        [100, 1_100].into_iter().for_each(|due| record(&mut intervals, due));
        assert!(intervals.closed.is_empty(), "of three open ones, two are in use");
        record(&mut intervals, 2_100);
        assert_eq!(packed(&intervals), [1, 0, 0]);
        record(&mut intervals, 200);
        assert_eq!(packed(&intervals), [1, 1, 0]);
        record(&mut intervals, 2_200);
        assert_eq!(packed(&intervals), [1, 1, 1]);
        let all = intervals.finish();
        assert_eq!(
            all.iter().take(3).map(|interval| interval.timings.lag.count()).collect::<Vec<_>>(),
            [2, 1, 2]
        );
    }
}
