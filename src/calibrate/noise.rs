//! What this machine's noise does to the percentiles of known times: the times are replayed with noise drawn for
//! each.
//!
//! Noise is not simply added percentile by percentile: a machine that is 3 ms late once in a hundred moves the p99
//! of a constant time by 3 ms, and that of widely spread times hardly at all.

use crate::random::splitmix64;
use crate::units::Nanos;

/// Replays of which the worst is told.
const REPLAYS: u64 = 100;
/// Requests that get neighbouring noises, because noise comes in bursts.
const BLOCK: usize = 100;
/// How much more often than a bare round trip a request is hit, at most. It is longer on the CPU: seen at 1,000/s on a
/// virtual machine, 146 us (generator and server together, development build) against 53 us.
const EXPOSURE: u64 = 4;

/// The noise of one window: times of bare round trips beyond their delay, in the order in which they were due.
#[derive(Clone, Copy, Debug)]
pub struct Noises<'a>(pub &'a [Nanos]);

/// What noise adds to percentiles, in the order in which they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// By one replay with one noise for each request.
    pub floor: Vec<Nanos>,
    /// By the worst of 100 replays with the largest of four noises for each request, or by the floor where that is
    /// more.
    pub worst: Vec<Nanos>,
}

impl Noises<'_> {
    /// The median, which every round trip takes.
    pub fn base(self) -> Option<Nanos> {
        let mut sorted = self.0.to_vec();
        sorted.sort_unstable();
        (!sorted.is_empty()).then(|| at(&sorted, 500))
    }

    /// Whether so many lie beyond a percentile that it is told by more than chance.
    pub fn tells(self, per_mille: usize) -> bool {
        per_mille == 1_000 || self.0.len() - (per_mille * self.0.len()).div_ceil(1_000) >= ENOUGH_BEYOND
    }

    /// Replays `truths`, which are in the order of their requests. Without any noise, nothing is added.
    pub fn added(self, truths: &[Nanos], per_mille: &[usize]) -> Added {
        let mut sorted = truths.to_vec();
        sorted.sort_unstable();
        let added = |replayed: &[Nanos], per_mille| at(replayed, per_mille) - at(&sorted, per_mille);
        let quantiles =
            |replayed: &[Nanos]| per_mille.iter().map(|&q| added(replayed, q)).collect::<Vec<_>>();
        let floor = quantiles(&self.replay(truths, 0, 1));
        let mut worst = floor.clone();
        for replay in 1..=REPLAYS {
            let found = quantiles(&self.replay(truths, replay, EXPOSURE));
            worst.iter_mut().zip(found).for_each(|(worst, found)| *worst = found.max(*worst));
        }
        Added { floor, worst }
    }

    /// Every truth with the largest of so many noises, sorted.
    fn replay(self, truths: &[Nanos], replay: u64, draws: u64) -> Vec<Nanos> {
        let noise_of = |index: usize| {
            (0..draws).map(|draw| self.drawn(replay * EXPOSURE + draw, index)).max().unwrap_or_default()
        };
        let mut replayed: Vec<_> =
            truths.iter().enumerate().map(|(index, &truth)| truth + noise_of(index)).collect();
        replayed.sort_unstable();
        replayed
    }

    /// A block of requests meets as many neighbouring noises, from a place that is drawn.
    fn drawn(self, draw: u64, index: usize) -> Nanos {
        let block = (index / BLOCK) as u64;
        let start = splitmix64(splitmix64(draw) ^ block) % (self.0.len().max(1) as u64);
        let place = (start as usize + index % BLOCK) % self.0.len().max(1);
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// So many round trips must lie beyond a percentile.
const ENOUGH_BEYOND: usize = 10;

/// The value at so many thousandths of `sorted`, by nearest rank.
pub(super) fn at(sorted: &[Nanos], per_mille: usize) -> Nanos {
    let rank = (per_mille * sorted.len()).div_ceil(1_000);
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: u64) -> Nanos {
        Nanos::new(micros * 1_000)
    }

    #[test]
    fn steady_noise_is_added_to_every_percentile_and_none_to_none() {
        let truths: Vec<_> = (1..=2_000).rev().map(us).collect();
        let added = Noises(&[us(7); 300]).added(&truths, &[500, 990, 1_000]);
        assert_eq!(added, Added { floor: vec![us(7); 3], worst: vec![us(7); 3] });
        let none = Noises(&[]).added(&truths, &[500]);
        assert_eq!((none.floor, none.worst), (vec![Nanos::ZERO], vec![Nanos::ZERO]));
        assert_eq!(Noises(&[]).base(), None);
    }

    /// 97 % of 1 ms and 3 % of 20 ms; a machine that is 3 ms late once in ten times. Its own p95 is 3 ms late, and
    /// so is that of these times; their p99 lies among the 20 ms, two thirds of the way up, and only a tenth of
    /// those is hit.
    #[test]
    fn noise_counts_at_a_percentile_only_as_far_as_it_moves_it() {
        let truths: Vec<_> = (0..10_000).map(|k| us(if k % 100 < 3 { 20_000 } else { 1_000 })).collect();
        let noise: Vec<_> = (0..1_000).map(|k| us(if k % 10 == 0 { 3_000 } else { 50 })).collect();
        let added = Noises(&noise).added(&truths, &[500, 950, 990]);
        assert_eq!(added.floor, [us(50), us(3_000), us(50)]);
        // With the largest of four, 1 - 0.9^4 = 34 % are hit: that reaches the p99, just.
        assert_eq!(added.worst, [us(50), us(3_000), us(3_000)]);
    }

    #[test]
    fn ten_round_trips_beyond_a_percentile_tell_it_and_nine_do_not() {
        assert!(Noises(&[us(1); 1_000]).tells(990) && !Noises(&[us(1); 999]).tells(990));
        assert!(Noises(&[us(1); 3]).tells(1_000));
    }
}
