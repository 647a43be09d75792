//! Simulated error rates, coverage and power: what the intervals and decisions of this room promise, held against
//! worlds whose truth is known. Seeded, so a failure repeats. The longer ones are ignored by default, with a smaller
//! one of each that is not.

mod capacity;
mod compare;
mod episodes;
mod noise;
mod overhead;
mod ranks;

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::random::splitmix64;

/// The random sequence of one repetition.
fn sequence(seed: u64, repetition: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(splitmix64(splitmix64(seed) ^ repetition))
}

/// A share counted over repetitions.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    hits: u64,
    of: u64,
}

impl Rate {
    fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    fn share(self) -> f64 {
        self.hits as f64 / self.of as f64
    }

    fn percent(self) -> f64 {
        100.0 * self.share()
    }
}
