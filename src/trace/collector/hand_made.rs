//! Exports made by hand, for tests.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

/// An internal span of that trace; `parent` 0: a root.
pub(super) fn span(trace_id: u128, own: u64, parent: u64) -> Span {
    let id = |id: u64| if id == 0 { Vec::new() } else { id.to_be_bytes().to_vec() };
    Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: id(own),
        parent_span_id: id(parent),
        name: "SearchTask".to_owned(),
        kind: 1,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 2_000,
        ..Span::default()
    }
}

/// The span with which a server takes a call.
pub(super) fn root(trace_id: u128, own: u64, parent: u64) -> Span {
    Span {
        kind: 2,
        name: "milvus.proto.milvus.MilvusService/Search".to_owned(),
        ..span(trace_id, own, parent)
    }
}

pub(super) fn resource(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let value = any_value::Value::StringValue(service.to_owned());
    let name = KeyValue {
        key: "service.name".to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes: vec![name], ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

pub(super) fn export(resource_spans: Vec<ResourceSpans>) -> Vec<u8> {
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
