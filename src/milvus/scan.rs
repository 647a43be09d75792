//! Reads from a reply what the measurement needs, without decoding the rest: status, hits, rows, write timestamp.
//!
//! Input is foreign bytes: every length is checked, nothing is trusted, nothing panics.

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Milvus's code: `code`, or the old `error_code` where only that is set; 0 is success.
    pub code: i32,
    /// Milvus's words, where there are any.
    pub reason: String,
    /// Search: hits over all queries. Insert: rows taken.
    pub count: u64,
    /// Insert: the write's timestamp, for Session consistency.
    pub timestamp: u64,
}

/// A reply that is not the message it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A length or varint runs past the end.
    #[error("the reply ends in the middle of a field")]
    Truncated,
    /// A wire type that proto3 does not have.
    #[error("the reply has a field of unknown wire type {0}")]
    WireType(u8),
}

/// Which message to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// `SearchResults`: hits are the sum of `results(2).topks(6)`.
    Search,
    /// `MutationResult`: rows are `insert_cnt(6)`.
    Insert,
}

/// Reads a message (without its gRPC prefix).
///
/// # Errors
/// Where the bytes are not a protobuf message.
pub fn scan(kind: ReplyKind, message: &[u8]) -> Result<Scanned, ScanError> {
    let mut found = Scanned::default();
    for field in Fields(message) {
        match (kind, field?) {
            (_, (1, Value::Bytes(status))) => scan_status(status, &mut found)?,
            (ReplyKind::Search, (2, Value::Bytes(results))) => {
                found.count = found.count.saturating_add(scan_topks(results)?);
            }
            (ReplyKind::Insert, (6, Value::Number(rows))) => found.count = rows,
            (ReplyKind::Insert, (9, Value::Number(timestamp))) => found.timestamp = timestamp,
            _ => {}
        }
    }
    Ok(found)
}

fn scan_status(status: &[u8], found: &mut Scanned) -> Result<(), ScanError> {
    let (mut code, mut old) = (0, 0);
    for field in Fields(status) {
        match field? {
            (1, Value::Number(value)) => old = value as i32,
            (2, Value::Bytes(reason)) => found.reason = String::from_utf8_lossy(reason).into_owned(),
            (3, Value::Number(value)) => code = value as i32,
            _ => {}
        }
    }
    found.code = if code != 0 { code } else { old };
    Ok(())
}

/// `topks` is packed or not, as the encoder likes.
fn scan_topks(results: &[u8]) -> Result<u64, ScanError> {
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

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = next_field(&mut self.0);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Value<'a>), ScanError> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => Value::Bytes(take(rest, 8)?),
        2 => {
            let length = varint(rest)?;
            Value::Bytes(take(rest, length)?)
        }
        5 => Value::Bytes(take(rest, 4)?),
        other => return Err(ScanError::WireType(other as u8)),
    };
    Ok((key >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Result<u64, ScanError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(ScanError::Truncated)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(ScanError::Truncated)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], ScanError> {
    let length = usize::try_from(length).map_err(|_| ScanError::Truncated)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(ScanError::Truncated)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::proto::{common, milvus, schema};
    use prost::Message as _;

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
        let scanned = scan(ReplyKind::Search, &reply.encode_to_vec()).unwrap();
        assert_eq!(scanned, Scanned { count: 25, ..Scanned::default() });
    }

    #[test]
    fn hits_that_a_server_tells_cannot_overflow_their_sum() {
        let results = schema::SearchResultData { topks: vec![-1, -1], ..Default::default() };
        let reply = milvus::SearchResults { results: Some(results), ..Default::default() }.encode_to_vec();
        // Field 2 twice: both count.
        assert_eq!(scan(ReplyKind::Search, &reply.repeat(2)).unwrap().count, u64::MAX);
    }

    #[test]
    fn an_insert_reply_gives_rows_and_timestamp() {
        let reply = milvus::MutationResult {
            insert_cnt: 100,
            timestamp: 470_607_126_243_512_413,
            ..Default::default()
        };
        let scanned = scan(ReplyKind::Insert, &reply.encode_to_vec()).unwrap();
        assert_eq!((scanned.code, scanned.count, scanned.timestamp), (0, 100, 470_607_126_243_512_413));
    }

    #[test]
    fn either_code_is_a_failure() {
        for (error_code, code, expected) in [(0, 8, 8), (1, 0, 1), (1, 65_535, 65_535), (0, -1, -1)] {
            let status = common::Status { error_code, code, reason: "no".to_owned(), ..Default::default() };
            let reply = milvus::SearchResults { status: Some(status), ..Default::default() };
            let scanned = scan(ReplyKind::Search, &reply.encode_to_vec()).unwrap();
            assert_eq!((scanned.code, scanned.reason.as_str()), (expected, "no"));
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = scan(ReplyKind::Search, &bytes);
            let _ = scan(ReplyKind::Insert, &bytes);
        }

        #[test]
        fn prost_and_the_scanner_agree(topks: Vec<u16>, code: i32, reason: String) {
            let status = common::Status { code, reason: reason.clone(), ..Default::default() };
            let topks: Vec<i64> = topks.into_iter().map(i64::from).collect();
            let hits: i64 = topks.iter().sum();
            let results = schema::SearchResultData { topks, ..Default::default() };
            let reply = milvus::SearchResults { status: Some(status), results: Some(results), ..Default::default() };
            let scanned = scan(ReplyKind::Search, &reply.encode_to_vec()).unwrap();
            proptest::prop_assert_eq!(scanned, Scanned { code, reason, count: hits as u64, timestamp: 0 });
        }
    }
}
