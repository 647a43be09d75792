//! Why the slow requests of an operation were slow.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the time of an operation's slow requests went, against typical ones: by the traces that were kept of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribution {
    /// In a sentence.
    pub sentence: String,
    /// Succeeded, and at or above `trace.slow`.
    pub slow: AttributedSet,
    /// Succeeded, between p25 and p75.
    pub typical: AttributedSet,
    /// Where the time went, largest difference first; each column sums to the response times. Empty: not known.
    pub rows: Vec<AttributionRow>,
    /// What most of a slow request's excess was, counted over the slow ones, most frequent first. Empty: not known.
    pub causes: Vec<AttributionCause>,
    /// Slow requests within 100 ms of each other are one episode: they share their cause. So are those between which the kept ones and
    /// the counts of the intervals show no gap. Those of which a trace was used.
    pub episodes: u64,
    /// When the episodes were, where they are too few for intervals; otherwise empty.
    pub moments: Vec<SlowMoment>,
    /// Requests that failed, timed out or were not sent: they are neither slow nor typical.
    #[serde(default)]
    pub not_succeeded: u64,
    /// Why the generator itself sent late, where that is the cause of a tenth of the slow requests or more; null: it is not, or not known.
    pub lateness: Option<String>,
    /// Why nothing is told; null where it is.
    pub unknown: Option<NotAttributed>,
}

/// Requests whose traces were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributedSet {
    /// What makes a request one of them: `p99`, `20.0 ms`, `p90 of the succeeded`, `p25 to p75`.
    pub range: String,
    /// Response times from here on; null: not known.
    pub from_us: Option<f64>,
    /// Up to here; null: without an end, or not known.
    pub to_us: Option<f64>,
    /// All requests within, traced or not.
    pub requests: u64,
    /// Traces that are whole: these are used, each for as many requests as it stands for.
    pub complete: u64,
    /// Traces of kept requests that are not used, by reason.
    pub incomplete: BTreeMap<IncompleteTrace, u64>,
    /// The share of `requests` that no whole trace stands for, 0 to 1; null: there are no requests.
    pub left_out: Option<f64>,
    /// Mean response time, as the whole traces tell it; null: not known.
    pub response_us: Option<f64>,
}

/// Why the trace of a request is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteTrace {
    /// It was not kept, or did not come.
    NoTrace,
    /// No span of the server hangs beneath the client's.
    NoServerSpan,
    /// Spans hang beneath others that did not come.
    NotReached,
    /// The request's own times are in a wrong order.
    OutOfOrder,
    /// Spans came and were not kept for want of room, or the run ended before all of them had come.
    Cut,
}

/// One place where time goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributionRow {
    /// `lag`, `outside_milvus`, `searched_with_another`, or `span`.
    pub row: RowKind,
    /// What it means.
    pub words: String,
    /// The service of a span; otherwise null.
    pub service: Option<String>,
    /// The span's name; otherwise null.
    pub span: Option<String>,
    /// The span's kind: `internal`, `server`, `client`, `producer` or `consumer`; otherwise null.
    pub kind: Option<String>,
    /// Of a span with children in its process: its own time before the child of this name starts; null: after the last one, or all.
    pub before: Option<String>,
    /// Whether it is the span's own time after its last child has started.
    pub after_last: bool,
    /// Mean over the slow requests, in microseconds; one without it counts as 0.
    pub slow_us: f64,
    /// The same over the typical ones.
    pub typical_us: f64,
    /// slow - typical.
    pub difference_us: f64,
    /// Lower end of the difference's 95 % confidence interval; null: not known.
    pub low_us: Option<f64>,
    /// Upper end.
    pub high_us: Option<f64>,
    /// Why there is no interval; null where there is one.
    pub unknown: Option<NoInterval>,
    /// Of the difference of the response times; null where slow requests take no longer.
    pub share: Option<f64>,
}

/// What a row is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// sent - intended.
    Lag,
    /// The network, and what lies before the server's first span.
    OutsideMilvus,
    /// Within a search that the server made for several requests at once, in the trace of another one.
    SearchedWithAnother,
    /// A span's own time.
    Span,
}

/// Why a row has no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoInterval {
    /// Fewer than 8: see `moments`.
    TooFewEpisodes,
    /// It is in so few episodes that nothing is known of how it scatters.
    TooRare,
}

/// How often a row was what most of a slow request's excess over typical ones was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributionCause {
    /// The row's.
    pub row: RowKind,
    /// The row's.
    pub words: String,
    /// The row's, as the four after it: together with `row` they name one.
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub span: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub before: Option<String>,
    #[serde(default)]
    pub after_last: bool,
    /// In so many of the whole slow traces.
    pub traces: u64,
    /// The slow requests that these stand for; 0 in older reports.
    #[serde(default)]
    pub requests: f64,
    /// The share of the slow requests that these stand for, 0 to 1.
    pub share: f64,
}

/// An episode of slow requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowMoment {
    /// When its first request was due: seconds from the window's start.
    pub at_s: f64,
    /// Until its last one was done.
    pub length_s: f64,
    /// Whole traces in it.
    pub traces: u64,
}

/// Why it is not known where the time went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotAttributed {
    /// Too few requests to say which are slow.
    TooFewRequests,
    /// The slow ones begin within what is typical.
    NotSlower,
    /// No request was sampled.
    NotSampled,
    /// Sampled, but no server spans of them came.
    NoTraces,
    /// Fewer than 10 whole traces of slow or of typical requests.
    TooFewTraces,
    /// More than a fifth of the slow or of the typical requests have no whole trace.
    TooManyLeftOut,
}

impl NotAttributed {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooFewRequests => "too few requests to say which are slow",
            Self::NotSlower => {
                "what counts as slow begins within what is typical (p25 to p75); raise trace.slow"
            }
            Self::NotSampled => "no request was sampled",
            Self::NoTraces => "no server spans of the sampled requests are at hand",
            Self::TooFewTraces => "fewer than 10 whole traces of slow or of typical requests",
            Self::TooManyLeftOut => "over 20% of the slow or of the typical requests have no whole trace",
        }
    }
}

impl IncompleteTrace {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoTrace => "no trace at hand",
            Self::NoServerSpan => "no span of the server",
            Self::NotReached => "spans missing",
            Self::OutOfOrder => "times out of order",
            Self::Cut => "spans without room, or not waited for",
        }
    }
}
