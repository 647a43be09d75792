//! Whether response times drifted within the window: its first third against its last.

use super::histogram::Timings;
use super::intervals::Interval;
use crate::units::Nanos;

/// Samples that a sixth of the window must have at least, for its median to say anything.
pub const ENOUGH_IN_SIXTH: u64 = 30;

/// The medians of the window's ends, and how far apart they may be by chance.
///
/// The spread is the standard deviation of the median of a *sixth* of the window. It is also that of the difference of two
/// thirds, where sixths are independent: a third holds twice as much, and two of them are compared. It is the larger of two
/// estimates:
///
/// - of what was seen: the differences between the two sixths of the same third, so that what happens *between* thirds is
///   not in it. Of the three, the one of middle size is taken, so that a jump *within* one third does not hide itself
///   either, and divided by 0.954 to make it a standard deviation (the median of |N(0, 2 s^2)| is 0.6745 * sqrt(2) * s).
///   Once with the differences as they are, which is right for jumps, and once less the quarter of what the ends differ by
///   that a steady trend would put between neighbouring sixths; the smaller of the two.
/// - of what chance alone gives: half the distance between the ranks n/2 - sqrt(n)/2 and n/2 + sqrt(n)/2 of each sixth,
///   which covers one standard deviation of a median of n independent samples of any distribution; the mean of the six.
///   Three differences could all be small by chance; this one cannot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Median of the first third.
    pub first: Nanos,
    /// Median of the last third.
    pub last: Nanos,
    /// As above, in nanoseconds.
    pub spread: f64,
}

/// A part of the window.
struct Part {
    median: f64,
    /// Standard deviation that chance gives its median.
    chance: f64,
}

impl Part {
    fn of(timings: &Timings<u64>) -> Self {
        let count = timings.count();
        let half_width = (count as f64).sqrt() / 2.0;
        let rank = |offset: f64| ((count as f64 / 2.0 + offset).round() as u64).clamp(1, count);
        let found = timings.at_ranks(&[rank(-half_width), count.div_ceil(2), rank(half_width)]);
        let at = |index: usize| found.get(index).map_or(0.0, |span| span.get() as f64);
        Self { median: at(1), chance: (at(2) - at(0)) / 2.0 }
    }
}

impl Trend {
    /// Of response times, from the first `complete` intervals; `None` where there are fewer than 6, or a sixth has fewer
    /// than [`ENOUGH_IN_SIXTH`] succeeded requests. Sixths are whole intervals, so their lengths may differ by one.
    pub fn of(intervals: &[Interval], complete: usize) -> Option<Self> {
        let intervals = &intervals[..complete.min(intervals.len())];
        if intervals.len() < 6 {
            return None;
        }
        let cut = |sixth: usize| sixth * intervals.len() / 6;
        let sixths: Vec<Timings<u64>> = (0..6)
            .map(|sixth| {
                let mut sum = Timings::new();
                let part = &intervals[cut(sixth)..cut(sixth + 1)];
                part.iter().for_each(|interval| sum.merge_packed(&interval.timings.response));
                sum
            })
            .collect();
        Self::of_sixths(&sixths)
    }

    fn of_sixths(sixths: &[Timings<u64>]) -> Option<Self> {
        if sixths.len() != 6 || sixths.iter().any(|sixth| sixth.count() < ENOUGH_IN_SIXTH) {
            return None;
        }
        let parts: Vec<Part> = sixths.iter().map(Part::of).collect();
        let chance = parts.iter().map(|part| part.chance).sum::<f64>() / 6.0;
        let third = |pair: &[Timings<u64>]| {
            let mut sum = pair[0].clone();
            sum.merge(&pair[1]);
            Nanos::new(Part::of(&sum).median as u64)
        };
        let (first, last) = (third(&sixths[..2]), third(&sixths[4..]));
        let steady = (last.get() as f64 - first.get() as f64) / 4.0;
        let seen = seen(&parts, 0.0).min(seen(&parts, steady));
        Some(Self { first, last, spread: seen.max(chance) })
    }
}

