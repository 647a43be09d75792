//! What Jaeger tells of a trace, in the shape in which traces are kept, so that one reader serves both.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value as Json;

use super::model::{JaegerProcess, JaegerSpan, JaegerTrace, Tags};
use crate::trace::kept::KeptTrace;
use crate::trace::spans;

/// To the microsecond, which is what Jaeger tells, and without the spans' logs. Spans whose IDs are none are left out; a trace whose
/// ID is none has no spans.
impl From<&JaegerTrace> for KeptTrace {
    fn from(trace: &JaegerTrace) -> Self {
        let Some(trace_id) = number(&trace.trace_id) else { return Self::default() };
        let mut resources: Vec<ResourceSpans> = Vec::new();
        let mut last = None;
        for span in &trace.spans {
            let Some(told) = told(trace_id, span) else { continue };
            // In the order told, so that of spans with equal IDs the first stays the first.
            if last.replace(&span.process) != Some(&span.process) {
                resources.push(of_process(trace.processes.get(&span.process)));
            }
            if let Some(scope) = resources.last_mut().and_then(|resource| resource.scope_spans.first_mut()) {
                scope.spans.push(told);
            }
        }
        Self { trace_id, resources, is_cut: false }
    }
}

/// Some versions of Jaeger leave out the zeros in front.
fn number(id: &str) -> Option<u128> {
    u128::from_str_radix(id, 16).ok().filter(|id| *id != 0)
}

fn span_id(id: &str) -> Option<Vec<u8>> {
    let id = u64::try_from(number(id)?).ok()?;
    Some(id.to_be_bytes().to_vec())
}

fn of_process(process: Option<&JaegerProcess>) -> ResourceSpans {
    let name = process.filter(|process| !process.service.is_empty());
    let name = name.map(|process| attribute(spans::SERVICE_NAME, &Json::from(process.service.as_str())));
    let tags = process.into_iter().flat_map(|process| attributes(&process.tags, &[]));
    ResourceSpans {
        resource: Some(Resource {
            attributes: name.into_iter().chain(tags).collect(),
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans::default()],
        ..ResourceSpans::default()
    }
}

fn told(trace_id: u128, span: &JaegerSpan) -> Option<Span> {
    let nanos = |micros: u64| micros.saturating_mul(1_000);
    let text = |tag: &str| span.tags.get(tag).and_then(Json::as_str).unwrap_or_default();
    Some(Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: span_id(&span.span_id)?,
        parent_span_id: span.parent.as_deref().and_then(span_id).unwrap_or_default(),
        name: span.operation.clone(),
        kind: match text(KIND) {
            "internal" => 1,
            "server" => 2,
            "client" => 3,
            "producer" => 4,
            "consumer" => 5,
            _ => 0,
        },
        start_time_unix_nano: nanos(span.start_us),
        end_time_unix_nano: nanos(span.start_us.saturating_add(span.duration_us)),
        attributes: attributes(&span.tags, &[KIND, ERROR, DESCRIPTION]).collect(),
        status: is_error(span)
            .then(|| Status { code: StatusCode::Error as i32, message: text(DESCRIPTION).to_owned() }),
        ..Span::default()
    })
}

/// Tags that are fields in OTLP.
const KIND: &str = "span.kind";
const ERROR: &str = "error";
const DESCRIPTION: &str = "otel.status_description";

fn is_error(span: &JaegerSpan) -> bool {
    span.tags.get(ERROR).is_some_and(|error| *error == Json::Bool(true) || *error == "true")
}

fn attributes(tags: &Tags, but: &'static [&'static str]) -> impl Iterator<Item = KeyValue> {
    tags.iter().filter(|(key, _)| !but.contains(&key.as_str())).map(|(key, value)| attribute(key, value))
}

fn attribute(key: &str, value: &Json) -> KeyValue {
    let value = match value {
        Json::String(text) => Value::StringValue(text.clone()),
        Json::Bool(is) => Value::BoolValue(*is),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::IntValue(number),
            (None, Some(number)) => Value::DoubleValue(number),
            (None, None) => Value::StringValue(number.to_string()),
        },
        other => Value::StringValue(other.to_string()),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::trace::spans::{Kind, Span as Read};
    use serde_json::json;

    #[test]
    fn spans_have_nanoseconds_kind_and_resource_and_are_left_out_without_an_id() {
        let tag = |key: &str, value: Json| json!({"key": key, "value": value});
        let span = |id: &str, tags: Json| json!({"spanID": id, "operationName": "x", "startTime": 5, "duration": 2, "tags": tags});
        let mut child =
            span("0b", json!([tag(KIND, json!("server")), tag(ERROR, json!(true)), tag("n", json!(7))]));
        child["references"] = json!([{"refType": "CHILD_OF", "traceID": "ff", "spanID": "a"}]);
        child["processID"] = json!("p1");
        let reply = json!({"data": [{
            "traceID": "ff",
            "spans": [child, span("00", json!([])), span("none", json!([]))],
            "processes": {"p1": {"serviceName": "standalone", "tags": [tag("host", json!("a"))]}},
        }]});
        let trace = parse(reply.to_string().as_bytes()).unwrap().unwrap();
        let kept = KeptTrace::from(&trace);
        let spans = kept.spans();
        let expected = Read {
            trace_id: 0xff,
            span_id: 0xb,
            parent: Some(0xa),
            // A hash; which one is all the same.
            resource: spans[0].resource,
            service: "standalone".into(),
            name: "x".into(),
            kind: Kind::Server,
            start: 5_000,
            end: 7_000,
            is_error: true,
        };
        assert_eq!(spans, [expected]);
        let resource = kept.resources[0].resource.as_ref().unwrap();
        assert_eq!(resource.attributes[1], attribute("host", &json!("a")));
        assert_eq!(kept.resources[0].scope_spans[0].spans[0].attributes, [attribute("n", &json!(7))]);
        assert_eq!(KeptTrace::from(&JaegerTrace { trace_id: "t1".into(), ..trace }), KeptTrace::default());
    }

    #[test]
    fn times_beyond_all_clocks_stay_in_order() {
        let late = JaegerSpan {
            span_id: "a".into(),
            start_us: u64::MAX,
            duration_us: u64::MAX,
            ..JaegerSpan::default()
        };
        let trace = JaegerTrace { trace_id: "1".into(), spans: vec![late], ..JaegerTrace::default() };
        let spans = KeptTrace::from(&trace).spans();
        assert_eq!((spans[0].start, spans[0].end), (u64::MAX, u64::MAX));
    }
}
