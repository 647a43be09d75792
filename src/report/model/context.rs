//! What surrounds the numbers: run, server, machine, settings, verdict, costs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dist::UnknownReason;

/// Which run it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Unique.
    pub id: String,
    /// The workload's name.
    pub name: String,
    /// The command as typed, secrets left out.
    pub command: String,
    /// Version of milvus-load.
    pub version: String,
    /// When the measured window began, RFC 3339, UTC.
    pub started: String,
    /// The same, in microseconds since 1970.
    pub started_unix_us: u64,
    /// Length of the measured window in seconds; of an interrupted run, what there was of it. Rates divide by it.
    pub measured_s: f64,
    /// How requests were started.
    pub load_model: LoadKind,
    /// How the run ended.
    pub state: State,
}

/// How requests were started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// At their own times, whatever the server does.
    Open,
    /// The next when the last is done: response times leave out the waiting of requests that were never started.
    Closed,
    /// Streams of both kinds.
    Mixed,
}

impl LoadKind {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open loop",
            Self::Closed => "closed loop",
            Self::Mixed => "open and closed loop",
        }
    }
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// By itself.
    Complete,
    /// By a signal; the numbers are those of the part that was measured.
    Interrupted,
    /// By an error.
    Failed,
}

impl State {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Dotted path, as `--set` takes it.
    pub key: String,
    /// The value; seeds are strings.
    pub value: serde_json::Value,
    /// `default`, `file LINE:COLUMN`, `environment NAME`, `--set`, or a flag such as `--rate`.
    pub from: String,
}

/// The server under load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Where it is, without a database.
    pub uri: String,
    /// The database that every call named; null: none was named, so it was the server's default one. Older reports have
    /// it in `uri`, as its path, where they tell it.
    #[serde(default)]
    pub database: Option<String>,
    /// Its version as it tells it; null: it did not.
    pub version: Option<String>,
    /// Started by milvus-load, on the same machine.
    pub embedded: bool,
    /// Its own tracing; null: not known.
    pub tracing: Option<ServerTracing>,
}

/// How the server itself traces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerTracing {
    /// Where it exports; null: not known.
    pub endpoint: Option<String>,
    /// Its own sampleFraction, for requests without a traceparent; null: not known.
    pub sample_fraction: Option<f64>,
}

/// The machine that generated the load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: u32,
    /// Bytes of memory; null: not known.
    pub memory: Option<u64>,
    /// Operating system and architecture.
    pub os: String,
    /// The processor's name; null: not known.
    pub cpu: Option<String>,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Address and port of the other end, of the last one where there were several; null: it was never up.
    pub peer: Option<String>,
    /// All addresses that it was connected to, in the order of their first time. With more than one it is not told which of
    /// them a request went to.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Requests sent over it within the window.
    pub requests: u64,
    /// p99 of the response times of all requests sent over it, one that did not succeed being slower than any other; null: too
    /// few, among those that did not succeed, or above one hour.
    pub p99_us: Option<f64>,
    /// Why it is null.
    #[serde(default)]
    pub unknown: BTreeMap<String, UnknownReason>,
}

/// What befell the connections, all of them together, the warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transport {
    /// Connections that were up and ended before the run did.
    pub connections_lost: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
    /// Requests that waited because every connection was at the server's limit of concurrent streams. Their wait is in lag.
    pub stream_waits: u64,
    /// How long requests waited for such a place or for a connection, added up, in microseconds.
    pub waited_us: f64,
}

/// Which part of a divided run a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// One process of a run that was divided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardPart {
    /// From 0.
    pub index: u32,
    /// The number of its machine, from 0: shards with the same number shared one.
    pub machine: u32,
    /// How long after the start that was given to all its warm-up began by its own clock, in microseconds.
    pub late_us: f64,
    /// The kernel's bound of how far its clock was off, in microseconds: that far its requests may stand in the wrong interval;
    /// response times are never touched by it. Null: nothing keeps the clock in time, or the kernel does not tell.
    pub clock_error_us: Option<f64>,
    /// Requests that were due within the window.
    pub offered: u64,
    /// Its connections: so many of `connections`, which holds those of all shards in order.
    pub connections: u32,
    /// CPU time of its process per sent request without what the workers busy-waited, in microseconds; null: none was sent, or
    /// not known.
    pub cpu_us_per_request: Option<f64>,
}

