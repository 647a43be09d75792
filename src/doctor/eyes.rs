//! Where Milvus's spans are looked for: in what came to doctor itself, or in Jaeger.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::intake::{Intake, Knocks};
use super::{jaeger, look};
use crate::trace::jaeger::{JaegerClient, JaegerSpan};
use crate::trace::spans::{Kind, Span};

const PAUSE: Duration = Duration::from_millis(100);

/// Traces that a search of Jaeger may tell.
const MOST_FOUND: usize = 1_500;

pub(super) enum Eyes {
    Own(Intake),
    Jaeger {
        client: JaegerClient,
        /// Its address.
        ui: String,
    },
    /// There is no place to look; why not.
    Nowhere(String),
}

impl Eyes {
    /// Waits until what has come of a trace is as `enough` wants it, or `limit` is over; what has come by then. Blocks.
    pub fn wait_for(
        &self,
        trace_id: u128,
        limit: Duration,
        is_stopped: &dyn Fn() -> bool,
        enough: impl Fn(&[Span]) -> bool,
    ) -> Vec<Span> {
        match self {
            Self::Own(intake) => {
                let start = Instant::now();
                loop {
                    let spans = intake.trace(trace_id);
                    if enough(&spans) || start.elapsed() >= limit || is_stopped() {
                        return spans;
                    }
                    std::thread::sleep(PAUSE);
                }
            }
            Self::Jaeger { client, .. } => {
                let found = jaeger::wait_for(client, trace_id, limit, is_stopped, |trace| {
                    enough(&of_jaeger(trace_id, &trace.spans))
                });
                found.map(|trace| of_jaeger(trace_id, &trace.spans)).unwrap_or_default()
            }
            Self::Nowhere(_) => Vec::new(),
        }
    }

    /// What has come of a trace by now.
    pub fn trace(&self, trace_id: u128) -> Vec<Span> {
        self.wait_for(trace_id, Duration::ZERO, &|| true, |_| true)
    }

    /// How many calls like that of `like` were traced of themselves, without a client's header, between these moments of the server's
    /// clock (nanoseconds since 1970). `None` where it cannot be told.
    pub fn roots(&self, service: &str, name: &str, (from, to): (u64, u64)) -> Option<u64> {
        match self {
            Self::Own(intake) => {
                let is_root = |span: &Span| {
                    span.parent.is_none()
                        && &*span.name == name
                        && &*span.service == service
                        && (from..=to).contains(&span.start)
                };
                Some(intake.select(is_root).len() as u64)
            }
            Self::Jaeger { ui, .. } => search(ui, service, name, (from, to)),
            Self::Nowhere(_) => None,
        }
    }

    /// All calls of Milvus that were traced of themselves; in doctor's own collector alone.
    pub fn strangers(&self, call: &str) -> u64 {
        match self {
            Self::Own(intake) => {
                let is_call = |span: &Span| {
                    span.parent.is_none() && span.kind == Kind::Server && span.name.ends_with(call)
                };
                intake.select(is_call).len() as u64
            }
            Self::Jaeger { .. } | Self::Nowhere(_) => 0,
        }
    }

    pub fn knocks(&self) -> Knocks {
        match self {
            Self::Own(intake) => intake.knocks(),
            Self::Jaeger { .. } | Self::Nowhere(_) => Knocks::default(),
        }
    }
}

fn search(ui: &str, service: &str, name: &str, (from, to): (u64, u64)) -> Option<u64> {
    let (service, operation) = (encoded(service), encoded(name));
    let url = format!(
        "{ui}/api/traces?service={service}&operation={operation}&start={}&end={}&limit={MOST_FOUND}",
        from / 1_000,
        to.div_ceil(1_000)
    );
    let mut answer = look::agent().get(url).call().ok()?;
    let body: Value =
        answer.body_mut().with_config().limit(crate::trace::jaeger::MOST_BYTES).read_json().ok()?;
    let traces = body.get("data")?.as_array()?;
    let is_root = |span: &Value| {
        span.get("operationName").and_then(Value::as_str) == Some(name)
            && span.get("references").and_then(Value::as_array).is_none_or(Vec::is_empty)
    };
    let has_root = |trace: &&Value| {
        trace.get("spans").and_then(Value::as_array).is_some_and(|spans| spans.iter().any(is_root))
    };
    Some(traces.iter().filter(has_root).count() as u64)
}

/// Percent-encoding of all but what is unreserved (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of).collect()
}

/// Spans as Jaeger tells them; those whose IDs are none are left out.
fn of_jaeger(trace_id: u128, spans: &[JaegerSpan]) -> Vec<Span> {
    let id = |hex: &str| u64::from_str_radix(hex, 16).ok().filter(|id| *id != 0);
    let of = |span: &JaegerSpan| {
        let start = span.start_us.saturating_mul(1_000);
        Some(Span {
            trace_id,
            span_id: id(&span.span_id)?,
            parent: span.parent.as_deref().and_then(id),
            service: span.service.as_str().into(),
            name: span.operation.as_str().into(),
            kind: match span.tags.get("span.kind").and_then(Value::as_str) {
                Some("server") => Kind::Server,
                Some("client") => Kind::Client,
                Some("producer") => Kind::Producer,
                Some("consumer") => Kind::Consumer,
                _ => Kind::Internal,
            },
            start,
            end: start.saturating_add(span.duration_us.saturating_mul(1_000)),
            is_error: span.tags.get("error").is_some_and(|error| error == &Value::Bool(true)),
        })
    };
    spans.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::*;

    #[test]
    fn jaegers_spans_are_spans_like_any_other() {
        let told = JaegerSpan {
            span_id: "00000000000000ff".into(),
            operation: "GetVersion".into(),
            service: "standalone".into(),
            start_us: 5,
            duration_us: 7,
            parent: Some("fe".into()),
            tags: [("span.kind".to_owned(), "server".into())].into(),
        };
        let expected = Span {
            trace_id: 9,
            span_id: 255,
            parent: Some(254),
            service: "standalone".into(),
            name: "GetVersion".into(),
            kind: Kind::Server,
            start: 5_000,
            end: 12_000,
            is_error: false,
        };
        assert_eq!(of_jaeger(9, &[told.clone(), JaegerSpan { span_id: "x".into(), ..told }]), [expected]);
    }

    #[test]
    fn calls_that_were_traced_of_themselves_are_searched_for_in_jaeger() {
        let ui = fakes::http1_by_path(|path| {
            assert!(path.contains("operation=a.B%2FGetVersion&start=5&end=8"), "{path}");
            let trace = |references: &str| {
                format!(r#"{{"spans":[{{"operationName":"a.B/GetVersion","references":{references}}}]}}"#)
            };
            let traces = [trace("[]"), trace("null"), trace(r#"[{"refType":"CHILD_OF"}]"#)].join(",");
            ("200 OK", "application/json", format!(r#"{{"data":[{traces}]}}"#))
        });
        let (client, ui) = (JaegerClient::new("http://x"), format!("http://{ui}"));
        let eyes = Eyes::Jaeger { client, ui };
        assert_eq!(eyes.roots("standalone", "a.B/GetVersion", (5_000, 7_001)), Some(2));
    }
}
