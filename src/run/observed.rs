//! What was seen of one run in this process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::prepare::StepRecord;
use crate::engine::{Finished, Shard};
use crate::measure::{CollectionState, MachineTime, ProcessMetrics, ProcessSnapshot};
use crate::milvus::DescribedIndex;
use crate::trace::collector::Collected;
use crate::trace::exporter::ExportReport;
use crate::trace::ids::RunEntropy;
use crate::units::SignedNanos;

use super::alternation::EdgeReading;
use super::tracing::Collector;

/// What tells a run from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 8 hex digits.
    pub run_id: String,
    /// The command that it belongs to, as typed.
    pub command: String,
    /// When it was started, microseconds since 1970.
    pub started_unix_us: u64,
    /// Which part of a run of several processes; `None`: the whole.
    pub part: Option<Part>,
}

/// What tells one process of a run from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of them.
    pub shard: Shard,
    /// When the warm-up of all of them starts, nanoseconds since 1970.
    pub start_at_unix_ns: u64,
}

impl Part {
    /// When the warm-up starts.
    pub fn start(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.start_at_unix_ns)
    }
}

impl Identity {
    /// A new one, started now.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new(command: String) -> anyhow::Result<Self> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let random = RunEntropy::from_os()?.generator(0).span_id();
        let started_unix_us = u64::try_from(started.as_micros()).unwrap_or(u64::MAX);
        Ok(Self { run_id: format!("{:08x}", random >> 32), command, started_unix_us, part: None })
    }
}

/// All that was seen of a run.
pub struct Observed {
    /// The load, and what was read around it.
    pub driven: Driven,
    pub setup: Vec<StepRecord>,
    /// Rows that were there before the run beyond those that set-up inserts.
    pub extra_rows: u64,
    /// The first row that this run may write.
    pub first_free_row: u64,
    /// Whether set-up inserted what is in the collection, be it in an earlier run.
    pub inserted_by_setup: bool,
    /// The vector field that requests name.
    pub vector: VectorRecord,
    /// The server's version before and after.
    pub version: (String, Option<String>),
    /// The collection before and after.
    pub collection: (CollectionLook, Option<CollectionLook>),
    pub collector: Collector,
    /// What the exporter did; `None` where no spans were built.
    pub export: Option<ExportReport>,
    /// What the built-in collector has of it; `None` where there was none.
    pub collected: Option<Collected>,
}

/// A vector field as the server describes it, with the distance measure that searches name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorRecord {
    pub name: String,
    pub dim: u64,
    /// As it stands on the wire.
    pub metric: String,
}

/// The collection at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectionLook {
    /// Its rows and segments.
    pub state: CollectionState,
    /// The vector field's index, as the server describes it; `None`: there is none.
    pub index: Option<DescribedIndex>,
}

/// The load itself, and what was read of generator, machine and server right before and after it.
pub struct Driven {
    pub finished: Finished,
    /// This process before and after.
    pub generator: (ProcessSnapshot, ProcessSnapshot),
    /// What this machine did in between, where it tells.
    pub machine: Option<MachineTime>,
    /// By how much the system clock gained on the monotonic one since the run's start.
    pub clock_gained: SignedNanos,
    /// The server's process before and after, where it tells.
    pub server: Option<(ProcessMetrics, ProcessMetrics)>,
    /// What was read at the edges of slots, in order; none without slots.
    pub edges: Vec<EdgeReading>,
}
