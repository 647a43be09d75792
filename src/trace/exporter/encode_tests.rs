use std::net::SocketAddr;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;

use super::*;
use crate::trace::TraceRef;
use crate::trace::exporter::tests;
use crate::trace::span::{OperationAttributes, SpanOutcome};

fn resource() -> Resource {
    // The resource has a schema of its own, so that the two are not mixed up.
    Resource::builder_empty()
        .with_schema_url([KeyValue::new("service.name", "milvus-client")], "https://schemas.example/1")
        .with_attribute(KeyValue::new("größe", 7))
        .build()
}

/// Lengths on both sides of those where their own encoding grows: 127, 128; 16,383, 16,384.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => ".{0,40}",
        1 => (100usize..140).prop_map(|length| "x".repeat(length)),
        1 => (16_300usize..16_400).prop_map(|length| "y".repeat(length)),
        1 => (0usize..9_000).prop_map(|length| "é".repeat(length)),
    ]
}

prop_compose! {
    fn operation()(
        (operation, rpc, collection) in (name(), name(), name()),
        (database, server_address, server_port) in (name(), name(), any::<u16>()),
        nameless in any::<bool>(),
    ) -> OperationAttributes {
        let database = if nameless { String::new() } else { database };
        OperationAttributes { operation, rpc, collection, database, server_address, server_port }
    }
}

fn outcome() -> impl Strategy<Value = SpanOutcome> {
    prop_oneof![
        Just(SpanOutcome::Ok),
        any::<u8>().prop_map(SpanOutcome::Grpc),
        any::<i32>().prop_map(SpanOutcome::Milvus),
        Just(SpanOutcome::TimedOut),
    ]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any::<u64>(), 1_700_000_000_000_000_000u64..1_700_000_001_000_000_000]
}

prop_compose! {
    /// Any span of the operations 0 to 3; its end may lie before its start.
    fn span()(
        (trace_id, span_id, operation) in (any::<u128>(), any::<u64>(), 0usize..4),
        phase in prop_oneof![Just("warmup"), Just("measure")],
        (intended, sent, done) in (time(), time(), time()),
        outcome in outcome(),
        peer in any::<Option<SocketAddr>>(),
        rows in prop_oneof![Just(0), any::<u32>()],
    ) -> ClientSpan {
        let trace = TraceRef { trace_id, span_id, sampled: true };
        ClientSpan { trace, operation, phase, intended, sent, done, outcome, peer, rows }
    }
}

prop_compose! {
    fn setup()(
        (trace_id, span_id, parent) in (any::<u128>(), any::<u64>(), any::<Option<u64>>()),
        (name, value, error) in (name(), name(), proptest::option::of(name())),
        (start, end, is_call) in (time(), time(), any::<bool>()),
    ) -> SetupSpan {
        let trace = TraceRef { trace_id, span_id, sampled: true };
        SetupSpan { trace, parent, is_call, name, start, end, attributes: vec![("key", value)], error }
    }
}

fn queued() -> impl Strategy<Value = Queued> {
    prop_oneof![
        5 => span().prop_map(Queued::Client),
        1 => setup().prop_map(|span| Queued::Setup(Box::new(span))),
    ]
}

fn decoded(encoded: &Encoded) -> ExportTraceServiceRequest {
    let bytes = [&encoded.head[..], &encoded.spans[..]].concat();
    assert_eq!(bytes.len(), encoded.bytes());
    ExportTraceServiceRequest::decode(&bytes[..]).unwrap()
}

/// What the exporter of opentelemetry-otlp would send.
fn expected(templates: &SpanTemplates, resource: &Resource, batch: &[Queued]) -> ExportTraceServiceRequest {
    let spans = batch.iter().filter_map(|span| templates.build(span)).collect();
    let resource_spans = group_spans_by_resource_and_scope(spans, &resource.into());
    ExportTraceServiceRequest { resource_spans }
}

proptest! {
    /// Three operations and spans of four: those of the fourth are left out by both.
    #[test]
    fn a_request_says_what_the_sdks_would(
        operations in proptest::collection::vec(operation(), 3),
        batches in proptest::collection::vec(proptest::collection::vec(queued(), 0..6), 1..4),
        run_id in name(),
    ) {
        let templates = SpanTemplates::new(&operations, &run_id);
        // Once: the order of its attributes is that of a hash map.
        let resource = resource();
        let mut encoder = RequestEncoder::new(templates.clone(), &resource);
        for batch in &batches {
            let encoded = encoder.request(batch);
            let expected = expected(&templates, &resource, batch);
            let spans = expected.resource_spans[0].scope_spans.iter().flat_map(|one| &one.spans);
            prop_assert_eq!(encoded.count, spans.count());
            // As long as prost's own: no length is longer than it has to be, no field stands twice.
            prop_assert_eq!(encoded.bytes(), expected.encoded_len());
            prop_assert_eq!(decoded(&encoded), expected);
            let most: usize = batch.iter().map(|span| templates.estimated_bytes(span)).sum();
            prop_assert!(encoded.spans.len() <= most, "{} bytes, at most {most} expected", encoded.spans.len());
        }
    }
}

fn example() -> (SpanTemplates, ClientSpan) {
    (SpanTemplates::new(&[tests::operation()], "run-7"), tests::span(1))
}

#[test]
fn the_memory_of_a_request_is_used_again_once_nobody_reads_it_and_not_before() {
    let (templates, span) = example();
    let mut encoder = RequestEncoder::new(templates, &resource());
    let batch = |trace_id| {
        vec![Queued::Client(ClientSpan { trace: TraceRef { trace_id, ..span.trace }, ..span }); 99]
    };
    let first = encoder.request(&batch(7));
    let said = decoded(&first);
    for _ in 0..3 {
        let next = encoder.request(&batch(8));
        assert_ne!(decoded(&next), said);
        assert_eq!(decoded(&first), said, "still being read");
    }
    let length = first.spans.len();
    drop(first);
    for _ in 0..3 {
        assert!(encoder.spans.try_reclaim(length), "there is room without an allocation");
        assert_eq!(encoder.request(&batch(7)).spans.len(), length);
    }
}

#[test]
fn a_span_of_an_unknown_operation_leaves_no_trace() {
    let (templates, span) = example();
    let mut encoder = RequestEncoder::new(templates, &resource());
    assert!(!encoder.add(&ClientSpan { operation: 1, ..span }));
    assert!(encoder.add(&span));
    let encoded = encoder.finish();
    assert_eq!((encoded.count, decoded(&encoded).resource_spans[0].scope_spans[0].spans.len()), (1, 1));
}
