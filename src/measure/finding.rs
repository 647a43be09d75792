//! All that a run can be found fault with, each with its numbers, its cause and its remedy.
//!
//! What they are and what they weigh is here, their words in `wording`, deciding in [`verdict`](super::verdict). Every match
//! is exhaustive: a finding without a remedy does not compile.

use std::fmt;

use super::endpoints::Tail;
use super::quantile::Quantile;
use crate::units::{Nanos, SignedNanos};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The numbers cannot be trusted.
    Error,
    /// The numbers hold; something in them deserves a look.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a finding is about, where a run has several processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A process that generates load: judged for each by itself.
    Process,
    /// A machine, with all processes of the run on it.
    Machine,
    /// The run: judged on all numbers together.
    Run,
}

/// Why requests were not sent: what filled the in-flight bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Requests waiting for the server.
    Server,
    /// Requests waiting to be sent.
    Generator,
}

/// How requests are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// At their own times, some of them at least.
    Open,
    /// All of them when another is done.
    Closed,
}

/// What one number says of many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// A percentile of what was offered.
    Quantile(Quantile),
    /// The arithmetic mean of what was sent.
    Mean,
}

/// `p99`, `mean`.
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // In thousandths of a percent: binary fractions would show their digits.
            Self::Quantile(quantile) => write!(f, "p{}", (quantile.share() * 1e5).round() / 1e3),
            Self::Mean => f.write_str("mean"),
        }
    }
}

