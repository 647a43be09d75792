//! Search: query vectors in a placeholder group, hits counted by `topks`.

use bytes::Bytes;
use prost::Message as _;

use super::{Context, Op, Scan, Supply};
use crate::milvus::frame::{Frame, TimestampField, wire_consistency};
use crate::milvus::proto::common::{self, KeyValuePair};
use crate::milvus::proto::milvus::{DslType, SearchRequest};
use crate::milvus::rows::RowLayout;
use crate::milvus::scan::{Fields, ScanError, Scanned, Value, scan_reply, varint};
use crate::milvus::vectors;
use crate::workload::{Metric, Search};

impl Op for Search {
    fn rpc(&self) -> &'static str {
        "Search"
    }

    fn scan(&self) -> Scan {
        scan
    }

    fn supply(&self, queries: u64) -> Supply {
        Supply::Repeated { distinct: queries }
    }

    fn payload(&self, vector_bytes: usize) -> usize {
        self.nq as usize * vector_bytes
    }

    /// It asks for vectors `place * nq ..`, modulo the number of distinct ones.
    fn frame(&self, context: &Context<'_>, place: u64) -> Frame {
        let layout = context.layout;
        let nq = u64::from(self.nq);
        let vectors =
            (0..nq).map(|i| query_bytes(layout, (place * nq + i) % context.queries.max(1))).collect();
        let placeholders = common::PlaceholderGroup {
            placeholders: vec![common::PlaceholderValue {
                tag: "$0".to_owned(),
                r#type: vectors::wire(layout.vectors.kind()).placeholder as i32,
                values: vectors,
            }],
        };
        let (level, timestamp) = wire_consistency(context.consistency);
        let request = SearchRequest {
            collection_name: context.collection.to_owned(),
            dsl: self.filter.as_ref().map(|filter| layout.filter_text(filter, place)).unwrap_or_default(),
            placeholder_group: placeholders.encode_to_vec().into(),
            dsl_type: DslType::BoolExprV1 as i32,
            output_fields: self.output_fields.clone(),
            search_params: parameters(self, layout, context.metric),
            guarantee_timestamp: timestamp.unwrap_or(0),
            nq: i64::from(self.nq),
            consistency_level: level as i32,
            ..SearchRequest::default()
        };
        let expected = Some(expected_hits(self, context.rows));
        Frame::of_read(&request, context.consistency, TimestampField(11), expected)
    }
}

/// A complete answer: `top_k` hits per query, or all rows where there are fewer. A filter may leave fewer.
fn expected_hits(search: &Search, rows: u64) -> u32 {
    let per_query = u64::from(search.top_k).min(rows);
    u32::try_from(per_query * u64::from(search.nq)).unwrap_or(u32::MAX)
}

/// A query vector as `PlaceholderGroup` wants it.
fn query_bytes(layout: &RowLayout, query: u64) -> Bytes {
    let mut bytes = Vec::with_capacity(layout.vectors.bytes());
    layout.vectors.write_query(query, &mut bytes);
    Bytes::from(bytes)
}

fn parameters(search: &Search, layout: &RowLayout, metric: Metric) -> Vec<KeyValuePair> {
    let params = serde_json::Value::Object(search.params.clone()).to_string();
    let mut pairs = vec![
        ("anns_field", layout.vector.clone()),
        ("topk", search.top_k.to_string()),
        ("metric_type", metric.wire_name().to_owned()),
        ("params", params),
        ("round_decimal", "-1".to_owned()),
    ];
    if search.ignore_growing {
        pairs.push(("ignore_growing", "true".to_owned()));
    }
    pairs.into_iter().map(|(key, value)| KeyValuePair { key: key.to_owned(), value }).collect()
}

/// `SearchResults`: hits are the sum of `results(2).topks(6)`.
///
/// # Errors
/// Where the bytes are not a protobuf message.
pub fn scan(message: &[u8]) -> Result<Scanned, ScanError> {
    scan_reply(message, |found, number, value| {
        if let (2, Value::Bytes(results)) = (number, value) {
            found.count = found.count.saturating_add(hits(results)?);
        }
        Ok(())
    })
}

