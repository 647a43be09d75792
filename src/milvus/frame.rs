//! Requests as the bytes that go on the wire, made before they are due.

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::proto::common;
use crate::workload::Consistency;

/// Bytes of gRPC's message prefix: a compression flag and a big-endian length.
pub const PREFIX: usize = 5;
/// Bytes of the timestamp field at the end of a Session read: a one-byte key and a varint padded to 10 bytes.
const TIMESTAMP_FIELD: usize = 11;

/// One request, gRPC prefix included.
#[derive(Clone, Debug)]
pub struct Frame {
    head: Bytes,
    /// The number of the message's last field, `guarantee_timestamp`, where it is only known when the request is sent.
    timestamp: Option<TimestampField>,
    expected: Option<u32>,
}

/// The number of the field `guarantee_timestamp` in a request, below 16, so that its key is one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampField(pub u8);

impl Frame {
    /// The prefix before `body` is filled in: its first [`PREFIX`] bytes have been left free.
    pub(crate) fn whole(body: Vec<u8>, expected: Option<u32>) -> Self {
        Self { head: framed(body, 0), timestamp: None, expected }
    }

    /// A read, whose message has no timestamp yet where `consistency` asks for that of the client's last write.
    pub(crate) fn of_read(
        message: &impl Message,
        consistency: Consistency,
        field: TimestampField,
        expected: Option<u32>,
    ) -> Self {
        let mut body = Vec::with_capacity(PREFIX + message.encoded_len());
        body.resize(PREFIX, 0);
        message.encode_raw(&mut body);
        match wire_consistency(consistency) {
            (_, Some(_)) => Self::whole(body, expected),
            (_, None) => Self { head: framed(body, TIMESTAMP_FIELD), timestamp: Some(field), expected },
        }
    }

    /// How many hits or rows a complete answer holds, or how many rows the request writes; `None` where nobody knows.
    pub const fn expected(&self) -> Option<u32> {
        self.expected
    }

    /// Size on the wire.
    pub const fn len(&self) -> usize {
        self.head.len() + if self.timestamp.is_some() { TIMESTAMP_FIELD } else { 0 }
    }

    /// Never: a frame has at least its prefix.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The pieces to send: all of it, and for a Session read the timestamp of this client's last write (or 1 where it has
    /// not written yet).
    pub fn pieces(&self, last_write: Option<u64>) -> (Bytes, Option<Bytes>) {
        let tail = self.timestamp.map(|field| timestamp_field(field, last_write.unwrap_or(1)));
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

/// `guarantee_timestamp` as a varint padded to full length, so that the frame's length is known beforehand.
fn timestamp_field(TimestampField(number): TimestampField, timestamp: u64) -> Bytes {
    let mut field = [0u8; TIMESTAMP_FIELD];
    field[0] = number << 3;
    for (index, byte) in field[1..].iter_mut().enumerate() {
        let continues = if index < 9 { 0x80 } else { 0 };
        *byte = ((timestamp >> (7 * index)) & 0x7f) as u8 | continues;
    }
    Bytes::copy_from_slice(&field)
}

/// Fills in gRPC's prefix, for which the first [`PREFIX`] bytes have been left free; `more` bytes follow later.
fn framed(mut frame: Vec<u8>, more: usize) -> Bytes {
    let length = (frame.len() - PREFIX + more) as u32;
    frame[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Bytes::from(frame)
}

/// The pair that decides a read's consistency on the wire: the level alone does not (`Strong` with timestamp 1 is not
/// strong). `None`: the timestamp of the client's last write.
pub(crate) const fn wire_consistency(consistency: Consistency) -> (common::ConsistencyLevel, Option<u64>) {
    match consistency {
        Consistency::Strong => (common::ConsistencyLevel::Strong, Some(0)),
        Consistency::Session => (common::ConsistencyLevel::Session, None),
        Consistency::Bounded => (common::ConsistencyLevel::Bounded, Some(2)),
        Consistency::Eventually => (common::ConsistencyLevel::Eventually, Some(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_a_whole_field_of_the_message_whatever_its_value() {
        use super::super::proto::milvus::{QueryRequest, SearchRequest};
        let session = |message: &dyn Fn(TimestampField) -> Frame, number| {
            [None, Some(0), Some(470_607_126_243_512_413), Some(u64::MAX)].map(|last_write| {
                let bytes = message(TimestampField(number)).to_bytes(last_write);
                assert_eq!(
                    u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize,
                    bytes.len() - PREFIX
                );
                bytes.slice(PREFIX..)
            })
        };
        let expected = [1, 0, 470_607_126_243_512_413, u64::MAX];
        let search = SearchRequest { nq: 3, ..SearchRequest::default() };
        let frame = |field| Frame::of_read(&search, Consistency::Session, field, Some(3));
        let read = session(&frame, 11).map(|bytes| SearchRequest::decode(bytes).unwrap());
        assert_eq!(read.each_ref().map(|request| request.guarantee_timestamp), expected);
        assert!(read.iter().all(|request| request.nq == 3));
        let query = QueryRequest { expr: "id > 1".to_owned(), ..QueryRequest::default() };
        let frame = |field| Frame::of_read(&query, Consistency::Session, field, None);
        let read = session(&frame, 8).map(|bytes| QueryRequest::decode(bytes).unwrap());
        assert_eq!(read.each_ref().map(|request| request.guarantee_timestamp), expected);
        assert!(read.iter().all(|request| request.expr == "id > 1"));
    }
}
