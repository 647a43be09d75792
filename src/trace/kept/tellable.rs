//! What JSON cannot tell of an attribute's value, told as well as it can be.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

/// Lists and maps within each other. Readers of JSON give up at some depth, ours at 128 brackets, of which a list takes 3 and
/// a map 4.
const DEEPEST: usize = 16;

/// The resource with every value as JSON can hold it: numbers that are none, and what lies too deep, as text.
pub(super) fn tellable(resource: &ResourceSpans) -> ResourceSpans {
    let mut resource = resource.clone();
    resource.resource.iter_mut().for_each(|resource| all(&mut resource.attributes, 0));
    for scope_spans in &mut resource.scope_spans {
        scope_spans.scope.iter_mut().for_each(|scope| all(&mut scope.attributes, 0));
        for span in &mut scope_spans.spans {
            all(&mut span.attributes, 0);
            span.events.iter_mut().for_each(|event| all(&mut event.attributes, 0));
            span.links.iter_mut().for_each(|link| all(&mut link.attributes, 0));
        }
    }
    resource
}

fn all(attributes: &mut [KeyValue], depth: usize) {
    attributes
        .iter_mut()
        .filter_map(|attribute| attribute.value.as_mut())
        .for_each(|value| one(value, depth));
}

fn one(value: &mut AnyValue, depth: usize) {
    let instead = match &mut value.value {
        Some(Value::DoubleValue(number)) if !number.is_finite() => Some(not_a_number(*number)),
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) if depth == DEEPEST => {
            Some("(nested too deep)".to_owned())
        }
        Some(Value::ArrayValue(list)) => {
            list.values.iter_mut().for_each(|value| one(value, depth + 1));
            None
        }
        Some(Value::KvlistValue(map)) => {
            all(&mut map.values, depth + 1);
            None
        }
        // A place in a table that only profiles have.
        Some(Value::StringValueStrindex(place)) => Some(format!("(text {place} of a table)")),
        Some(_) | None => None,
    };
    if let Some(text) = instead {
        value.value = Some(Value::StringValue(text));
    }
}

/// As JSON for protobuf spells them.
fn not_a_number(number: f64) -> String {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
    .to_owned()
}
