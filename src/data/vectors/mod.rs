//! Vector types: a file each, with the bytes of a vector and the source that a collection's vectors come from.
//!
//! What a type is on the wire is in `milvus/vectors.rs`, what it goes with (metrics, indexes) in `workload/vector.rs`.

mod binary;
mod float;

use std::fmt::Debug;
use std::sync::Arc;

pub use binary::BitClusters;
pub use float::Mixture;

/// What a vector consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorType {
    /// 32-bit floats.
    Float,
    /// Bits; the dimensions are a multiple of 8.
    Binary,
}

impl VectorType {
    pub const ALL: [Self; 2] = [Self::Float, Self::Binary];

    /// As the workload file spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Binary => "binary",
        }
    }

    /// Bytes of a vector of so many dimensions, in rows and in queries.
    pub const fn bytes(self, dim: u32) -> usize {
        match self {
            Self::Float => float::bytes(dim),
            Self::Binary => binary::bytes(dim),
        }
    }
}

/// A source of vectors, each a pure function of its place: row number or query number. Rows and queries are drawn from the
/// same distribution, and independently.
pub trait VectorSource: Debug + Send + Sync {
    /// Writes the vector of row `row` at the end of `out`, as rows have it on the wire.
    fn write_row(&self, row: u64, out: &mut Vec<u8>);

    /// Writes query vector `query` at the end of `out`, as queries have it on the wire.
    fn write_query(&self, query: u64, out: &mut Vec<u8>);
}

/// Where vectors of one type and size come from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vectors {
    kind: VectorType,
    dim: u32,
    source: Arc<dyn VectorSource>,
}

impl Vectors {
    /// Clustered vectors: `clusters` centres, and `spread` around them as the type understands it. `dim` and `clusters` are at
    /// least 1. Memory: `clusters` vectors.
    pub fn clustered(kind: VectorType, seed: u64, dim: u32, clusters: u32, spread: f64) -> Self {
        let source: Arc<dyn VectorSource> = match kind {
            VectorType::Float => Arc::new(Mixture::new(seed, dim, clusters, spread)),
            VectorType::Binary => Arc::new(BitClusters::new(seed, dim, clusters, spread)),
        };
        Self { kind, dim, source }
    }

    pub const fn kind(&self) -> VectorType {
        self.kind
    }

    pub const fn dim(&self) -> u32 {
        self.dim
    }

    /// Bytes of each.
    pub const fn bytes(&self) -> usize {
        self.kind.bytes(self.dim)
    }

    /// Writes the vector of row `row` at the end of `out`.
    pub fn write_row(&self, row: u64, out: &mut Vec<u8>) {
        self.source.write_row(row, out);
    }

    /// Writes query vector `query` at the end of `out`.
    pub fn write_query(&self, query: u64, out: &mut Vec<u8>) {
        self.source.write_query(query, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_depends_on_seed_and_row_alone() {
        for kind in VectorType::ALL {
            let of = |seed| Vectors::clustered(kind, seed, 64, 10, 0.3);
            let row = |vectors: &Vectors, row| {
                let mut out = Vec::new();
                vectors.write_row(row, &mut out);
                out
            };
            let vectors = of(42);
            let alone = row(&vectors, 7);
            assert_eq!(alone.len(), vectors.bytes(), "{kind:?}");
            let _ = row(&vectors, 3);
            assert_eq!(alone, row(&of(42), 7), "{kind:?}");
            assert_ne!(alone, row(&of(43), 7), "{kind:?}");
            let mut query = Vec::new();
            vectors.write_query(7, &mut query);
            assert_eq!(query.len(), vectors.bytes(), "{kind:?}");
            assert_ne!(alone, query, "{kind:?}: queries are held out");
        }
    }

    #[test]
    fn what_is_written_is_added_to_what_is_there() {
        for kind in VectorType::ALL {
            let vectors = Vectors::clustered(kind, 1, 16, 2, 1.0);
            let mut both = Vec::new();
            (3..5).for_each(|row| vectors.write_row(row, &mut both));
            let mut second = Vec::new();
            vectors.write_row(4, &mut second);
            assert_eq!(both[vectors.bytes()..], second, "{kind:?}");
        }
    }
}
