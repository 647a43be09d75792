//! What happened to each operation, over the window, per interval and per stage.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dist::{Dist, UnknownReason};

/// One operation over the window: offered = succeeded + failed + timed_out + not_sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// `search`, `insert`, ...
    pub kind: String,
    /// Requests that were due.
    pub offered: u64,
    /// Answered as asked.
    pub succeeded: u64,
    /// Refused by the server or the connection.
    pub failed: u64,
    /// No complete answer in time.
    pub timed_out: u64,
    /// Never sent, because the in-flight bound was reached.
    pub not_sent: u64,
    /// Requests of the warm-up, measured nowhere.
    #[serde(default)]
    pub warmup: u64,
    /// Offered per second of the window; null where the window has no length.
    pub offered_per_s: Option<f64>,
    /// Succeeded per second of the window; null where the window has no length.
    pub succeeded_per_s: Option<f64>,
    /// Query vectors answered per second; null for operations without.
    pub vectors_per_s: Option<f64>,
    /// Rows taken or returned per second; null for searches.
    pub rows_per_s: Option<f64>,
    /// What the succeeded brought back.
    pub hits: Hits,
    /// done - intended, of the succeeded; percentiles of the offered.
    pub response: Dist,
    /// done - sent, of the succeeded; percentiles of the offered.
    pub service: Dist,
    /// sent - intended, of all that were sent.
    pub lag: Dist,
    /// The failed, apart.
    pub failures: Failures,
    /// done - intended, of the timed out, where done is when they were given up.
    pub timeouts: Dist,
    /// The failed by kind, most frequent first; their counts add up to `failed`.
    pub errors: Vec<ErrorClass>,
    /// Share of the true nearest neighbours among those returned; null where it was not asked for.
    pub recall: Option<f64>,
    /// What being sampled costs a request itself; null: not both some were sampled and some not, or these differ in more than that,
    /// because the server was left to decide over those without a header.
    #[serde(default)]
    pub sampling: Option<Sampling>,
}

/// The sampled requests against the others, at this load. What they cost each other by queueing is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sampling {
    /// Requests that were sent and sampled.
    pub sampled: u64,
    /// Requests that were sent and not sampled.
    pub unsampled: u64,
    /// Of their service times: what the sampled take longer.
    pub service: SamplingDifferences,
}

/// Differences, sampled less unsampled, of all that were sent; the mean only where all of them succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplingDifferences {
    /// Of the medians.
    pub p50_us: Option<Difference>,
    /// Of the 90th percentiles.
    pub p90_us: Option<Difference>,
    /// Of the 99th percentiles.
    pub p99_us: Option<Difference>,
    /// Of the means.
    pub mean_us: Option<Difference>,
    /// Why a number is null, by its name.
    pub unknown: BTreeMap<String, UnknownReason>,
}

/// A difference with its 95 % confidence interval, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// As estimated.
    pub difference_us: f64,
    /// Lower end.
    pub low_us: f64,
    /// Upper end.
    pub high_us: f64,
}

/// What the succeeded requests brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hits {
    /// Hits or rows that complete answers would have had, or rows sent; of the answers of which that is known. Rows that are
    /// written during the run may come on top.
    pub expected: u64,
    /// Hits or rows returned, or rows taken; of all answers.
    pub returned: u64,
    /// Answers with none, unless none was expected.
    pub empty: u64,
    /// Answers with fewer than were expected of each.
    #[serde(default)]
    pub short: u64,
    /// Answers of which nobody knows how many to expect, such as those of a query whose filter is not over one synthetic
    /// scalar alone: they are not part of `expected`.
    #[serde(default)]
    pub unknown: u64,
}

/// Times of the failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failures {
    /// done - intended.
    pub response: Dist,
    /// done - sent, of those that were sent.
    pub service: Dist,
}

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorClass {
    /// gRPC status code; null for the rest, which had no place of its own.
    pub grpc: Option<u8>,
    /// Milvus's code, 0 where there is none; null for the rest.
    pub milvus: Option<i32>,
    /// How many requests.
    pub count: u64,
    /// The first message of the kind.
    pub message: String,
}

/// A part of the window, by intended start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Start, in seconds from the window's.
    pub start_s: f64,
    /// Length in seconds; the last may be shorter than the others.
    pub length_s: f64,
    /// What happened, by operation name.
    pub operations: BTreeMap<String, IntervalOperation>,
}

/// A stage of the window, by intended start: a part in which no stream's rate leaves its line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Start, in seconds from the window's.
    pub start_s: f64,
    /// Length in seconds, or of what there was of it when the run was stopped.
    pub length_s: f64,
    /// What happened, by operation name.
    pub operations: BTreeMap<String, StageOperation>,
}

/// A rate over a stage: on the line from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageRate {
    /// Requests per second at the stage's start.
    pub from: f64,
    /// Requests per second at the stage's end.
    pub to: f64,
}

/// One operation in one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageOperation {
    /// What was to be offered: its share, by weight, of its stream's rate; null in a closed loop.
    pub rate: Option<StageRate>,
    /// Offered per second of the stage; null where it has no length.
    pub offered_per_s: Option<f64>,
    /// Succeeded per second of the stage; null where it has no length.
    pub succeeded_per_s: Option<f64>,
    /// Counts and times, as of an interval.
    #[serde(flatten)]
    pub numbers: IntervalOperation,
}

/// One operation in one interval, or in one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalOperation {
    /// Requests that were due.
    pub offered: u64,
    /// Answered as asked.
    pub succeeded: u64,
    /// Refused.
    pub failed: u64,
    /// No complete answer in time.
    pub timed_out: u64,
    /// Never sent.
    pub not_sent: u64,
    /// The most of this operation that were due and not done at once; of several workers the sum of theirs, an upper bound.
    pub in_flight_max: u32,
    /// done - intended, of the succeeded.
    pub response: Dist,
    /// done - sent, of the succeeded.
    pub service: Dist,
    /// sent - intended, of all that were sent.
    pub lag: Dist,
}
