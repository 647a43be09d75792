//! *Which* vectors and values: synthetic sources, each value a pure function of `(seed, place)`.
//!
//! Belongs here: what a row or a query holds. Does not belong: how it is put on the wire ([`crate::milvus`]).
//! Invariant: nothing here has state that moves; asking twice gives the same answer, in any order, on any thread.

mod hash;
mod keys;
mod scalar;
mod vectors;

pub(crate) use hash::sequence;
pub use hash::{Domain, mix};
pub use keys::KeySource;
pub use scalar::{Occurrences, ScalarSource, ScalarValue};
pub use vectors::{BitClusters, Mixture, VectorSource, VectorType, Vectors};
