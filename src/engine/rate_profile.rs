//! The profile of a stream's rate: how many requests are due by a time, and the inverse, when the next is.
//!
//! Rates are in 1/s, times count from the start of the run. The run is a sequence of segments; within segment i, which begins at
//! S_i with the rate r and ends with the rate R after the length L,
//!
//! ```text
//!   slope  s    = (R - r) / L
//!   requests    C(S_i + t) = C_i + r t + s t^2 / 2          C_(i+1) = C_i + (r + R) L / 2
//!   inverse     t(u) = 2u / (r + sqrt(r^2 + 2 s u))         u = C - C_i
//! ```
//!
//! The inverse in this form also holds for s = 0, for r = 0 and for R = 0. C_i is kept in whole billionths of a request, so
//! that nothing adds up over segments. Where nothing is due for a while, the inverse is the end of that while.

use crate::units::Nanos;
use crate::workload::{Rates, Stage};

/// Virtual time: requests that are due, in billionths of one. 2^128 never comes.
pub(super) type Billionths = u128;

/// Billionths in one.
pub(super) const UNIT: f64 = 1e9;

/// A time in which the rate is on one line.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: Nanos,
    end: Nanos,
    rate: f64,
    slope: f64,
    /// C_i and C_(i+1).
    due: (Billionths, Billionths),
}

impl Segment {
    /// t(u), within the segment: rounding moves no request into another stage.
    fn time_of(&self, virtual_time: Billionths) -> Nanos {
        let billionths = (virtual_time - self.due.0) as f64;
        let root = match self.slope {
            0.0 => self.rate,
            slope => (self.rate * self.rate + 2.0 * slope * (billionths / UNIT)).max(0.0).sqrt(),
        };
        let denominator = self.rate + root;
        // 0 over 0 where a ramp starts from 0 and nothing of it has passed.
        let nanos = if denominator > 0.0 { 2.0 * billionths / denominator } else { 0.0 };
        (self.start + Nanos::new(nanos.round() as u64)).min(self.end - Nanos::new(1))
    }

    /// C at `time`, which is within the segment.
    fn due_by(&self, time: Nanos) -> f64 {
        let seconds = (time - self.start).as_secs_f64();
        self.due.0 as f64 / UNIT + seconds * (self.rate + 0.5 * self.slope * seconds)
    }
}

/// A stream's rate over the run, with its integral.
#[derive(Clone, Debug)]
pub struct RateProfile {
    segments: Vec<Segment>,
}

impl RateProfile {
    /// Of these rates, from the start of the run.
    pub fn of(rates: &Rates) -> Self {
        let mut profile = Self { segments: Vec::new() };
        match rates {
            Rates::Constant(rate) => profile.push(rate.get(), rate.get(), Nanos::MAX),
            Rates::Staged { warmup, stages } => {
                let first = stages.first().map_or(0.0, Stage::start_rate);
                profile.push(first, first, *warmup);
                stages.iter().for_each(|s| profile.push(s.start_rate(), s.end_rate(), s.length()));
            }
        }
        profile
    }

    fn push(&mut self, from: f64, to: f64, length: Nanos) {
        if length == Nanos::ZERO {
            return;
        }
        let (start, due) =
            self.segments.last().map_or((Nanos::ZERO, 0), |segment| (segment.end, segment.due.1));
        let slope = (to - from) / length.as_secs_f64();
        // Requests per second times nanoseconds are billionths of a request.
        let more = (0.5 * (from + to) * length.get() as f64).round() as Billionths;
        self.segments.push(Segment { start, end: start + length, rate: from, slope, due: (due, due + more) });
    }

    /// When virtual time reaches this; `None` where it never does. `segment` is where the search begins: that of an earlier
    /// virtual time, or 0.
    pub(super) fn time_of(&self, virtual_time: Billionths, segment: &mut usize) -> Option<Nanos> {
        while self.segments.get(*segment)?.due.1 <= virtual_time {
            *segment += 1;
        }
        Some(self.segments[*segment].time_of(virtual_time))
    }

    /// How many requests are due from `start` up to `end`, on average.
    pub fn requests(&self, start: Nanos, end: Nanos) -> f64 {
        self.due_by(end) - self.due_by(start)
    }

