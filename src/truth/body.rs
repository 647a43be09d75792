//! A request's body as it came: DATA frames read across their borders, without putting them together.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// The bytes of a body, in the pieces in which they were received.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// None of them is empty.
    parts: VecDeque<Bytes>,
    len: usize,
}

impl Body {
    /// Adds what came next.
    pub(super) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push_back(part);
        }
    }

    /// Bytes not yet read.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Reads the gRPC frame's head, so that only the message is left.
    pub(super) fn strip_frame(&mut self) -> Result<(), BadFrame> {
        if self.len < 5 {
            return Err(BadFrame::Short);
        }
        let compressed = self.get_u8() != 0;
        let announced = self.get_u32() as usize;
        match (compressed, announced == self.len) {
            (true, _) => Err(BadFrame::Compressed),
            (false, false) => Err(BadFrame::Length { announced, received: self.len }),
            (false, true) => Ok(()),
        }
    }
}

impl Buf for Body {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "advanced by {count} of {} bytes", self.len); // what `Buf` prescribes
        self.len -= count;
        while let Some(front) = self.parts.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.parts.pop_front();
        }
    }

    /// Without a copy where it lies within one piece, as a search's parameters do.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        match self.parts.front_mut() {
            Some(front) if len < front.len() => {
                self.len -= len;
                front.split_to(len)
            }
            _ => {
                let mut whole = BytesMut::with_capacity(len);
                whole.put(self.take(len));
                whole.freeze()
            }
        }
    }
}

/// A body that is not one whole gRPC frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("the request ended before its 5-byte gRPC frame head")]
    Short,
    #[error("the request is compressed, which this server does not take")]
    Compressed,
    #[error("the gRPC frame announces {announced} bytes and {received} came")]
    Length { announced: usize, received: usize },
}

// Messages that declare only what is read: prost skips all the rest unread, the vectors among it.

/// What a reply to Search depends on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SearchHead {
    #[prost(message, repeated, tag = "9")]
    search_params: Vec<Pair>,
    #[prost(int64, tag = "12")]
    nq: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

impl SearchHead {
    /// Query vectors in the request; 0 where it does not say.
    pub(super) fn nq(&self) -> u32 {
        u32::try_from(self.nq).unwrap_or(0)
    }

    /// The parameter `topk`; 0 where there is none.
    pub(super) fn top_k(&self) -> u32 {
        number(&self.search_params, "topk").unwrap_or(0)
    }
}

