//! Jaeger's query API: a trace by its ID, and waiting for it.
//!
//! Belongs here: what Jaeger says. Does not belong here: where a trace's time went (attribution). Invariant: no reply, of
//! Jaeger or of whoever listens there instead, makes this panic or take more than [`MOST_BYTES`]. Start with
//! [`JaegerClient::fetch`]. Shape of the API: Jaeger 1.x and 2.x, `GET /api/traces/{id}`.

mod kept;
mod model;
mod poll;

use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};

use super::env::JAEGER_HEADERS;
pub use model::{JaegerProcess, JaegerSpan, JaegerTrace, Tags, parse};
pub use poll::{PollRule, Polled, poll_until_stable};

/// The largest reply that is read.
pub const MOST_BYTES: u64 = 32 << 20;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// To where a Jaeger has moved.
const MOST_REDIRECTS: u32 = 5;

/// Why a trace could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JaegerError {
    /// Jaeger answers, but has no such trace: not sampled, not exported, not arrived yet, or already thrown away.
    #[error("Jaeger has no such trace; was it sampled and exported, and has it arrived yet?")]
    NotFound,
    /// Nobody answers.
    #[error("Jaeger cannot be reached at {url}: {cause}; is it running, and is trace.jaeger_ui right?")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What came of it.
        cause: String,
    },
    /// It answers, but is not well.
    #[error("Jaeger at {url} answers with HTTP status {status}; see its log")]
    Status {
        /// What was asked.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// Something before it wants to know who asks.
    #[error(
        "Jaeger at {url} wants a login (HTTP status {status}): set {JAEGER_HEADERS} to the headers that it takes, such as \
         authorization=Bearer%20TOKEN"
    )]
    Login {
        /// What was asked.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// Somebody answers who is no Jaeger, or at more length than is good.
    #[error(
        "what answers at {url} does not speak Jaeger's query API: {cause}; check trace.jaeger_ui, and {JAEGER_HEADERS} where \
         Jaeger is behind a login"
    )]
    BadReply {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl JaegerError {
    /// Whether asking again later may help.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::NotFound | Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Login { .. } | Self::BadReply { .. } => false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct JaegerClient {
    base: String,
    agent: ureq::Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl JaegerClient {
    /// For the Jaeger whose UI is at `ui`: `http://localhost:16686`, with a path where it stands behind one.
    pub fn new(ui: &str) -> Self {
        Self::with_headers(ui, Vec::new())
    }

    /// The same, for one that wants these with every request, such as a token.
    pub fn with_headers(ui: &str, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self::within(ui, headers, LIMIT)
    }

    /// One whose requests may take so long.
    fn within(ui: &str, headers: Vec<(HeaderName, HeaderValue)>, limit: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            // A redirect would carry them to whomever it names.
            .max_redirects(if headers.is_empty() { MOST_REDIRECTS } else { 0 })
            .user_agent(concat!("milvus-load/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .build();
        Self { base: ui.trim().trim_end_matches('/').to_owned(), agent: config.new_agent(), headers }
    }

    /// Where it asks.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One trace. Blocks, for 10 s at most.
    ///
    /// # Errors
    /// Where Jaeger does not have it, does not answer, or is not Jaeger.
    pub fn fetch(&self, trace_id: u128) -> Result<JaegerTrace, JaegerError> {
        let url = format!("{}/api/traces/{trace_id:032x}", self.base);
        let (status, body) = self.get(&url)?;
        let bad = |cause: String| JaegerError::BadReply { url: url.clone(), cause };
        match status {
            200 => parse(&body).map_err(|error| bad(error.to_string()))?.ok_or(JaegerError::NotFound),
            // Jaeger says so in JSON; a page in HTML comes from somebody else.
            404 if is_jaegers_404(&body) => Err(JaegerError::NotFound),
            404 => Err(bad("HTTP status 404 without Jaeger's own words".to_owned())),
            300..=399 | 401 | 403 => Err(JaegerError::Login { url, status }),
            _ => Err(JaegerError::Status { url, status }),
        }
    }

    /// One trace, once it has stopped growing or `rule`'s time is up. Blocks.
    ///
    /// # Errors
    /// As [`JaegerClient::fetch`], where that lasts.
    pub fn fetch_stable(&self, trace_id: u128, rule: PollRule) -> Result<Polled, JaegerError> {
        let start = Instant::now();
        poll_until_stable(rule, || self.fetch(trace_id), || start.elapsed(), std::thread::sleep)
    }

    fn get(&self, url: &str) -> Result<(u16, Vec<u8>), JaegerError> {
        let headers = self.headers.iter();
        let request = headers.fold(self.agent.get(url), |request, (name, value)| request.header(name, value));
        let reply = request.call().and_then(|mut reply| {
            let body = reply.body_mut().with_config().limit(MOST_BYTES).read_to_vec()?;
            Ok((reply.status().as_u16(), body))
        });
        let url = url.to_owned();
        reply.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                JaegerError::BadReply { url, cause: format!("its reply has more than {MOST_BYTES} bytes") }
            }
            ureq::Error::Protocol(_) => JaegerError::BadReply { url, cause: error.to_string() },
            _ => JaegerError::Unreachable { url, cause: error.to_string() },
        })
    }
}

fn is_jaegers_404(body: &[u8]) -> bool {
    let reply: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    reply.is_some_and(|reply| reply.get("errors").is_some_and(serde_json::Value::is_array))
}

#[cfg(test)]
mod tests;
