//! What tracing costs all requests together, by sample fraction.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::model::Finding;

/// The experiment: its design, what each slot brought, and what that comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overhead {
    /// Who traces in the arms.
    pub mode: Mode,
    /// The fractions that were arms, largest first; off is there twice besides.
    pub fractions: Vec<f64>,
    /// How long everything took.
    pub timing: OverheadTiming,
    /// Blocks.
    pub blocks: OverheadBlocks,
    /// The metric that was to be decided on before the experiment began; all others are exploratory.
    pub primary: String,
    /// Effects by metric, the primary one first.
    pub metrics: Vec<Effects>,
    /// What each arm did, off first.
    pub arms: Vec<ArmSummary>,
    /// What shares the machine with the server: with it, costs are upper bounds.
    pub beside_the_server: Vec<String>,
    /// What speaks against the numbers, or is to be known of them.
    pub findings: Vec<Finding>,
    /// Every slot, in order; those of incomplete blocks too.
    pub slots: Vec<OverheadSlot>,
}

/// Who traces in the arms of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The client builds and exports spans; the server is told not to trace.
    Client,
    /// The server is told to trace; the client builds no spans.
    Server,
    /// Both, as in production.
    Both,
    /// The server by its own `sampleFraction`: no header is sent, and each slot is a server process of its own.
    OwnFraction,
}

impl Mode {
    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
            Self::OwnFraction => "own_fraction",
        }
    }
}

/// Times of the design, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverheadTiming {
    /// Before the first slot.
    pub warmup_s: f64,
    /// Discarded at the start of each slot.
    pub washout_s: f64,
    /// Measured in each slot.
    pub slot_s: f64,
}

/// Blocks of the design; each holds every arm once, and off twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverheadBlocks {
    /// As laid out.
    pub planned: usize,
    /// Carried out whole.
    pub complete: usize,
}

/// What the arms do to one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effects {
    /// Its name, such as `search.response.p50_us`.
    pub metric: String,
    /// Whether more is better.
    pub more_is_better: bool,
    /// Its median over the slots that were off; null where it is not known in any.
    pub off: Option<f64>,
    /// The arms, in the order of `fractions`; empty where nothing can be said.
    pub arms: Vec<ArmEffect>,
    /// How two equal arms differ; null as above.
    pub noise: Option<Noise>,
    /// Over all fractions, if cost is proportional; null where it could not be fitted.
    pub line: Option<CostLine>,
    /// Complete blocks that all of it is from.
    pub blocks: usize,
    /// Complete blocks left out, because the metric is not known in one of their slots.
    pub dropped: usize,
    /// Why nothing can be said.
    pub unknown: Option<String>,
}

/// A relative change with its 95 % interval, as shares: 0.02 is 2 % more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// As estimated.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One fraction's effect on a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmEffect {
    /// The fraction.
    pub fraction: f64,
    /// Against off, in the typical slot.
    pub change: Change,
    /// Two-sided, of "no effect".
    pub p_value: f64,
    /// The change for the worse, as a share, that such an experiment finds 4 times in 5.
    pub smallest_detectable: f64,
    /// Its residual variance over that of the other slots.
    pub spread: f64,
    /// Whether `change` is from its own pairs, because its spread is unlike the others'.
    pub own_interval: bool,
    /// What it comes to.
    pub verdict: EffectVerdict,
    /// Changes for the worse above this share are excluded; null where an effect was seen, or nothing was decided.
    pub excluded_above: Option<f64>,
}

/// What an effect comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectVerdict {
    /// It makes the metric worse.
    Costs,
    /// It makes the metric better.
    Gains,
    /// None seen.
    NoneSeen,
    /// Fractions are tested from the largest on, and a larger one showed nothing.
    NotTested,
    /// The experiment was stopped by hand: intervals only.
    Stopped,
    /// Too few complete blocks for a decision: intervals only.
    TooFewBlocks,
}

impl EffectVerdict {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Costs => "costs",
            Self::Gains => "gains",
            Self::NoneSeen => "none seen",
            Self::NotTested => "not tested",
            Self::Stopped => "stopped",
            Self::TooFewBlocks => "too few blocks",
        }
    }
}

/// How two arms differ that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// The second off against the first.
    pub change: Change,
    /// Half-width of its interval: what is smaller is noise.
    pub band: f64,
    /// Two-sided, of "no difference", which is the truth.
    pub p_value: f64,
    /// p < 0.001: something else changed with the arms.
    pub unsound: bool,
}

/// Cost in proportion to the fraction. Queueing bends it up, so small fractions are overstated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostLine {
    /// At fraction 1.
    pub at_1: Change,
    /// At fraction 0.1.
    pub at_0_1: Change,
    /// At fraction 0.01.
    pub at_0_01: Change,
    /// The largest fraction, at most 1, at which more than 2 % for the worse are excluded.
    pub fraction_within_2_percent: f64,
    /// Probability of arms at least as far from the line if cost is proportional; null with one arm.
    pub lack_of_fit_p: Option<f64>,
}

/// What an arm did, over the kept parts of its slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmSummary {
    /// `off`, `off again`, or the fraction.
    pub arm: String,
    /// 0 where it is off.
    pub fraction: f64,
    /// Its complete slots.
    pub slots: usize,
    /// Requests that were sent.
    pub sent: u64,
    /// Of them, those that the client sampled.
    pub sampled: u64,
    /// The client's spans that reached the collector; null: not counted.
    pub client_spans: Option<u64>,
    /// The server's spans of requests that reached the collector; null: not counted.
    pub server_requests: Option<u64>,
    /// All spans that reached the collector; null: not counted.
    pub spans: Option<u64>,
    /// Spans that the client dropped or could not export.
    pub client_spans_lost: u64,
    /// CPU time of the generator's exporting, per request, in microseconds; null: not known.
    pub export_cpu_us_per_request: Option<f64>,
    /// Bytes at the collector per request, its spans' share of all bytes; null: not counted.
    pub collector_bytes_per_request: Option<f64>,
    /// The 99th percentile of the response times of all its slots together, by operation, in microseconds; no effect is told of it.
    pub pooled_p99_us: BTreeMap<String, Option<f64>>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverheadSlot {
    /// Its block, from 0.
    pub block: usize,
    /// `off`, `off again`, or the fraction.
    pub arm: String,
    /// 0 where it is off.
    pub fraction: f64,
    /// Which server process it was on, from 0: an experiment that was resumed has several.
    pub server: usize,
    /// When it began, microseconds since 1970.
    pub start_unix_us: u64,
    /// Requests that were sent in its kept part.
    pub sent: u64,
    /// Of them, those that the client sampled.
    pub sampled: u64,
    /// Share of the machine's time that the hypervisor gave to others; null: not known.
    pub stolen: Option<f64>,
    /// Cores that other programs kept busy, of those that the machine has; null: not known.
    pub others_cores: Option<f64>,
    /// The metrics that are known of it, by name.
    pub values: BTreeMap<String, f64>,
}
