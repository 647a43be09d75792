//! Count, minimum, maximum, mean and standard deviation, exact.
//!
//! Kept as integer sums, so that merging in any order gives the very same numbers; a running mean in floating point
//! would not.

use crate::units::Nanos;

/// Exact sums over spans of time.
///
/// The sum of squares holds 2.6e13 spans of one hour before it would overflow; it saturates there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    count: u64,
    min: u64,
    max: u64,
    sum: u128,
    sum_of_squares: u128,
}

/// What [`Moments`] keep, in nanoseconds and their squares; all 0 where there is no span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MomentSums {
    pub count: u64,
    pub min: u64,
    pub max: u64,
    pub sum: u128,
    pub sum_of_squares: u128,
}

impl Moments {
    pub fn record(&mut self, span: Nanos) {
        self.record_n(span, 1);
    }

    pub fn record_n(&mut self, span: Nanos, n: u64) {
        if n == 0 {
            return;
        }
        let value = span.get();
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        // Saturating because a stored histogram may claim any count.
        self.count = self.count.saturating_add(n);
        let (value, n) = (u128::from(value), u128::from(n));
        self.sum = self.sum.saturating_add(value * n);
        self.sum_of_squares = self.sum_of_squares.saturating_add((value * value).saturating_mul(n));
    }

    /// Takes all of `other` in, as if each of its spans had been recorded here.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.sum_of_squares = self.sum_of_squares.saturating_add(other.sum_of_squares);
    }

    /// What is left without `part`, of which the shortest and the longest are given, as no sum tells them; `None` where `part` is
    /// no part of it, or a sum has saturated.
    pub(super) fn less(&self, part: &Self, min: Nanos, max: Nanos) -> Option<Self> {
        if self.sum_of_squares == u128::MAX {
            return None;
        }
        Some(Self {
            count: self.count.checked_sub(part.count)?,
            min: min.get(),
            max: max.get(),
            sum: self.sum.checked_sub(part.sum)?,
            sum_of_squares: self.sum_of_squares.checked_sub(part.sum_of_squares)?,
        })
    }

    /// From stored sums; `None` where no spans can have them.
    pub fn from_sums(sums: MomentSums) -> Option<Self> {
        let MomentSums { count, min, max, sum, sum_of_squares } = sums;
        let fits = if count == 0 {
            sums == MomentSums::default()
        } else {
            let (n, low, high) = (u128::from(count), u128::from(min), u128::from(max));
            // Saturated sums say nothing of their bounds.
            let within = |value: u128, low: Option<u128>, high: Option<u128>| {
                value == u128::MAX
                    || (low.is_some_and(|low| low <= value) && high.is_none_or(|high| value <= high))
            };
            min <= max
                && within(sum, low.checked_mul(n), high.checked_mul(n))
                && within(sum_of_squares, low.checked_mul(sum), high.checked_mul(sum))
        };
        fits.then_some(Self { count, min, max, sum, sum_of_squares })
    }

    /// What is kept, to be stored and read back by [`Moments::from_sums`].
    pub const fn sums(&self) -> MomentSums {
        let Self { count, min, max, sum, sum_of_squares } = *self;
        MomentSums { count, min, max, sum, sum_of_squares }
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The shortest; `None` where there is none.
    pub fn min(&self) -> Option<Nanos> {
        (self.count > 0).then_some(Nanos::new(self.min))
    }

    /// The longest; `None` where there is none.
    pub fn max(&self) -> Option<Nanos> {
        (self.count > 0).then_some(Nanos::new(self.max))
    }

    /// All spans together, in nanoseconds.
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// Arithmetic mean in nanoseconds; `None` where there is none.
    pub fn mean(&self) -> Option<f64> {
        let count = u128::from(self.count);
        // Whole part and remainder apart: the sum itself may have more digits than a double.
        (count > 0).then(|| (self.sum / count) as f64 + (self.sum % count) as f64 / count as f64)
    }

    /// Standard deviation of these very spans (divided by n, not n - 1), in nanoseconds; `None` where there is none.
    pub fn standard_deviation(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        // Squares around the whole part of the mean, in integers: nothing cancels. Then the rest of the mean, below 1 ns.
        let count = u128::from(self.count);
        let whole = self.sum / count;
        let rest = (self.sum % count) as f64 / count as f64;
        let around_whole = self
            .sum_of_squares
            .saturating_add(count.saturating_mul(whole * whole))
            .saturating_sub((2 * whole).saturating_mul(self.sum));
        Some((around_whole as f64 / count as f64 - rest * rest).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&v| moments.record(Nanos::new(v)));
        moments
    }

    #[test]
    fn hand_made_numbers() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, standard deviation 2 exactly.
        let moments = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!((moments.mean(), moments.standard_deviation()), (Some(5.0), Some(2.0)));
        assert_eq!((moments.min(), moments.max()), (Some(Nanos::new(2)), Some(Nanos::new(9))));
    }

    #[test]
    fn nothing_has_no_moments() {
        let none = Moments::default();
        assert_eq!(
            (none.min(), none.max(), none.mean(), none.standard_deviation()),
            (None, None, None, None)
        );
    }

    #[test]
    fn large_values_with_a_small_spread_do_not_cancel() {
        // One hour plus 0 and plus 2 ns: deviation 1 ns. Naive floating point gives 0 or worse.
        let hour = 3_600_000_000_000;
        assert_eq!(of(&[hour, hour + 2]).standard_deviation(), Some(1.0));
    }

    #[test]
    fn sums_that_no_spans_can_have_are_refused() {
        let right = of(&[3, 5]).sums();
        assert_eq!(Moments::from_sums(right), Some(of(&[3, 5])));
        assert_eq!(Moments::from_sums(MomentSums::default()), Some(Moments::default()));
        for wrong in [
            MomentSums { count: 0, ..right },
            MomentSums { min: 6, ..right },
            MomentSums { sum: 5, ..right },
            MomentSums { sum: 11, ..right },
            MomentSums { sum_of_squares: 23, ..right },
            MomentSums { sum_of_squares: 41, ..right },
        ] {
            assert_eq!(Moments::from_sums(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(values in prop::collection::vec(any::<u64>(), 0..50)) {
            prop_assert_eq!(Moments::from_sums(of(&values).sums()), Some(of(&values)));
        }

        #[test]
        fn merging_equals_recording_everything_in_one(a in prop::collection::vec(any::<u32>(), 0..50), b in prop::collection::vec(any::<u32>(), 0..50)) {
            let (a, b): (Vec<u64>, Vec<u64>) = (a.into_iter().map(u64::from).collect(), b.into_iter().map(u64::from).collect());
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }

        #[test]
        fn deviation_agrees_with_the_definition(values in prop::collection::vec(0u64..1_000_000_000, 1..100)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<u64>() as f64 / n;
            let variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
            let got = of(&values).standard_deviation().unwrap();
            prop_assert!((got - variance.sqrt()).abs() <= 1e-6 * (1.0 + variance.sqrt()), "{} {}", got, variance.sqrt());
        }
    }
}
