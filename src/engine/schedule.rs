//! When requests are due: a pure law from the index of an arrival to its time, with no clock in it.
//!
//! Arrivals are first laid out at *unit rate* (one per unit of virtual time), then mapped to real time through the
//! inverse of the cumulative rate. With a constant rate `r` (1/s) that is
//!
//! ```text
//!   t_k = u_k / r        u_k = k                        constant
//!                        u_k = sum of k+1 gaps Exp(1)   Poisson
//! ```
//!
//! Virtual time is summed up in whole billionths of a unit, so the sum has no rounding that depends on who computes it:
//! every worker runs through the same sequence and takes its share of it.

use rand::RngExt;
use rand_distr::Exp1;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::data::{Domain, mix, sequence};
use crate::random::unit_interval;
use crate::units::{Nanos, Rate};
use crate::workload::Arrival;

/// Billionths of virtual time in one unit.
const UNIT: f64 = 1e9;

/// One arrival of an open stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its index in the stream, from 0, over all workers.
    pub index: u64,
    /// When it is due, from the start of the run.
    pub at: Nanos,
}

/// The arrivals of one open stream before `end`, in order.
///
/// The same seed and stream give the same arrivals whatever the number of workers.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrival: Arrival,
    rate: Rate,
    end: Nanos,
    gaps: Xoshiro256PlusPlus,
    /// Virtual time of the last arrival, in billionths.
    virtual_time: u64,
    next: u64,
}

impl Schedule {
    /// Arrivals from 0 up to, and without, `end`.
    pub fn new(seed: u64, stream: u64, arrival: Arrival, rate: Rate, end: Nanos) -> Self {
        let gaps = sequence(seed, Domain::Arrival, stream);
        Self { arrival, rate, end, gaps, virtual_time: 0, next: 0 }
    }

    fn advance(&mut self) {
        let gap = match self.arrival {
            Arrival::Constant if self.next == 0 => 0,
            Arrival::Constant => UNIT as u64,
            Arrival::Poisson => (self.gaps.sample::<f64, _>(Exp1) * UNIT).round() as u64,
        };
        self.virtual_time = self.virtual_time.saturating_add(gap);
    }

    fn real_time(&self) -> Nanos {
        Nanos::new((self.virtual_time as f64 / self.rate.get()).round() as u64)
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        self.advance();
        let due = Due { index: self.next, at: self.real_time() };
        self.next += 1;
        (due.at < self.end).then_some(due)
    }
}

/// Which operation an arrival becomes: a hash of (seed, stream, index) against the cumulative weights, so it depends
/// neither on time nor on the worker that takes it.
#[derive(Clone, Debug)]
pub struct Choice {
    seed: u64,
    /// Operation and the cumulative share up to and with it; the last is 1.
    cumulative: Vec<(usize, f64)>,
}

impl Choice {
    /// `shares` are operations with their weights, at least one, each above 0.
    pub fn new(seed: u64, stream: u64, shares: &[(usize, f64)]) -> Self {
        let total: f64 = shares.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let mut cumulative: Vec<_> = shares
            .iter()
            .map(|&(operation, weight)| {
                sum += weight / total;
                (operation, sum)
            })
            .collect();
        if let Some(last) = cumulative.last_mut() {
            last.1 = 1.0;
        }
        Self { seed: mix(seed, Domain::Choice, stream), cumulative }
    }

    /// The operation of arrival `index`.
    pub fn of(&self, index: u64) -> usize {
        let [(only, _)] = self.cumulative[..] else {
            let draw = unit_interval(mix(self.seed, Domain::Choice, index));
            let at = self.cumulative.partition_point(|&(_, bound)| bound <= draw);
            return self.cumulative[at.min(self.cumulative.len() - 1)].0;
        };
        only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(arrival: Arrival, rate: f64, seconds: u64) -> Schedule {
        Schedule::new(42, 0, arrival, Rate::per_second(rate).unwrap(), Nanos::from_secs(seconds))
    }

    #[test]
    fn constant_arrivals_are_computed_from_their_index() {
        let all: Vec<Due> = schedule(Arrival::Constant, 3.0, 1000).collect();
        assert_eq!(all.len(), 3000, "rate x time, the end left out");
        for due in &all {
            let exact = (u128::from(due.index) * 1_000_000_000 * 2 / 3).div_ceil(2) as u64;
            assert!(due.at.get().abs_diff(exact) <= 1, "{due:?}: rounding never adds up");
        }
    }

    /// Exponential gaps: mean 1/r, variance 1/r^2, neighbours uncorrelated. Bounds: 5 standard errors at n = 100,000.
    #[test]
    fn poisson_gaps_have_mean_variance_and_independence_of_the_exponential() {
        let all: Vec<f64> = schedule(Arrival::Poisson, 1000.0, 100).map(|d| d.at.as_secs_f64()).collect();
        let gaps: Vec<f64> = all.windows(2).map(|w| (w[1] - w[0]) * 1000.0).collect();
        let n = gaps.len() as f64;
        assert!((n - 100_000.0).abs() < 5.0 * 100_000f64.sqrt(), "{n}");
        let mean = gaps.iter().sum::<f64>() / n;
        assert!((mean - 1.0).abs() < 5.0 / n.sqrt(), "{mean}");
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n;
        // Var of the squared deviation of Exp(1) is 8.
        assert!((variance - 1.0).abs() < 5.0 * (8.0 / n).sqrt(), "{variance}");
        let covariance = gaps.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / n;
        assert!(covariance.abs() < 5.0 / n.sqrt(), "{covariance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_stream_others() {
        let one: Vec<Due> = schedule(Arrival::Poisson, 200.0, 5).collect();
        assert_eq!(one, schedule(Arrival::Poisson, 200.0, 5).collect::<Vec<_>>());
        let other =
            Schedule::new(42, 1, Arrival::Poisson, Rate::per_second(200.0).unwrap(), Nanos::from_secs(5));
        assert_ne!(one, other.collect::<Vec<_>>());
    }

    #[test]
    fn the_end_itself_is_outside() {
        assert_eq!(
            schedule(Arrival::Constant, 1.0, 2).map(|d| d.at.get()).collect::<Vec<_>>(),
            [0, 1_000_000_000]
        );
        assert_eq!(schedule(Arrival::Constant, 1.0, 0).count(), 0);
    }

    #[test]
    fn operations_are_chosen_in_proportion_to_their_weights() {
        let choice = Choice::new(42, 0, &[(3, 9.0), (5, 1.0)]);
        let n = 100_000;
        let rare = (0..n).filter(|&k| choice.of(k) == 5).count() as f64;
        // Binomial: 5 standard deviations.
        assert!((rare - 10_000.0).abs() < 5.0 * (100_000.0f64 * 0.1 * 0.9).sqrt(), "{rare}");
        assert!((0..n).all(|k| [3, 5].contains(&choice.of(k))));
        assert_eq!(Choice::new(1, 0, &[(2, 0.5)]).of(77), 2);
    }
}
