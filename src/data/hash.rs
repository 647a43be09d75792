//! Seeds for independent random sequences, derived by hashing where a value belongs.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::random::splitmix64;

/// What a random sequence is for; keeps rows, queries and arrivals independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Centres of the mixture.
    Centre = 1,
    /// Vectors of rows.
    Row = 2,
    /// Vectors of queries.
    Query = 3,
    /// Scalar values of rows.
    Scalar = 4,
    /// Values drawn into filters.
    Filter = 5,
    /// Gaps between arrivals.
    Arrival = 6,
    /// Which operation an arrival becomes.
    Choice = 7,
    /// Which shard an arrival belongs to.
    Shard = 8,
    /// Keys that a get asks for.
    Key = 9,
}

/// A 64-bit hash of `(seed, domain, place)`: three rounds of [`splitmix64`].
pub const fn mix(seed: u64, domain: Domain, place: u64) -> u64 {
    splitmix64(splitmix64(splitmix64(seed) ^ domain as u64) ^ place)
}

/// The random sequence that belongs to `(seed, domain, place)`. xoshiro256++ is fast and, unlike `StdRng`, promises the
/// same numbers in every version, so that a seed means the same data for ever.
pub(crate) fn sequence(seed: u64, domain: Domain, place: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(mix(seed, domain, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_places_do_not_share_values() {
        let mut seen = std::collections::HashSet::new();
        for domain in [Domain::Row, Domain::Query, Domain::Scalar] {
            for place in 0..10_000 {
                assert!(seen.insert(mix(42, domain, place)));
            }
        }
    }
}
