//! Requests as the bytes that go on the wire, made before they are due.

use bytes::{Bytes, BytesMut};
use prost::Message as _;

use super::proto::common::{self, KeyValuePair};
use super::proto::milvus::{DslType, SearchRequest};
use super::rows::{RowLayout, query_bytes};
use crate::workload::{Consistency, FilterPart, Metric, Search};

/// Bytes of gRPC's message prefix: a compression flag and a big-endian length.
pub const PREFIX: usize = 5;
/// Bytes of the timestamp field at the end of a Session search: key 11 and a varint padded to 10 bytes.
const TIMESTAMP_FIELD: usize = 11;

/// One request, gRPC prefix included.
#[derive(Clone, Debug)]
pub struct Frame {
    head: Bytes,
    /// True where the message's last field, `guarantee_timestamp`, is only known when the request is sent.
    timestamp: bool,
}

impl Frame {
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self { head: bytes, timestamp: false }
    }

    /// Size on the wire.
    pub const fn len(&self) -> usize {
        self.head.len() + if self.timestamp { TIMESTAMP_FIELD } else { 0 }
    }

    /// Never: a frame has at least its prefix.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The pieces to send: all of it, and for a Session search the timestamp of this client's last write (or 1 where it
    /// has not written yet).
    pub fn pieces(&self, last_write: Option<u64>) -> (Bytes, Option<Bytes>) {
        let tail = self.timestamp.then(|| timestamp_field(last_write.unwrap_or(1)));
        (self.head.clone(), tail)
    }

    /// All in one piece; copies where a timestamp has to be added.
    pub fn to_bytes(&self, last_write: Option<u64>) -> Bytes {
        match self.pieces(last_write) {
            (head, None) => head,
            (head, Some(tail)) => {
                let mut all = BytesMut::with_capacity(head.len() + tail.len());
                all.extend_from_slice(&head);
                all.extend_from_slice(&tail);
                all.freeze()
            }
        }
    }
}

/// `guarantee_timestamp` (field 11) as a varint padded to full length, so that the frame's length is known beforehand.
fn timestamp_field(timestamp: u64) -> Bytes {
    let mut field = [0u8; TIMESTAMP_FIELD];
    field[0] = 11 << 3;
    for (index, byte) in field[1..].iter_mut().enumerate() {
        let continues = if index < 9 { 0x80 } else { 0 };
        *byte = ((timestamp >> (7 * index)) & 0x7f) as u8 | continues;
    }
    Bytes::copy_from_slice(&field)
}

/// Fills in gRPC's prefix, for which the first [`PREFIX`] bytes have been left free; `more` bytes follow later.
pub(crate) fn framed(mut frame: Vec<u8>, more: usize) -> Bytes {
    let length = (frame.len() - PREFIX + more) as u32;
    frame[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Bytes::from(frame)
}

/// The pair that decides a read's consistency on the wire: the level alone does not (`Strong` with timestamp 1 is not
/// strong). `None`: the timestamp of the client's last write.
const fn wire_consistency(consistency: Consistency) -> (common::ConsistencyLevel, Option<u64>) {
    match consistency {
        Consistency::Strong => (common::ConsistencyLevel::Strong, Some(0)),
        Consistency::Session => (common::ConsistencyLevel::Session, None),
        Consistency::Bounded => (common::ConsistencyLevel::Bounded, Some(2)),
        Consistency::Eventually => (common::ConsistencyLevel::Eventually, Some(1)),
    }
}

/// What the searches of one operation share.
#[derive(Debug)]
pub struct SearchFrames<'a> {
    /// The collection.
    pub collection: &'a str,
    /// Its columns: the vector field's name, queries, and filter values.
    pub layout: &'a RowLayout,
    /// The distance measure of the index.
    pub metric: Metric,
    /// Consistency of the read.
    pub consistency: Consistency,
    /// The operation.
    pub search: &'a Search,
}

