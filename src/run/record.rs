//! One process's part of a run as plain values: all that a report is made of, and all that is written down to be merged.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::engine::prepare::StepRecord;
use crate::measure::{MachineTime, ProcessMetrics, ProcessSnapshot, Recorded, WorkerTime};
use crate::milvus::transport::PoolStats;
use crate::report::model::{Calibration, Machine, ServerTracing, SetupStep};
use crate::trace::collector::{Books, Collected};
use crate::trace::exporter::ExportReport;
use crate::trace::kept::KeptTrace;
use crate::units::{Nanos, SignedNanos};
use crate::workload::Workload;

use super::machine;
use super::observed::{CollectionLook, Driven, Identity, Observed, VectorRecord};
use super::server::Server;
use super::settings::Settings;
use super::tracing::Collector;

/// What one process did and saw.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it was read from, for messages; of this process: its run ID.
    pub source: String,
    pub identity: Identity,
    pub workload: Workload,
    pub machine: Machine,
    /// Which machine that is, and how far its clock can be trusted.
    pub host: Host,
    pub setup: Vec<SetupStep>,
    pub server: ServerRecord,
    pub collection: CollectionRecord,
    /// What was sent and what came back.
    pub load: LoadRecord,
    /// Where spans went.
    pub collector: Collector,
    /// What the exporter did; `None` where no spans were built.
    pub export: Option<ExportReport>,
    /// What became of the spans that the built-in collector received; `None`: there was none.
    pub collected: Option<CollectedSpans>,
    /// The traces that it kept. They are files of their own, and not in the record's.
    pub kept: Vec<KeptTrace>,
    /// What a calibration before the run said.
    pub calibration: Option<Calibration>,
    /// Whether its process ended before it could report: then this is what its journal tells.
    pub died: bool,
    /// Whether it was ended as a threshold could no longer be met.
    pub hopeless: bool,
}

/// The books of a built-in collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedSpans {
    pub books: Books,
    /// Sampled requests that the server answered and of which its root span never came; `None`: not known.
    pub lost_at_server: Option<u64>,
}

impl CollectedSpans {
    /// Adds what another process of the run has received.
    pub(super) fn merge(&mut self, other: &Self) {
        self.books.merge(&other.books);
        self.lost_at_server =
            self.lost_at_server.zip(other.lost_at_server).map(|(ours, theirs)| ours.saturating_add(theirs));
    }
}

/// The machine that a process ran on, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The kernel's name for the time since it started: processes with the same one share a machine. `None`: not told.
    pub boot_id: Option<String>,
    /// The kernel's bound of how far its clock is off, where it is kept in time.
    pub clock_error: Option<Nanos>,
}

#[derive(Clone, Debug)]
pub struct ServerRecord {
    pub uri: String,
    /// Whether it is one that this tool started.
    pub embedded: bool,
    /// Whether it shares the generator's machine.
    pub on_this_machine: bool,
    /// Its own tracing, where it is known.
    pub tracing: Option<ServerTracing>,
    /// Its version before and after.
    pub version: (String, Option<String>),
    /// Its process before and after.
    pub process: Option<(ProcessMetrics, ProcessMetrics)>,
}

#[derive(Clone, Debug)]
pub struct CollectionRecord {
    /// Rows that were there before the run beyond those that set-up inserts.
    pub extra_rows: u64,
    /// The first row that the run may write.
    pub first_free_row: u64,
    /// Whether set-up inserted what is in it, be it in an earlier run.
    pub inserted_by_setup: bool,
    /// The vector field that requests name.
    pub vector: VectorRecord,
    /// Right before the run.
    pub start: CollectionLook,
    /// Right after; `None` where it could not be seen.
    pub end: Option<CollectionLook>,
}

