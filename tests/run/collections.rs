//! A look at the server from outside of the tool's runs: collections by the control session, no measured path.

use milvus_load::milvus::proto::common::KeyValuePair;
use milvus_load::milvus::proto::milvus as pb;
use milvus_load::milvus::proto::schema::{CollectionSchema, DataType, FieldSchema, field_data, scalar_field};
use milvus_load::milvus::{CallHeaders, Dialer, MilvusError, Session};
use milvus_load::workload::load_text;
use prost::Message as _;

use crate::support::{LIMIT, SMALL, server};

/// Carries out calls on the shared server.
#[track_caller]
pub fn on_server<T>(calls: impl AsyncFnOnce(Session) -> Result<T, MilvusError>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let uri = server().uri.parse().unwrap();
        let target = load_text("small", SMALL, &[]).unwrap().target;
        let dialer = Dialer::new(&uri, &target).unwrap();
        let session = Session::connect(&dialer, CallHeaders::new(None, "").unwrap()).await.unwrap();
        calls(session).await.unwrap()
    })
}

/// Rows, growing ones included, seen with strong consistency.
#[track_caller]
pub fn rows(collection: &str) -> u64 {
    on_server(async |session| session.count(collection, "").await)
}

/// The description that a collection carries.
#[track_caller]
pub fn description(collection: &str) -> String {
    on_server(async |session| session.describe_collection(collection).await).schema.unwrap().description
}

/// Whether there is such a collection.
#[track_caller]
pub fn exists(collection: &str) -> bool {
    on_server(async |session| session.has_collection(collection).await)
}

/// The fields of a collection that have an index.
#[track_caller]
pub fn indexes(collection: &str) -> Vec<String> {
    let indexes = on_server(async |session| session.describe_indexes(collection).await);
    indexes.into_iter().map(|index| index.field_name).collect()
}

/// The keys of all rows from `first` on, sorted. Milvus's count(*) counts rows, this tells which there are.
#[track_caller]
pub fn keys_from(collection: &str, key: &str, first: u64) -> Vec<i64> {
    let request = pb::QueryRequest {
        collection_name: collection.to_owned(),
        expr: format!("{key} >= {first}"),
        output_fields: vec![key.to_owned()],
        ..pb::QueryRequest::default()
    };
    let answer = on_server(async |session| session.query(request).await);
    let mut keys = Vec::new();
    for field in answer.fields_data {
        if let Some(field_data::Field::Scalars(scalars)) = field.field
            && let Some(scalar_field::Data::LongData(longs)) = scalars.data
        {
            keys.extend(longs.data);
        }
    }
    keys.sort_unstable();
    keys
}

/// An empty collection as somebody else might have made it: other names, no mark of ours, two indexes, loaded.
#[track_caller]
pub fn create_foreign(name: &str, description: &str) {
    let field = |name: &str, kind: DataType, params: Vec<KeyValuePair>| FieldSchema {
        name: name.to_owned(),
        data_type: kind as i32,
        type_params: params,
        ..FieldSchema::default()
    };
    let key = FieldSchema { is_primary_key: true, ..field("doc", DataType::Int64, vec![]) };
    let vector = field("embedding", DataType::FloatVector, vec![pair("dim", "16")]);
    let schema = CollectionSchema {
        name: name.to_owned(),
        description: description.to_owned(),
        fields: vec![key, field("price", DataType::Int64, vec![]), vector],
        enable_dynamic_field: false,
    };
    let create = pb::CreateCollectionRequest {
        collection_name: name.to_owned(),
        schema: schema.encode_to_vec().into(),
        shards_num: 1,
        ..pb::CreateCollectionRequest::default()
    };
    let index = |field: &str, params: Vec<KeyValuePair>| pb::CreateIndexRequest {
        collection_name: name.to_owned(),
        field_name: field.to_owned(),
        extra_params: params,
        ..pb::CreateIndexRequest::default()
    };
    let of_price = index("price", vec![pair("index_type", "STL_SORT")]);
    let params = pair("params", r#"{"M":8,"efConstruction":64}"#);
    let of_vector = index("embedding", vec![pair("index_type", "HNSW"), pair("metric_type", "L2"), params]);
    on_server(async |session| {
        session.create_collection(create).await?;
        session.create_index(of_price).await?;
        session.create_index(of_vector).await?;
        session.load_collection(name, 1).await?;
        let start = std::time::Instant::now();
        // A count answers once it is loaded.
        while session.count(name, "").await.is_err() {
            assert!(start.elapsed() < LIMIT, "{name} is not loaded");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    });
}

fn pair(key: &str, value: &str) -> KeyValuePair {
    KeyValuePair { key: key.to_owned(), value: value.to_owned() }
}
