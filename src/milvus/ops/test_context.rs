//! A collection for the tests of operations.

use prost::Message as _;

use super::{Context, KnownRows};
use crate::data::{ScalarSource, VectorType, Vectors};
use crate::milvus::frame::{Frame, PREFIX};
use crate::milvus::proto::milvus::QueryRequest;
use crate::milvus::rows::RowLayout;
use crate::workload::{Consistency, Metric, Scalar, ScalarKind};

pub struct TestContext {
    pub layout: RowLayout,
    known: KnownRows,
}

impl TestContext {
    /// So many base rows, with a scalar of each kind: n (integer), price (double), colour (text), flag.
    pub fn new(rows: u64) -> Self {
        let scalar = |(place, (name, kind, distinct)): (usize, (&str, _, u64))| {
            let scalar = Scalar { name: name.to_owned(), kind, distinct };
            (scalar, ScalarSource::new(3, place as u64, distinct))
        };
        let scalars = [
            ("n", ScalarKind::Int64, 9),
            ("price", ScalarKind::Double, 50),
            ("colour", ScalarKind::Varchar, 5),
            ("flag", ScalarKind::Bool, 2),
        ];
        let layout = RowLayout {
            key: Some("id".to_owned()),
            vector: "v".to_owned(),
            vectors: Vectors::clustered(VectorType::Float, 3, 4, 2, 0.1),
            scalars: scalars.into_iter().enumerate().map(scalar).collect(),
        };
        let known = KnownRows::new(&layout, rows);
        Self { layout, known }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            collection: "c",
            layout: &self.layout,
            metric: Metric::Cosine,
            consistency: Consistency::Bounded,
            queries: 10,
            rows: self.known.rows(),
            known: Some(&self.known),
            seed: 42,
            operation: 1,
        }
    }
}

/// The request in a frame that is sent without a write before it.
pub fn decoded(frame: &Frame) -> QueryRequest {
    let bytes = frame.to_bytes(None);
    assert_eq!(u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize, bytes.len() - PREFIX);
    QueryRequest::decode(&bytes[PREFIX..]).unwrap()
}