/// How much later requests are done, seen from when they were due, than from when they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    pub of: Statistic,
    /// From the intended start.
    pub response: Nanos,
    /// From the send.
    pub service: Nanos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Nothing was offered in the window.
    NothingMeasured,
    /// An open stream fell behind its schedule.
    Shortfall {
        stream: String,
        /// Arrivals of its schedule.
        planned: u64,
        /// Requests offered in time.
        offered: u64,
    },
    /// Requests left so late that it shows in the response times.
    GeneratorLate {
        operation: String,
        /// What is compared, from the intended start and from the send.
        late: Lateness,
    },
    /// The worker threads did not run for a while: stopped, suspended, or without a core.
    GeneratorStopped {
        /// The longest such while.
        longest: Nanos,
    },
    /// A worker thread had work to do nearly all the time.
    GeneratorSaturated {
        worker: usize,
        /// The share of the window in which it had work to do, 0 to 1.
        busy: f64,
        /// The share in which it was on a core; in the rest of `busy` it waited for one.
        on_core: f64,
        load: Load,
    },
    /// A worker thread waited so long for a core whenever it had something to do that it shows in the service times.
    ShortOfCpu {
        /// The operation that suffers most.
        operation: String,
        /// The mean wait of the worker that waited most.
        wait: Nanos,
        /// The operation's mean service time.
        service: Nanos,
    },
    /// Other programs kept this machine's cores busy.
    BusyMachine {
        /// How many cores they used, on average.
        others: f64,
        cores: u32,
    },
    /// The hypervisor gave this machine's time to somebody else.
    StolenTime {
        /// The share that was taken, 0 to 1.
        share: f64,
    },
    /// The system clock was set, or the machine was suspended.
    ClockStep {
        /// By how much the system clock gained on the monotonic one.
        gained: SignedNanos,
    },
    /// Response times of the same load changed in the course of the window.
    Drift {
        operation: String,
        /// Median of the first third.
        first: Nanos,
        /// Median of the last third.
        last: Nanos,
    },
    /// Requests waited for the server's limit of concurrent streams.
    StreamLimit {
        /// How many, the warm-up included.
        waits: u64,
    },
    /// Connections ended while they were needed.
    ConnectionsLost {
        /// How many, the warm-up included.
        lost: u64,
        /// Attempts to replace them that failed.
        failures: u64,
    },
    /// One address got far more requests than another.
    UnevenRequests {
        /// The busiest, and its requests per connection.
        most: (String, u64),
        /// The idlest, and its requests per connection.
        least: (String, u64),
    },
    /// One address, or connection, is far slower than another.
    UnevenP99 {
        /// The slowest, and its p99.
        slowest: (String, Tail),
        /// The fastest, and its p99.
        fastest: (String, Nanos),
    },
    /// Requests waited so long for a free stream or a connection that it shows in the response times.
    WaitedForStream {
        operation: String,
        /// What is compared, from the intended start and from the send.
        late: Lateness,
    },
    /// Requests were due while the in-flight bound was reached.
    NotSent {
        operation: String,
        not_sent: u64,
        offered: u64,
        /// What filled the bound.
        bottleneck: Bottleneck,
    },
    /// A percentile asked for by a threshold has too few samples beyond it.
    TooFewSamples {
        /// The threshold as written.
        expression: String,
        offered: u64,
        needed: u64,
    },
    /// The server did not answer after the run.
    ServerGone,
    /// The server's version changed during the run.
    ServerChanged {
        before: String,
        after: String,
    },
    /// The collection did not hold the rows it should have at the start.
    RowsMissing {
        expected: u64,
        found: u64,
    },
    /// The index did not cover all rows at the start.
    NotIndexed {
        /// Rows without an index.
        unindexed: u64,
        /// Rows in all.
        rows: u64,
        /// Whether the workload searches vectors, so that it matters.
        searches: bool,
    },
    /// The collection changed though the workload only reads.
    CollectionChanged {
        /// What was counted: rows, sealed segments, growing segments.
        what: &'static str,
        before: u64,
        after: u64,
    },
    /// The workload's own writes made the collection grow.
    CollectionGrew {
        /// Rows at the start.
        before: u64,
        /// Rows at the end.
        after: u64,
        /// Rows at the end that no index covers, where known.
        unindexed: Option<u64>,
    },
    Failures {
        operation: String,
        failed: u64,
        offered: u64,
        /// The most frequent one's words.
        message: Option<String>,
    },
    Timeouts {
        operation: String,
        timed_out: u64,
        offered: u64,
    },
    /// Answers held fewer hits or rows than they should, or fewer rows were taken than sent.
    FewHits {
        operation: String,
        /// Asked for.
        expected: u64,
        returned: u64,
        /// Answers with less than was expected of each.
        short: u64,
        /// Answers with none.
        empty: u64,
    },
    /// Insert bodies were built after they were due.
    BodiesLate {
        count: u64,
    },
    /// The collector that was asked for is not there.
    CollectorMissing {
        /// Where it should be.
        endpoint: String,
    },
    /// Nobody asked for a collector, and none is there.
    NoCollector {
        /// Where one was looked for.
        endpoint: String,
    },
    /// Spans were lost on the client's side.
    SpansLost {
        /// Built.
        recorded: u64,
        /// For want of room.
        dropped: u64,
        /// Refused or not delivered.
        failed: u64,
    },
    /// The embedded server shares this machine's cores with the generator.
    SharedCores,
    /// The calibration before the run did not prove the measurement.
    CalibrationFailed {
        /// Percentiles that were judged.
        judged: usize,
        /// Off by more than bound and noise explain; where there is none, the others are too noisy to say.
        missed: usize,
        /// Off by what only the machine's noise explains.
        noisy: usize,
    },
    /// A worker could not go on, and the run ended for all.
    WorkerFailed {
        reason: String,
        /// How long was measured.
        after: Nanos,
    },
    /// Parts of a divided run are not in its numbers.
    ShardMissing {
        /// Their indexes, from 0.
        missing: Vec<u32>,
        /// How many there are.
        of: u32,
    },
    /// The process of the run ended before it could report.
    RunDied {
        /// How much of the window is known.
        after: Nanos,
    },
    /// The run was stopped before its end.
    Interrupted {
        /// How long was measured.
        after: Nanos,
    },
}

