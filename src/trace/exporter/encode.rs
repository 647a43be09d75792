//! The bytes of an `ExportTraceServiceRequest`, written straight from the spans that workers note.
//!
//! Belongs here: where which bytes stand. Does not belong here: what a span says ([`crate::trace::span`]) and how the
//! bytes travel ([`super::grpc`]).
//!
//! By way of the SDK's `SpanData` and protobuf objects every key and every value of a span is a `String`: making and
//! freeing them was most of what tracing a request cost at all. Here all that the spans of an operation have in common
//! is encoded once, by opentelemetry-proto; of each span only IDs, times, its own attributes and its status are
//! written, into buffers that are used again.
//!
//! Fields stand in another order than prost writes them (protobuf lets them), lengths are as short as they can be.
//!
//! Invariant: decoded, the bytes are what opentelemetry-proto makes of the same spans, attributes in the same order
//! (`tests::a_request_says_what_the_sdks_would`).

use bytes::{BufMut, Bytes, BytesMut};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};

use super::queue::{PassedOn, Queued};
use crate::trace::attributes::AttributeValue;
use crate::trace::setup::SetupSpan;
use crate::trace::span::{ClientSpan, SpanTemplates, ends};

/// Turns queued spans into requests, one after the other.
#[derive(Debug)]
pub struct RequestEncoder {
    templates: SpanTemplates,
    /// Per operation, the fields of `Span` that all its spans share.
    common: Vec<Vec<u8>>,
    /// `ResourceSpans` without its scope.
    resource: Vec<u8>,
    /// `ScopeSpans` without its spans.
    scope: Vec<u8>,
    /// The span that is being written, whose length has to stand before it.
    span: Vec<u8>,
    /// The spans of the request that is being written.
    spans: BytesMut,
    count: usize,
    /// Others' exports that go along, one after the other: protobuf reads them as one.
    passed_on: BytesMut,
    passed_on_count: usize,
    /// Bytes of the spans of the largest request so far.
    largest: usize,
}

/// A request: the bytes of its pieces one after the other.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Whose the spans are.
    pub head: Bytes,
    pub spans: Bytes,
    /// What others have exported and is passed on.
    pub passed_on: Bytes,
    pub count: usize,
}

impl Encoded {
    /// Bytes of all pieces.
    pub fn bytes(&self) -> usize {
        self.head.len() + self.spans.len() + self.passed_on.len()
    }
}

impl RequestEncoder {
    /// `resource` stands once in every request.
    pub fn new(templates: SpanTemplates, resource: &Resource) -> Self {
        let common = (0..templates.operations()).map(|operation| common(&templates, operation)).collect();
        // The frame around a span that says nothing.
        let frame = group_spans_by_resource_and_scope(vec![templates.nothing()], &resource.into());
        let mut resource = frame.into_iter().next().unwrap_or_default();
        let mut scope = resource.scope_spans.pop().unwrap_or_default();
        scope.spans.clear();
        Self {
            templates,
            common,
            resource: resource.encode_to_vec(),
            scope: scope.encode_to_vec(),
            span: Vec::new(),
            spans: BytesMut::new(),
            count: 0,
            passed_on: BytesMut::new(),
            passed_on_count: 0,
            largest: 0,
        }
    }

    /// Writes a span; false where its operation is unknown, and then nothing is written.
    pub fn add(&mut self, span: &ClientSpan) -> bool {
        let Some(common) = self.common.get(span.operation) else { return false };
        let out = &mut self.span;
        out.clear();
        delimited(tag::TRACE_ID, &span.trace.trace_id.to_be_bytes(), out);
        delimited(tag::SPAN_ID, &span.trace.span_id.to_be_bytes(), out);
        fixed64(tag::START, span.sent, out);
        fixed64(tag::END, ends(span.sent, span.done), out);
        out.extend_from_slice(common);
        span.attributes(|key, value| attribute(key, &value, out));
        status(span, out);
        self.put_span();
        true
    }

    /// Writes a span of set-up. These are few: opentelemetry-proto does it.
    pub fn add_setup(&mut self, span: SetupSpan) {
        let span = Span::from(self.templates.setup_span(span));
        self.span.clear();
        self.span.extend_from_slice(&span.encode_to_vec());
        self.put_span();
    }

    /// The request that carries these, leaving out spans of operations that are unknown.
    pub(super) fn request(&mut self, spans: &[Queued]) -> Encoded {
        for span in spans {
            match span {
                Queued::Client(span) => {
                    self.add(span);
                }
                Queued::Setup(span) => self.add_setup(span.as_ref().clone()),
                Queued::PassedOn(export) => self.pass_on(export),
            }
        }
        self.finish()
    }

    fn pass_on(&mut self, export: &PassedOn) {
        self.passed_on.extend_from_slice(&export.bytes);
        self.passed_on_count += export.spans;
    }

    fn put_span(&mut self) {
        if self.count == 0 {
            // Takes the last request's memory again, if nobody reads it any more.
            self.spans.reserve(self.largest);
        }
        delimited(tag::SPAN, &self.span, &mut self.spans);
        self.count += 1;
    }

