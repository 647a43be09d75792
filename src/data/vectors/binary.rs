//! Binary vectors, from seeded clusters of bits.
//!
//! The bits of a centre are fair coins. A vector has the bits of its centre, each flipped on its own with the probability
//! arctan(spread) / pi. That is how often the sign of a coordinate differs between a vector of the float mixture of that spread
//! and its centre: the two are normal with correlation 1 / sqrt(1 + spread^2), and differ in sign with probability
//! arccos(correlation) / pi (Sheppard, 1899). At spread 1 one bit in four is flipped; the wider, the nearer to noise, which is
//! one in two.

use rand::RngExt;

use super::VectorSource;
use crate::data::hash::{Domain, mix, sequence};

/// Eight dimensions to a byte.
pub(super) const fn bytes(dim: u32) -> usize {
    dim as usize / 8
}

/// Bit vectors around `clusters` centres. Of few dimensions, a query may be a row by chance: there are no more than 2^dim.
#[derive(Clone, Debug)]
pub struct BitClusters {
    seed: u64,
    bytes: usize,
    /// A bit is flipped where 32 random bits are below this.
    flip_below: u32,
    /// `clusters` x `bytes`, row-major.
    centres: Vec<u8>,
}

impl BitClusters {
    /// `dim` is a multiple of 8, `clusters` at least 1; costs `clusters * dim / 8` bytes of memory.
    pub fn new(seed: u64, dim: u32, clusters: u32, spread: f64) -> Self {
        let bytes = bytes(dim).max(1);
        let centres = (0..u64::from(clusters.max(1)))
            .flat_map(|cluster| {
                let mut sequence = sequence(seed, Domain::Centre, cluster);
                (0..bytes).map(move |_| sequence.random::<u8>())
            })
            .collect();
        Self { seed, bytes, flip_below: (flip_probability(spread) * 2f64.powi(32)) as u32, centres }
    }

    pub fn row(&self, row: u64) -> Vec<u8> {
        self.values(Domain::Row, row).collect()
    }

    pub fn query(&self, query: u64) -> Vec<u8> {
        self.values(Domain::Query, query).collect()
    }

    fn values(&self, domain: Domain, place: u64) -> impl Iterator<Item = u8> + '_ {
        let cluster = mix(self.seed, domain, place) as usize % (self.centres.len() / self.bytes);
        let centre = &self.centres[cluster * self.bytes..][..self.bytes];
        let mut noise = sequence(self.seed, domain, place);
        centre.iter().map(move |centre| {
            let flipped = |flips: u8, _| flips << 1 | u8::from(noise.random::<u32>() < self.flip_below);
            centre ^ (0..8).fold(0, flipped)
        })
    }
}

/// In [0, 1/2].
fn flip_probability(spread: f64) -> f64 {
    spread.atan() / std::f64::consts::PI
}

impl VectorSource for BitClusters {
    fn write_row(&self, row: u64, out: &mut Vec<u8>) {
        out.extend(self.values(Domain::Row, row));
    }

    fn write_query(&self, query: u64, out: &mut Vec<u8>) {
        out.extend(self.values(Domain::Query, query));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(a: &[u8], b: &[u8]) -> u32 {
        a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    #[test]
    fn one_bit_in_four_is_flipped_at_spread_1_none_without_spread_and_half_at_most() {
        assert!((flip_probability(1.0) - 0.25).abs() < 1e-15);
        assert_eq!(flip_probability(0.0), 0.0);
        assert!(flip_probability(1e300) <= 0.5);
        for (spread, probability) in [(1.0, 0.25f64), (3f64.sqrt(), 1.0 / 3.0), (1e9, 0.5)] {
            let one = BitClusters::new(5, 512, 1, spread);
            let flips: u32 = (0..1_000).map(|row| differing(&one.row(row), &one.centres)).sum();
            let bits: f64 = 512_000.0;
            let deviation = (probability * (1.0 - probability) / bits).sqrt();
            let share = f64::from(flips) / bits;
            assert!((share - probability).abs() < 5.0 * deviation, "spread {spread}: {share}");
        }
    }

    /// The law that the probability is taken from, held against the float mixture itself.
    #[test]
    fn bits_are_flipped_as_often_as_signs_of_the_float_mixture() {
        let spread = 0.7;
        let floats = super::super::Mixture::new(5, 64, 1, spread);
        // The mean of many rows is their centre.
        let rows: Vec<Vec<f32>> = (0..2_000).map(|row| floats.row(row)).collect();
        let centre: Vec<f32> = (0..64).map(|at| rows.iter().map(|row| row[at]).sum::<f32>()).collect();
        let differ =
            |row: &Vec<f32>| row.iter().zip(&centre).filter(|(a, b)| (**a < 0.0) != (**b < 0.0)).count();
        let share = rows.iter().map(differ).sum::<usize>() as f64 / 128_000.0;
        // How often a sign differs depends on how far its centre is from 0; 64 centres average that to some 2.5 %.
        assert!((share - flip_probability(spread)).abs() < 0.08, "{share}");
    }

    /// Within a cluster two vectors differ where one of the two is flipped: 2p(1 - p); across clusters in every other bit.
    #[test]
    fn vectors_of_one_cluster_are_nearer_than_others() {
        let clusters = BitClusters::new(42, 1_024, 4, 0.3);
        let p = flip_probability(0.3);
        let own = 2.0 * p * (1.0 - p) * 1_024.0;
        let (mut near, mut far) = (0, 0);
        let rows: Vec<Vec<u8>> = (0..60).map(|row| clusters.row(row)).collect();
        for (a, b) in rows.iter().enumerate().flat_map(|(i, a)| rows[..i].iter().map(move |b| (a, b))) {
            let distance = f64::from(differing(a, b));
            // 8 standard deviations of at most 16 bits.
            match distance {
                d if (d - own).abs() < 100.0 => near += 1,
                d if (d - 512.0).abs() < 128.0 => far += 1,
                d => panic!("{d} is neither {own} nor 512"),
            }
        }
        assert!(near > 200 && far > 900, "about a quarter of 1,770 pairs share a cluster: {near} {far}");
    }

    #[test]
    fn the_wire_form_is_the_same_vector_and_queries_are_distinct() {
        let clusters = BitClusters::new(42, 512, 100, 1.0);
        let mut bytes = Vec::new();
        clusters.write_row(11, &mut bytes);
        assert_eq!(bytes, clusters.row(11));
        let mut seen = std::collections::HashSet::new();
        for place in 0..5_000 {
            assert!(seen.insert(clusters.query(place)));
            assert!(seen.insert(clusters.row(place)));
        }
    }
}