/// A step of the set-up. Steps follow each other without a gap; one that comes several times is told each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SetupStep {
    /// Its name, such as `create`, `insert`, `flush`, `compact`, `index`, `load`, `wait` (until the collection is ready), `count`.
    pub step: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many calls were repeated.
    pub retries: u64,
    /// Its trace; null: not traced.
    pub trace_id: Option<String>,
}

/// How requests were traced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// Share of requests sampled, 0 to 1.
    pub fraction: f64,
    /// Where spans went.
    pub endpoint: String,
    /// What unsampled requests told the server: `propagate` or `omit`.
    pub unsampled: String,
    /// Which traces were kept: `all` or `slow`.
    pub keep: String,
    /// The client's service.name.
    pub service_name: String,
}

/// What became of spans: first the client's own, then all that the built-in collector received; null: there was none, or it is not
/// known. A kept span that came more than once counts once. received = kept + let_go + evicted + foreign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spans {
    /// Built.
    pub recorded: u64,
    /// Delivered: to the collector at the endpoint, or where none listens there or only kept traces go there, to the built-in one.
    pub exported: u64,
    /// Not exported for want of room.
    pub dropped: u64,
    /// Refused, or not delivered.
    pub failed: u64,
    /// Received by the built-in collector, the client's own among them.
    pub received: Option<u64>,
    /// Kept by it: of slow, typical and failed requests, and of set-up.
    pub kept: Option<u64>,
    /// Evicted by it for want of room.
    pub evicted: Option<u64>,
    /// Of requests that are none of those that are kept.
    #[serde(default)]
    pub let_go: Option<u64>,
    /// Of no request that was decided on: of none of this run, or of one whose own span was dropped.
    #[serde(default)]
    pub foreign: Option<u64>,
    /// Messages, not spans, that it refused since they were malformed or too large.
    #[serde(default)]
    pub exports_refused: Option<u64>,
    /// Sampled requests, not spans, that the server answered and of which its root span never came: its own exporter lost it. Null: not known, as
    /// where no server's root span came at all.
    pub lost_at_server: Option<u64>,
}

/// Whether the numbers can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// True where no finding is an error.
    pub trusted: bool,
    /// Errors first, then warnings, then notes.
    pub findings: Vec<Finding>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// A stable name.
    pub code: String,
    /// What it weighs.
    pub severity: Severity,
    /// What was found, with its numbers.
    pub message: String,
    /// Why it probably is so.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The numbers cannot be trusted.
    Error,
    /// The numbers hold; something in them deserves a look.
    Warning,
    /// Good to know.
    Note,
}

/// What the run cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// milvus-load itself.
    pub generator: Generator,
    /// The server, where it tells; null: it does not.
    pub server: Option<ServerUse>,
    /// How many of this machine's cores other programs used, on average; null: not known.
    #[serde(default)]
    pub others_cores: Option<f64>,
}

/// What the generator cost, from the start of the warm-up to the end of the drain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// CPU time of the whole process per sent request without what the workers busy-waited, in microseconds; null: none was sent,
    /// or not known.
    pub cpu_us_per_request: Option<f64>,
    /// CPU seconds by part: `worker`, `export`, `control`, `other`; empty: not known.
    pub cpu_s: BTreeMap<String, f64>,
    /// Seconds for which the workers busy-waited with nothing else to do; part of `cpu_s`, and no work.
    #[serde(default)]
    pub busy_wait_s: f64,
    /// The most memory that was resident at once, of several processes in the largest; null: not known.
    pub rss_peak_bytes: Option<u64>,
    /// The worker threads, within the window.
    #[serde(default)]
    pub workers: Vec<WorkerUse>,
}

/// What a worker thread got from the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerUse {
    /// The share of the window that it was on a core, 0 to 1; null: not known.
    pub cpu_share: Option<f64>,
    /// The share in which it had work to do, on a core or waiting for one; null: not known.
    pub busy_share: Option<f64>,
    /// How long it waited for a core each time that it had something to do, on average, in microseconds; null: not known.
    pub wait_us: Option<f64>,
}

/// What the server's process cost, from the start of the warm-up to the end of the drain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerUse {
    /// CPU seconds; null: not known.
    pub cpu_s: Option<f64>,
    /// Resident memory at the end; null: not known.
    pub rss_bytes: Option<u64>,
}

/// A threshold and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threshold {
    /// As written.
    pub expression: String,
    /// The number judged: microseconds for times, a share for errors, per second for rates. Null: not known.
    pub value: Option<f64>,
    /// Why it is null.
    #[serde(default)]
    pub unknown: Option<UnknownReason>,
    /// Whether it was met; null: too few samples to say.
    pub met: Option<bool>,
}