impl SearchFrames<'_> {
    /// Search number `place` of `queries` distinct query vectors; it asks for vectors `place * nq ..`, modulo `queries`.
    pub fn frame(&self, place: u64, queries: u64) -> Frame {
        let search = self.search;
        let vectors = (0..u64::from(search.nq))
            .map(|i| query_bytes(&self.layout.mixture, (place * u64::from(search.nq) + i) % queries.max(1)))
            .collect();
        let placeholders = common::PlaceholderGroup {
            placeholders: vec![common::PlaceholderValue {
                tag: "$0".to_owned(),
                r#type: common::PlaceholderType::FloatVector as i32,
                values: vectors,
            }],
        };
        let (level, timestamp) = wire_consistency(self.consistency);
        let request = SearchRequest {
            collection_name: self.collection.to_owned(),
            dsl: self.filter(place),
            placeholder_group: placeholders.encode_to_vec().into(),
            dsl_type: DslType::BoolExprV1 as i32,
            output_fields: search.output_fields.clone(),
            search_params: self.parameters(),
            guarantee_timestamp: timestamp.unwrap_or(0),
            nq: i64::from(search.nq),
            consistency_level: level as i32,
            ..SearchRequest::default()
        };
        let mut frame = Vec::with_capacity(PREFIX + request.encoded_len());
        frame.resize(PREFIX, 0);
        request.encode_raw(&mut frame);
        match timestamp {
            Some(_) => Frame::whole(framed(frame, 0)),
            None => Frame { head: framed(frame, TIMESTAMP_FIELD), timestamp: true },
        }
    }

    fn filter(&self, place: u64) -> String {
        let Some(filter) = &self.search.filter else { return String::new() };
        filter
            .parts
            .iter()
            .map(|part| match part {
                FilterPart::Text(text) => text.clone(),
                FilterPart::Value(field) => self.layout.filter_value(*field, place).to_string(),
            })
            .collect()
    }

    fn parameters(&self) -> Vec<KeyValuePair> {
        let search = self.search;
        let params = serde_json::Value::Object(search.params.clone()).to_string();
        let mut pairs = vec![
            ("anns_field", self.layout.vector.clone()),
            ("topk", search.top_k.to_string()),
            ("metric_type", self.metric.wire_name().to_owned()),
            ("params", params),
            ("round_decimal", "-1".to_owned()),
        ];
        if search.ignore_growing {
            pairs.push(("ignore_growing", "true".to_owned()));
        }
        pairs.into_iter().map(|(key, value)| KeyValuePair { key: key.to_owned(), value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Mixture, ScalarSource};
    use crate::workload::{Filter, Scalar, ScalarKind};

    fn search(consistency: Consistency, place: u64, last_write: Option<u64>) -> (SearchRequest, RowLayout) {
        let scalar = Scalar { name: "n".to_owned(), kind: ScalarKind::Int64, distinct: 4 };
        let layout = RowLayout {
            key: None,
            vector: "v".to_owned(),
            mixture: Mixture::new(3, 4, 2, 0.1),
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
        let frames = SearchFrames {
            collection: "c",
            layout: &layout,
            metric: Metric::Cosine,
            consistency,
            search: &search,
        };
        let bytes = frames.frame(place, 10).to_bytes(last_write);
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
        let expected: Vec<Vec<u8>> =
            [2, 3].map(|q| layout.mixture.query(q).iter().flat_map(|v| v.to_le_bytes()).collect()).to_vec();
        assert_eq!(sent, expected);
        assert_eq!(request.dsl, format!("n == {}", layout.filter_value(0, 6)));
        let value = |key: &str| request.search_params.iter().find(|p| p.key == key).unwrap().value.as_str();
        assert_eq!((value("topk"), value("params"), value("metric_type")), ("10", r#"{"ef":64}"#, "COSINE"));
        assert_eq!((request.nq, request.output_fields), (2, vec!["n".to_owned()]));
    }
}
