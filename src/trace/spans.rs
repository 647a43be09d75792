//! A span as any tracer made it, whatever format it came in: what attribution and waterfalls work on.
//!
//! Belongs here: the one shape, and reading it from OTLP. Does not belong: what a span means for a request.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan};
use prost::Message;

/// Who takes part in a span, as OpenTelemetry tells it; what is not told is internal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    #[default]
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// One span. Times are nanoseconds since 1970; an end before the start is moved to the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub trace_id: u128,
    /// Never 0.
    pub span_id: u64,
    /// `None`: a root.
    pub parent: Option<u64>,
    /// Which resource made it, that is which process: equal for spans of equal resources, and for no others.
    pub resource: u64,
    /// `service.name` of its resource; empty where it has none.
    pub service: Arc<str>,
    pub name: Arc<str>,
    pub kind: Kind,
    pub start: u64,
    pub end: u64,
    pub is_error: bool,
}

impl Span {
    /// end - start, in nanoseconds.
    pub const fn length(&self) -> u64 {
        self.end - self.start
    }
}

/// The spans of an export, in its order. Spans whose IDs are none are left out.
pub fn of_otlp(resources: &[ResourceSpans]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in resources {
        let (number, service) = (number(resource), service(resource).unwrap_or_default().into());
        let all = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
        spans.extend(all.filter_map(|span| of(span, number, &service)));
    }
    spans
}

/// The resource's attribute that names its service.
pub const SERVICE_NAME: &str = "service.name";

/// `service.name` of a resource, where it is told.
pub fn service(resource: &ResourceSpans) -> Option<&str> {
    text(&resource.resource.as_ref()?.attributes, SERVICE_NAME)
}

/// A hash of the resource's attributes in any order: a process sends the same ones with every export.
fn number(resource: &ResourceSpans) -> u64 {
    let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
    let mut encoded: Vec<Vec<u8>> = attributes.map(Message::encode_to_vec).collect();
    encoded.sort_unstable();
    let mut hasher = DefaultHasher::new();
    encoded.hash(&mut hasher);
    hasher.finish()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text),
        AnyValue { .. } => None,
    }
}

/// The trace's ID of an OTLP span; `None` where it is none.
pub fn trace_id(span: &OtlpSpan) -> Option<u128> {
    let bytes = <[u8; 16]>::try_from(&span.trace_id[..]).ok()?;
    Some(u128::from_be_bytes(bytes)).filter(|id| *id != 0)
}

/// A span's ID; `None` where it is none.
pub fn span_id(bytes: &[u8]) -> Option<u64> {
    let bytes = <[u8; 8]>::try_from(bytes).ok()?;
    Some(u64::from_be_bytes(bytes)).filter(|id| *id != 0)
}

fn of(span: &OtlpSpan, resource: u64, service: &Arc<str>) -> Option<Span> {
    Some(Span {
        trace_id: trace_id(span)?,
        span_id: span_id(&span.span_id)?,
        parent: span_id(&span.parent_span_id),
        resource,
        service: Arc::clone(service),
        name: span.name.as_str().into(),
        kind: match span.kind {
            2 => Kind::Server,
            3 => Kind::Client,
            4 => Kind::Producer,
            5 => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano.max(span.start_time_unix_nano),
        is_error: span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Status};

    #[test]
    fn an_export_is_read_and_spans_without_ids_are_left_out() {
        let whole = OtlpSpan {
            trace_id: 7_u128.to_be_bytes().to_vec(),
            span_id: 8_u64.to_be_bytes().to_vec(),
            parent_span_id: 9_u64.to_be_bytes().to_vec(),
            name: "SearchTask".to_owned(),
            kind: 2,
            start_time_unix_nano: 50,
            end_time_unix_nano: 40,
            status: Some(Status { code: 2, ..Status::default() }),
            ..OtlpSpan::default()
        };
        let nameless = [
            OtlpSpan { trace_id: vec![0; 16], ..whole.clone() },
            OtlpSpan { span_id: vec![1; 7], ..whole.clone() },
        ];
        let name = KeyValue {
            key: "service.name".to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue("standalone".to_owned())) }),
            ..KeyValue::default()
        };
        let export = ResourceSpans {
            resource: Some(Resource { attributes: vec![name], ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                spans: [nameless.to_vec(), vec![whole]].concat(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        };
        let expected = Span {
            trace_id: 7,
            span_id: 8,
            parent: Some(9),
            resource: number(&export),
            service: "standalone".into(),
            name: "SearchTask".into(),
            kind: Kind::Server,
            start: 50,
            end: 50,
            is_error: true,
        };
        assert_eq!(of_otlp(&[export]), [expected]);
    }

    #[test]
    fn a_process_is_known_by_its_attributes_in_any_order() {
        let attribute = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
            ..KeyValue::default()
        };
        let of = |attributes: Vec<KeyValue>| {
            let resource = Some(Resource { attributes, ..Resource::default() });
            number(&ResourceSpans { resource, ..ResourceSpans::default() })
        };
        let (service, one, two) =
            (attribute("service.name", "querynode"), attribute("NodeID", "1"), attribute("NodeID", "2"));
        let first = of(vec![service.clone(), one.clone()]);
        assert_eq!(first, of(vec![one, service.clone()]));
        assert_ne!(first, of(vec![service, two]));
    }
}
