//! Trace and span IDs: random, one generator per worker, never shared between two runs.

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

/// The operating system gave no randomness, so that IDs could clash with those of another run.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes for trace IDs: {0}; check that getrandom(2) works here")]
pub struct EntropyError(#[source] rand::rngs::SysError);

/// What the IDs of one run grow from: 256 bits of the operating system's randomness.
///
/// Deliberately not the workload's seed: the same workload run twice must give two sets of traces.
#[derive(Clone)]
pub struct RunEntropy([u8; 32]);

impl RunEntropy {
    /// Draws the entropy of a new run.
    ///
    /// # Errors
    /// Where the operating system has none to give.
    pub fn from_os() -> Result<Self, EntropyError> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(EntropyError)?;
        Ok(Self(seed))
    }

    /// The generator of one worker. Workers of one run differ in their number alone, and so never share a sequence.
    pub fn generator(&self, worker: u64) -> IdGenerator {
        let mut seed = self.0;
        for (byte, number) in seed.iter_mut().zip(worker.to_le_bytes()) {
            *byte ^= number;
        }
        IdGenerator { rng: StdRng::from_seed(seed) }
    }
}

/// Says nothing of the seed: whoever knows it knows every ID to come.
impl std::fmt::Debug for RunEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunEntropy")
    }
}

/// A worker's source of IDs. No lock, no system call: some 10 ns per ID.
pub struct IdGenerator {
    rng: StdRng,
}

impl IdGenerator {
    /// 128 random bits, never all zero (W3C trace context calls that ID invalid).
    pub fn trace_id(&mut self) -> u128 {
        loop {
            let id = u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64());
            if id != 0 {
                return id;
            }
        }
    }

    /// 64 random bits, never all zero.
    pub fn span_id(&mut self) -> u64 {
        loop {
            let id = self.rng.next_u64();
            if id != 0 {
                return id;
            }
        }
    }
}

/// The generator's state would give away the IDs to come.
impl std::fmt::Debug for IdGenerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdGenerator")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neither_workers_nor_runs_share_an_id() {
        let mut seen = HashSet::new();
        for _run in 0..4 {
            let entropy = RunEntropy::from_os().unwrap();
            for worker in 0..8 {
                let mut ids = entropy.generator(worker);
                for _ in 0..500 {
                    assert!(seen.insert(ids.trace_id()), "the same trace ID came twice");
                    assert_ne!(ids.span_id(), 0);
                }
            }
        }
        assert!(!seen.contains(&0));
    }

    #[test]
    fn both_halves_of_a_trace_id_are_random() {
        let mut ids = RunEntropy::from_os().unwrap().generator(0);
        let (mut ones, mut high) = ([0u32; 128], HashSet::new());
        for _ in 0..4_000 {
            let id = ids.trace_id();
            high.insert(id >> 64);
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += (id >> bit & 1) as u32;
            }
        }
        assert_eq!(high.len(), 4_000);
        // 4,000 fair bits: mean 2,000, standard deviation 31.6; eight of those are never reached by chance.
        for (bit, count) in ones.iter().enumerate() {
            assert!((1_747..=2_253).contains(count), "bit {bit} was set {count} times in 4,000");
        }
    }

    #[test]
    fn debug_output_does_not_give_the_seed_away() {
        let entropy = RunEntropy([7; 32]);
        assert_eq!(format!("{entropy:?} {:?}", entropy.generator(1)), "RunEntropy IdGenerator");
    }
}
