//! Times in buckets that grow with them: 32 for each doubling, from 1 us to over an hour.
//!
//! ```text
//! bucket i holds [L, L + w)     L = 2^(10 + i / 32) (1 + (i mod 32) / 32) ns     w = 2^(10 + i / 32) / 32 ns
//! ```
//!
//! A time is told as its bucket's middle, which is at most w / 2 away: by 1/64 of it, 1.6 %. Below 1.024 us and above 73
//! minutes nothing is told apart.

use crate::units::Nanos;

/// Buckets of one doubling, as a power of two.
const PER_OCTAVE: u32 = 5;
/// The shortest time that is told, as a power of two.
const SHORTEST: u32 = 10;
/// Doublings.
const OCTAVES: u32 = 32;
pub(super) const BUCKETS: usize = (OCTAVES << PER_OCTAVE) as usize;

/// By how much of itself a time that is told may be off.
#[cfg(test)]
pub(super) const ERROR: f64 = 1.0 / 64.0;

/// Which bucket a time is in; below [`BUCKETS`].
#[inline]
pub(super) const fn bucket_of(time: Nanos) -> usize {
    const LONGEST: u64 = (1 << (SHORTEST + OCTAVES)) - 1;
    let nanos = time.get();
    let nanos = if nanos < 1 << SHORTEST { 1 << SHORTEST } else { nanos };
    let nanos = if nanos > LONGEST { LONGEST } else { nanos };
    let exponent = nanos.ilog2();
    let within = (nanos >> (exponent - PER_OCTAVE)) & ((1 << PER_OCTAVE) - 1);
    (((exponent - SHORTEST) << PER_OCTAVE) | within as u32) as usize
}

/// The time that stands for a bucket: its middle.
pub(super) const fn middle(bucket: usize) -> Nanos {
    let (octave, within) = (bucket as u32 >> PER_OCTAVE, bucket as u64 & ((1 << PER_OCTAVE) - 1));
    let width = 1u64 << (SHORTEST + octave - PER_OCTAVE);
    Nanos::new((1 << (SHORTEST + octave)) + within * width + width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_ascend_without_a_gap_over_the_whole_range() {
        assert_eq!((bucket_of(Nanos::ZERO), bucket_of(Nanos::new(1_024))), (0, 0));
        assert_eq!(bucket_of(Nanos::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(Nanos::from_secs(72 * 60)), BUCKETS - 2);
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle(bucket)), bucket);
        }
    }

    proptest! {
        #[test]
        fn a_time_is_told_to_a_sixty_fourth_of_it(exponent in 10u32..42, fraction in 0u64..1 << 10) {
            let nanos = (1 << exponent) + ((fraction << exponent) >> 10);
            let told = middle(bucket_of(Nanos::new(nanos))).get();
            prop_assert!(told.abs_diff(nanos) as f64 <= nanos as f64 * ERROR, "{} as {}", nanos, told);
        }
    }
}
