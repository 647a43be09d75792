//! Difference of two groups' quantiles, without assuming any distribution.
//!
//! A group is everything that was sent; what did not succeed counts as +infinity. The group is given as a function
//! from rank to value, so that a histogram can stand behind it.

use super::interval::Interval;

/// How many must lie on either side of a quantile.
const ENOUGH_BEYOND: u128 = 10;

/// 97.5 % of the standard normal.
const Z: f64 = 1.959_963_984_540_054;

const BILLION: u128 = 1_000_000_000;

/// One group of requests.
#[derive(Clone, Copy)]
pub struct Ranked<'a> {
    /// How many were sent, successful or not.
    pub sent: u64,
    /// The value at a rank, from 1 (smallest) to `sent`; `None` where that one did not succeed, or its value is not
    /// known.
    pub at: &'a dyn Fn(u64) -> Option<f64>,
}

/// Why a difference of quantiles is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTold {
    /// Fewer than ten lie beyond the quantile in one of the groups.
    TooFew,
    /// The quantile, or an end of its interval, lies among what did not succeed.
    Unanswered,
}

/// The q-quantile of `treated` less that of `control`, with its 95 % interval.
///
/// Estimand: the difference of the quantiles at this load (not the quantile of differences). Assumption: each
/// request's group was drawn independently of its own time; the times themselves may depend on each other as in a
/// queue. Smallest n: 10 beyond q in each group. `q` lies in (0, 1) and is taken in whole billionths. Sources: each
/// group's interval by order statistics, Conover, "Practical nonparametric statistics", 1999, 3.2; the two joined by
/// squares of their arms, Newcombe, "Interval estimation for the difference between independent proportions", 1998,
/// method 10.
///
/// # Errors
/// Where it is not told, with the reason.
pub fn quantile_difference(treated: Ranked<'_>, control: Ranked<'_>, q: f64) -> Result<Interval, NotTold> {
    // That there are too few is known before any value is.
    let (treated_ranks, control_ranks) = (Ranks::of(treated.sent, q)?, Ranks::of(control.sent, q)?);
    let (one, zero) = (treated_ranks.read(treated)?, control_ranks.read(control)?);
    let estimate = one.estimate - zero.estimate;
    Ok(Interval {
        estimate,
        low: estimate - (one.estimate - one.low).hypot(zero.high - zero.estimate),
        high: estimate + (one.high - one.estimate).hypot(zero.estimate - zero.low),
    })
}

/// Where quantile and ends lie in one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ranks {
    low: u64,
    quantile: u64,
    high: u64,
}

impl Ranks {
    fn of(sent: u64, q: f64) -> Result<Self, NotTold> {
        let billionths = (q * BILLION as f64).round().clamp(0.0, BILLION as f64) as u128;
        let below = billionths * u128::from(sent);
        let above = (BILLION - billionths) * u128::from(sent);
        if below.min(above) < ENOUGH_BEYOND * BILLION {
            return Err(NotTold::TooFew);
        }
        let nq = below as f64 / BILLION as f64;
        let c = Z * (nq * (above as f64 / BILLION as f64) / sent as f64).sqrt();
        // With ten on either side all three are ranks; the clamp is against rounding.
        let rank = |at: f64| (at.ceil() as u64).clamp(1, sent);
        let quantile = u64::try_from(below.div_ceil(BILLION)).unwrap_or(sent);
        Ok(Self { low: rank(nq - c), quantile, high: rank(nq + c + 1.0) })
    }

