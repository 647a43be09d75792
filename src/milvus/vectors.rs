//! Vector types on the wire.

use super::proto::common::PlaceholderType;
use super::proto::schema::DataType;
use crate::data::VectorType;

/// How vectors of a type are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VectorWire {
    /// Of the field in the schema.
    pub data_type: DataType,
    /// Of the query vectors.
    pub placeholder: PlaceholderType,
    /// Number of the field of `VectorField` that holds the values.
    pub values: u32,
    /// Where that field is a message: the number of the field in it that holds them.
    pub within: Option<u32>,
}

pub(crate) const fn wire(kind: VectorType) -> VectorWire {
    match kind {
        VectorType::Float => VectorWire {
            data_type: DataType::FloatVector,
            placeholder: PlaceholderType::FloatVector,
            values: 2,
            within: Some(1),
        },
        VectorType::Binary => VectorWire {
            data_type: DataType::BinaryVector,
            placeholder: PlaceholderType::BinaryVector,
            values: 3,
            within: None,
        },
    }
}

/// The vector type of a field that has this type in its schema; `None` where it is no vector, or of a type that is not known
/// here.
pub fn vector_type(data_type: DataType) -> Option<VectorType> {
    VectorType::ALL.into_iter().find(|kind| wire(*kind).data_type == data_type)
}
