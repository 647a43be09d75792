use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan, Status};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::samples::{any_traces, attribute, text, trace};
use super::*;
use crate::trace::jaeger::parse;
use crate::trace::spans::Kind;

const ID: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const MS: u64 = 1_000_000;
/// Not a whole microsecond.
const START: u64 = 1_700_000_000_000_000_700;

fn span(id: u64, parent: u64, name: &str, start: u64, end: u64) -> OtlpSpan {
    OtlpSpan {
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: name.to_owned(),
        start_time_unix_nano: START + start,
        end_time_unix_nano: START + end,
        ..OtlpSpan::default()
    }
}

/// A client's span, and two of a server's beneath it, the second failed.
fn search() -> KeptTrace {
    let client = OtlpSpan {
        kind: 3,
        attributes: vec![
            text("db.system.name", "milvus"),
            attribute("milvus_load.lag_us", Value::IntValue(12)),
            attribute("id", Value::IntValue(i64::MAX)),
            attribute("share", Value::DoubleValue(0.25)),
            attribute("none", Value::DoubleValue(f64::NAN)),
            attribute("bytes", Value::BytesValue(vec![1, 2])),
            attribute(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: vec![AnyValue { value: Some(Value::BoolValue(true)) }, AnyValue { value: None }],
                }),
            ),
        ],
        ..span(0xab, 0, "Search books", 0, 40 * MS)
    };
    let server = OtlpSpan {
        kind: 2,
        events: vec![Event {
            time_unix_nano: START + 7 * MS,
            name: "queued".to_owned(),
            attributes: vec![attribute("depth", Value::IntValue(3))],
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: 7_u128.to_be_bytes().to_vec(),
            span_id: 8_u64.to_be_bytes().to_vec(),
            ..Link::default()
        }],
        ..span(0xc, 0xab, "Proxy-Search", 5 * MS, 39 * MS)
    };
    let failed = OtlpSpan {
        status: Some(Status { message: "no shard leader".to_owned(), code: 2 }),
        ..span(0xd, 0xc, "SearchTask", 5 * MS + 100, 39 * MS - 100)
    };
    trace(ID, vec![("milvus-client", client), ("standalone", server), ("standalone", failed)])
}

fn otlp(traces: &[KeptTrace]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_otlp(traces, &mut bytes).unwrap();
    bytes
}

fn jaeger(traces: &[KeptTrace]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_jaeger(traces, &mut bytes).unwrap();
    bytes
}