/// `topks` is packed or not, as the encoder likes.
fn hits(results: &[u8]) -> Result<u64, ScanError> {
    let mut hits = 0u64;
    for field in Fields(results) {
        match field? {
            (6, Value::Number(hit)) => hits = hits.saturating_add(hit),
            (6, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    hits = hits.saturating_add(varint(&mut packed)?);
                }
            }
            _ => {}
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BitClusters, Mixture, ScalarSource, VectorType, Vectors};
    use crate::milvus::frame::PREFIX;
    use crate::milvus::ops::test_context::TestContext;
    use crate::milvus::proto::{milvus, schema};
    use crate::workload::{Consistency, Filter, FilterPart, Scalar, ScalarKind};

    fn search(consistency: Consistency, place: u64, last_write: Option<u64>) -> (SearchRequest, RowLayout) {
        let scalar = Scalar { name: "n".to_owned(), kind: ScalarKind::Int64, distinct: 4 };
        let layout = RowLayout {
            key: None,
            vector: "v".to_owned(),
            vectors: Vectors::clustered(VectorType::Float, 3, 4, 2, 0.1),
            scalars: vec![(scalar, ScalarSource::new(3, 0, 4))],
        };
        let parts = vec![FilterPart::Text("n == ".to_owned()), FilterPart::Value(0)];
        let search = Search {
            nq: 2,
            top_k: 10,
            params: serde_json::from_str(r#"{"ef":64}"#).unwrap(),
            filter: Some(Filter { text: "n == {n}".to_owned(), parts }),
            output_fields: vec!["n".to_owned()],
            ignore_growing: false,
        };
        let context = Context {
            collection: "c",
            layout: &layout,
            metric: Metric::Cosine,
            consistency,
            queries: 10,
            rows: 7,
            known: None,
            seed: 7,
            operation: 0,
        };
        let frame = search.frame(&context, place);
        assert_eq!(frame.expected(), Some(14), "all of the 7 rows, twice");
        let bytes = frame.to_bytes(last_write);
        assert_eq!(u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize, bytes.len() - PREFIX);
        (SearchRequest::decode(&bytes[PREFIX..]).unwrap(), layout)
    }

    #[test]
    fn level_and_timestamp_go_together() {
        let pair = |consistency, last| {
            let (request, _) = search(consistency, 0, last);
            (request.consistency_level, request.guarantee_timestamp)
        };
        assert_eq!(pair(Consistency::Strong, None), (0, 0));
        assert_eq!(pair(Consistency::Bounded, None), (2, 2));
        assert_eq!(pair(Consistency::Eventually, None), (3, 1));
        assert_eq!(pair(Consistency::Session, None), (1, 1));
        assert_eq!(pair(Consistency::Session, Some(470_607_126_243_512_413)), (1, 470_607_126_243_512_413));
        assert_eq!(pair(Consistency::Session, Some(u64::MAX)), (1, u64::MAX));
    }

    #[test]
    fn a_search_carries_its_queries_filter_and_parameters() {
        let (request, layout) = search(Consistency::Bounded, 6, None);
        let group = common::PlaceholderGroup::decode(request.placeholder_group.clone()).unwrap();
        let sent: Vec<Vec<u8>> = group.placeholders[0].values.iter().map(|b| b.to_vec()).collect();
        // Place 6 of nq 2 asks for vectors 12 and 13 of 10: 2 and 3.
        let expected: Vec<Vec<u8>> = [2, 3]
            .map(|q| Mixture::new(3, 4, 2, 0.1).query(q).iter().flat_map(|v| v.to_le_bytes()).collect())
            .to_vec();
        assert_eq!(sent, expected);
        assert_eq!(request.dsl, format!("n == {}", layout.filter_value(0, 6)));
        let value = |key: &str| request.search_params.iter().find(|p| p.key == key).unwrap().value.as_str();
        assert_eq!((value("topk"), value("params"), value("metric_type")), ("10", r#"{"ef":64}"#, "COSINE"));
        assert_eq!((request.nq, request.output_fields), (2, vec!["n".to_owned()]));
    }

    #[test]
    fn binary_queries_are_bits_and_say_so() {
        let layout = RowLayout {
            vectors: Vectors::clustered(VectorType::Binary, 3, 16, 2, 0.1),
            ..TestContext::new(10).layout
        };
        let test = TestContext::new(10);
        let context = Context { layout: &layout, metric: Metric::Hamming, ..test.context() };
        let search = Search {
            nq: 1,
            top_k: 3,
            params: serde_json::Map::new(),
            filter: None,
            output_fields: vec![],
            ignore_growing: false,
        };
        let bytes = search.frame(&context, 4).to_bytes(None);
        let request = SearchRequest::decode(&bytes[PREFIX..]).unwrap();
        let group = common::PlaceholderGroup::decode(request.placeholder_group).unwrap();
        assert_eq!(group.placeholders[0].r#type(), common::PlaceholderType::BinaryVector);
        assert_eq!(group.placeholders[0].values, [BitClusters::new(3, 16, 2, 0.1).query(4)]);
        let metric = request.search_params.iter().find(|p| p.key == "metric_type").unwrap();
        assert_eq!(metric.value, "HAMMING");
    }

    #[test]
    fn a_search_reply_gives_the_sum_of_its_hits() {
        let reply = milvus::SearchResults {
            status: Some(common::Status::default()),
            results: Some(schema::SearchResultData {
                num_queries: 3,
                top_k: 10,
                scores: vec![0.5; 25],
                topks: vec![10, 10, 5],
                ..Default::default()
            }),
            collection_name: "c".to_owned(),
        };
        let scanned = scan(&reply.encode_to_vec()).unwrap();
        assert_eq!(scanned, Scanned { count: 25, ..Scanned::default() });
    }

    #[test]
    fn either_code_is_a_failure() {
        for (error_code, code, expected) in [(0, 8, 8), (1, 0, 1), (1, 65_535, 65_535), (0, -1, -1)] {
            let status = common::Status { error_code, code, reason: "no".to_owned(), ..Default::default() };
            let reply = milvus::SearchResults { status: Some(status), ..Default::default() };
            let scanned = scan(&reply.encode_to_vec()).unwrap();
            assert_eq!((scanned.code, scanned.reason.as_str()), (expected, "no"));
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = scan(&bytes);
        }

        #[test]
        fn prost_and_the_scanner_agree(topks: Vec<u16>, code: i32, reason: String) {
            let status = common::Status { code, reason: reason.clone(), ..Default::default() };
            let topks: Vec<i64> = topks.into_iter().map(i64::from).collect();
            let hits: i64 = topks.iter().sum();
            let results = schema::SearchResultData { topks, ..Default::default() };
            let reply = milvus::SearchResults { status: Some(status), results: Some(results), ..Default::default() };
            let scanned = scan(&reply.encode_to_vec()).unwrap();
            proptest::prop_assert_eq!(scanned, Scanned { code, reason, count: hits as u64, timestamp: 0 });
        }
    }
}
