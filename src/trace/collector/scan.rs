//! The spans of an export, found in its bytes: whose each is, and nothing else of it.
//!
//! Most spans that arrive are let go, so that decoding them would be most of what a collector costs. What is kept is decoded later,
//! from the bytes that are found here.

use std::fmt;

/// Bytes that are no export of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What the spans of one scope have in common, as messages without their spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// A `ResourceSpans` without its `scope_spans`.
    pub(super) resource: Vec<u8>,
    /// A `ScopeSpans` without its `spans`.
    pub(super) scope: Vec<u8>,
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
    pub(super) const KIND: u64 = 6;
}

/// `SpanKind`'s number of a server.
const SERVER: u64 = 2;

/// The scopes of an `ExportTraceServiceRequest`; those without spans are left out.
pub(super) fn scopes(export: &[u8]) -> Result<Vec<Scope<'_>>, Malformed> {
    let mut scopes = Vec::new();
    for field in Fields(export) {
        if let Field { number: field::RESOURCE_SPANS, value: Value::Bytes(resource), .. } = field? {
            scopes_of(resource, &mut scopes)?;
        }
    }
    Ok(scopes)
}

fn scopes_of<'a>(resource: &'a [u8], scopes: &mut Vec<Scope<'a>>) -> Result<(), Malformed> {
    let first = scopes.len();
    let mut rest = Vec::new();
    for field in Fields(resource) {
        match field? {
            Field { number: field::SCOPE_SPANS, value: Value::Bytes(scope), .. } => {
                scopes.push(spans_of(scope)?)
            }
            other => rest.extend_from_slice(other.whole),
        }
    }
    scopes.retain(|scope| !scope.spans.is_empty());
    // What the resource says may stand after its spans.
    for scope in scopes.iter_mut().skip(first) {
        scope.head.resource.clone_from(&rest);
    }
    Ok(())
}

fn spans_of(scope: &[u8]) -> Result<Scope<'_>, Malformed> {
    let (mut rest, mut spans) = (Vec::new(), Vec::new());
    for field in Fields(scope) {
        match field? {
            Field { number: field::SPANS, value: Value::Bytes(span), .. } => spans.push(found(span)?),
            other => rest.extend_from_slice(other.whole),
        }
    }
    Ok(Scope { head: Head { resource: Vec::new(), scope: rest }, spans })
}

fn found(span: &[u8]) -> Result<Found<'_>, Malformed> {
    let mut found = Found { trace_id: 0, parent: 0, is_server: false, span };
    for field in Fields(span) {
        match field? {
            Field { number: field::TRACE_ID, value: Value::Bytes(id), .. } => {
                found.trace_id = id.try_into().map_or(0, u128::from_be_bytes);
            }
            Field { number: field::PARENT, value: Value::Bytes(id), .. } => {
                found.parent = id.try_into().map_or(0, u64::from_be_bytes);
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
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let all = self.0;
        let field = self.read().ok_or(Malformed);
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
            prop_assert_eq!(scopes(&message[..message.len() - 1]).err(), Some(Malformed));
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
}