    /// A request of what has been written since last asked.
    pub fn finish(&mut self) -> Encoded {
        // What is passed on brings its own.
        let head =
            if self.count == 0 && self.passed_on_count > 0 { Bytes::new() } else { self.head().into() };
        self.largest = self.largest.max(self.spans.len());
        let spans = self.spans.split().freeze();
        let passed_on = self.passed_on.split().freeze();
        let count = std::mem::take(&mut self.count) + std::mem::take(&mut self.passed_on_count);
        Encoded { head, spans, passed_on, count }
    }

    /// All that stands before the spans.
    fn head(&self) -> Vec<u8> {
        let mut inner = self.resource.clone();
        if self.count > 0 {
            length(tag::SCOPE_SPANS, self.scope.len() + self.spans.len(), &mut inner);
            inner.extend_from_slice(&self.scope);
        }
        let mut head = Vec::with_capacity(inner.len() + MOST_LENGTH);
        length(tag::RESOURCE_SPANS, inner.len() + self.spans.len(), &mut head);
        head.extend_from_slice(&inner);
        head
    }
}

/// A tag and the longest length of what can be in memory.
const MOST_LENGTH: usize = 1 + 10;

/// Field numbers of `opentelemetry.proto.trace.v1` and `common.v1` with their wire types, each in one byte.
mod tag {
    const fn fixed64(field: u8) -> u8 {
        field << 3 | 1
    }
    const fn delimited(field: u8) -> u8 {
        field << 3 | 2
    }

    // ExportTraceServiceRequest, ResourceSpans, ScopeSpans
    pub(super) const RESOURCE_SPANS: u8 = delimited(1);
    pub(super) const SCOPE_SPANS: u8 = delimited(2);
    pub(super) const SPAN: u8 = delimited(2);
    // Span
    pub(super) const TRACE_ID: u8 = delimited(1);
    pub(super) const SPAN_ID: u8 = delimited(2);
    pub(super) const START: u8 = fixed64(7);
    pub(super) const END: u8 = fixed64(8);
    pub(super) const ATTRIBUTE: u8 = delimited(9);
    pub(super) const STATUS: u8 = delimited(15);
    // Status
    pub(super) const MESSAGE: u8 = delimited(2);
    pub(super) const CODE: u8 = 3 << 3;
    // KeyValue, AnyValue
    pub(super) const KEY: u8 = delimited(1);
    pub(super) const VALUE: u8 = delimited(2);
    pub(super) const TEXT: u8 = delimited(1);
    pub(super) const NUMBER: u8 = 3 << 3;
}

/// What all spans of an operation say, without the status: that is each span's own.
fn common(templates: &SpanTemplates, operation: usize) -> Vec<u8> {
    let span = templates.common(operation).map(Span::from).unwrap_or_default();
    Span { trace_id: Vec::new(), span_id: Vec::new(), status: None, ..span }.encode_to_vec()
}

fn attribute(key: &str, value: &AttributeValue, out: &mut Vec<u8>) {
    let bytes = match value {
        AttributeValue::Text(text) => delimited_len(text.as_str().len()),
        AttributeValue::Number(number) => 1 + encoded_len_varint(*number as u64),
    };
    length(tag::ATTRIBUTE, delimited_len(key.len()) + delimited_len(bytes), out);
    delimited(tag::KEY, key.as_bytes(), out);
    length(tag::VALUE, bytes, out);
    match value {
        AttributeValue::Text(text) => delimited(tag::TEXT, text.as_str().as_bytes(), out),
        AttributeValue::Number(number) => varint(tag::NUMBER, *number as u64, out),
    }
}

fn status(span: &ClientSpan, out: &mut Vec<u8>) {
    let Some(words) = span.outcome.failure() else {
        // Unset, and said to be.
        return length(tag::STATUS, 0, out);
    };
    let code = StatusCode::Error as u64;
    length(tag::STATUS, delimited_len(words.as_str().len()) + 1 + encoded_len_varint(code), out);
    delimited(tag::MESSAGE, words.as_str().as_bytes(), out);
    varint(tag::CODE, code, out);
}

fn delimited(tag: u8, bytes: &[u8], out: &mut impl BufMut) {
    length(tag, bytes.len(), out);
    out.put_slice(bytes);
}

/// What [`delimited`] writes for so many bytes.
fn delimited_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

/// Of a field whose content follows.
fn length(tag: u8, bytes: usize, out: &mut impl BufMut) {
    varint(tag, bytes as u64, out);
}

fn varint(tag: u8, number: u64, out: &mut impl BufMut) {
    out.put_u8(tag);
    encode_varint(number, out);
}

/// Nothing at all for 0, which is what a reader takes for granted.
fn fixed64(tag: u8, number: u64, out: &mut impl BufMut) {
    if number != 0 {
        out.put_u8(tag);
        out.put_u64_le(number);
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
