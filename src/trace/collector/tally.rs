//! Spans counted by who made them and when they began.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde::{Deserialize, Serialize};

use crate::trace::spans::{service, span_id};
use crate::units::Nanos;

/// Spans that began within so long of each other are counted together: what an edge of a slot may be off by.
pub const BIN: Nanos = Nanos::from_millis(10);

/// The path of every call that Milvus's server span is named after.
pub(super) const MILVUS_CALL: &str = "milvus.proto.milvus.MilvusService/";

/// The call with which a server's own sampling is asked after.
const ASKING: &str = "milvus.proto.milvus.MilvusService/GetVersion";

/// Counts of one bin, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanKinds {
    /// The client's spans: one for each request that it sampled.
    pub client: u64,
    /// The spans with which a Milvus takes a call: one for each request that it sampled.
    pub entry: u64,
    /// All others.
    pub other: u64,
}

impl SpanKinds {
    pub const fn all(self) -> u64 {
        self.client + self.entry + self.other
    }

    fn add(&mut self, other: Self) {
        self.client += other.client;
        self.entry += other.entry;
        self.other += other.other;
    }
}

/// Traced calls of GetVersion, by who decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCalls {
    /// The server: their spans have no parent.
    pub by_server: u64,
    /// Their client.
    pub by_client: u64,
}

/// What a collector has received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// By the number of [`BIN`]s since 1970 in which they began.
    bins: BTreeMap<u64, SpanKinds>,
    /// Bytes of messages, as they came over the wire.
    pub bytes: u64,
    /// Messages that were no export of spans, and so were not counted.
    pub refused: u64,
    /// Calls by which a server's own sampling is asked after.
    pub asked: AskedCalls,
}

impl AskedCalls {
    fn count(&mut self, span: &Span) {
        if span.kind != SpanKind::Server as i32 || span.name.trim_start_matches('/') != ASKING {
            return;
        }
        match span_id(&span.parent_span_id) {
            None => self.by_server += 1,
            Some(_) => self.by_client += 1,
        }
    }
}

impl Tally {
    /// Counts a message of so many bytes in. `client` is the name of the client's service.
    pub(super) fn take(&mut self, request: &ExportTraceServiceRequest, bytes: usize, client: &str) {
        self.bytes += bytes as u64;
        for resource in &request.resource_spans {
            let is_client = service(resource).is_some_and(|name| name == client);
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                let bin = span.start_time_unix_nano / BIN.get();
                self.bins.entry(bin).or_default().add(kind(span, is_client));
                self.asked.count(span);
            }
        }
    }

    /// Spans that began from the one moment up to the other, nanoseconds since 1970; to [`BIN`] at either end.
    pub fn between(&self, from: u64, to: u64) -> SpanKinds {
        let bins = from.div_ceil(BIN.get())..to.div_ceil(BIN.get()).max(from.div_ceil(BIN.get()));
        let mut sum = SpanKinds::default();
        self.bins.range(bins).for_each(|(_, kinds)| sum.add(*kinds));
        sum
    }

    pub fn spans(&self) -> SpanKinds {
        self.between(0, u64::MAX - BIN.get())
    }
}

fn kind(span: &Span, is_client: bool) -> SpanKinds {
    let is_call =
        span.kind == SpanKind::Server as i32 && span.name.trim_start_matches('/').starts_with(MILVUS_CALL);
    SpanKinds {
        client: u64::from(is_client && span.kind == SpanKind::Client as i32),
        entry: u64::from(!is_client && is_call),
        other: u64::from(!(is_client && span.kind == SpanKind::Client as i32) && (is_client || !is_call)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hand_made::resource as of;
    use super::*;

    fn span(name: &str, kind: SpanKind, millis: u64) -> Span {
        let start_time_unix_nano = millis * 1_000_000;
        Span { name: name.to_owned(), kind: kind as i32, start_time_unix_nano, ..Span::default() }
    }

    #[test]
    fn spans_are_told_apart_by_who_made_them_and_counted_where_they_began() {
        let call = "milvus.proto.milvus.MilvusService/Search";
        let request = ExportTraceServiceRequest {
            resource_spans: vec![
                of(
                    "client",
                    vec![span(call, SpanKind::Client, 1_000), span("set-up", SpanKind::Internal, 1_000)],
                ),
                of(
                    "standalone",
                    vec![
                        span(call, SpanKind::Server, 1_000),
                        span(call, SpanKind::Server, 2_000),
                        span("Proxy-Search", SpanKind::Internal, 1_000),
                        span("milvus.proto.query.QueryNode/Search", SpanKind::Server, 1_000),
                    ],
                ),
            ],
        };
        let mut tally = Tally::default();
        tally.take(&request, 700, "client");
        tally.take(&request, 300, "client");
        let ms = |millis: u64| millis * 1_000_000;
        assert_eq!(tally.between(ms(1_000), ms(1_010)), SpanKinds { client: 2, entry: 2, other: 6 });
        assert_eq!(tally.between(ms(1_010), ms(2_010)), SpanKinds { client: 0, entry: 2, other: 0 });
        assert_eq!(tally.between(ms(5_000), ms(1_000)), SpanKinds::default());
        assert_eq!((tally.spans().all(), tally.bytes), (12, 1_000));
        assert_eq!(tally.asked, AskedCalls::default(), "none of them asks after sampling");
        let read: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
        assert_eq!(read, tally);
    }

    #[test]
    fn calls_of_get_version_are_told_apart_by_who_decided_that_they_are_traced() {
        let version = "milvus.proto.milvus.MilvusService/GetVersion";
        let called = span(version, SpanKind::Server, 1_000);
        let child = Span { parent_span_id: vec![1; 8], ..called.clone() };
        let nothing = Span { parent_span_id: vec![0; 8], ..called.clone() };
        let inner = span(version, SpanKind::Client, 1_000);
        let request = ExportTraceServiceRequest {
            resource_spans: vec![of("standalone", vec![called, child.clone(), nothing, child, inner])],
        };
        let mut tally = Tally::default();
        tally.take(&request, 0, "client");
        assert_eq!(tally.asked, AskedCalls { by_server: 2, by_client: 2 });
    }
}
