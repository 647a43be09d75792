//! All that a run can be found fault with, each with its numbers, its cause and its remedy.
//!
//! Wording lives here, deciding in [`verdict`](super::verdict). Every match is exhaustive: a finding without a remedy does not compile.

use std::fmt;

use crate::units::Nanos;

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

/// Why requests were not sent: what filled the in-flight bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Requests waiting for the server.
    Server,
    /// Requests waiting to be sent.
    Generator,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Nothing was offered in the window.
    NothingMeasured,
    /// An open stream fell behind its schedule.
    Shortfall {
        /// The stream.
        stream: String,
        /// Arrivals of its schedule.
        planned: u64,
        /// Requests offered.
        offered: u64,
    },
    /// Requests left so late that it shows in the p99.
    GeneratorLate {
        /// The operation.
        operation: String,
        /// p99 from the intended start.
        response_p99: Nanos,
        /// p99 from the send.
        service_p99: Nanos,
    },
    /// Requests waited so long for a free stream or a connection that it shows in the p99.
    WaitedForStream {
        /// The operation.
        operation: String,
        /// p99 from the intended start.
        response_p99: Nanos,
        /// p99 from the send.
        service_p99: Nanos,
    },
    /// Requests were due while the in-flight bound was reached.
    NotSent {
        /// The operation.
        operation: String,
        /// How many.
        not_sent: u64,
        /// Of how many.
        offered: u64,
        /// What filled the bound.
        bottleneck: Bottleneck,
    },
    /// A percentile asked for by a threshold has too few samples beyond it.
    TooFewSamples {
        /// The threshold as written.
        expression: String,
        /// How many were offered.
        offered: u64,
        /// How many it takes.
        needed: u64,
    },
    /// The server did not answer after the run.
    ServerGone,
    /// The server's version changed during the run.
    ServerChanged {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// The collection did not hold the rows it should have at the start.
    RowsMissing {
        /// Should have been there.
        expected: u64,
        /// Were there.
        found: u64,
    },
    /// The index did not cover all rows at the start.
    NotIndexed {
        /// Rows without an index.
        unindexed: u64,
        /// Rows in all.
        rows: u64,
    },
    /// The collection changed though the workload only reads.
    CollectionChanged {
        /// What was counted: rows, sealed segments, growing segments.
        what: &'static str,
        /// At the start.
        before: u64,
        /// At the end.
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
    /// Requests failed.
    Failures {
        /// The operation.
        operation: String,
        /// How many.
        failed: u64,
        /// Of how many.
        offered: u64,
        /// The most frequent one's words.
        message: Option<String>,
    },
    /// Requests timed out.
    Timeouts {
        /// The operation.
        operation: String,
        /// How many.
        timed_out: u64,
        /// Of how many.
        offered: u64,
    },
    /// Answers held fewer hits than were asked for, or fewer rows were taken than sent.
    FewHits {
        /// The operation.
        operation: String,
        /// Asked for.
        expected: u64,
        /// Returned.
        returned: u64,
        /// Answers with none.
        empty: u64,
    },
    /// Insert bodies were built after they were due.
    BodiesLate {
        /// How many.
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
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// An error only where the numbers are wrong; what the server did is at most a warning.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NothingMeasured
            | Self::Shortfall { .. }
            | Self::GeneratorLate { .. }
            | Self::NotSent { bottleneck: Bottleneck::Generator, .. }
            | Self::TooFewSamples { .. }
            | Self::ServerGone
            | Self::ServerChanged { .. }
            | Self::RowsMissing { .. }
            | Self::NotIndexed { .. }
            | Self::CalibrationFailed { missed: 1.., .. } => Severity::Error,
            Self::NotSent { bottleneck: Bottleneck::Server, .. }
            | Self::WaitedForStream { .. }
            | Self::CollectionChanged { .. }
            | Self::Failures { .. }
            | Self::Timeouts { .. }
            | Self::FewHits { .. }
            | Self::BodiesLate { .. }
            | Self::CollectorMissing { .. }
            | Self::SpansLost { .. }
            | Self::CalibrationFailed { missed: 0, .. } => Severity::Warning,
            Self::CollectionGrew { .. }
            | Self::NoCollector { .. }
            | Self::SharedCores
            | Self::Interrupted { .. } => Severity::Note,
        }
    }

    /// Why it probably is so, and what it does to the numbers.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NothingMeasured => "no request was due within the measured window",
            Self::Shortfall { .. } => {
                "the generator could not keep up with its own schedule, so the load was lighter than asked for"
            }
            Self::GeneratorLate { .. } => {
                "requests left the generator late, so part of the p99 is its own and not the server's"
            }
            Self::WaitedForStream { .. } => {
                "the server takes no more requests at once on these connections, or connections had to be made anew"
            }
            Self::NotSent { bottleneck: Bottleneck::Generator, .. } => {
                "the in-flight bound was filled mostly by requests that waited in the generator to be sent"
            }
            Self::NotSent { bottleneck: Bottleneck::Server, .. } => {
                "the server answered too slowly for this rate, so the in-flight bound was reached"
            }
            Self::TooFewSamples { .. } => {
                "fewer than 10 of the requests lie beyond that percentile, so chance would decide it"
            }
            Self::ServerGone => {
                "the server stopped, crashed, or cannot be reached any more: the numbers mix a server with its absence"
            }
            Self::ServerChanged { .. } => {
                "the address led to another server, or it was upgraded during the run"
            }
            Self::RowsMissing { .. } => {
                "somebody else changed the collection, or its set-up was not complete"
            }
            Self::NotIndexed { .. } => {
                "the index was still being built, so searches scanned those rows one by one"
            }
            Self::CollectionChanged { .. } => {
                "somebody else wrote to it, or the server was compacting or still building"
            }
            Self::CollectionGrew { .. } => {
                "the workload's own writes: later requests met a larger collection than earlier ones"
            }
            Self::Failures { .. } => "the server or the connection refused them",
            Self::Timeouts { .. } => {
                "the server did not answer within target.timeout, or not before the drain's end"
            }
            Self::FewHits { .. } => {
                "the filter or the partition holds too few rows, ef is below top_k, or rows were not visible"
            }
            Self::BodiesLate { .. } => {
                "building them takes longer than the rate allows: these requests waited in the generator"
            }
            Self::CollectorMissing { .. } => {
                "nothing accepts OTLP there: the client's spans are lost, the measurement is not affected"
            }
            Self::NoCollector { .. } => {
                "nothing accepts OTLP at the default address, and no other one was named"
            }
            Self::SpansLost { .. } => {
                "the collector is too slow, refuses them, or went away: some slow requests have no trace"
            }
            Self::SharedCores => "the embedded Milvus runs on this machine, beside the generator",
            Self::CalibrationFailed { missed: 0, .. } => {
                "other work on this machine delays timers and sockets by more than the bound, so nothing is proved here"
            }
            Self::CalibrationFailed { .. } => {
                "known delays were measured wrong just before the run, and this machine's own noise does not explain it"
            }
            Self::Interrupted { .. } => "a signal: the numbers are those of the part that was measured",
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NothingMeasured => {
                "use a longer load.duration or a higher load.rate, and let the run get past its warm-up"
            }
            Self::Shortfall { .. } => {
                "lower load.rate, raise load.workers and load.connections, or use a machine with idle cores"
            }
            Self::GeneratorLate { .. } => {
                "raise load.connections or load.workers, lower the rate, or give the generator a machine of its own"
            }
            Self::WaitedForStream { .. } => {
                "raise load.connections, or lower the rate; where connections were lost, look at the server's log"
            }
            Self::NotSent { bottleneck: Bottleneck::Generator, .. } => {
                "raise load.connections and load.workers, or lower load.rate"
            }
            Self::NotSent { bottleneck: Bottleneck::Server, .. } => {
                "lower load.rate to what the server can take, or raise load.max_in_flight to let more wait at the server"
            }
            Self::TooFewSamples { .. } => "raise load.duration or load.rate, or ask for a lower percentile",
            Self::ServerGone => "look at the server's log, then run again",
            Self::ServerChanged { .. } => "name one server that does not change during the run",
            Self::RowsMissing { .. } => {
                "set collection.prepare = \"always\" to build it anew, or use a collection of its own"
            }
            Self::NotIndexed { .. } => "raise collection.ready.timeout, or wait until the index is built",
            Self::CollectionChanged { .. } => {
                "make sure that nobody else writes, and wait until compaction is over"
            }
            Self::CollectionGrew { .. } => {
                "to keep searches comparable, keep the writes few against collection.rows"
            }
            Self::Failures { .. } => "see the errors by class; for capacity errors lower the rate",
            Self::Timeouts { .. } => "lower the rate, or raise target.timeout and load.drain",
            Self::FewHits { .. } => {
                "compare the filter with collection.rows, raise params.ef, or lower top_k"
            }
            Self::BodiesLate { .. } => "lower the insert rate or batch, or raise load.workers",
            Self::CollectorMissing { .. } => {
                "start the collector or correct trace.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)"
            }
            Self::NoCollector { .. } => {
                "start Jaeger (docker compose up -d jaeger), or name a collector in trace.otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT"
            }
            Self::SpansLost { .. } => "lower trace.sample_fraction, or give the collector more room",
            Self::SharedCores => "for numbers of a server of its own, name one with --uri",
            Self::CalibrationFailed { missed: 0, .. } => {
                "end other work on this machine, or use one with idle cores; `milvus-load calibrate` shows the table"
            }
            Self::CalibrationFailed { .. } => {
                "run `milvus-load calibrate`; where an idle machine shows the same, please report it with its --json"
            }
            Self::Interrupted { .. } => "let the run end by itself for the full window",
        }
    }
}

