//! Seeds for independent random sequences, derived by hashing where a value belongs.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

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
}

/// A 64-bit hash of `(seed, domain, place)`: three rounds of the SplitMix64 finaliser (Steele, Lea, Flood 2014), which
/// is a bijection of 64 bits with full avalanche.
pub const fn mix(seed: u64, domain: Domain, place: u64) -> u64 {
    finalise(finalise(finalise(seed) ^ domain as u64) ^ place)
}

const fn finalise(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
    fn the_finaliser_is_splitmix64() {
        // First output of the published generator for the state 0.
        assert_eq!(finalise(0), 0xe220_a839_7b1d_cdaf);
    }

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
