//! When requests are due: a pure law from the index of an arrival to its time, with no clock in it.
//!
//! Arrivals are first laid out at *unit rate* (one per unit of virtual time), then mapped to real time through the
//! inverse of the cumulative rate C, see [`RateProfile`]:
//!
//! ```text
//!   t_k = C^-1(u_k)      u_k = k                        constant
//!                        u_k = sum of k+1 gaps Exp(1)   Poisson
//! ```
//!
//! Virtual time is summed up in whole billionths of a unit, so the sum has no rounding that depends on who computes it:
//! every worker runs through the same sequence and takes its share of it. Within a stage, only the distance in virtual
//! time from the stage's start is ever rounded, and no request leaves its stage by it.

use rand::RngExt;
use rand_distr::Exp1;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::rate_profile::{Billionths, RateProfile, UNIT};
use crate::data::{Domain, mix, sequence};
use crate::random::unit_interval;
use crate::units::Nanos;
use crate::workload::{Arrival, Rates};

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
    profile: RateProfile,
    end: Nanos,
    gaps: Xoshiro256PlusPlus,
    /// Of the last arrival.
    virtual_time: Billionths,
    /// The segment of the profile that the last arrival is in.
    segment: usize,
    last: Nanos,
    next: u64,
}

impl Schedule {
    /// Arrivals from 0 up to, and without, `end`, at these rates.
    pub fn new(seed: u64, stream: u64, arrival: Arrival, rates: impl Into<Rates>, end: Nanos) -> Self {
        let gaps = sequence(seed, Domain::Arrival, stream);
        let profile = RateProfile::of(&rates.into());
        Self { arrival, profile, end, gaps, virtual_time: 0, segment: 0, last: Nanos::ZERO, next: 0 }
    }

    fn advance(&mut self) {
        let gap = match self.arrival {
            Arrival::Constant if self.next == 0 => 0,
            Arrival::Constant => UNIT as u64,
            Arrival::Poisson => (self.gaps.sample::<f64, _>(Exp1) * UNIT).round() as u64,
        };
        self.virtual_time += Billionths::from(gap);
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        self.advance();
        let time = self.profile.time_of(self.virtual_time, &mut self.segment)?;
        // Two arrivals within a billionth of a unit could be rounded the wrong way round.
        self.last = self.last.max(time);
        let due = Due { index: self.next, at: self.last };
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
#[path = "schedule_tests.rs"]
mod tests;