fn number(pairs: &[Pair], key: &str) -> Option<u32> {
    let value = &pairs.iter().find(|pair| pair.key == key)?.value;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What a reply to Query depends on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QueryHead {
    #[prost(string, tag = "3")]
    pub(super) collection_name: String,
    #[prost(string, tag = "4")]
    pub(super) expr: String,
    #[prost(string, repeated, tag = "5")]
    output_fields: Vec<String>,
    #[prost(message, repeated, tag = "9")]
    query_params: Vec<Pair>,
}

impl QueryHead {
    /// Whether rows are to be counted, not returned.
    pub(super) fn counts(&self) -> bool {
        self.output_fields == ["count(*)"]
    }

    /// The parameter `limit`.
    pub(super) fn limit(&self) -> Option<u32> {
        number(&self.query_params, "limit")
    }

    /// The keys of an expression such as `id in [7, 8]`; `None` where it is none.
    pub(super) fn keys(&self) -> Option<Vec<i64>> {
        let (_, list) = self.expr.split_once(" in [")?;
        list.strip_suffix(']')?.split(',').map(|key| key.trim().parse().ok()).collect()
    }
}

/// What a reply to Insert depends on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct InsertHead {
    #[prost(string, tag = "3")]
    pub(super) collection_name: String,
    #[prost(uint32, tag = "7")]
    pub(super) num_rows: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::milvus::proto::{common, milvus, schema};

    /// `bytes` cut at those places.
    fn pieces(bytes: &[u8], mut cuts: Vec<usize>) -> Body {
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut body = Body::default();
        let mut from = 0;
        for cut in cuts {
            let cut = cut.min(bytes.len());
            body.push(Bytes::copy_from_slice(&bytes[from..cut]));
            from = cut;
        }
        body
    }

    fn search() -> milvus::SearchRequest {
        let pair = |key: &str, value: &str| common::KeyValuePair { key: key.into(), value: value.into() };
        milvus::SearchRequest {
            collection_name: "c".into(),
            placeholder_group: Bytes::from(vec![7; 3_000]),
            nq: 3,
            search_params: vec![pair("anns_field", "vector"), pair("topk", "25"), pair("params", "{}")],
            ..Default::default()
        }
    }

    fn insert() -> milvus::InsertRequest {
        let data = schema::FloatArray { data: vec![0.5; 4_000] };
        let vectors =
            schema::VectorField { dim: 8, data: Some(schema::vector_field::Data::FloatVector(data)) };
        let field = schema::FieldData {
            field: Some(schema::field_data::Field::Vectors(vectors)),
            ..Default::default()
        };
        milvus::InsertRequest {
            collection_name: "rows".into(),
            fields_data: vec![field],
            num_rows: 500,
            ..Default::default()
        }
    }

    proptest! {
        #[test]
        fn heads_are_read_whatever_the_frames(cuts in prop::collection::vec(0_usize..17_000, 0..6)) {
            let head = SearchHead::decode(pieces(&search().encode_to_vec(), cuts.clone())).unwrap();
            prop_assert_eq!((head.nq(), head.top_k()), (3, 25));
            let head = InsertHead::decode(pieces(&insert().encode_to_vec(), cuts)).unwrap();
            prop_assert_eq!((head.collection_name.as_str(), head.num_rows), ("rows", 500));
        }

        #[test]
        fn any_bytes_in_any_pieces_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(0_usize..200, 0..4),
        ) {
            let _ = SearchHead::decode(pieces(&bytes, cuts.clone()));
            let _ = InsertHead::decode(pieces(&bytes, cuts.clone()));
            let _ = QueryHead::decode(pieces(&bytes, cuts.clone())).map(|head| (head.limit(), head.keys()));
            let _ = pieces(&bytes, cuts).strip_frame();
        }

        #[test]
        fn copying_out_gives_the_same_bytes_as_one_piece_would(
            bytes in prop::collection::vec(any::<u8>(), 0..100), cuts in prop::collection::vec(0_usize..100, 0..4),
            len in 0_usize..100,
        ) {
            let len = len.min(bytes.len());
            let mut body = pieces(&bytes, cuts);
            prop_assert_eq!(&body.copy_to_bytes(len)[..], &bytes[..len]);
            prop_assert_eq!(body.len(), bytes.len() - len);
            prop_assert_eq!(&body.copy_to_bytes(bytes.len() - len)[..], &bytes[len..]);
        }
    }

    #[test]
    fn a_search_that_says_nothing_asks_for_nothing() {
        let head = SearchHead::decode(Body::default()).unwrap();
        assert_eq!((head.nq(), head.top_k()), (0, 0));
    }

    #[test]
    fn a_query_says_what_it_asks_for() {
        let head = |expr: &str, limit: Option<&str>, field: &str| {
            let pair = |value: &str| common::KeyValuePair { key: "limit".into(), value: value.into() };
            let query = milvus::QueryRequest {
                collection_name: "c".into(),
                expr: expr.into(),
                output_fields: vec![field.into()],
                query_params: limit.map(pair).into_iter().collect(),
                ..Default::default()
            };
            QueryHead::decode(pieces(&query.encode_to_vec(), vec![])).unwrap()
        };
        let get = head("id in [7, -8,9]", None, "n");
        assert_eq!((get.keys(), get.limit(), get.counts()), (Some(vec![7, -8, 9]), None, false));
        let query = head("n == 5", Some("10"), "n");
        assert_eq!((query.keys(), query.limit()), (None, Some(10)));
        assert!(head("", None, "count(*)").counts());
        assert_eq!(head("colour in ['a']", None, "n").keys(), None);
    }

    #[test]
    fn a_body_that_is_not_one_whole_frame_is_refused() {
        let strip = |bytes: &[u8]| pieces(bytes, vec![2]).strip_frame();
        assert_eq!(strip(&[0, 0, 0, 0, 1, 9]), Ok(()));
        assert_eq!(strip(&[0, 0, 0, 0]), Err(BadFrame::Short));
        assert_eq!(strip(&[1, 0, 0, 0, 1, 9]), Err(BadFrame::Compressed));
        assert_eq!(strip(&[0, 0, 0, 0, 2, 9]), Err(BadFrame::Length { announced: 2, received: 1 }));
    }
}
