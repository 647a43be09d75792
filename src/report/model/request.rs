//! A single request, told by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered as asked.
    Succeeded,
    /// Refused by the server or the connection.
    Failed,
    /// Given up.
    TimedOut,
}

impl Outcome {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Why a request has no link to its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoLink {
    /// Tracing was off.
    TracingOff,
    /// The client did not sample it.
    NotSampled,
    /// It was sampled, but its span was not delivered.
    NotExported,
    /// There was no collector.
    NoCollector,
    /// No link form is known: set trace.jaeger_ui or trace.link.
    NoUi,
}

impl NoLink {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TracingOff => "tracing off",
            Self::NotSampled => "not sampled",
            Self::NotExported => "not exported",
            Self::NoCollector => "no collector",
            Self::NoUi => "no link form set",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Its operation, by name.
    pub operation: String,
    /// W3C trace ID, 32 hex digits; null: tracing was off.
    pub trace_id: Option<String>,
    /// The client's span, 16 hex digits; null: tracing was off.
    pub span_id: Option<String>,
    /// Whether the client sampled it.
    pub sampled: bool,
    /// When it was due: microseconds since 1970, UTC.
    pub intended_unix_us: u64,
    /// When it was due: seconds from the window's start.
    pub at_s: f64,
    /// done - intended, in microseconds.
    pub response_us: f64,
    /// done - sent, in microseconds; null: it was over before it was sent.
    pub service_us: Option<f64>,
    /// sent - intended, in microseconds; null: it was over before it was sent.
    pub lag_us: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// gRPC status code, of a failed one.
    pub grpc: Option<u8>,
    /// Milvus's code, of a failed one.
    pub milvus: Option<i32>,
    /// Its connection: index into `connections`.
    pub connection: u16,
    /// Where its trace can be looked at; null where it was not exported.
    pub trace_url: Option<String>,
    /// Why there is no link; null where there is one.
    pub trace_url_reason: Option<NoLink>,
}