    fn read(self, group: Ranked<'_>) -> Result<Interval, NotTold> {
        let at = |rank| (group.at)(rank).filter(|value| value.is_finite()).ok_or(NotTold::Unanswered);
        Ok(Interval { estimate: at(self.quantile)?, low: at(self.low)?, high: at(self.high)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(treated: &[f64], control: &[f64], q: f64) -> Result<Interval, NotTold> {
        let at = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            move |rank: u64| values.get(rank as usize - 1).copied()
        };
        let (one, zero) = (at(treated), at(control));
        quantile_difference(
            Ranked { sent: treated.len() as u64, at: &one },
            Ranked { sent: control.len() as u64, at: &zero },
            q,
        )
    }

    fn count(from: u32, to: u32) -> Vec<f64> {
        (from..=to).map(f64::from).collect()
    }

    /// n = 100, q = 0.5: c = 1.95996 * 5 = 9.7998, ranks ceil(40.2002) = 41, 50, ceil(60.7998) = 61.
    #[test]
    fn hand_made_ranks() {
        assert_eq!(Ranks::of(100, 0.5), Ok(Ranks { low: 41, quantile: 50, high: 61 }));
        // n = 1000, q = 0.99: c = 1.95996 * sqrt(9.9) = 6.16689, ceil(983.83) and ceil(997.17).
        assert_eq!(Ranks::of(1000, 0.99), Ok(Ranks { low: 984, quantile: 990, high: 998 }));
        // 0.07 * 100 is above 7 in binary floating point.
        assert_eq!(Ranks::of(1000, 0.07).map(|ranks| ranks.quantile), Ok(70));
    }

    #[test]
    fn the_arms_of_both_intervals_are_joined_by_their_squares() {
        // Both groups: 9 below and 11 above the median of 1..=100 at 50.
        let treated: Vec<f64> = count(1, 100).iter().map(|x| 1000.0 + 4.0 * x).collect();
        let got = difference(&treated, &count(1, 100), 0.5).unwrap();
        assert_eq!(got.estimate, 1200.0 - 50.0);
        assert!((got.low - (1150.0 - 36f64.hypot(11.0))).abs() < 1e-9);
        assert!((got.high - (1150.0 + 44f64.hypot(9.0))).abs() < 1e-9);
    }

    #[test]
    fn ten_beyond_in_each_are_enough_and_nine_are_too_few() {
        assert!(difference(&count(1, 1000), &count(1, 1000), 0.99).is_ok());
        assert_eq!(difference(&count(1, 999), &count(1, 1000), 0.99), Err(NotTold::TooFew));
        assert_eq!(difference(&count(1, 1000), &count(1, 999), 0.99), Err(NotTold::TooFew));
        assert_eq!(difference(&[], &[], 0.5), Err(NotTold::TooFew));
    }

    #[test]
    fn what_did_not_succeed_is_infinitely_slow_and_not_left_out() {
        // 100 sent, 30 of them without success: the median is the 50th of 100, not the 35th of 70.
        let mut failing = count(1, 70);
        failing.resize(100, f64::INFINITY);
        assert_eq!(difference(&failing, &count(1, 100), 0.5).unwrap().estimate, 0.0);
        // The upper end of the interval, rank 61, does not exist with 45 unsuccessful; nor does the median with 55.
        for unsuccessful in [45, 55] {
            let mut failing = count(1, 100 - unsuccessful);
            failing.resize(100, f64::INFINITY);
            assert_eq!(difference(&failing, &count(1, 100), 0.5), Err(NotTold::Unanswered));
            assert_eq!(difference(&count(1, 100), &failing, 0.5), Err(NotTold::Unanswered));
        }
    }

    #[test]
    fn exchanging_the_groups_turns_the_sign() {
        let (a, b) = (count(1, 300), count(50, 700));
        let (one, two) = (difference(&a, &b, 0.9).unwrap(), difference(&b, &a, 0.9).unwrap());
        assert_eq!(one, two.map(|x| -x));
    }

    /// The binomial probability that the rank interval of one group covers its quantile, for continuous values:
    /// exact.
    #[test]
    fn each_group_s_ranks_cover_its_quantile_in_at_least_95_percent() {
        use statrs::distribution::{Binomial, DiscreteCDF as _};
        for (n, q) in [(20, 0.5), (50, 0.5), (100, 0.9), (1000, 0.99), (5000, 0.99), (100_000, 0.999)] {
            let ranks = Ranks::of(n, q).unwrap();
            let below = Binomial::new(q, n).unwrap();
            // x(low) <= quantile < x(high) where low..high-1 values lie below it.
            let covers = below.cdf(ranks.high - 1) - below.cdf(ranks.low - 1);
            assert!((0.94..0.99).contains(&covers), "n {n}, q {q}: {covers}");
        }
    }
}
