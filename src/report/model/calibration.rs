//! What `calibrate` found: measured percentiles beside true ones, and what this machine can do.
//!
//! `milvus-load/calibration/1`: fields are only added. All times are in microseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::Machine;
use super::dist::UnknownReason;

/// The schema's name, first field of every calibration.
pub const CALIBRATION_SCHEMA: &str = "milvus-load/calibration/1";

/// A whole calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Always `milvus-load/calibration/1`.
    #[schemars(extend("const" = CALIBRATION_SCHEMA))]
    pub schema: String,
    /// Version of milvus-load.
    pub version: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Where it was made.
    pub machine: Machine,
    /// What all rows together say.
    pub proof: Proof,
    /// Servers of known delays, and what was measured of them.
    pub scenarios: Vec<CalibrationScenario>,
    /// What the machine can do; null: not looked at (`run --calibrate` does not).
    pub figures: Option<MachineFigures>,
}

/// What a calibration says of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Every judged percentile is within its bound.
    Proved,
    /// None is wrong, but some are off by as much as this machine's own noise: nothing is proved.
    TooNoisy,
    /// At least one is off by more than bound and noise explain.
    Wrong,
}

/// A server of known delays, driven at a constant rate in an open loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationScenario {
    /// Its name.
    pub name: String,
    /// Its delays in words.
    pub delays: String,
    /// Requests per second.
    pub rate_per_s: f64,
    /// Length of the measured window, in seconds.
    pub window_s: f64,
    /// Requests that the schedule has in the window.
    pub planned: u64,
    /// Of them answered as asked.
    pub succeeded: u64,
    /// How often it was measured: again where a percentile was missed, up to three times. The numbers are the last
    /// try's; a miss is what was missed in all of them.
    pub tries: u32,
    /// The median time beyond the delay of a bare round trip: two timers and loopback, with nothing of milvus-load.
    /// What every response takes beyond its true time.
    pub base_us: f64,
    /// How late the server itself was, by its own log. Part of what was measured, and not of the truth.
    pub server_late: LateTimes,
    /// How late the generator sent.
    pub lag: LateTimes,
    /// Percentile by percentile.
    pub rows: Vec<CalibrationRow>,
}

/// One percentile of the response times of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationRow {
    /// `p50`, `p90`, `p95`, `p99`, `p99.9` or `max`.
    pub percentile: String,
    /// That of this run's own delays and stalls, composed with its schedule.
    pub truth_us: f64,
    /// As the report tells it; null: not known.
    pub measured_us: Option<f64>,
    /// Why it is null.
    pub unknown: Option<UnknownReason>,
    /// Measured - truth; null where nothing was measured.
    pub off_us: Option<f64>,
    /// What it may be off by: 1 % of the truth, at least 100 us.
    pub bound_us: f64,
    /// What this machine's own noise, by bare round trips in the same window, adds to the truth at this percentile;
    /// null: too few of them to tell.
    pub floor_us: Option<f64>,
    /// What the noise adds at its worst: in the worst of 100 replays of the truth with four noises for each
    /// request, of which the largest counts. Null as the floor is.
    pub worst_us: Option<f64>,
    /// What that means.
    pub outcome: RowOutcome,
}

/// What became of a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// Off by no more than bound and floor, where the floor's noise is within the bound itself.
    Ok,
    /// Off by no more than bound and the noise at its worst: explained, but no pass.
    TooNoisy,
    /// Not explained, in three tries.
    Miss,
    /// Shown only: the maximum, and p99.9 where too few samples decide it.
    NotJudged,
}

/// Some times of being late, in microseconds. Null: nothing was, or too few to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LateTimes {
    /// Median.
    pub p50_us: Option<f64>,
    /// 99 % are at most this.
    pub p99_us: Option<f64>,
    /// The largest.
    pub max_us: Option<f64>,
}

/// What this machine and this generator can do, against a server on loopback that answers at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MachineFigures {
    /// The shortest service time of one request at a time.
    pub service_min_us: Option<f64>,
    /// Its median.
    pub service_p50_us: Option<f64>,
    /// How late requests leave, beside a bare timerfd loop.
    pub pacing: Vec<Pacing>,
    /// The highest rate at which lag p99 stays within 1 ms and at most 1 % of the schedule is missing, server and
    /// generator on this machine; null: not even the lowest rate tried.
    pub holds_per_s: Option<f64>,
    /// The lowest rate that was tried.
    pub lowest_tried_per_s: f64,
    /// Whether a higher rate was never tried: then the true one may be higher.
    pub holds_is_limit: bool,
    /// CPU time of the worker threads per request, closed loop with 64 under way on 4 connections.
    pub worker_cpu_us_per_request: Option<f64>,
}

/// Lateness at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pacing {
    /// Requests, or deadlines, per second.
    pub rate_per_s: f64,
    /// The generator's lag.
    pub lag: LateTimes,
    /// The bare loop's, half of it before and half of it after.
    pub bare: LateTimes,
}

impl Proof {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::TooNoisy => "too noisy to say",
            Self::Wrong => "WRONG",
        }
    }
}

impl RowOutcome {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooNoisy => "too noisy",
            Self::Miss => "MISS",
            Self::NotJudged => "not judged",
        }
    }
}

impl Calibration {
    /// All rows with the scenario that they belong to.
    pub fn rows(&self) -> impl Iterator<Item = (&CalibrationScenario, &CalibrationRow)> {
        self.scenarios.iter().flat_map(|scenario| scenario.rows.iter().map(move |row| (scenario, row)))
    }

    /// How many rows have that outcome.
    pub fn count(&self, outcome: RowOutcome) -> usize {
        self.rows().filter(|(_, row)| row.outcome == outcome).count()
    }
}

/// The calibration's JSON Schema, draft 2020-12.
pub fn calibration_schema() -> serde_json::Value {
    schemars::schema_for!(Calibration).to_value()
}
