//! Which columns a collection has, and where their values come from.

use crate::data::{ScalarSource, ScalarValue, Vectors};
use crate::workload::{Collection, Data, Filter, FilterPart, Scalar, ScalarKind, VectorField};

pub use crate::workload::PRIMARY_KEY;

/// The columns of a collection, and where their values come from.
#[derive(Clone, Debug)]
pub struct RowLayout {
    /// The key's field; `None` where the server makes the keys (autoID).
    pub key: Option<String>,
    /// The vector field.
    pub vector: String,
    pub vectors: Vectors,
    /// The other fields.
    pub scalars: Vec<(Scalar, ScalarSource)>,
}

impl RowLayout {
    /// The layout of a collection that this tool makes.
    pub fn new(collection: &Collection, data: &Data) -> Self {
        let VectorField { ref name, kind, dim, .. } = collection.vector;
        let scalars = collection.scalars.iter().enumerate();
        Self {
            key: Some(PRIMARY_KEY.to_owned()),
            vector: name.clone(),
            vectors: Vectors::clustered(kind, data.seed, dim, data.clusters, data.spread),
            scalars: scalars
                .map(|(i, s)| (s.clone(), ScalarSource::new(data.seed, i as u64, s.distinct)))
                .collect(),
        }
    }

    pub fn scalar_value(&self, field: usize, row: u64) -> ScalarValue {
        let (scalar, source) = &self.scalars[field];
        value_of(scalar, source.of_row(row))
    }

    /// The value drawn for filter `place` from scalar field `field`.
    pub fn filter_value(&self, field: usize, place: u64) -> ScalarValue {
        let (scalar, source) = &self.scalars[field];
        value_of(scalar, source.of_filter(place))
    }

    /// The text of filter number `place`, its values drawn.
    pub fn filter_text(&self, filter: &Filter, place: u64) -> String {
        let part = |part: &FilterPart| match part {
            FilterPart::Text(text) => text.clone(),
            FilterPart::Value(field) => self.filter_value(*field, place).to_string(),
        };
        filter.parts.iter().map(part).collect()
    }
}

fn value_of(scalar: &Scalar, index: u64) -> ScalarValue {
    match scalar.kind {
        ScalarKind::Bool => ScalarValue::Bool(index % 2 == 1),
        ScalarKind::Int32 | ScalarKind::Int64 => ScalarValue::Int(index as i64),
        ScalarKind::Float | ScalarKind::Double => ScalarValue::Float(index as f64),
        ScalarKind::Varchar => ScalarValue::Text(text_of(scalar, index)),
    }
}

pub(super) fn text_of(scalar: &Scalar, index: u64) -> String {
    format!("{}_{index}", scalar.name)
}
