//! Which rows a get asks for.

use std::collections::HashSet;

use rand::RngExt;

use super::hash::{Domain, mix, sequence};

/// Draws keys for the requests of one operation, each set a pure function of `(seed, operation, request)`.
#[derive(Clone, Copy, Debug)]
pub struct KeySource {
    seed: u64,
    rows: u64,
}

impl KeySource {
    /// From the keys 0 to `rows` - 1; `operation` is the operation's place in the workload, so that two draw apart.
    pub const fn new(seed: u64, operation: u64, rows: u64) -> Self {
        Self { seed: mix(seed, Domain::Key, operation), rows }
    }

    /// `count` different keys, or all where there are no more; every set of that size is equally likely.
    ///
    /// Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", 1987): one draw per key, however many rows there are.
    pub fn of_request(&self, request: u64, count: u32) -> Vec<u64> {
        let mut sequence = sequence(self.seed, Domain::Key, request);
        let mut taken = HashSet::new();
        let first = self.rows.saturating_sub(u64::from(count));
        (first..self.rows)
            .map(|last| {
                let drawn = sequence.random_range(0..=last);
                let key = if taken.contains(&drawn) { last } else { drawn };
                taken.insert(key);
                key
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different_rows_and_depend_on_seed_operation_and_request_alone() {
        let source = KeySource::new(42, 1, 1_000);
        for request in 0..200 {
            let keys = source.of_request(request, 50);
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 50);
            assert!(keys.iter().all(|key| *key < 1_000));
            assert_eq!(keys, KeySource::new(42, 1, 1_000).of_request(request, 50));
        }
        let of = |seed, operation, request| KeySource::new(seed, operation, 1_000).of_request(request, 50);
        let others = [of(43, 1, 7), of(42, 0, 7), of(42, 1, 8)];
        assert!(others.iter().all(|keys| *keys != of(42, 1, 7)));
    }

    #[test]
    fn as_many_keys_as_rows_are_all_rows() {
        let mut all = KeySource::new(1, 0, 20).of_request(3, 20);
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        assert_eq!(KeySource::new(1, 0, 2).of_request(0, 20).len(), 2);
        assert!(KeySource::new(1, 0, 0).of_request(0, 1).is_empty());
    }

    /// Each of the 20 rows is in a request of 5 with probability 1/4; each of the 6 pairs of 4 rows is equally likely.
    #[test]
    fn every_row_and_every_set_of_rows_is_equally_likely() {
        let source = KeySource::new(42, 0, 20);
        let mut counts = [0u32; 20];
        (0..8_000).for_each(|r| source.of_request(r, 5).iter().for_each(|key| counts[*key as usize] += 1));
        // 8,000 draws of probability 1/4: five standard deviations of 38.7.
        assert!(counts.iter().all(|count| count.abs_diff(2_000) < 194), "{counts:?}");
        let pairs = KeySource::new(7, 0, 4);
        let mut counts = std::collections::HashMap::<Vec<u64>, u32>::new();
        for request in 0..6_000 {
            let mut pair = pairs.of_request(request, 2);
            pair.sort_unstable();
            *counts.entry(pair).or_default() += 1;
        }
        // Five standard deviations of 28.9.
        assert!(counts.len() == 6 && counts.values().all(|count| count.abs_diff(1_000) < 144), "{counts:?}");
    }
}
