//! The report's shape, `milvus-load/report/1`: a promise to people's scripts.
//!
//! Belongs here: every type that is written to report.json, and nothing else is serializable for it. Within `/1` fields are
//! only added, never renamed, removed or given another unit; a reader passes over fields it does not know, and every field
//! that came later has a default. Unknown is `null` with a reason beside it, never 0.
//!
//! Read [`RunReport`] first.

mod attribution;
mod calibration;
mod collection;
mod context;
mod diagnosis;
mod dist;
mod operations;
mod request;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attribution::{
    AttributedSet, Attribution, AttributionCause, AttributionRow, IncompleteTrace, NoInterval, NotAttributed,
    RowKind, SlowMoment,
};
pub use calibration::{
    CALIBRATION_SCHEMA, Calibration, CalibrationRow, CalibrationScenario, LateTimes, MachineFigures, Pacing,
    Proof, RowOutcome, calibration_schema,
};
pub use collection::{Collection, CollectionState, NoDataHash, Segments, Vector};
pub use context::{
    Connection, Finding, Generator, LoadKind, Machine, Resources, Run, Server, ServerTracing, ServerUse,
    Setting, SetupStep, Severity, Shard, ShardPart, Spans, State, Threshold, Trace, Transport, Verdict,
    WorkerUse,
};
pub use diagnosis::{Check, CheckCause, CheckState, DIAGNOSIS_SCHEMA, Diagnosis, diagnosis_schema};
pub use dist::{Dist, UnknownReason};
pub use operations::{
    Difference, ErrorClass, Failures, Hits, Interval, IntervalOperation, Operation, Sampling,
    SamplingDifferences, Stage, StageOperation, StageRate,
};
pub use request::{NoLink, Outcome, Request};

/// The schema's name, first field of every report.
pub const SCHEMA: &str = "milvus-load/report/1";

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Always `milvus-load/report/1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Which run it was.
    pub run: Run,
    /// The workload as resolved, secrets left out; seeds are strings.
    pub workload: serde_json::Value,
    /// Every setting in force, with where it came from.
    pub settings: Vec<Setting>,
    /// The server under load; null where the run never reached one.
    pub server: Option<Server>,
    /// The machine that generated the load.
    pub machine: Machine,
    /// The connections that carried it.
    pub connections: Vec<Connection>,
    /// What befell them; null: not counted.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// Which part of a divided run this is; null: the whole.
    pub shard: Option<Shard>,
    /// The parts that this report was merged from; empty: it was not.
    #[serde(default)]
    pub shards: Vec<ShardPart>,
    /// The collection; null where it was never looked at.
    pub collection: Option<Collection>,
    /// What was done before the load, in order.
    pub setup: Vec<SetupStep>,
    /// How requests were traced; null: tracing was off.
    pub trace: Option<Trace>,
    /// Whether the numbers can be trusted.
    pub verdict: Verdict,
    /// What happened, by operation name.
    pub operations: BTreeMap<String, Operation>,
    /// The slowest requests of every operation, slowest first.
    pub slowest: Vec<Request>,
    /// The slowest of those that were sampled, slowest first.
    #[serde(default)]
    pub slowest_sampled: Vec<Request>,
    /// Requests drawn fairly from the succeeded that were at or above `trace.slow`.
    #[serde(default)]
    pub slow: Vec<Request>,
    /// Requests drawn fairly from the succeeded between p25 and p75.
    pub typical: Vec<Request>,
    /// Why slow requests were slow, by operation name; empty: tracing was off, or an older report.
    #[serde(default)]
    pub attribution: BTreeMap<String, Attribution>,
    /// What became of the client's spans; null: tracing was off.
    pub spans: Option<Spans>,
    /// The window in at most 600 parts of one length; their histograms sum to the run's exactly.
    pub intervals: Vec<Interval>,
    /// The window's stages, where rates change; their histograms sum to the run's exactly. Empty: one rate all the time.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// What the run cost.
    pub resources: Resources,
    /// The workload's thresholds, in file order.
    pub thresholds: Vec<Threshold>,
    /// What a calibration just before the run found; null: none was asked for.
    #[serde(default)]
    pub calibration: Option<Calibration>,
}

impl RunReport {
    /// A report of nothing yet: every part empty, the verdict not trusted until one is given.
    pub fn new(run: Run) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            run,
            workload: serde_json::Value::Object(serde_json::Map::new()),
            settings: Vec::new(),
            server: None,
            machine: Machine::default(),
            connections: Vec::new(),
            transport: None,
            shard: None,
            shards: Vec::new(),
            collection: None,
            setup: Vec::new(),
            trace: None,
            verdict: Verdict::default(),
            operations: BTreeMap::new(),
            slowest: Vec::new(),
            slowest_sampled: Vec::new(),
            slow: Vec::new(),
            typical: Vec::new(),
            attribution: BTreeMap::new(),
            spans: None,
            intervals: Vec::new(),
            stages: Vec::new(),
            resources: Resources::default(),
            thresholds: Vec::new(),
            calibration: None,
        }
    }

    /// (offered - succeeded) / offered of all operations together; `None` where nothing was offered.
    pub fn errors(&self) -> Option<f64> {
        let sum = |count: fn(&Operation) -> u64| self.operations.values().map(count).sum::<u64>();
        error_share(sum(|o| o.offered), sum(|o| o.succeeded))
    }
}

/// (offered - succeeded) / offered; `None` where nothing was offered.
pub(in crate::report) fn error_share(offered: u64, succeeded: u64) -> Option<f64> {
    (offered > 0).then(|| offered.saturating_sub(succeeded) as f64 / offered as f64)
}

/// The report's JSON Schema, draft 2020-12.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(RunReport).to_value()
}
