//! What the verdict is drawn from: plain values, gathered during and after a run by whoever knows them.
//!
//! A field that is `None` was not looked at, and nothing is concluded from it.

use super::counters::{Counters, Hits};
use super::endpoints::EndpointEvidence;
use super::finding::{Lateness, Statistic};
use super::kernel::{MachineTime, WorkerTime};
use super::quantile::{Quantile, quantile};
use super::recorded::OperationRecord;
use super::trend::Trend;
use crate::units::{Nanos, SignedNanos};

/// Everything that a verdict considers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub operations: Vec<OperationEvidence>,
    /// One per open-loop stream; closed loops offer what they can.
    pub open_streams: Vec<StreamEvidence>,
    /// Percentiles that a threshold asks for and that too few samples were offered for.
    pub too_few: Vec<TooFewEvidence>,
    /// Whether each stream offers the same load throughout, so that its times can be compared from one end of the window to
    /// the other.
    pub constant_load: bool,
    /// How the worker threads fared, by number.
    pub workers: Vec<WorkerTime>,
    /// The machine that the generator runs on, from the start of the warm-up to the end of the drain.
    pub machine: Option<MachineEvidence>,
    /// The clocks, over the same time.
    pub clock: Option<ClockEvidence>,
    /// Requests that waited because every connection was at the server's stream limit, the warm-up included.
    pub slot_waits: u64,
    /// Connections that were up and ended before the run did, the warm-up included.
    pub connections_lost: u64,
    /// Attempts to connect that failed after that.
    pub connect_failures: u64,
    /// By address of the server.
    pub peers: Vec<EndpointEvidence>,
    /// By connection.
    pub connections: Vec<EndpointEvidence>,
    /// How many insert bodies were not ready when they were due.
    pub bodies_late: u64,
    /// Spans, where tracing is on.
    pub spans: Option<SpanEvidence>,
    pub server: ServerEvidence,
    /// The collection, where it was looked at.
    pub collection: Option<CollectionEvidence>,
    /// What a calibration just before the run said; `None`: there was none.
    pub calibration: Option<CalibrationEvidence>,
    /// That a worker could not go on, and the run ended for all.
    pub worker_failed: Option<WorkerFailure>,
    /// The shards that are not among the records, and how many there are in all; `None`: the run was not divided.
    pub shards_missing: Option<(Vec<u32>, u32)>,
    /// How much of the window is known of a run whose process ended before it could report.
    pub died_after: Option<Nanos>,
    /// How long was measured before the run was stopped from outside.
    pub interrupted_after: Option<Nanos>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFailure {
    pub reason: String,
    /// How long was measured.
    pub after: Nanos,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationEvidence {
    pub name: String,
    pub counters: Counters,
    pub hits: Hits,
    /// The most frequent failure, in the server's words.
    pub first_error: Option<String>,
    /// Of the highest percentile up to p99 that is known of response and of service, else of the mean; `None`: none was
    /// sent.
    pub lateness: Option<Lateness>,
    /// Mean of done - sent; `None`: none succeeded.
    pub service_mean: Option<Nanos>,
    /// How the median response changed in the course of the window, where there are enough samples and intervals.
    pub trend: Option<Trend>,
    /// Of all the time that requests were in flight, the share before they were sent, or given up unsent; `None`: none
    /// was in flight.
    pub lag_share: Option<f64>,
    /// Of all the time that sent requests were due and not sent, the share in which they waited for what the server has to
    /// give: a free stream, or a connection. `None`: all left at once, or none did.
    pub waited_share: Option<f64>,
    /// Of those not sent, how many were refused while most of what filled the bound was with the server.
    pub refused_for_server: u64,
}

impl OperationEvidence {
    /// From the record of the run, of whose intervals the first `complete` were measured from end to end.
    pub fn of(name: &str, record: &OperationRecord, complete: usize) -> Self {
        // Of every request that was sent: response = lag + service. One that failed or was given up unsent did nothing but
        // wait for that.
        let in_flight = record.response.moments().sum()
            + record.failure_response.moments().sum()
            + record.timeouts.moments().sum();
        let lag = record.lag.moments().sum();
        let unsent = lag + record.unsent.sum();
        Self {
            name: name.to_owned(),
            counters: record.counters,
            hits: record.hits,
            first_error: record.errors.kinds().first().map(|kind| kind.message.to_string()),
            lateness: lateness(record, in_flight),
            service_mean: record.service.moments().mean().map(|nanos| Nanos::new(nanos as u64)),
            trend: Trend::of(&record.intervals, complete),
            lag_share: (in_flight > 0).then(|| unsent as f64 / in_flight as f64),
            waited_share: (lag > 0).then(|| record.waited as f64 / lag as f64),
            refused_for_server: record.refused_for_server,
        }
    }
}

/// Of requests that were in flight for so many nanoseconds, all together.
fn lateness(record: &OperationRecord, in_flight: u128) -> Option<Lateness> {
    let offered = record.counters.offered();
    let known = |of| {
        let [response, service] = [&record.response, &record.service].map(|t| quantile(t, offered, of).ok());
        Some(Lateness { of: Statistic::Quantile(of), response: response?, service: service? })
    };
    let mean = || {
        let sent = u128::from(record.lag.count());
        let response = in_flight.saturating_sub(record.unsent.sum());
        let each =
            |nanos: u128| Some(Nanos::new(u64::try_from(nanos.checked_div(sent)?).unwrap_or(u64::MAX)));
        let service = response.saturating_sub(record.lag.moments().sum());
        Some(Lateness { of: Statistic::Mean, response: each(response)?, service: each(service)? })
    };
    let quantiles = [Quantile::P99, Quantile::P95, Quantile::P90, Quantile::P50];
    quantiles.into_iter().find_map(known).or_else(mean)
}

/// What an open-loop stream was to offer, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvidence {
    pub name: String,
    /// Arrivals of its schedule within the window, or within what there was of it when the run was stopped.
    pub planned: u64,
    /// Requests offered in time, whatever became of them: not those that left the schedule when the window was long over.
    pub offered: u64,
}