/// What the workers brought, and what the generator's machine did meanwhile.
#[derive(Clone, Debug)]
pub struct LoadRecord {
    /// All workers' records together.
    pub recorded: Recorded,
    /// Wall time of the run's zero, nanoseconds since 1970.
    pub anchor_unix_ns: u64,
    /// When sending ended early, from the start of the run; `None`: the schedule was carried out to its end.
    pub stopped: Option<Nanos>,
    /// Connections lost, attempts failed, waits for stream slots.
    pub pool: PoolStats,
    /// The addresses that each connection has had at its other end, by number.
    pub peers: Vec<Vec<String>>,
    /// Inserts whose body was not ready in time.
    pub late_bodies: u64,
    /// Why the load ended early where it could not go on.
    pub failure: Option<String>,
    /// Arrivals of the window, by stream, that its schedule gave this process; 0 of closed streams.
    pub planned: Vec<u64>,
    /// Of them, those that were dispatched long after its end.
    pub after_the_end: Vec<u64>,
    /// CPU time of the worker threads.
    pub cpu: Nanos,
    /// What of it was busy-waiting with nothing else to do.
    pub spun: Nanos,
    /// How each worker thread fared within the window.
    pub workers: Vec<WorkerTime>,
    /// This process before and after.
    pub generator: (ProcessSnapshot, ProcessSnapshot),
    /// What the machine did in between, where it tells.
    pub machine: Option<MachineTime>,
    /// By how much the system clock gained on the monotonic one.
    pub clock_gained: SignedNanos,
}

impl Record {
    /// Of a run that is over.
    pub fn new(settings: &Settings, server: &Server, identity: Identity, observed: Observed) -> Self {
        let peers = observed.driven.finished.peers.iter().flatten();
        let peer_here = peers.map(std::net::SocketAddr::ip).any(|peer: IpAddr| machine::is_ours(peer));
        let process = observed.driven.server;
        let (collected, kept) = match observed.collected {
            Some(Collected { kept, books, lost_at_server, .. }) => {
                (Some(CollectedSpans { books, lost_at_server }), kept)
            }
            None => (None, Vec::new()),
        };
        Self {
            source: identity.run_id.clone(),
            identity,
            workload: settings.workload.clone(),
            machine: machine::describe(),
            host: Host { boot_id: machine::boot_id(), clock_error: machine::clock_error() },
            setup: observed.setup.iter().map(step).collect(),
            server: ServerRecord {
                uri: server.uri.to_string(),
                embedded: server.kind.is_embedded(),
                on_this_machine: server.is_on_this_machine() || peer_here,
                tracing: server.tracing(),
                version: observed.version,
                process,
            },
            collection: CollectionRecord {
                extra_rows: observed.extra_rows,
                first_free_row: observed.first_free_row,
                inserted_by_setup: observed.inserted_by_setup,
                vector: observed.vector,
                start: observed.collection.0,
                end: observed.collection.1,
            },
            load: LoadRecord::from(observed.driven),
            collector: observed.collector,
            export: observed.export,
            collected,
            kept,
            calibration: None,
            died: false,
            hopeless: false,
        }
    }

    /// What there was of the window: all of it (or up to the slot after which it was told to end), or up to the stop.
    pub fn measured(&self) -> Nanos {
        let window = self.load.recorded.window;
        match self.load.stopped {
            None => window,
            Some(stopped) => window.min(stopped - Nanos::from(self.workload.load.warmup)),
        }
    }
}

pub(super) fn step(step: &StepRecord) -> SetupStep {
    SetupStep {
        step: step.name.to_owned(),
        seconds: step.seconds,
        retries: step.retries,
        trace_id: step.trace_id.map(|id| format!("{id:032x}")),
    }
}

impl From<Driven> for LoadRecord {
    fn from(driven: Driven) -> Self {
        let peers = driven.finished.peer_names();
        let finished = driven.finished;
        Self {
            recorded: finished.recorded,
            anchor_unix_ns: finished.clock.unix_nanos(Nanos::ZERO),
            stopped: finished.stopped,
            pool: finished.pool,
            peers,
            late_bodies: finished.late_bodies,
            failure: finished.failure.map(|failure| failure.to_string()),
            planned: finished.planned,
            after_the_end: finished.after_the_end,
            cpu: finished.cpu,
            spun: finished.spun,
            workers: finished.workers,
            generator: driven.generator,
            machine: driven.machine,
            clock_gained: driven.clock_gained,
        }
    }
}