#[test]
fn otlp_json_is_spelled_as_its_specification_says() {
    let json: Json = serde_json::from_slice(&otlp(&[search()])).unwrap();
    let client = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(client["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(client["spanId"], "00000000000000ab");
    assert_eq!(client["startTimeUnixNano"], "1700000000000000700");
    assert_eq!(client["kind"], 3);
    assert_eq!(client["attributes"][2]["value"], json!({"intValue": "9223372036854775807"}));
    assert_eq!(client["attributes"][5]["value"], json!({"bytesValue": "AQI="}));
    let failed = &json["resourceSpans"][2]["scopeSpans"][0]["spans"][0];
    assert_eq!(failed["status"], json!({"message": "no shard leader", "code": 2}));
}

#[test]
fn numbers_that_are_none_and_what_is_nested_too_deep_become_text_and_the_rest_is_read_back() {
    let deep = |levels: usize| {
        (0..levels).fold(AnyValue { value: Some(Value::IntValue(1)) }, |inner, level| AnyValue {
            value: Some(match level % 2 {
                0 => Value::ArrayValue(ArrayValue { values: vec![inner] }),
                _ => {
                    let pair = KeyValue { key: "k".to_owned(), value: Some(inner), ..KeyValue::default() };
                    Value::KvlistValue(KeyValueList { values: vec![pair] })
                }
            }),
        })
    };
    let with = |values: [AnyValue; 4]| {
        let pair = |value| KeyValue { key: "a".to_owned(), value: Some(value), ..KeyValue::default() };
        let attributes = values.map(pair).to_vec();
        trace(ID, vec![("s", OtlpSpan { attributes, ..span(1, 0, "x", 0, 1) })])
    };
    let double = |number| AnyValue { value: Some(Value::DoubleValue(number)) };
    let kept = with([double(f64::NEG_INFINITY), double(0.1), deep(16), deep(60)]);
    let read = read_otlp(&otlp(std::slice::from_ref(&kept))[..]).unwrap();
    let values = |kept: &KeptTrace| -> Vec<Option<Value>> {
        let attributes = &kept.resources[0].scope_spans[0].spans[0].attributes;
        attributes.iter().map(|pair| pair.value.clone().and_then(|value| value.value)).collect()
    };
    let (before, after) = (values(&kept), values(&read[0]));
    assert_eq!(after[0], Some(Value::StringValue("-Infinity".to_owned())));
    assert_eq!(after[1..3], before[1..3]);
    assert!(serde_json::to_string(&after[3]).unwrap().contains("(nested too deep)"));
}

#[test]
fn what_is_no_file_of_kept_traces_is_refused_with_the_reason() {
    let refused = |bytes: &[u8]| read_otlp(bytes).unwrap_err().to_string();
    let whole = otlp(&[search()]);
    for (bytes, reason) in [
        (&b""[..], "damaged"),
        (b"{}", "resourceSpans"),
        (&whole[..whole.len() / 2], "damaged"),
        (&jaeger(&[search()]), "resourceSpans"),
        (br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}"#, "damaged"),
        (br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00"}]}]}]}"#, "without a trace ID"),
    ] {
        assert!(refused(bytes).contains(reason), "{reason} not in {}", refused(bytes));
    }
    let other = OtlpSpan { trace_id: vec![9; 16], ..span(1, 0, "x", 0, 1) };
    let mut mixed = search();
    mixed.resources[1].scope_spans[0].spans.push(other);
    let error = read_otlp(&otlp(&[mixed])[..]).unwrap_err();
    assert!(matches!(&error, KeptError::Mixed { service } if service == "standalone"), "{error}");
}

#[test]
fn a_file_without_end_is_given_up() {
    assert!(matches!(read_otlp(std::io::repeat(b' ')), Err(KeptError::TooLarge)));
}

#[test]
fn that_a_trace_is_cut_is_read_back_and_other_readers_pass_over_it() {
    let traces = |cut: u128| {
        [1, 2].map(|id| KeptTrace { is_cut: id == cut, ..trace(id, vec![("a", span(1, 0, "x", 0, 1))]) })
    };
    let written = otlp(&traces(2));
    assert_eq!(read_otlp(&written[..]).unwrap(), traces(2));
    let data: opentelemetry_proto::tonic::trace::v1::TracesData = serde_json::from_slice(&written).unwrap();
    assert_eq!(data.resource_spans.len(), 2);
    let whole: Json = serde_json::from_slice(&otlp(&traces(0))).unwrap();
    assert!(whole.as_object().unwrap().keys().eq(["resourceSpans"]), "where none is cut nothing is added");
}

#[test]
fn a_trace_whose_resources_lie_apart_is_one_trace() {
    let spans = || vec![("a", span(1, 0, "x", 0, 1)), ("b", span(2, 1, "y", 0, 1))];
    let (one, two) = (trace(ID, spans()), trace(9, spans()));
    let resources = [&one.resources[..1], &two.resources, &one.resources[1..], &[ResourceSpans::default()]];
    let shuffled = KeptTrace { trace_id: 1, resources: resources.concat(), is_cut: false };
    assert_eq!(read_otlp(&otlp(&[shuffled])[..]).unwrap(), [one, two]);
}

#[test]
fn jaegers_json_has_what_its_oldest_page_wants() {
    let json: Json = serde_json::from_slice(&jaeger(&[search()])).unwrap();
    let trace = &json["data"][0];
    assert_eq!(trace["traceID"], "0af7651916cd43dd8448eb211c80319c");
    for span in trace["spans"].as_array().unwrap() {
        for list in ["references", "tags", "logs"] {
            assert!(span[list].is_array(), "{list} in {span}");
        }
        assert!(trace["processes"][span["processID"].as_str().unwrap()]["serviceName"].is_string());
        assert!(span["startTime"].as_u64().unwrap() > 0 && span["duration"].is_u64());
    }
    let server = &trace["spans"][1];
    assert_eq!(
        server["references"],
        json!([
            {"refType": "CHILD_OF", "traceID": "0af7651916cd43dd8448eb211c80319c", "spanID": "00000000000000ab"},
            {"refType": "FOLLOWS_FROM", "traceID": "00000000000000000000000000000007", "spanID": "0000000000000008"}
        ])
    );
    assert_eq!(
        server["logs"],
        json!([{"timestamp": 1_700_000_000_007_000_u64, "fields": [
            {"key": "event", "type": "string", "value": "queued"}, {"key": "depth", "type": "int64", "value": 3}
        ]}])
    );
    assert_eq!(
        trace["processes"].as_object().unwrap().len(),
        2,
        "one for each resource, not for each export"
    );
}

#[test]
fn values_stay_exact_in_a_browser() {
    let json: Json = serde_json::from_slice(&jaeger(&[search()])).unwrap();
    let tags = json["data"][0]["spans"][0]["tags"].as_array().unwrap();
    let tag = |key: &str| {
        let tag = tags.iter().find(|tag| tag["key"] == key).unwrap();
        (tag["type"].as_str().unwrap(), tag["value"].clone())
    };
    assert_eq!(tag("milvus_load.lag_us"), ("int64", json!(12)));
    assert_eq!(tag("id"), ("string", json!("9223372036854775807")));
    assert_eq!(tag("share"), ("float64", json!(0.25)));
    assert_eq!(tag("none"), ("string", json!("NaN")));
    assert_eq!(tag("bytes"), ("binary", json!("AQI=")));
    assert_eq!(tag("list"), ("string", json!("[true,null]")));
}

#[test]
fn what_is_written_for_jaeger_is_read_as_what_jaeger_says() {
    let read = parse(&jaeger(&[search()])).unwrap().unwrap();
    let (told, kept) = (KeptTrace::from(&read).spans(), search().spans());
    assert_eq!(told.len(), kept.len());
    for (told, kept) in told.iter().zip(&kept) {
        // To the microsecond, both ends rounded down.
        let cut = |nanos: u64| nanos / 1_000 * 1_000;
        let expected = Span { start: cut(kept.start), end: cut(kept.end), ..kept.clone() };
        assert_eq!(*told, expected);
    }
    assert_eq!(
        told.iter().map(|span| span.kind).collect::<Vec<_>>(),
        [Kind::Client, Kind::Server, Kind::Internal]
    );
    assert!(told[2].is_error && !told[1].is_error);
}

proptest! {
    #[test]
    fn what_is_kept_is_read_back_without_loss(traces in any_traces()) {
        prop_assert_eq!(read_otlp(&otlp(&traces)[..]).unwrap(), traces.clone());
        let mut packed = Vec::new();
        write_packed(&traces, &mut packed).unwrap();
        prop_assert_eq!(read_otlp(&packed[..]).unwrap(), traces);
    }

    #[test]
    fn whatever_is_kept_can_be_written_for_jaeger(traces in any_traces()) {
        let bytes = jaeger(&traces);
        let json: Json = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(json["data"].as_array().unwrap().len(), traces.len());
        let first = traces.first().map(|trace| trace.spans()).unwrap_or_default();
        let read = parse(&bytes).unwrap();
        let ids: std::collections::HashSet<u64> = first.iter().map(|span| span.span_id).collect();
        prop_assert_eq!(read.map_or(0, |trace| trace.spans.len()), ids.len());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = read_otlp(&bytes[..]);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(place in 0_usize..2_000, byte: u8) {
        let mut bytes = otlp(&[search()]);
        let length = bytes.len();
        bytes[place % length] = byte;
        let _ = read_otlp(&bytes[..]);
    }
}
