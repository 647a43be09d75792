//! Where Milvus's spans are looked for: in what came to doctor itself, or in Jaeger.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::intake::{Intake, Knocks};
use super::jaeger::{self, Jaeger};
use crate::trace::jaeger::JaegerTrace;
use crate::trace::kept::KeptTrace;
use crate::trace::spans::{Kind, Span};

const PAUSE: Duration = Duration::from_millis(100);

/// Traces that a search of Jaeger may tell.
const MOST_FOUND: usize = 1_500;

pub(super) enum Eyes {
    Own(Intake),
    Jaeger(Jaeger),
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
            Self::Jaeger(jaeger) => in_jaeger(jaeger, trace_id, limit, is_stopped, enough),
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
            Self::Jaeger(jaeger) => search(jaeger, service, name, (from, to)),
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
            Self::Jaeger(_) | Self::Nowhere(_) => 0,
        }
    }

    pub fn knocks(&self) -> Knocks {
        match self {
            Self::Own(intake) => intake.knocks(),
            Self::Jaeger(_) | Self::Nowhere(_) => Knocks::default(),
        }
    }
}

/// The same in Jaeger, whoever else is looked at.
pub(super) fn in_jaeger(
    jaeger: &Jaeger,
    trace_id: u128,
    limit: Duration,
    is_stopped: &dyn Fn() -> bool,
    enough: impl Fn(&[Span]) -> bool,
) -> Vec<Span> {
    let spans = |trace: &JaegerTrace| KeptTrace::from(trace).spans();
    let found =
        jaeger::wait_for(&jaeger.client(), trace_id, limit, is_stopped, |trace| enough(&spans(trace)));
    found.map(|trace| spans(&trace)).unwrap_or_default()
}

fn search(jaeger: &Jaeger, service: &str, name: &str, (from, to): (u64, u64)) -> Option<u64> {
    let (service, operation) = (encoded(service), encoded(name));
    let url = format!(
        "{}/api/traces?service={service}&operation={operation}&start={}&end={}&limit={MOST_FOUND}",
        jaeger.ui,
        from / 1_000,
        to.div_ceil(1_000)
    );
    let mut answer = jaeger.get(&url).ok()?;
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

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::*;

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
        let eyes = Eyes::Jaeger(Jaeger::new(&format!("http://{ui}"), Vec::new()));
        assert_eq!(eyes.roots("standalone", "a.B/GetVersion", (5_000, 7_001)), Some(2));
    }
}
