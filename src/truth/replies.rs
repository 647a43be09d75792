//! Replies as framed bytes, ready for the wire.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::milvus::proto::{common, milvus, schema};

use super::rpc::Rpc;

/// `message` behind its gRPC head: not compressed, length.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let len = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + len);
    frame.put_u8(0);
    // A reply above 4 GiB cannot be built here: the sizes of requests are 32-bit and replies are capped below.
    frame.put_u32(len as u32);
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The status of a call that did what was asked.
pub(super) fn success() -> Option<common::Status> {
    Some(common::Status::default())
}

/// The status of a call that Milvus refused.
pub(super) fn failure(code: i32, reason: String) -> common::Status {
    // The old field is set as well, as servers of 2.3 do; 1 is its "unexpected error".
    common::Status { error_code: 1, code, reason, ..common::Status::default() }
}

/// A reply to `rpc` that carries only a status. All but a few replies have it in field 1, so one message fits them.
pub(super) fn refusal(rpc: Rpc, status: common::Status) -> Bytes {
    if rpc.answers_with_bare_status() {
        framed(&status)
    } else {
        framed(&milvus::BoolResponse { status: Some(status), value: false })
    }
}

/// Hits that one reply may hold: about 100 MB of them.
const MAX_HITS: u64 = 10_000_000;

/// Replies to Search, each encoded once.
#[derive(Debug, Default)]
pub(super) struct Searches {
    cached: HashMap<(u32, u32), Bytes>,
}

impl Searches {
    /// `hits` hits for each of `nq` query vectors.
    pub(super) fn reply(&mut self, nq: u32, top_k: u32, hits: u32) -> Bytes {
        // `hits` is either `top_k` or the same for all requests of a server, so it need not be in the key.
        self.cached.entry((nq, top_k)).or_insert_with(|| framed(&search_results(nq, top_k, hits))).clone()
    }
}

/// Ids 0, 1, 2, ... with falling scores, the same for every query vector.
fn search_results(nq: u32, top_k: u32, hits: u32) -> milvus::SearchResults {
    if u64::from(nq) * u64::from(hits.max(1)) > MAX_HITS {
        let reason = format!("{nq} x {hits} hits are more than the {MAX_HITS} that this server answers");
        return milvus::SearchResults { status: Some(failure(65_535, reason)), ..Default::default() };
    }
    let each = || (0..nq).flat_map(|_| 0..hits);
    let ids = schema::LongArray { data: each().map(i64::from).collect() };
    milvus::SearchResults {
        status: success(),
        results: Some(schema::SearchResultData {
            num_queries: i64::from(nq),
            top_k: i64::from(top_k),
            scores: each().map(|rank| 1.0 / (1.0 + rank as f32)).collect(),
            ids: Some(schema::IDs { id_field: Some(schema::i_ds::IdField::IntId(ids)) }),
            topks: vec![i64::from(hits); nq as usize],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The reply to a Query: rows with these keys, and none of their other fields.
pub(super) fn rows(keys: Vec<i64>) -> Bytes {
    if keys.len() as u64 > MAX_HITS {
        let reason = format!("{} rows are more than the {MAX_HITS} that this server answers", keys.len());
        return refusal(Rpc::Query, failure(65_535, reason));
    }
    framed(&column("id", keys))
}

/// A reply to Query with one column of numbers.
pub(super) fn column(name: &str, data: Vec<i64>) -> milvus::QueryResults {
    let longs = schema::scalar_field::Data::LongData(schema::LongArray { data });
    let field = schema::FieldData {
        r#type: schema::DataType::Int64 as i32,
        field_name: name.into(),
        field: Some(schema::field_data::Field::Scalars(schema::ScalarField { data: Some(longs) })),
    };
    milvus::QueryResults { status: success(), fields_data: vec![field] }
}

/// The reply to an Insert of so many rows.
pub(super) fn inserted(rows: u32, timestamp: u64) -> Bytes {
    framed(&milvus::MutationResult {
        status: success(),
        insert_cnt: i64::from(rows),
        timestamp,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_head_and_the_message() {
        let status = common::Status { code: 8, ..Default::default() };
        // Field 3, varint, 8.
        assert_eq!(framed(&status)[..], [0, 0, 0, 0, 2, 0x18, 8]);
    }

    #[test]
    fn a_reply_has_the_hits_of_every_query_vector() {
        let frame = Searches::default().reply(2, 10, 3);
        let results = milvus::SearchResults::decode(&frame[5..]).unwrap();
        let data = results.results.unwrap();
        assert_eq!((data.num_queries, data.top_k), (2, 10));
        assert_eq!(data.topks, [3, 3]);
        assert_eq!(data.scores.len(), 6);
        let Some(schema::i_ds::IdField::IntId(ids)) = data.ids.unwrap().id_field else { panic!("no ids") };
        assert_eq!(ids.data, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_refusal_is_read_as_the_status_of_whatever_was_called() {
        let refused = |rpc| refusal(rpc, failure(8, "rate limited".into()));
        let search = milvus::SearchResults::decode(&refused(Rpc::Search)[5..]).unwrap();
        assert_eq!(search.status.unwrap().code, 8);
        let flush = milvus::FlushResponse::decode(&refused(Rpc::Flush)[5..]).unwrap();
        assert_eq!(flush.status.unwrap().reason, "rate limited");
        let create = common::Status::decode(&refused(Rpc::CreateCollection)[5..]).unwrap();
        assert_eq!(create.code, 8);
    }

    #[test]
    fn more_hits_than_a_reply_may_hold_are_refused() {
        let results = search_results(16_384, 16_384, 16_384);
        assert_eq!(results.status.unwrap().code, 65_535);
    }
}
