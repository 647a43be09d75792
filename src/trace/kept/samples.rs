//! Spans of all sorts, for tests.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::prelude::*;

use super::KeptTrace;

pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// A trace of these spans, each with its service.
pub(super) fn trace(trace_id: u128, spans: Vec<(&str, Span)>) -> KeptTrace {
    let of = |(service, span): (&str, Span)| ResourceSpans {
        resource: Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            spans: vec![Span { trace_id: trace_id.to_be_bytes().to_vec(), ..span }],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    KeptTrace { trace_id, resources: spans.into_iter().map(of).collect(), is_cut: false }
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |number| number.is_finite())
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        ".{0,8}".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|is| Some(Value::BoolValue(is))),
        any::<i64>().prop_map(|number| Some(Value::IntValue(number))),
        finite().prop_map(|number| Some(Value::DoubleValue(number))),
        vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Value::BytesValue(bytes))),
    ];
    leaf.prop_map(|value| AnyValue { value }).prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3)
                .prop_map(|values| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }),
            vec(pair(inner), 0..3)
                .prop_map(|values| AnyValue { value: Some(Value::KvlistValue(KeyValueList { values })) }),
        ]
    })
}

fn pair(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (".{0,8}", proptest::option::of(value)).prop_map(|(key, value)| KeyValue {
        key,
        value,
        ..KeyValue::default()
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(pair(value()), 0..3)
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), ".{0,8}", attributes(), any::<u32>()).prop_map(|(time, name, attributes, dropped)| Event {
        time_unix_nano: time,
        name,
        attributes,
        dropped_attributes_count: dropped,
    })
}

fn link() -> impl Strategy<Value = Link> {
    (any::<u128>(), any::<u64>(), ".{0,8}", attributes(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, flags)| Link {
            trace_id: trace_id.to_be_bytes().to_vec(),
            span_id: span_id.to_be_bytes().to_vec(),
            trace_state,
            attributes,
            flags,
            dropped_attributes_count: flags / 2,
        },
    )
}

fn span(trace_id: u128) -> impl Strategy<Value = Span> {
    let ids = (any::<u64>(), proptest::option::of(any::<u64>()));
    let status = proptest::option::of((".{0,8}", 0..4).prop_map(|(message, code)| Status { message, code }));
    let times = (any::<u64>(), any::<u64>());
    let rest = (attributes(), vec(event(), 0..2), vec(link(), 0..2), status);
    (ids, ".{0,12}", -1..7, times, rest, any::<u32>()).prop_map(
        move |((id, parent), name, kind, (start, end), (attributes, events, links, status), number)| Span {
            trace_id: trace_id.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
            trace_state: name.chars().rev().collect(),
            flags: number,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            dropped_attributes_count: number / 3,
            events,
            dropped_events_count: number / 5,
            links,
            dropped_links_count: number / 7,
            status,
        },
    )
}

fn resource(trace_id: u128) -> impl Strategy<Value = ResourceSpans> {
    let scope = (".{0,8}", ".{0,8}", attributes());
    let scope = proptest::option::of(scope.prop_map(|(name, version, attributes)| InstrumentationScope {
        name,
        version,
        attributes,
        dropped_attributes_count: 3,
    }));
    let entity = (".{0,5}", ".{0,5}").prop_map(|(kind, key)| EntityRef {
        schema_url: String::new(),
        r#type: kind,
        id_keys: vec![key],
        description_keys: Vec::new(),
    });
    let resource = (attributes(), vec(entity, 0..2)).prop_map(|(attributes, entity_refs)| Resource {
        attributes,
        dropped_attributes_count: 1,
        entity_refs,
    });
    (proptest::option::of(resource), scope, vec(span(trace_id), 1..4), ".{0,5}").prop_map(
        |(resource, scope, spans, schema_url)| ResourceSpans {
            resource,
            scope_spans: vec![
                ScopeSpans { scope, spans, schema_url: schema_url.clone() },
                ScopeSpans::default(),
            ],
            schema_url,
        },
    )
}

/// Traces of any spans, each trace and each span with an ID; none holds what JSON cannot tell.
pub(super) fn any_traces() -> impl Strategy<Value = Vec<KeptTrace>> {
    let trace = |trace_id: u128| {
        vec(resource(trace_id), 1..4).prop_map(move |resources| KeptTrace {
            trace_id,
            resources,
            is_cut: trace_id.is_multiple_of(2),
        })
    };
    proptest::collection::btree_set(1..u128::MAX, 0..4)
        .prop_flat_map(move |ids| ids.into_iter().map(trace).collect::<Vec<_>>())
}
