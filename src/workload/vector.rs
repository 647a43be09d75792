//! What each vector type goes with: metrics, indexes, dimensions.

use serde_json::{Value, json};

use super::{Metric, VectorType};

/// The distance measures that the file may name; of two names of one, the first is the usual.
pub(super) const METRICS: [(&str, Metric); 6] = [
    ("cosine", Metric::Cosine),
    ("l2", Metric::L2),
    ("euclidean", Metric::L2),
    ("ip", Metric::Ip),
    ("hamming", Metric::Hamming),
    ("jaccard", Metric::Jaccard),
];

/// What vectors of a type can be measured and indexed by.
#[derive(Clone, Copy, Debug)]
pub struct VectorRules {
    /// Its metrics; the first is the default.
    pub metrics: &'static [Metric],
    /// Indexes for it alone; the first is the default.
    pub indexes: &'static [&'static str],
    /// Whether the server may have further ones for it.
    pub other_indexes: bool,
    /// Its dimensions are a multiple of this.
    pub dim_step: u32,
}

/// What vectors of that type can be measured and indexed by.
pub const fn vector_rules(kind: VectorType) -> VectorRules {
    match kind {
        VectorType::Float => VectorRules {
            metrics: &[Metric::Cosine, Metric::L2, Metric::Ip],
            indexes: &["HNSW", "FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN", "DISKANN"],
            other_indexes: true,
            dim_step: 1,
        },
        VectorType::Binary => VectorRules {
            metrics: &[Metric::Hamming, Metric::Jaccard],
            indexes: &["BIN_FLAT", "BIN_IVF_FLAT"],
            other_indexes: false,
            dim_step: 8,
        },
    }
}

/// Whether an index is one for vectors of that type, as far as is known here.
pub(super) fn takes_index(kind: VectorType, index: &str) -> bool {
    let of_another = VectorType::ALL
        .into_iter()
        .any(|other| other != kind && vector_rules(other).indexes.contains(&index));
    let rules = vector_rules(kind);
    rules.indexes.contains(&index) || (rules.other_indexes && !of_another)
}

/// A metric as the file spells it.
pub(super) fn metric_name(metric: Metric) -> &'static str {
    METRICS.iter().find(|(_, other)| *other == metric).map_or("", |(name, _)| *name)
}

/// Parameters of an index where the file gives none; none where the index needs none, or only its user can know them.
pub(super) fn default_params(index: &str) -> Vec<(&'static str, Value)> {
    match index {
        "HNSW" => vec![("M", json!(16)), ("efConstruction", json!(200))],
        "BIN_IVF_FLAT" => vec![("nlist", json!(128))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::keys;
    use crate::workload::kind::Kind;

    #[test]
    fn the_keys_take_the_names_of_the_tables() {
        let built = |path| match keys::find(path).expect("is a key").kind {
            Kind::Choice { built, .. } => built,
            other => panic!("{other:?} is no choice"),
        };
        assert_eq!(built("collection.vector.type"), VectorType::ALL.map(VectorType::name));
        assert_eq!(built("collection.vector.metric"), METRICS.map(|(name, _)| name));
    }

    #[test]
    fn every_metric_has_a_name_and_no_index_is_of_two_types() {
        for kind in VectorType::ALL {
            let rules = vector_rules(kind);
            assert!(rules.metrics.iter().all(|metric| !metric_name(*metric).is_empty()));
            assert!(rules.indexes.iter().all(|index| takes_index(kind, index)));
            for other in VectorType::ALL.into_iter().filter(|other| *other != kind) {
                assert!(rules.indexes.iter().all(|index| !takes_index(other, index)), "{kind:?} {other:?}");
            }
        }
        assert!(takes_index(VectorType::Float, "GPU_CAGRA") && !takes_index(VectorType::Binary, "GPU_CAGRA"));
    }
}
