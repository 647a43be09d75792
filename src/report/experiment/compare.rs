//! What a comparison of runs found.
//!
//! Belongs here: its shape. How it is told to people is in `compare_document`; how it is worked out, in
//! [`experiment`](crate::experiment).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Runs in groups, the first of them the baseline; with one group alone, how far its runs lie apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// How the runs of the groups lie in time.
    pub order: RunOrder,
    /// The baseline first.
    pub groups: Vec<Group>,
    /// What is not the same in all runs, beyond their numbers.
    pub differences: Vec<Difference>,
    /// The runs that cannot be trusted.
    pub untrusted_runs: Vec<UntrustedRun>,
    /// The numbers.
    pub metrics: Vec<Metric>,
    /// What follows for whoever asked.
    pub decision: Decision,
}

/// How the runs of the groups lie in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOrder {
    /// In pairs, which of the two came first being drawn by lot: judged by the paired t.
    Pairs,
    /// Mixed: judged by Welch's t.
    Mixed,
    /// One group after the other: Welch's t, and what changed with time is not told apart from what changed with the group.
    Successive,
    /// One run of each: nothing is known of how runs differ from each other.
    SingleRuns,
    /// There is one group.
    OneGroup,
}

/// Runs that are taken to be alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// `A`, `B`, ...
    pub label: String,
    /// Where it comes from: a report, a directory, or a workload with what was set over it.
    pub source: String,
    /// The IDs of its runs, by their start.
    pub runs: Vec<String>,
    /// How many of them cannot be trusted.
    pub untrusted: u64,
}

/// A run whose numbers cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UntrustedRun {
    /// Its group's label.
    pub group: String,
    /// Its ID.
    pub run: String,
    /// What speaks against it, as its own report says.
    pub errors: Vec<String>,
}

/// Something that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// A dotted path: of a setting as `--set` takes it, or such as `server.version`.
    pub key: String,
    /// By group, its values without repetition; null stands for a run that has none.
    pub values: Vec<Vec<Value>>,
    /// What it means for the comparison.
    pub weight: Weight,
}

/// What a difference means for a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Workload or server: refused unless it was allowed.
    Decides,
    /// It may explain a change, and is told alone.
    Told,
}

/// One number of all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// `search.response.p50`, as thresholds spell it; `generator.cpu_us_per_request`, `server.cpu_us_per_request`.
    pub name: String,
    /// In what it is counted.
    pub unit: Unit,
    /// Which way it is better.
    pub better: Direction,
    /// Whether it is the one that decides. All others are exploratory: of twenty, one is seen to change though nothing did.
    pub primary: bool,
    /// By group.
    pub groups: Vec<Spread>,
    /// Each other group against the baseline, in order.
    pub changes: Vec<Change>,
}

/// In what a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds. Changes are relative: 0.05 is 5 % more.
    Microseconds,
    /// Per second. Changes are relative.
    PerSecond,
    /// A share of 1. Changes are differences: 0.05 is five points more.
    Share,
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Lower.
    Lower,
    /// Higher.
    Higher,
}

/// One number in the runs of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Of each run, in the order of the group.
    pub values: Vec<RunValue>,
    /// Arithmetic mean over runs with its 95 % interval by Student's t; null where a value is, or with fewer than two.
    pub mean: Option<Estimate>,
    /// Standard deviation from run to run, over n - 1; null as the mean.
    pub sd: Option<f64>,
}

/// One number of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunValue {
    /// In the metric's unit; null: not known.
    pub value: Option<f64>,
    /// Why it is null.
    pub unknown: Option<NoValue>,
}

/// Why a run has no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoValue {
    /// It lies among the requests that did not succeed: it is infinitely slow.
    Unanswered,
    /// Too few requests lie beyond it.
    TooFew,
    /// It lies above one hour.
    Saturated,
    /// The run does not tell it.
    NotTold,
}

/// A number and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A group against the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The group's label.
    pub group: String,
    /// How much more it is than in the baseline, see [`Unit`]; null: not known.
    pub change: Option<f64>,
    /// Its 95 % interval: over runs, or with [`RunOrder::SingleRuns`] within these two runs; null where there is none.
    pub interval: Option<Estimate>,
    /// Two-sided, of no change; null with single runs.
    pub p_value: Option<f64>,
    /// The change for the worse that so many such runs find 4 times in 5; null with single runs.
    pub smallest_detectable: Option<f64>,
    /// What may be concluded.
    pub verdict: ChangeVerdict,
    /// What was seen, whatever may be concluded from it; null: nothing can be.
    pub seen: Option<Seen>,
    /// A change for the worse by more than this is excluded; null where one is seen or nothing is known.
    pub excluded_above: Option<f64>,
    /// Why there is no number; null where there is one.
    pub reason: Option<String>,
}

/// What may be concluded of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerdict {
    /// It is better.
    Better,
    /// It is worse.
    Worse,
    /// No change is seen, and one for the worse by more than `excluded_above` is excluded.
    NoneSeen,
    /// No change is seen, and `excluded_above` is more than was to be excluded.
    TooNoisy,
    /// One group ran after the other: what is seen may be the machine's.
    DriftNotExcluded,
    /// Fewer than 5 runs of a group: an interval and no decision.
    TooFewRuns,
    /// One run of each: a difference within these runs, and run-to-run variation is unknown.
    SingleRuns,
    /// Stopped by hand: an interval and no decision.
    Stopped,
    /// There is no number to judge.
    Unknown,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// A change for the better.
    Better,
    /// A change for the worse.
    Worse,
    /// None.
    Nothing,
}

/// What follows for whoever asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The metric that decides.
    pub metric: String,
    /// What is a regression: a change for the worse by more than this share; null: nobody asked.
    pub fail_above: Option<f64>,
    /// What was decided.
    pub outcome: DecisionOutcome,
    /// In a sentence.
    pub reason: String,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionOutcome {
    /// No limit was given.
    NotAsked,
    /// A change for the worse beyond the limit is excluded.
    Passed,
    /// It is worse, by more than the limit.
    Regressed,
    /// Neither can be said.
    CannotSay,
}

impl ChangeVerdict {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoneSeen => "none seen",
            Self::TooNoisy => "too noisy",
            Self::DriftNotExcluded => "drift not excluded",
            Self::TooFewRuns => "too few runs",
            Self::SingleRuns => "single runs",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }
}

impl NoValue {
    /// As a person reads it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::TooFew => "too few",
            Self::Saturated => "over 1 h",
            Self::NotTold => "not told",
        }
    }
}

impl Comparison {
    /// The metric that decides; `None` where there are no runs.
    pub fn primary(&self) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.primary)
    }

    /// How many runs cannot be trusted.
    pub fn untrusted(&self) -> u64 {
        self.groups.iter().map(|group| group.untrusted).sum()
    }
}