/// The standard deviation of a sixth's median, from those of the same third, which a steady trend puts `steady` apart.
fn seen(parts: &[Part], steady: f64) -> f64 {
    let mut apart: Vec<f64> =
        parts.chunks(2).map(|pair| (pair[1].median - pair[0].median - steady).abs()).collect();
    apart.sort_by(f64::total_cmp);
    apart[apart.len() / 2] / (0.6745 * std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Evidence, OperationEvidence, Verdict};
    use crate::random::{splitmix64, unit_interval};

    /// Uniform numbers in (0, 1).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(1);
            unit_interval(splitmix64(self.0)).max(1e-12)
        }

        fn exponential(&mut self) -> f64 {
            -self.roll().ln()
        }

        /// exp(s z), z standard normal by Box and Muller's transform.
        fn log_normal(&mut self, s: f64) -> f64 {
            let (radius, angle) = ((-2.0 * self.roll().ln()).sqrt(), std::f64::consts::TAU * self.roll());
            (s * radius * angle.cos()).exp()
        }
    }

    /// Six sixths of `count` samples each, of a median near 5 ms; sample x of sixth i counts x times `scale(i, share)`,
    /// where share runs from 0 to 1 over the whole window.
    fn window(count: u64, mut draw: impl FnMut() -> f64, scale: impl Fn(f64) -> f64) -> Trend {
        let sixth = |i: u64| {
            let mut timings = Timings::new();
            for k in 0..count {
                let share = (i * count + k) as f64 / (6 * count) as f64;
                timings.record(Nanos::new((draw() * scale(share) * 5e6) as u64));
            }
            timings
        };
        Trend::of_sixths(&(0..6).map(sixth).collect::<Vec<_>>()).unwrap()
    }

    fn is_found(trend: Trend) -> bool {
        let operation = OperationEvidence { trend: Some(trend), ..OperationEvidence::default() };
        let evidence = Evidence { operations: vec![operation], constant_load: true, ..Evidence::default() };
        Verdict::of(&evidence).findings.iter().any(|finding| finding.code() == "drift")
    }

    fn share_found(mut once: impl FnMut(&mut Dice) -> Trend) -> f64 {
        let mut dice = Dice(0x5eed);
        (0..500).filter(|_| is_found(once(&mut dice))).count() as f64 / 500.0
    }

    #[test]
    fn stationary_times_are_found_to_drift_in_fewer_than_2_percent_of_windows() {
        for count in [100, 400] {
            let exponential = share_found(|dice| window(count, || dice.exponential(), |_| 1.0));
            assert!(exponential < 0.02, "{exponential} of exponential windows of 6 * {count}");
            for s in [0.3, 1.0] {
                let found = share_found(|dice| window(count, || dice.log_normal(s), |_| 1.0));
                assert!(found < 0.02, "{found} of log-normal windows of 6 * {count}, sigma {s}");
            }
        }
    }

    #[test]
    fn a_trend_a_jump_in_the_middle_and_a_slow_start_are_found() {
        let is_found_in = |name: &str, shape: fn(f64) -> f64| {
            let found = share_found(|dice| window(500, || dice.log_normal(0.3), shape));
            assert!(found > 0.95, "{name}: {found}");
        };
        is_found_in("trend", |share| 1.0 + 0.5 * share);
        is_found_in("jump", |share| if share < 0.5 { 1.0 } else { 1.3 });
        is_found_in("slow start", |share| if share < 1.0 / 6.0 { 2.0 } else { 1.0 });
    }

    /// Sixths that hold 1..=99 plus an offset: below 2,048 ns every value has a bucket of its own.
    fn shifted(offsets: [u64; 6]) -> Trend {
        let sixth = |offset: u64| {
            let mut timings = Timings::new();
            (1..=99).for_each(|v| timings.record(Nanos::new(v + offset)));
            timings
        };
        Trend::of_sixths(&offsets.map(sixth)).unwrap()
    }

    #[test]
    fn the_medians_are_those_of_the_samples_and_the_spread_that_of_its_doc() {
        // Sixths have medians 50, 60, .. 100; thirds 55, 75, 95. Of 99, ranks 44.5 and 54.5 (rounded away from 0: 45 and
        // 54.5 -> 54 by sqrt(99) < 10) are 9 apart. A steady trend has no spread but chance.
        let trend = shifted([0, 10, 20, 30, 40, 50]);
        assert_eq!((trend.first, trend.last, trend.spread), (Nanos::new(55), Nanos::new(95), 4.5));
        // Differences 30, 8 and 30 in alternation: the middle one is 30, or 30 - 0 without a trend.
        let noise = shifted([0, 30, 8, 0, 30, 0]);
        assert_eq!(noise.first, noise.last);
        assert!((noise.spread - 30.0 / 0.9539).abs() < 0.01, "{noise:?}");
    }

    #[test]
    fn too_few_samples_or_intervals_tell_no_trend() {
        let sixths = |count: u64| -> Vec<Timings<u64>> {
            let mut timings = Timings::new();
            (0..count).for_each(|v| timings.record(Nanos::new(v)));
            vec![timings; 6]
        };
        assert!(Trend::of_sixths(&sixths(30)).is_some());
        assert_eq!(Trend::of_sixths(&sixths(29)), None);
        assert_eq!(Trend::of(&vec![Interval::default(); 5], 5), None);
    }
}