    fn due_by(&self, time: Nanos) -> f64 {
        let after = self.segments.partition_point(|segment| segment.start <= time);
        after.checked_sub(1).map_or(0.0, |at| self.segments[at].due_by(time.min(self.segments[at].end)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::Rate;

    fn staged(warmup: u64, stages: &[(f64, f64, u64)]) -> RateProfile {
        let stage =
            |&(from, to, millis): &(f64, f64, u64)| Stage::new(from, to, Nanos::from_millis(millis)).unwrap();
        let stages = stages.iter().map(stage).collect();
        RateProfile::of(&Rates::Staged { warmup: Nanos::from_millis(warmup), stages })
    }

    #[test]
    fn hand_made_integrals() {
        // 2 s at 50/s; then 10 s at 50/s, 20 s from 50 to 300/s (175 on average), 5 s of nothing, 4 s from 300 to 0.
        let profile = staged(
            2_000,
            &[(50.0, 50.0, 10_000), (50.0, 300.0, 20_000), (0.0, 0.0, 5_000), (300.0, 0.0, 4_000)],
        );
        let requests = |a, b| profile.requests(Nanos::from_secs(a), Nanos::from_secs(b));
        assert_eq!(requests(0, 2), 100.0);
        assert_eq!(requests(2, 12), 500.0);
        assert_eq!(requests(12, 32), 3_500.0);
        // Half way the rate is 175: 1,125 before, 2,375 after.
        assert_eq!(requests(12, 22), 1_125.0);
        assert_eq!(requests(32, 37), 0.0);
        assert_eq!(requests(37, 41), 600.0);
        assert_eq!(requests(41, 99), 0.0, "no more after the last stage");
    }

    #[test]
    fn hand_made_inverses() {
        let time = |profile: &RateProfile, k: u128| {
            profile.time_of(k * 1_000_000_000, &mut 0).map(|time| time.get() / 1_000)
        };
        // From 0 to 8/s in 4 s the k-th is due at sqrt(k): 0, 1 s, 1.414 s, 1.732 s, 2 s.
        let up = staged(0, &[(0.0, 8.0, 4_000)]);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|k| time(&up, k).unwrap()),
            [0, 1_000_000, 1_414_213, 1_732_050, 2_000_000]
        );
        assert_eq!(time(&up, 16), None, "16 in all, and the first is number 0");
        // Backwards: 16 - k are left after 4 - sqrt(16 - k).
        let down = staged(0, &[(8.0, 0.0, 4_000)]);
        assert_eq!([0, 7, 12, 15].map(|k| time(&down, k).unwrap()), [0, 1_000_000, 2_000_000, 3_000_000]);
        // 10^11 requests, more than 64 bits hold in billionths.
        let fast = RateProfile::of(&Rate::per_second(1e7).unwrap().into());
        assert_eq!(time(&fast, 100_000_000_000), Some(10_000_000_000));
        // A pause: number 2 is due when it is over.
        let pause = staged(0, &[(1.0, 1.0, 2_000), (0.0, 0.0, 3_000), (1.0, 1.0, 2_000)]);
        assert_eq!([0, 1, 2, 3].map(|k| time(&pause, k).unwrap()), [0, 1_000_000, 5_000_000, 6_000_000]);
    }

    fn segments() -> impl Strategy<Value = Vec<(f64, f64, u64)>> {
        let rate = prop_oneof![1 => Just(0.0), 3 => 0.01f64..50.0, 3 => 50.0f64..1e5];
        prop::collection::vec((rate.clone(), rate, 1u64..100_000), 1..8)
    }

    proptest! {
        /// C(t(u)) = u, but for the rounding of t to whole nanoseconds and to within its stage.
        #[test]
        fn the_inverse_inverts(segments in segments(), warmup in 0u64..5_000, shares in prop::collection::vec(0.0f64..1.0, 50)) {
            let profile = staged(warmup, &segments);
            let all = profile.segments.last().unwrap().due.1;
            let mut shares = shares;
            shares.sort_by(f64::total_cmp);
            let (mut segment, mut last) = (0, Nanos::ZERO);
            for share in shares {
                let virtual_time = (share * all as f64) as u128;
                let Some(time) = profile.time_of(virtual_time, &mut segment) else { continue };
                let fastest = profile.segments[segment].rate.max(profile.segments[segment].rate + profile.segments[segment].slope * 100.0);
                let back = profile.due_by(time);
                let error = (back - virtual_time as f64 / UNIT).abs();
                prop_assert!(error <= 2e-9 * fastest.max(1.0) + 1e-12 * back + 2e-9, "{} off at {}", error, time);
                prop_assert!(time >= last);
                last = time;
            }
        }
    }
}
