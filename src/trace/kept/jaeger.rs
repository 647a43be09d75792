//! Kept traces in the JSON of Jaeger's query API, which Jaeger's page opens as a file in all its versions.
//!
//! Old pages want every list to be there and a process for each span, drop a span that starts at 0, and read the first reference
//! alone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::KeptTrace;
use super::tellable::tellable;
use crate::trace::spans;

/// Larger whole numbers are not exact in a browser.
const MOST_EXACT: u64 = 1 << 53;

#[derive(Serialize)]
struct JaegerTrace {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Vec<JaegerSpan>,
    processes: BTreeMap<String, Process>,
    warnings: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JaegerSpan {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: String,
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    tags: Vec<Tag>,
    logs: Vec<Log>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: (),
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "refType")]
    kind: &'static str,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Serialize)]
struct Tag {
    key: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Json,
}

#[derive(Serialize)]
struct Log {
    timestamp: u64,
    fields: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

/// Writes traces as an answer of Jaeger's query API, a trace a line. Spans without IDs are left out.
///
/// # Errors
/// Where the writer fails.
pub fn write_jaeger(traces: &[KeptTrace], mut out: impl Write) -> io::Result<()> {
    out.write_all(b"{\"data\":[")?;
    for (index, trace) in traces.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &told(trace))?;
    }
    out.write_all(b"\n],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n")
}

fn told(trace: &KeptTrace) -> JaegerTrace {
    let resources: Vec<ResourceSpans> = trace.resources.iter().map(tellable).collect();
    // The same process exports many times.
    let mut known: Vec<&Option<Resource>> = Vec::new();
    let mut all = Vec::new();
    for ResourceSpans { resource, scope_spans, .. } in &resources {
        let place = known.iter().position(|other| *other == resource).unwrap_or_else(|| {
            known.push(resource);
            known.len() - 1
        });
        let spans = scope_spans.iter().flat_map(|scope| scope.spans.iter().map(|span| (span, &scope.scope)));
        all.extend(spans.filter_map(|(span, scope)| told_span(span, scope.as_ref(), process_id(place))));
    }
    let processes = known.into_iter().enumerate();
    JaegerTrace {
        trace_id: format!("{:032x}", trace.trace_id),
        spans: all,
        processes: processes.map(|(place, resource)| (process_id(place), process(resource))).collect(),
        warnings: (),
    }
}

fn process_id(place: usize) -> String {
    format!("p{}", place + 1)
}

fn process(resource: &Option<Resource>) -> Process {
    let attributes = resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    let is_name = |attribute: &KeyValue| attribute.key == spans::SERVICE_NAME;
    let service_name = attributes.iter().find(|attribute| is_name(attribute));
    Process {
        service_name: match service_name.map(tag) {
            Some(Tag { value: Json::String(name), .. }) if !name.is_empty() => name,
            Some(_) | None => "(no service)".to_owned(),
        },
        tags: attributes.iter().filter(|attribute| !is_name(attribute)).map(tag).collect(),
    }
}

fn told_span(span: &Span, scope: Option<&InstrumentationScope>, process_id: String) -> Option<JaegerSpan> {
    let (trace_id, span_id) = (spans::trace_id(span)?, spans::span_id(&span.span_id)?);
    // Both ends are rounded down, so that what lies within another span stays within it.
    let start = micros(span.start_time_unix_nano);
    let end = micros(span.end_time_unix_nano).max(start);
    let parent = spans::span_id(&span.parent_span_id).map(|id| reference("CHILD_OF", trace_id, id));
    Some(JaegerSpan {
        trace_id: format!("{trace_id:032x}"),
        span_id: format!("{span_id:016x}"),
        operation_name: span.name.clone(),
        references: parent.into_iter().chain(span.links.iter().filter_map(link)).collect(),
        start_time: start,
        duration: end - start,
        tags: tags(span, scope),
        logs: span.events.iter().map(log).collect(),
        process_id,
        warnings: (),
    })
}

/// A page drops what starts at 0.
fn micros(nanos: u64) -> u64 {
    (nanos / 1_000).max(1)
}

fn reference(kind: &'static str, trace_id: u128, span_id: u64) -> Reference {
    Reference { kind, trace_id: format!("{trace_id:032x}"), span_id: format!("{span_id:016x}") }
}

fn link(link: &Link) -> Option<Reference> {
    let trace_id = <[u8; 16]>::try_from(&link.trace_id[..]).ok().map(u128::from_be_bytes)?;
    Some(reference("FOLLOWS_FROM", trace_id, spans::span_id(&link.span_id)?))
}

/// The span's own attributes, and what Jaeger has no field for, named as its collector names it.
fn tags(span: &Span, scope: Option<&InstrumentationScope>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = span.attributes.iter().map(tag).collect();
    if let Some(scope) = scope {
        tags.extend(text("otel.scope.name", &scope.name));
        tags.extend(text("otel.scope.version", &scope.version));
    }
    let kind = match span.kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "",
    };
    tags.extend(text("span.kind", kind));
    tags.extend(text("w3c.tracestate", &span.trace_state));
    if let Some(status) = &span.status {
        tags.extend(text("otel.status_description", &status.message));
        if status.code == StatusCode::Error as i32 {
            tags.push(Tag { key: "error".to_owned(), kind: "bool", value: true.into() });
        }
    }
    tags
}

fn text(key: &str, value: &str) -> Option<Tag> {
    (!value.is_empty()).then(|| Tag { key: key.to_owned(), kind: "string", value: value.into() })
}

fn log(event: &Event) -> Log {
    let name = text("event", &event.name);
    Log {
        timestamp: micros(event.time_unix_nano),
        fields: name.into_iter().chain(event.attributes.iter().map(tag)).collect(),
    }
}

fn tag(attribute: &KeyValue) -> Tag {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    let (kind, value) = match value {
        Some(Value::BoolValue(is)) => ("bool", Json::from(*is)),
        Some(Value::IntValue(number)) if number.unsigned_abs() <= MOST_EXACT => ("int64", (*number).into()),
        Some(Value::IntValue(number)) => ("string", number.to_string().into()),
        Some(Value::DoubleValue(number)) => ("float64", (*number).into()),
        Some(Value::BytesValue(bytes)) => ("binary", STANDARD.encode(bytes).into()),
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) => ("string", plain(value).to_string().into()),
        Some(Value::StringValue(text)) => ("string", text.as_str().into()),
        Some(Value::StringValueStrindex(_)) | None => ("string", "".into()),
    };
    Tag { key: attribute.key.clone(), kind, value }
}

/// A value as JSON would have it from the start. Not deep: see [`tellable`].
fn plain(value: Option<&Value>) -> Json {
    let inner = |value: &AnyValue| plain(value.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(is)) => (*is).into(),
        Some(Value::IntValue(number)) => (*number).into(),
        Some(Value::DoubleValue(number)) => (*number).into(),
        Some(Value::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(inner).collect(),
        Some(Value::KvlistValue(map)) => {
            let pairs = map.values.iter();
            pairs.map(|pair| (pair.key.clone(), pair.value.as_ref().map_or(json!(null), inner))).collect()
        }
        Some(Value::StringValueStrindex(_)) | None => json!(null),
    }
}
