//! How a load is shared out: over the shards of a run, each a process of its own, then over the workers of a shard.

use std::fmt;

use super::schedule::{Due, Schedule};
use crate::data::{Domain, mix};
use crate::units::Nanos;
use crate::workload::{Arrival, Rates};

/// One of the processes that a run is split over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// A shard that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no shard {index} of {of}: shards are counted from 0, so the last of {of} is {}", of.saturating_sub(1))]
pub struct ShardError {
    index: u32,
    of: u32,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Number `index`, from 0, of so many.
    ///
    /// # Errors
    /// Where it is not below their number.
    pub const fn new(index: u32, of: u32) -> Result<Self, ShardError> {
        if index < of { Ok(Self { index, of }) } else { Err(ShardError { index, of }) }
    }

    /// Its number, from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many there are, at least 1.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Its part of `total`: the parts of all shards add up to it and differ by at most one.
    pub const fn share(self, total: u32) -> u32 {
        share(total, self.of, self.index)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// `1/4`: the second of four.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// The part of `total` that number `index` of `count` takes.
pub(super) const fn share(total: u32, count: u32, index: u32) -> u32 {
    total / count + if index < total % count { 1 } else { 0 }
}

/// The arrivals of an open stream that belong to one worker of one shard, in order.
///
/// Poisson arrival k belongs to the shard that a hash of (seed, stream, k) names. Independent thinning leaves each shard a
/// Poisson process, so that their sum is one too even where their clocks differ; dealt in turn, the shards' gaps would be
/// more even than that, and clocks that differ by more than a gap would leave the sum too even. Arrivals at equal gaps are dealt
/// in turn: k mod N. Within a shard, the j-th belongs to worker j mod W.
#[derive(Clone, Debug)]
pub struct Arrivals {
    schedule: Schedule,
    /// Of the hash; `None`: in turn.
    seed: Option<u64>,
    shard: Shard,
    worker: u64,
    workers: u64,
    /// The number that the next arrival of the shard has within it.
    next: u64,
}

impl Arrivals {
    /// Of the stream's whole schedule (see [`Schedule::new`]), those of one shard, which has one worker.
    pub fn new(
        seed: u64,
        stream: u64,
        arrival: Arrival,
        rates: impl Into<Rates>,
        end: Nanos,
        shard: Shard,
    ) -> Self {
        let by_hash = shard.of > 1 && arrival == Arrival::Poisson;
        Self {
            schedule: Schedule::new(seed, stream, arrival, rates, end),
            seed: by_hash.then(|| mix(seed, Domain::Shard, stream)),
            shard,
            worker: 0,
            workers: 1,
            next: 0,
        }
    }

    /// Those of one of so many workers.
    pub fn of_worker(self, worker: usize, workers: usize) -> Self {
        Self { worker: worker as u64, workers: workers as u64, ..self }
    }

    fn is_of_shard(&self, index: u64) -> bool {
        let place = self.seed.map_or(index, |seed| mix(seed, Domain::Shard, index));
        self.shard.of == 1 || place % u64::from(self.shard.of) == u64::from(self.shard.index)
    }
}

impl Iterator for Arrivals {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        loop {
            let due = self.schedule.next()?;
            if self.is_of_shard(due.index) {
                let place = self.next;
                self.next += 1;
                if place % self.workers == self.worker {
                    return Some(due);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
