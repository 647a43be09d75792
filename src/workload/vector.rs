//! What each vector type goes with.

use serde_json::{Value, json};

use super::{Metric, VectorType};

/// The vector types that the file may name.
pub(super) const TYPES: [(&str, VectorType); 1] = [("float", VectorType::Float)];

/// What vectors of a type can be measured and indexed by.
#[derive(Clone, Copy, Debug)]
pub struct VectorRules {
    /// Its metrics; the first is the default.
    pub metrics: &'static [Metric],
    /// Its index where the file names none.
    pub default_index: &'static str,
}

/// What vectors of that type can be measured and indexed by.
pub const fn vector_rules(kind: VectorType) -> VectorRules {
    match kind {
        VectorType::Float => {
            VectorRules { metrics: &[Metric::Cosine, Metric::L2, Metric::Ip], default_index: "HNSW" }
        }
    }
}

/// Parameters of an index where the file gives none; none where the index needs none, or only its user can know them.
pub(super) fn default_params(index: &str) -> Vec<(&'static str, Value)> {
    match index {
        "HNSW" => vec![("M", json!(16)), ("efConstruction", json!(200))],
        _ => Vec::new(),
    }
}
