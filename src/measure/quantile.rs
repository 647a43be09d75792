//! Percentiles of what was *offered*, never of the survivors.
//!
//! Every request that was offered and did not succeed (failed, timed out, not sent) counts as infinitely slow. With
//! u = unsuccessful / offered, the q-quantile is that of the succeeded at q / (1 - u) where q < 1 - u, else it is unknown.
//! Unknown is a type with a reason; there is no number that stands for it.

use hdrhistogram::Counter;

use super::histogram::Timings;
use crate::units::Nanos;

/// How many of the offered requests must lie beyond a quantile for it to be told.
pub const ENOUGH_BEYOND: u64 = 10;

const BILLION: u64 = 1_000_000_000;

/// A quantile strictly between 0 and 1, in whole billionths: ranks are computed in integers, so that the 0.07-quantile of
/// 100 is its 7th and not, by rounding, its 8th.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile(u64);

impl Quantile {
    pub const P50: Self = Self(500_000_000);
    pub const P90: Self = Self(900_000_000);
    pub const P95: Self = Self(950_000_000);
    pub const P99: Self = Self(990_000_000);
    pub const P999: Self = Self(999_000_000);
    pub const P9999: Self = Self(999_900_000);

    /// The nearest whole billionth; `None` where that is not above 0 and below 1.
    pub fn new(share: f64) -> Option<Self> {
        let billionths = (share * BILLION as f64).round();
        (billionths >= 1.0 && billionths < BILLION as f64).then_some(Self(billionths as u64))
    }

    /// As a share of 1.
    pub fn share(self) -> f64 {
        self.0 as f64 / BILLION as f64
    }

    /// Smallest whole number at or above this share of `n`.
    pub fn rank(self, n: u64) -> u64 {
        let rank = (u128::from(self.0) * u128::from(n)).div_ceil(u128::from(BILLION));
        // A share below 1 of a u64 is a u64.
        u64::try_from(rank).unwrap_or(u64::MAX)
    }

    /// How many must be offered for this quantile to have [`ENOUGH_BEYOND`] beyond it.
    pub fn enough_offered(self) -> u64 {
        let beyond = BILLION - self.0;
        (ENOUGH_BEYOND * BILLION).div_ceil(beyond)
    }
}

/// Why a quantile is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// It lies among the requests that did not succeed: infinitely slow.
    Unanswered,
    /// Fewer than [`ENOUGH_BEYOND`] of the offered lie beyond it: chance would decide it.
    TooFew,
    /// It lies above one hour, where the histogram tells nothing apart.
    Saturated,
}

/// The given quantiles (ascending) of `offered` requests, of which those in `succeeded` succeeded.
///
/// Where a quantile lies among the unanswered *and* has too few beyond it, [`Unknown::Unanswered`] is told: that so
/// many requests went without an answer is a fact, not an estimate, and must fail a threshold even in a short run.
pub fn quantiles<C: Counter>(
    succeeded: &Timings<C>,
    offered: u64,
    wanted: &[Quantile],
) -> Vec<Result<Nanos, Unknown>> {
    debug_assert!(wanted.is_sorted());
    let ranks: Vec<_> = wanted.iter().map(|&q| rank(succeeded, offered, q)).collect();
    let known: Vec<u64> = ranks.iter().filter_map(|r| r.ok()).collect();
    let mut values = succeeded.at_ranks(&known).into_iter();
    // One value for every known rank, in the same order.
    ranks.into_iter().map(|rank| rank.and_then(|_| values.next().ok_or(Unknown::TooFew))).collect()
}

/// One quantile, see [`quantiles`].
///
/// # Errors
/// Where it is not known, with the reason.
pub fn quantile<C: Counter>(
    succeeded: &Timings<C>,
    offered: u64,
    wanted: Quantile,
) -> Result<Nanos, Unknown> {
    let rank = rank(succeeded, offered, wanted)?;
    succeeded.at_ranks(&[rank]).first().copied().ok_or(Unknown::TooFew)
}

/// The rank (from 1) among the succeeded: q / (1 - u) of the succeeded is q of the offered.
fn rank<C: Counter>(succeeded: &Timings<C>, offered: u64, wanted: Quantile) -> Result<u64, Unknown> {
    let rank = rank_among(succeeded.count(), offered, wanted)?;
    if rank > succeeded.count() - succeeded.saturated().min(succeeded.count()) {
        return Err(Unknown::Saturated);
    }
    Ok(rank)
}

