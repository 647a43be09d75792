//! The spans of an export, found in its bytes: whose each is, and nothing else of it.
//!
//! Most spans that arrive are let go, so that decoding them would be most of what a collector costs. What is kept is decoded later,
//! from the bytes that are found here.

use std::fmt;
use std::sync::Arc;

use super::tally::MILVUS_CALL;

/// Scopes of one export, and spans of it: exporters send some hundreds. An empty one takes two bytes of an export, and more of memory.
const MOST: usize = 100_000;

/// Why an export is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Bytes that are no export of spans.
    Malformed,
    /// More than [`MOST`] scopes or spans.
    TooMany,
}

/// What the spans of one scope have in common, as messages without their spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// A `ScopeSpans` without its `spans`.
    pub(super) scope: Vec<u8>,
    /// A `ResourceSpans` without its `scope_spans`: one for all its scopes.
    pub(super) resource: Arc<[u8]>,
}

impl Head {
    pub(super) fn bytes(&self) -> usize {
        self.resource.len() + self.scope.len()
    }
}

/// One span of an export.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// 0: it names none.
    pub(super) trace_id: u128,
    /// The span above it; 0: none.
    pub(super) parent: u64,
    pub(super) is_server: bool,
    /// It is named after a call that Milvus takes from its clients.
    pub(super) is_call: bool,
    /// The whole message.
    pub(super) span: &'a [u8],
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x} under {:016x}, {} bytes", self.trace_id, self.parent, self.span.len())
    }
}

/// The spans of one scope of one resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub(super) head: Head,
    pub(super) spans: Vec<Found<'a>>,
}

/// Field numbers of `opentelemetry.proto.trace.v1`.
mod field {
    pub(super) const RESOURCE_SPANS: u64 = 1;
    pub(super) const SCOPE_SPANS: u64 = 2;
    pub(super) const SPANS: u64 = 2;
    pub(super) const TRACE_ID: u64 = 1;
    pub(super) const PARENT: u64 = 4;
    pub(super) const NAME: u64 = 5;
    pub(super) const KIND: u64 = 6;
}

/// `SpanKind`'s number of a server.
const SERVER: u64 = 2;

/// The scopes of an `ExportTraceServiceRequest`; those without spans are left out.
pub(super) fn scopes(export: &[u8]) -> Result<Vec<Scope<'_>>, Refusal> {
    let mut found = Scan::default();
    for field in Fields(export) {
        if let Field { number: field::RESOURCE_SPANS, value: Value::Bytes(resource), .. } = field? {
            found.resource(resource)?;
        }
    }
    Ok(found.scopes)
}

/// What was found so far.
#[derive(Default)]
struct Scan<'a> {
    scopes: Vec<Scope<'a>>,
    /// Those without spans among them.
    scope_count: usize,
    span_count: usize,
}

impl<'a> Scan<'a> {
    fn resource(&mut self, resource: &'a [u8]) -> Result<(), Refusal> {
        let first = self.scopes.len();
        let (mut rest, not_yet) = (Vec::new(), Arc::from([]));
        for field in Fields(resource) {
            match field? {
                Field { number: field::SCOPE_SPANS, value: Value::Bytes(scope), .. } => {
                    self.scope(scope, &not_yet)?;
                }
                other => rest.extend_from_slice(other.whole),
            }
        }
        // What the resource says may stand after its spans.
        let rest = Arc::from(rest);
        for scope in self.scopes.iter_mut().skip(first) {
            scope.head.resource = Arc::clone(&rest);
        }
        Ok(())
    }

    fn scope(&mut self, scope: &'a [u8], resource: &Arc<[u8]>) -> Result<(), Refusal> {
        count(&mut self.scope_count)?;
        let (mut rest, mut spans) = (Vec::new(), Vec::new());
        for field in Fields(scope) {
            match field? {
                Field { number: field::SPANS, value: Value::Bytes(span), .. } => {
                    count(&mut self.span_count)?;
                    spans.push(found(span)?);
                }
                other => rest.extend_from_slice(other.whole),
            }
        }
        if !spans.is_empty() {
            self.scopes.push(Scope { head: Head { scope: rest, resource: Arc::clone(resource) }, spans });
        }
        Ok(())
    }
}

fn count(counted: &mut usize) -> Result<(), Refusal> {
    *counted += 1;
    if *counted > MOST { Err(Refusal::TooMany) } else { Ok(()) }
}

fn found(span: &[u8]) -> Result<Found<'_>, Refusal> {
    let mut found = Found { trace_id: 0, parent: 0, is_server: false, is_call: false, span };
    for field in Fields(span) {
        match field? {
            Field { number: field::TRACE_ID, value: Value::Bytes(id), .. } => {
                found.trace_id = id.try_into().map_or(0, u128::from_be_bytes);
            }
            Field { number: field::PARENT, value: Value::Bytes(id), .. } => {
                found.parent = id.try_into().map_or(0, u64::from_be_bytes);
            }
            Field { number: field::NAME, value: Value::Bytes(name), .. } => {
                found.is_call = name.strip_prefix(b"/").unwrap_or(name).starts_with(MILVUS_CALL.as_bytes());
            }
            Field { number: field::KIND, value: Value::Varint(kind), .. } => found.is_server = kind == SERVER,
            _ => {}
        }
    }
    Ok(found)
}

/// The fields of a message, in order; ends after the first that is malformed.
struct Fields<'a>(&'a [u8]);

struct Field<'a> {
    number: u64,
    value: Value<'a>,
    /// With its tag.
    whole: &'a [u8],
}

