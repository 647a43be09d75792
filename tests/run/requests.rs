//! A workload's own requests, sent one by one from outside of the measured path, and their answers looked into.

use std::collections::BTreeMap;

use milvus_load::milvus::RowLayout;
use milvus_load::milvus::ops::{self, KnownRows};
use milvus_load::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;
use milvus_load::milvus::proto::milvus::{QueryRequest, QueryResults, SearchRequest, SearchResults};
use milvus_load::milvus::proto::schema::{FieldData, field_data, i_ds, scalar_field, vector_field};
use milvus_load::workload::{Workload, load_text};
use prost::Message as _;

use crate::collections::on_server;
use crate::support::server;

/// A workload, and the rows that it describes.
pub struct Described {
    pub workload: Workload,
    pub layout: RowLayout,
    known: KnownRows,
}

impl Described {
    pub fn new(text: &str) -> Self {
        let workload = load_text("described", text, &[]).unwrap();
        let layout = RowLayout::new(&workload.collection, &workload.data);
        let known = KnownRows::new(&layout, workload.collection.rows);
        Self { workload, layout, known }
    }

    /// Request number `place` of an operation with strong consistency: how many rows or hits it expects, and its message.
    pub fn request(&self, operation: usize, place: u64) -> (Option<u32>, Vec<u8>) {
        let context = ops::Context {
            collection: &self.workload.collection.name,
            layout: &self.layout,
            metric: self.workload.collection.vector.metric,
            consistency: milvus_load::workload::Consistency::Strong,
            queries: self.workload.data.queries.into(),
            rows: self.workload.collection.rows,
            known: Some(&self.known),
            seed: self.workload.data.seed,
            operation: operation as u64,
        };
        let frame = ops::of(&self.workload.operations[operation].kind).frame(&context, place);
        (frame.expected(), frame.to_bytes(None)[5..].to_vec())
    }

    /// The vector of a row, as it is sent.
    pub fn vector(&self, row: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.layout.vectors.write_row(row, &mut bytes);
        bytes
    }

    /// A query vector, as it is sent.
    pub fn query_vector(&self, query: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.layout.vectors.write_query(query, &mut bytes);
        bytes
    }
}

/// A row as the server returned it: values in words, vectors as the bytes that were sent.
#[derive(Debug, Default, PartialEq)]
pub struct Row {
    pub values: BTreeMap<String, String>,
    pub vector: Option<Vec<u8>>,
}

/// The rows of a Query, by key.
#[track_caller]
pub fn query(message: &[u8]) -> BTreeMap<i64, Row> {
    let request = QueryRequest::decode(message).unwrap();
    let results: QueryResults = on_server(async |session| session.query(request).await);
    let keys =
        results.fields_data.iter().find(|column| column.field_name == "id").expect("the key is returned");
    let keys: Vec<i64> = values(keys).iter().map(|key| key.parse().unwrap()).collect();
    let mut rows: Vec<Row> = keys.iter().map(|_| Row::default()).collect();
    for column in &results.fields_data {
        if let Some(field_data::Field::Vectors(vectors)) = &column.field {
            let bytes = match vectors.data.as_ref().unwrap() {
                vector_field::Data::FloatVector(floats) => {
                    floats.data.iter().flat_map(|value| value.to_le_bytes()).collect()
                }
                vector_field::Data::BinaryVector(bytes) => bytes.to_vec(),
            };
            assert_eq!(bytes.len() % keys.len().max(1), 0);
            let each = bytes.chunks(bytes.len() / keys.len().max(1));
            rows.iter_mut().zip(each).for_each(|(row, vector)| row.vector = Some(vector.to_vec()));
        } else {
            let values = values(column);
            assert_eq!(values.len(), keys.len(), "{}", column.field_name);
            for (row, value) in rows.iter_mut().zip(values) {
                row.values.insert(column.field_name.clone(), value);
            }
        }
    }
    let by_key: BTreeMap<i64, Row> = keys.iter().copied().zip(rows).collect();
    assert_eq!(by_key.len(), keys.len(), "a key comes once");
    by_key
}

/// The values of a scalar column, as filters spell them.
fn values(column: &FieldData) -> Vec<String> {
    let Some(field_data::Field::Scalars(scalars)) = &column.field else { panic!("{column:?} is no scalar") };
    let Some(data) = &scalars.data else { return Vec::new() };
    match data {
        scalar_field::Data::BoolData(values) => values.data.iter().map(ToString::to_string).collect(),
        scalar_field::Data::IntData(values) => values.data.iter().map(ToString::to_string).collect(),
        scalar_field::Data::LongData(values) => values.data.iter().map(ToString::to_string).collect(),
        scalar_field::Data::FloatData(values) => {
            values.data.iter().map(|value| format!("{value:?}")).collect()
        }
        scalar_field::Data::DoubleData(values) => {
            values.data.iter().map(|value| format!("{value:?}")).collect()
        }
        scalar_field::Data::StringData(values) => values.data.clone(),
    }
}

/// The hits of a Search, by query vector: key and score, nearest first.
#[track_caller]
pub fn search(message: &[u8]) -> Vec<Vec<(u64, f32)>> {
    let request = SearchRequest::decode(message).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let results: SearchResults = runtime.block_on(async {
        let endpoint = tonic::transport::Endpoint::from_shared(server().uri.to_string()).unwrap();
        let mut client = MilvusServiceClient::new(endpoint.connect().await.unwrap());
        client.search(request).await.unwrap().into_inner()
    });
    let status = results.status.unwrap_or_default();
    assert_eq!((status.code, status.error_code), (0, 0), "{}", status.reason);
    let data = results.results.unwrap();
    let Some(i_ds::IdField::IntId(ids)) = data.ids.unwrap().id_field else { panic!("no keys") };
    let mut hits = ids.data.iter().map(|id| *id as u64).zip(data.scores);
    data.topks.iter().map(|count| hits.by_ref().take(*count as usize).collect()).collect()
}
