//! The collection as this tool makes it, and how it knows its own again.
//!
//! A collection of ours carries a fingerprint of schema, index and data in its description. The name alone is no
//! ownership: a collection without that mark is never dropped, rebuilt or written to by set-up.

use prost::Message as _;
use sha2::{Digest, Sha256};

use super::proto::common::{ConsistencyLevel, KeyValuePair};
use super::proto::milvus::{CreateCollectionRequest, CreateIndexRequest};
use super::proto::schema::{CollectionSchema, DataType, FieldSchema};
use super::rows::{PRIMARY_KEY, RowLayout};
use super::vectors;
use crate::workload::{Collection, Data, ScalarKind};

/// What the description of a collection of ours starts with.
const MARK: &str = "made by milvus-load, fingerprint ";
/// Longest text a varchar field of ours takes; values are `<field name>_<number>`.
const MAX_LENGTH: &str = "512";

/// Whose a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Ours, with the schema, index and data that the workload wants.
    Fits,
    /// Ours, made for another schema, index or data.
    Differs,
    /// Somebody else's.
    Foreign,
}

/// Reads the mark in a collection's description.
pub fn ownership(description: &str, fingerprint: &str) -> Ownership {
    match description.strip_prefix(MARK) {
        Some(found) if found == fingerprint => Ownership::Fits,
        Some(_) => Ownership::Differs,
        None => Ownership::Foreign,
    }
}

/// A hash of everything that decides what is in the base collection: fields, shards, index, data, number of rows, and the
/// first row's vector (so that a change of the generator shows). 32 hex digits.
pub fn fingerprint(collection: &Collection, data: &Data) -> String {
    let mut hash = Sha256::new();
    hash.update(schema(collection, "").encode_to_vec());
    let index = &collection.index;
    let texts = [
        format!("{}/{}/{}", collection.rows, collection.shards, collection.vector.metric.wire_name()),
        // serde_json's map is sorted, so the order in the file does not matter.
        format!("{}{}", index.kind, serde_json::Value::Object(index.params.clone())),
        format!("{:?}", collection.scalars),
    ];
    for text in texts {
        hash.update([0]);
        hash.update(text);
    }
    hash.update(data_hash(collection, data));
    hex(&hash.finalize()[..16])
}

/// A hash of what the vectors and values of the base rows are. 32 hex digits.
pub fn data_hash(collection: &Collection, data: &Data) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}/{}/{}/{}", data.seed, data.clusters, data.spread, collection.rows));
    let mut first = Vec::new();
    RowLayout::new(collection, data).vectors.write_row(0, &mut first);
    hash.update(first);
    hex(&hash.finalize()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The call that creates the collection.
pub fn create_request(collection: &Collection, data: &Data) -> CreateCollectionRequest {
    let description = format!("{MARK}{}", fingerprint(collection, data));
    CreateCollectionRequest {
        collection_name: collection.name.clone(),
        schema: schema(collection, &description).encode_to_vec().into(),
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

fn schema(collection: &Collection, description: &str) -> CollectionSchema {
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
        description: description.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Consistency, Index, Metric, Prepare, Scalar, VectorField, VectorType};

    fn collection() -> Collection {
        Collection {
            name: "c".to_owned(),
            rows: 1000,
            prepare: Prepare::Auto,
            consistency: Consistency::Bounded,
            vector: VectorField { name: "v".to_owned(), kind: VectorType::Float, dim: 8, metric: Metric::L2 },
            index: Index { kind: "HNSW".to_owned(), params: serde_json::from_str(r#"{"M":16}"#).unwrap() },
            scalars: vec![Scalar { name: "n".to_owned(), kind: ScalarKind::Int64, distinct: 5 }],
            shards: 1,
            replicas: 1,
            keep_writes: false,
            allow_writes: false,
            ready_timeout: std::time::Duration::from_secs(1),
            vector_name_given: true,
            vector_type_given: true,
            dim_given: true,
        }
    }

    #[test]
    fn whatever_changes_the_content_changes_the_fingerprint() {
        let data = Data { seed: 42, clusters: 10, spread: 0.3, queries: 100 };
        let base = fingerprint(&collection(), &data);
        let changes: [fn(&mut Collection, &mut Data); 9] = [
            |c, _| c.rows += 1,
            |c, _| c.vector.dim = 16,
            |c, _| c.vector.metric = Metric::Cosine,
            |c, _| c.index.kind = "FLAT".to_owned(),
            |c, _| drop(c.index.params.insert("M".to_owned(), 8.into())),
            |c, _| c.scalars[0].distinct = 6,
            |c, _| c.shards = 2,
            |_, d| d.seed = 43,
            |_, d| d.spread = 0.4,
        ];
        let mut seen = std::collections::HashSet::from([base.clone()]);
        for change in changes {
            let (mut collection, mut data) = (collection(), data.clone());
            change(&mut collection, &mut data);
            assert!(seen.insert(fingerprint(&collection, &data)));
        }
        let mut same = collection();
        same.replicas = 2;
        same.consistency = Consistency::Strong;
        assert_eq!(fingerprint(&same, &Data { queries: 5, ..data }), base, "how it is read does not matter");
    }

    #[test]
    fn only_the_mark_makes_a_collection_ours() {
        assert_eq!(ownership("made by milvus-load, fingerprint ab", "ab"), Ownership::Fits);
        assert_eq!(ownership("made by milvus-load, fingerprint cd", "ab"), Ownership::Differs);
        for foreign in ["", "ab", "my collection", "copied: made by milvus-load, fingerprint ab"] {
            assert_eq!(ownership(foreign, "ab"), Ownership::Foreign);
        }
    }
}
