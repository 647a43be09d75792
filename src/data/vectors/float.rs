//! Float vectors, from a seeded mixture of Gaussians: the clustered shape that real embeddings have and uniform noise has not.

use rand::RngExt;
use rand_distr::StandardNormal;

use super::VectorSource;
use crate::data::hash::{Domain, mix, sequence};

/// Little-endian 32-bit floats.
pub(super) const fn bytes(dim: u32) -> usize {
    dim as usize * size_of::<f32>()
}

/// Vectors around `clusters` centres. A centre is standard normal in every dimension; a vector is its centre plus
/// `spread` times standard normal. Row and query vectors are drawn from the same mixture but never coincide.
#[derive(Clone, Debug)]
pub struct Mixture {
    seed: u64,
    dim: usize,
    spread: f32,
    /// `clusters` x `dim`, row-major.
    centres: Vec<f32>,
}

impl Mixture {
    /// `dim` and `clusters` are at least 1; costs `clusters * dim` floats of memory.
    pub fn new(seed: u64, dim: u32, clusters: u32, spread: f64) -> Self {
        let dim = dim.max(1) as usize;
        let centres = (0..u64::from(clusters.max(1)))
            .flat_map(|cluster| {
                sequence(seed, Domain::Centre, cluster).sample_iter::<f32, _>(StandardNormal).take(dim)
            })
            .collect();
        Self { seed, dim, spread: spread as f32, centres }
    }

    pub fn row(&self, row: u64) -> Vec<f32> {
        self.values(Domain::Row, row).collect()
    }

    pub fn query(&self, query: u64) -> Vec<f32> {
        self.values(Domain::Query, query).collect()
    }

    fn write(&self, domain: Domain, place: u64, out: &mut Vec<u8>) {
        for value in self.values(domain, place) {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn values(&self, domain: Domain, place: u64) -> impl Iterator<Item = f32> + '_ {
        let cluster = mix(self.seed, domain, place) as usize % (self.centres.len() / self.dim);
        let centre = &self.centres[cluster * self.dim..][..self.dim];
        let noise = sequence(self.seed, domain, place).sample_iter::<f32, _>(StandardNormal);
        centre.iter().zip(noise).map(|(centre, noise)| centre + self.spread * noise)
    }
}

impl VectorSource for Mixture {
    fn write_row(&self, row: u64, out: &mut Vec<u8>) {
        self.write(Domain::Row, row, out);
    }

    fn write_query(&self, query: u64, out: &mut Vec<u8>) {
        self.write(Domain::Query, query, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_the_same_vector() {
        let mixture = Mixture::new(1, 8, 3, 0.5);
        let mut bytes = Vec::new();
        mixture.write_row(11, &mut bytes);
        let read: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(read, mixture.row(11));
    }

    /// Variance of a coordinate over the whole mixture is that of the centres (1) plus spread^2; within a cluster it is
    /// spread^2. Bounds are 5 standard errors wide for these fixed seeds.
    #[test]
    fn moments_are_those_of_the_mixture() {
        let (rows, spread) = (20_000, 0.5);
        let one = Mixture::new(5, 4, 1, spread);
        let centre: Vec<f32> = one.centres.clone();
        let squares: f64 = (0..rows)
            .flat_map(|row| one.row(row).into_iter().zip(centre.clone()).collect::<Vec<_>>())
            .map(|(value, centre)| f64::from(value - centre).powi(2))
            .sum();
        let variance = squares / (rows as f64 * 4.0);
        assert!((variance - 0.25).abs() < 5.0 * 0.25 * (2.0 / (rows as f64 * 4.0)).sqrt(), "{variance}");
        let many = Mixture::new(5, 4, 20_000, spread);
        let all: f64 = (0..rows).flat_map(|row| many.row(row)).map(|v| f64::from(v).powi(2)).sum();
        let variance = all / (rows as f64 * 4.0);
        assert!((variance - 1.25).abs() < 0.05, "{variance}");
    }

    #[test]
    fn queries_are_distinct_and_none_is_a_row() {
        let mixture = Mixture::new(42, 8, 100, 0.3);
        let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let mut seen = std::collections::HashSet::new();
        for place in 0..5_000 {
            assert!(seen.insert(bits(mixture.query(place))));
            assert!(seen.insert(bits(mixture.row(place))));
        }
    }
}