impl Finding {
    /// A stable name for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingMeasured => "nothing_measured",
            Self::Shortfall { .. } => "shortfall",
            Self::GeneratorLate { .. } => "generator_late",
            Self::GeneratorStopped { .. } => "generator_stopped",
            Self::GeneratorSaturated { .. } => "generator_saturated",
            Self::ShortOfCpu { .. } => "short_of_cpu",
            Self::BusyMachine { .. } => "busy_machine",
            Self::StolenTime { .. } => "stolen_time",
            Self::ClockStep { .. } => "clock_step",
            Self::Drift { .. } => "drift",
            Self::StreamLimit { .. } => "stream_limit",
            Self::ConnectionsLost { .. } => "connections_lost",
            Self::UnevenRequests { .. } => "uneven_requests",
            Self::UnevenP99 { .. } => "uneven_p99",
            Self::WaitedForStream { .. } => "waited_for_stream",
            Self::NotSent { .. } => "not_sent",
            Self::TooFewSamples { .. } => "too_few_samples",
            Self::ServerGone => "server_gone",
            Self::ServerChanged { .. } => "server_changed",
            Self::RowsMissing { .. } => "rows_missing",
            Self::NotIndexed { .. } => "not_indexed",
            Self::CollectionChanged { .. } => "collection_changed",
            Self::CollectionGrew { .. } => "collection_grew",
            Self::Failures { .. } => "failures",
            Self::Timeouts { .. } => "timeouts",
            Self::FewHits { .. } => "few_hits",
            Self::BodiesLate { .. } => "bodies_late",
            Self::CollectorMissing { .. } => "collector_missing",
            Self::NoCollector { .. } => "no_collector",
            Self::SpansLost { .. } => "spans_lost",
            Self::SharedCores => "shared_cores",
            Self::CalibrationFailed { .. } => "calibration_failed",
            Self::WorkerFailed { .. } => "worker_failed",
            Self::ShardMissing { .. } => "shard_missing",
            Self::RunDied { .. } => "run_died",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// What of a run in several processes it is about.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Shortfall { .. }
            | Self::GeneratorLate { .. }
            | Self::GeneratorStopped { .. }
            | Self::GeneratorSaturated { .. }
            | Self::ShortOfCpu { .. }
            | Self::ClockStep { .. }
            | Self::NotSent { bottleneck: Bottleneck::Generator, .. }
            | Self::BodiesLate { .. }
            | Self::CollectorMissing { .. }
            | Self::NoCollector { .. }
            | Self::SpansLost { .. }
            | Self::CalibrationFailed { .. }
            | Self::WorkerFailed { .. } => Scope::Process,
            Self::BusyMachine { .. } | Self::StolenTime { .. } | Self::SharedCores => Scope::Machine,
            Self::NothingMeasured
            | Self::Drift { .. }
            | Self::StreamLimit { .. }
            | Self::ConnectionsLost { .. }
            | Self::UnevenRequests { .. }
            | Self::UnevenP99 { .. }
            | Self::WaitedForStream { .. }
            | Self::NotSent { bottleneck: Bottleneck::Server, .. }
            | Self::TooFewSamples { .. }
            | Self::ServerGone
            | Self::ServerChanged { .. }
            | Self::RowsMissing { .. }
            | Self::NotIndexed { .. }
            | Self::CollectionChanged { .. }
            | Self::CollectionGrew { .. }
            | Self::Failures { .. }
            | Self::Timeouts { .. }
            | Self::FewHits { .. }
            | Self::ShardMissing { .. }
            | Self::RunDied { .. }
            | Self::Interrupted { .. } => Scope::Run,
        }
    }

    /// An error only where the numbers are wrong; what the server did is at most a warning.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NothingMeasured
            | Self::Shortfall { .. }
            | Self::GeneratorLate { .. }
            | Self::GeneratorStopped { .. }
            | Self::GeneratorSaturated { .. }
            | Self::ShortOfCpu { .. }
            | Self::ClockStep { .. }
            | Self::NotSent { bottleneck: Bottleneck::Generator, .. }
            | Self::TooFewSamples { .. }
            | Self::ServerGone
            | Self::ServerChanged { .. }
            | Self::RowsMissing { .. }
            | Self::NotIndexed { searches: true, .. }
            | Self::CalibrationFailed { missed: 1.., .. }
            | Self::WorkerFailed { .. }
            | Self::ShardMissing { .. }
            | Self::RunDied { .. } => Severity::Error,
            Self::NotSent { bottleneck: Bottleneck::Server, .. }
            | Self::WaitedForStream { .. }
            | Self::BusyMachine { .. }
            | Self::StolenTime { .. }
            | Self::Drift { .. }
            | Self::StreamLimit { .. }
            | Self::ConnectionsLost { .. }
            | Self::UnevenRequests { .. }
            | Self::UnevenP99 { .. }
            | Self::CollectionChanged { .. }
            | Self::Failures { .. }
            | Self::Timeouts { .. }
            | Self::FewHits { .. }
            | Self::BodiesLate { .. }
            | Self::CollectorMissing { .. }
            | Self::SpansLost { .. }
            | Self::CalibrationFailed { missed: 0, .. } => Severity::Warning,
            Self::NotIndexed { searches: false, .. }
            | Self::CollectionGrew { .. }
            | Self::NoCollector { .. }
            | Self::SharedCores
            | Self::Interrupted { .. } => Severity::Note,
        }
    }
}
