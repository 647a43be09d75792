//! The calls that create a collection as this tool makes it, with the mark by which it knows its own again.

use prost::Message as _;

use super::fingerprint::Fingerprint;
use super::mark::Mark;
use super::proto::common::{ConsistencyLevel, KeyValuePair};
use super::proto::milvus::{CreateCollectionRequest, CreateIndexRequest};
use super::proto::schema::{CollectionSchema, DataType, FieldSchema};
use super::rows::PRIMARY_KEY;
use super::vectors;
use crate::workload::{Collection, Data, ScalarKind};

/// Longest text a varchar field of ours takes; values are `<field name>_<number>`.
const MAX_LENGTH: &str = "512";

pub fn create_request(collection: &Collection, data: &Data) -> CreateCollectionRequest {
    let mark = Mark::new(collection.owner.clone(), Fingerprint::of(collection, data));
    CreateCollectionRequest {
        collection_name: collection.name.clone(),
        schema: schema(collection, mark.to_string()).encode_to_vec().into(),
        shards_num: collection.shards as i32,
        consistency_level: ConsistencyLevel::Bounded as i32,
        ..CreateCollectionRequest::default()
    }
}

/// The call that creates the index of the vector field.
pub fn index_request(collection: &Collection) -> CreateIndexRequest {
    let params = serde_json::Value::Object(collection.index.params.clone()).to_string();
    let pairs = [
        ("index_type", collection.index.kind.clone()),
        ("metric_type", collection.vector.metric.wire_name().to_owned()),
        ("params", params),
    ];
    CreateIndexRequest {
        collection_name: collection.name.clone(),
        field_name: collection.vector.name.clone(),
        extra_params: pairs.into_iter().map(|(key, value)| pair(key, value)).collect(),
        ..CreateIndexRequest::default()
    }
}

fn schema(collection: &Collection, description: String) -> CollectionSchema {
    let key = FieldSchema {
        name: PRIMARY_KEY.to_owned(),
        is_primary_key: true,
        data_type: DataType::Int64 as i32,
        ..FieldSchema::default()
    };
    let vector = FieldSchema {
        name: collection.vector.name.clone(),
        data_type: vectors::wire(collection.vector.kind).data_type as i32,
        type_params: vec![pair("dim", collection.vector.dim.to_string())],
        ..FieldSchema::default()
    };
    let scalars = collection.scalars.iter().map(|scalar| FieldSchema {
        name: scalar.name.clone(),
        data_type: data_type(scalar.kind) as i32,
        type_params: match scalar.kind {
            ScalarKind::Varchar => vec![pair("max_length", MAX_LENGTH.to_owned())],
            _ => Vec::new(),
        },
        ..FieldSchema::default()
    });
    CollectionSchema {
        name: collection.name.clone(),
        description,
        fields: [key, vector].into_iter().chain(scalars).collect(),
        enable_dynamic_field: false,
    }
}

/// The type on the wire.
pub const fn data_type(kind: ScalarKind) -> DataType {
    match kind {
        ScalarKind::Bool => DataType::Bool,
        ScalarKind::Int32 => DataType::Int32,
        ScalarKind::Int64 => DataType::Int64,
        ScalarKind::Float => DataType::Float,
        ScalarKind::Double => DataType::Double,
        ScalarKind::Varchar => DataType::VarChar,
    }
}

fn pair(key: &str, value: String) -> KeyValuePair {
    KeyValuePair { key: key.to_owned(), value }
}