/// What was found, with its numbers.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingMeasured => f.write_str("nothing was measured"),
            Self::Shortfall { stream, planned, offered } => {
                write!(f, "stream {stream}: {offered} of {planned} scheduled requests were offered")
            }
            Self::GeneratorLate { operation, response_p99, service_p99 } => write!(
                f,
                "{operation}: the generator's lateness moves the p99 from {service_p99} to {response_p99}"
            ),
            Self::WaitedForStream { operation, response_p99, service_p99 } => write!(
                f,
                "{operation}: waiting for a free stream or a connection moves the p99 from {service_p99} to {response_p99}"
            ),
            Self::NotSent { operation, not_sent, offered, .. } => {
                write!(
                    f,
                    "{operation}: {not_sent} of {offered} requests were not sent, the in-flight bound was reached"
                )
            }
            Self::TooFewSamples { expression, offered, needed } => {
                write!(f, "threshold {expression:?} needs {needed} requests, {offered} were offered")
            }
            Self::ServerGone => f.write_str("the server cannot be reached at the end of the run"),
            Self::ServerChanged { before, after } => {
                write!(f, "the server was version {before} at the start and {after} at the end")
            }
            Self::RowsMissing { expected, found } => {
                write!(f, "the collection had {found} rows at the start, {expected} were expected")
            }
            Self::NotIndexed { unindexed, rows } => {
                write!(f, "{unindexed} of {rows} rows were not indexed at the start")
            }
            Self::CollectionChanged { what, before, after } => {
                write!(
                    f,
                    "the collection changed during a run that only reads: {before} {what} at the start, {after} at the end"
                )
            }
            Self::CollectionGrew { before, after, unindexed } => {
                write!(f, "the collection grew from {before} to {after} rows")?;
                unindexed
                    .filter(|&rows| rows > 0)
                    .map_or(Ok(()), |rows| write!(f, ", {rows} of them not indexed"))
            }
            Self::Failures { operation, failed, offered, message } => {
                write!(f, "{operation}: {failed} of {offered} requests failed")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ", most often with {message:?}"))
            }
            Self::Timeouts { operation, timed_out, offered } => {
                write!(f, "{operation}: {timed_out} of {offered} requests timed out")
            }
            Self::FewHits { operation, expected, returned, empty } => {
                write!(
                    f,
                    "{operation}: {returned} of {expected} hits were returned, {empty} answers were empty"
                )
            }
            Self::BodiesLate { count } => {
                write!(f, "{count} insert bodies were not ready when they were due")
            }
            Self::CollectorMissing { endpoint } => {
                write!(f, "no collector at {endpoint}, where one was asked for")
            }
            Self::NoCollector { endpoint } => write!(f, "no collector at {endpoint}: traces are not kept"),
            Self::SpansLost { recorded, dropped, failed } => {
                write!(f, "of {recorded} spans, {dropped} were dropped and {failed} not delivered")
            }
            Self::SharedCores => f.write_str("server and generator share this machine's cores"),
            Self::CalibrationFailed { judged, missed: 0, noisy } => {
                write!(f, "calibration: {noisy} of {judged} percentiles are off by this machine's own noise")
            }
            Self::CalibrationFailed { judged, missed, .. } => {
                write!(
                    f,
                    "calibration: {missed} of {judged} percentiles are off by more than bound and noise explain"
                )
            }
            Self::Interrupted { after } => write!(f, "the run was stopped after {after} of measuring"),
        }
    }
}