/// The rank (from 1) that a quantile of `offered` requests has among those of them that succeeded.
///
/// # Errors
/// Where it has none: it lies among the others, or too few are beyond it.
pub fn rank_among(succeeded: u64, offered: u64, wanted: Quantile) -> Result<u64, Unknown> {
    // More succeeded than were offered cannot be; a damaged report may claim it.
    let offered = offered.max(succeeded);
    if offered == 0 {
        return Err(Unknown::TooFew);
    }
    let below = u128::from(wanted.0) * u128::from(offered);
    if below >= u128::from(succeeded) * u128::from(BILLION) {
        return Err(Unknown::Unanswered);
    }
    let rank = wanted.rank(offered);
    if offered - rank < ENOUGH_BEYOND {
        return Err(Unknown::TooFew);
    }
    Ok(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram::LONGEST;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Timings<u64> {
        let mut timings = Timings::new();
        values.into_iter().for_each(|v| timings.record(Nanos::new(v)));
        timings
    }

    #[test]
    fn the_median_of_one_to_a_hundred_is_fifty() {
        assert_eq!(quantile(&of(1..=100), 100, Quantile::P50), Ok(Nanos::new(50)));
        assert_eq!(quantile(&of(1..=100), 100, Quantile::new(0.07).unwrap()), Ok(Nanos::new(7)));
    }

    #[test]
    fn a_failed_request_moves_every_percentile_up() {
        // 1..=80 answered, 20 not: of the 100 offered, the median is the 50th fastest, p75 the 75th.
        assert_eq!(quantile(&of(1..=80), 100, Quantile::P50), Ok(Nanos::new(50)));
        assert_eq!(quantile(&of(1..=80), 100, Quantile::new(0.75).unwrap()), Ok(Nanos::new(75)));
        assert_eq!(quantile(&of(1..=80), 100, Quantile::P90), Err(Unknown::Unanswered));
    }

    #[test]
    fn the_very_share_that_succeeded_is_already_unanswered() {
        let q = |billionths| Quantile(billionths);
        assert_eq!(quantile(&of(1..=80), 100, q(800_000_000)), Err(Unknown::Unanswered));
        assert_eq!(quantile(&of(1..=80), 100, q(799_999_999)), Ok(Nanos::new(80)));
    }

    #[test]
    fn ten_beyond_are_enough_and_nine_are_too_few() {
        assert!(quantile(&of(1..=1000), 1000, Quantile::P99).is_ok());
        assert_eq!(quantile(&of(1..=999), 999, Quantile::P99), Err(Unknown::TooFew));
        assert_eq!(Quantile::P99.enough_offered(), 1000);
        assert_eq!(Quantile::P9999.enough_offered(), 100_000);
    }

    #[test]
    fn unanswered_is_told_before_too_few_and_nothing_offered_is_too_few() {
        assert_eq!(quantile(&of([]), 5, Quantile::P50), Err(Unknown::Unanswered));
        assert_eq!(quantile(&of(1..=5), 5, Quantile::P50), Err(Unknown::TooFew));
        assert_eq!(quantile(&of([]), 0, Quantile::P50), Err(Unknown::TooFew));
    }

    #[test]
    fn beyond_an_hour_is_unknown_and_not_an_hour() {
        let slow = of((0..100).map(|i| if i < 50 { 1_000 } else { LONGEST.get() + 1 }));
        assert_eq!(quantile(&slow, 100, Quantile::P50), Ok(Nanos::new(1_000)));
        assert_eq!(quantile(&slow, 100, Quantile(510_000_000)), Err(Unknown::Saturated));
    }

    #[test]
    fn only_shares_within_0_and_1_are_quantiles() {
        for bad in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(Quantile::new(bad), None, "{bad}");
        }
    }

    proptest! {
        /// The truth: sort what was offered, infinities last, and look.
        #[test]
        fn agrees_with_a_sorted_vector_that_holds_the_infinities(
            mut values in prop::collection::vec(0u64..2_000, 0..300),
            unsuccessful in 0u64..100,
            percent in 1u64..100,
        ) {
            let timings = of(values.iter().copied());
            let succeeded = values.len() as u64;
            values.extend((0..unsuccessful).map(|_| u64::MAX));
            values.sort_unstable();
            let n = values.len() as u64;
            let wanted = Quantile(percent * 10_000_000);
            // The smallest value that at least `percent` of all are at or below.
            let truth = values.iter().copied().find(|&v| values.iter().filter(|&&o| o <= v).count() as u64 * 100 >= percent * n);
            let beyond = n * (100 - percent) / 100;
            let expected = match truth {
                None => Err(Unknown::TooFew),
                Some(u64::MAX) => Err(Unknown::Unanswered),
                Some(_) if percent * n == succeeded * 100 && unsuccessful > 0 => Err(Unknown::Unanswered),
                Some(_) if beyond < 10 => Err(Unknown::TooFew),
                // Values below 2,048 ns have buckets of their own: exact.
                Some(value) => Ok(Nanos::new(value)),
            };
            prop_assert_eq!(quantile(&timings, n, wanted), expected);
            prop_assert_eq!(quantiles(&timings, n, &[wanted, wanted]), vec![expected, expected]);
        }
    }
}