enum Value<'a> {
    Varint(u64),
    /// Of a number of fixed width.
    Fixed,
    Bytes(&'a [u8]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let all = self.0;
        let field = self.read().ok_or(Refusal::Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field.map(|(number, value)| Field { number, value, whole: &all[..all.len() - self.0.len()] }))
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Value::Fixed)?,
            // Groups are of older protobuf; OpenTelemetry has none.
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, value))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (place, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::hand_made::{export, resource, span};
    use super::*;
    use crate::trace::spans;

    /// What opentelemetry-proto reads, span by span: the truth that the scan is held against.
    fn decoded(message: &[u8]) -> Vec<(u128, u64, bool, Span, ResourceSpans)> {
        let request = ExportTraceServiceRequest::decode(message).unwrap();
        let mut all = Vec::new();
        for resource in request.resource_spans {
            for scope in &resource.scope_spans {
                for span in &scope.spans {
                    let around = ScopeSpans { spans: Vec::new(), ..scope.clone() };
                    let around = ResourceSpans { scope_spans: vec![around], ..resource.clone() };
                    let parent = spans::span_id(&span.parent_span_id).unwrap_or(0);
                    let trace = spans::trace_id(span).unwrap_or(0);
                    all.push((trace, parent, span.kind == 2, span.clone(), around));
                }
            }
        }
        all
    }

    fn scanned(message: &[u8]) -> Vec<(u128, u64, bool, Span, ResourceSpans)> {
        let mut all = Vec::new();
        for Scope { head, spans } in scopes(message).unwrap() {
            for found in spans {
                let mut around = ResourceSpans::decode(&head.resource[..]).unwrap();
                around.scope_spans.push(ScopeSpans::decode(&head.scope[..]).unwrap());
                let span = Span::decode(found.span).unwrap();
                all.push((found.trace_id, found.parent, found.is_server, span, around));
            }
        }
        all
    }

    prop_compose! {
        fn any_span()(id in any::<u128>(), own in any::<u64>(), parent in any::<u64>(), kind in 0..6, length in 0usize..200) -> Span {
            Span { kind, name: "x".repeat(length), ..span(id, own, parent) }
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_decoder_reads(
            scopes in prop::collection::vec((0..4u8, prop::collection::vec(any_span(), 0..5)), 0..6)
        ) {
            let resources = scopes.into_iter().map(|(name, spans)| resource(&format!("service {name}"), spans)).collect();
            let message = export(resources);
            prop_assert_eq!(scanned(&message), decoded(&message));
        }

        #[test]
        fn bytes_of_any_origin_are_scanned_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = scopes(&bytes);
        }

        #[test]
        fn an_export_that_is_cut_off_is_refused_where_a_decoder_refuses_it(cut in 0usize..200) {
            let message = export(vec![resource("standalone", vec![span(1, 2, 3), span(1, 3, 2)])]);
            let part = &message[..message.len() - cut.min(message.len())];
            // The decoder looks into every field and the scan into few, so it may only be the more lenient.
            if scopes(part).is_err() {
                prop_assert!(ExportTraceServiceRequest::decode(part).is_err());
            }
            prop_assert_eq!(scopes(&message[..message.len() - 1]).err(), Some(Refusal::Malformed));
        }
    }

    #[test]
    fn what_a_resource_says_after_its_spans_counts_too() {
        let late = ResourceSpans {
            schema_url: "https://schemas.example/1".to_owned(),
            ..resource("s", vec![span(1, 2, 3)])
        };
        let message = export(vec![late]);
        assert_eq!(scanned(&message), decoded(&message));
        assert_eq!(scanned(&message)[0].4.schema_url, "https://schemas.example/1");
    }

    /// Field 1 of an export and field 2 of a resource, whose bytes those are.
    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut message = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut message);
        message.extend_from_slice(bytes);
        message
    }

    #[test]
    fn scopes_of_one_resource_share_what_it_says() {
        // Each is a scope of one empty span.
        let scopes_of_it = message(2, &[0x12, 0]).repeat(20_000);
        let attributes = message(1, &vec![0; 1 << 20]);
        let export = message(1, &[attributes.clone(), scopes_of_it].concat());
        let found = scopes(&export).unwrap();
        assert_eq!((found.len(), &*found[0].head.resource), (20_000, &attributes[..]));
        assert!(found.iter().all(|scope| Arc::ptr_eq(&scope.head.resource, &found[0].head.resource)));
    }

    #[test]
    fn more_scopes_or_spans_than_an_exporter_sends_are_refused() {
        let spans = |count: usize| message(1, &message(2, &[0x12, 0].repeat(count)));
        let empty_scopes = |count: usize| message(1, &[0x12, 0].repeat(count));
        let within = [spans(MOST), empty_scopes(MOST - 1)].concat();
        let within = scopes(&within).unwrap();
        assert_eq!((within.len(), within[0].spans.len()), (1, MOST));
        for export in [spans(MOST + 1), empty_scopes(MOST + 1), [spans(MOST), spans(1)].concat()] {
            assert_eq!(scopes(&export).err(), Some(Refusal::TooMany));
        }
    }

    #[test]
    fn calls_are_told_by_their_names() {
        for (name, is_call) in [
            ("milvus.proto.milvus.MilvusService/Search", true),
            ("/milvus.proto.milvus.MilvusService/Insert", true),
            ("milvus.proto.query.QueryNode/Search", false),
            ("gateway", false),
            ("", false),
        ] {
            let export = export(vec![resource("s", vec![Span { name: name.to_owned(), ..span(1, 2, 3) }])]);
            assert_eq!(scopes(&export).unwrap()[0].spans[0].is_call, is_call, "{name}");
        }
    }
}
