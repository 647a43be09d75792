//! One collection of a truth server, as its control calls show it.

use crate::milvus::proto::{common, milvus, schema};

use super::script::Existing;

/// A collection: what it was created with, and how many rows it was given.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) id: i64,
    pub(super) schema: schema::CollectionSchema,
    pub(super) shards: i32,
    pub(super) consistency: i32,
    pub(super) properties: Vec<common::KeyValuePair>,
    pub(super) indexes: Vec<Index>,
    pub(super) loaded: bool,
    pub(super) rows: i64,
}

/// An index, finished as soon as it is created.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) field: String,
    pub(super) params: Vec<common::KeyValuePair>,
}

impl Collection {
    /// One that is there from the start: indexed and loaded.
    pub(super) fn existing(id: i64, name: &str, existing: &Existing) -> Self {
        let pair = |key: &str, value: String| common::KeyValuePair { key: key.into(), value };
        let field = |field_id, name: &str, data_type| schema::FieldSchema {
            field_id,
            name: name.into(),
            data_type: data_type as i32,
            ..Default::default()
        };
        let id_field =
            schema::FieldSchema { is_primary_key: true, ..field(100, "id", schema::DataType::Int64) };
        let vector = schema::FieldSchema {
            type_params: vec![pair("dim", existing.dim.to_string())],
            ..field(101, "vector", schema::DataType::FloatVector)
        };
        let index = [("index_type", "HNSW"), ("metric_type", "COSINE"), ("params", "{\"M\":16}")];
        Self {
            id,
            schema: schema::CollectionSchema {
                name: name.into(),
                fields: vec![id_field, vector],
                ..Default::default()
            },
            shards: 1,
            consistency: common::ConsistencyLevel::Bounded as i32,
            properties: vec![],
            indexes: vec![Index {
                name: "vector".into(),
                field: "vector".into(),
                params: index.map(|(key, value)| pair(key, value.into())).into(),
            }],
            loaded: true,
            rows: i64::try_from(existing.rows).unwrap_or(i64::MAX),
        }
    }

    /// The one segment that holds all rows, where there are any.
    pub(super) fn segment(&self) -> Option<i64> {
        (self.rows > 0).then_some(self.id * 10 + 1)
    }
}

impl Index {
    /// As DescribeIndex tells it.
    pub(super) fn describe(&self, rows: i64) -> milvus::IndexDescription {
        milvus::IndexDescription {
            index_name: self.name.clone(),
            index_id: 1,
            params: self.params.clone(),
            field_name: self.field.clone(),
            indexed_rows: rows,
            total_rows: rows,
            state: common::IndexState::Finished as i32,
            ..Default::default()
        }
    }
}