/// Who used this machine's cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineEvidence {
    /// All that was used.
    pub time: MachineTime,
    /// By this process.
    pub ours: Nanos,
    /// By the server; zero where it is on another machine, `None` where nobody knows.
    pub server: Option<Nanos>,
}

impl MachineEvidence {
    /// How many cores were used by neither this process nor the server, on average; `None` where that is not known.
    pub fn others(&self) -> Option<f64> {
        let others = self.time.busy - self.ours - self.server?;
        let share = others.get() as f64 / self.time.all.get() as f64;
        (self.time.all > Nanos::ZERO).then_some(share * f64::from(self.time.cores))
    }
}

/// The system clock against the monotonic one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockEvidence {
    /// By how much the system clock gained.
    pub gained: SignedNanos,
    /// In how much time.
    pub over: Nanos,
}

/// A percentile asked for by name that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFewEvidence {
    /// The threshold as written.
    pub expression: String,
    pub offered: u64,
    pub needed: u64,
}

/// What became of the client's spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanEvidence {
    pub endpoint: String,
    /// Whether anybody named that endpoint (file, flag, environment).
    pub asked: bool,
    pub collector_present: bool,
    /// Spans built.
    pub recorded: u64,
    /// Not exported for want of room.
    pub dropped: u64,
    /// Refused by the collector, or not delivered.
    pub failed: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvidence {
    /// Started by this tool, on this machine.
    pub embedded: bool,
    /// Whether it answered after the run.
    pub reachable_at_end: Option<bool>,
    pub version_start: Option<String>,
    pub version_end: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionEvidence {
    /// Rows that it should have had at the start, where anybody said.
    pub rows_expected: Option<u64>,
    pub start: CollectionState,
    /// After the run; `None`: could not be read.
    pub end: Option<CollectionState>,
    pub writes: bool,
    /// Whether the workload searches vectors: nothing else asks their index.
    pub searches: bool,
}

/// How many percentiles of a calibration ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalibrationEvidence {
    pub judged: usize,
    /// Off by more than bound and noise explain.
    pub missed: usize,
    /// Off by what only the machine's noise explains.
    pub noisy: usize,
}

/// Rows and segments at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionState {
    pub rows: Option<u64>,
    pub indexed_rows: Option<u64>,
    /// Sealed segments.
    pub sealed: Option<u64>,
    /// Growing segments.
    pub growing: Option<u64>,
}

impl CollectionState {
    /// Rows that no index covers yet, where both numbers are known.
    pub fn unindexed(&self) -> Option<u64> {
        Some(self.rows?.saturating_sub(self.indexed_rows?))
    }
}
