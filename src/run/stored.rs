//! A run's record as it is stored beside its report, and read back to be merged.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::engine::Shard;
use crate::measure::{
    CollectionState, MachineTime, Part, ProcessMetrics, ProcessSnapshot, ThreadTime, WorkerTime,
};
use crate::milvus::DescribedIndex;
use crate::milvus::transport::PoolStats;
use crate::record::{self, Header, SCHEMA, Shape};
use crate::report::model::{Calibration, Machine, ServerTracing, SetupStep};
use crate::trace::exporter::{ExportReport, Fate, SpanCounts};
use crate::units::{Nanos, SignedNanos};
use crate::workload::{self, Origin, Setting, Workload};

use super::observed::{CollectionLook, Identity, Part as RunPart, VectorRecord};
use super::record::{CollectedSpans, CollectionRecord, Host, LoadRecord, Record, ServerRecord};
use super::tracing::Collector;

impl Record {
    /// Writes it, line by line.
    ///
    /// # Errors
    /// Where the writer fails.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        record::write(&self.header(), &Context::of(self), &self.load.recorded, out)
    }

    /// Reads one back.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a whole record, or was written by another version of this program.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = || format!("cannot read the record {}", path.display());
        let file = File::open(path).with_context(name)?;
        let (header, context, recorded) = record::read::<Context>(BufReader::new(file)).with_context(name)?;
        context.record(header, recorded, path.display().to_string()).with_context(name)
    }

    /// Which run it is and which part of it.
    pub fn header(&self) -> Header {
        let part = self.identity.part;
        Header {
            schema: SCHEMA.to_owned(),
            run_id: self.identity.run_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            workload_hash: workload_hash(&self.workload),
            shard: part.map(|part| record::Shard { index: part.shard.index(), of: part.shard.of() }),
            start_at_unix_ns: part.map(|part| part.start_at_unix_ns),
            first_free_row: self.collection.first_free_row,
            boot_id: self.host.boot_id.clone(),
            shape: Shape::of(&self.load.recorded),
        }
    }
}

/// Settings that a shard may have for itself: where its servers and files are, and what it drives them with.
const OWN: [&str; 10] = [
    "collection.owner",
    "description",
    "load.connections",
    "load.workers",
    "load.spin",
    "trace.collector_listen",
    "trace.otlp_endpoint",
    "trace.jaeger_ui",
    "trace.link",
    "trace.service_name",
];

/// A hash of the settings that decide what is measured, the same for all shards of a run.
pub fn workload_hash(workload: &Workload) -> String {
    let is_own = |key: &str| {
        OWN.contains(&key)
            || key.starts_with("trace.resource.")
            || (key.starts_with("target.") && key != "target.timeout")
    };
    let mut hash = Sha256::new();
    let mut put = |key: &str, value: String| {
        for text in [key, &value] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    };
    put("target.database", workload.target.database.clone());
    let shared = workload.settings.iter().filter(|setting| !is_own(&setting.key));
    shared.for_each(|setting| put(&setting.key, setting.value.to_string()));
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All of a record but its numbers and what the header says.
#[derive(Serialize, Deserialize)]
pub(super) struct Context {
    command: String,
    started_unix_us: u64,
    workload: String,
    database: String,
    settings: Vec<SettingLine>,
    machine: Machine,
    clock_error_ns: Option<u64>,
    setup: Vec<SetupStep>,
    server: ServerLine,
    collection: CollectionLine,
    load: LoadLine,
    collector: CollectorLine,
    export: Option<ExportLine>,
    #[serde(default)]
    collected: Option<CollectedSpans>,
    calibration: Option<Calibration>,
}

#[derive(Serialize, Deserialize)]
struct SettingLine {
    key: String,
    value: serde_json::Value,
    from: OriginLine,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OriginLine {
    Flag(String),
    Set,
    Environment(String),
    File { line: usize, column: usize },
    Default,
}

#[derive(Serialize, Deserialize)]
struct ServerLine {
    uri: String,
    embedded: bool,
    on_this_machine: bool,
    tracing: Option<ServerTracing>,
    version_start: String,
    version_end: Option<String>,
    process: Option<(ProcessLine, ProcessLine)>,
}

#[derive(Serialize, Deserialize)]
struct ProcessLine {
    cpu_seconds: Option<f64>,
    rss_bytes: Option<u64>,
    started_seconds: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct CollectionLine {
    extra_rows: u64,
    inserted_by_setup: bool,
    vector: VectorLine,
    start: StateLine,
    end: Option<StateLine>,
}

#[derive(Serialize, Deserialize)]
struct VectorLine {
    name: String,
    dim: u64,
    metric: String,
}

#[derive(Serialize, Deserialize)]
struct IndexLine {
    kind: Option<String>,
    metric: Option<String>,
    params: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct StateLine {
    rows: Option<u64>,
    indexed_rows: Option<u64>,
    sealed: Option<u64>,
    growing: Option<u64>,
    index: Option<IndexLine>,
}

#[derive(Serialize, Deserialize)]
struct LoadLine {
    anchor_unix_ns: u64,
    stopped_ns: Option<u64>,
    failure: Option<String>,
    connections_lost: u64,
    connect_failures: u64,
    slot_waits: u64,
    waited_ns: u64,
    peers: Vec<Vec<String>>,
    late_bodies: u64,
    planned: Vec<u64>,
    after_the_end: Vec<u64>,
    cpu_ns: u64,
    spun_ns: u64,
    workers: Vec<WorkerLine>,
    generator: (SnapshotLine, SnapshotLine),
    machine: Option<MachineLine>,
    clock_gained_ns: i64,
}

#[derive(Serialize, Deserialize)]
struct WorkerLine {
    over_ns: u64,
    cpu: Option<ThreadLine>,
    spun_ns: u64,
    stalled_ns: u64,
}

#[derive(Serialize, Deserialize)]
struct ThreadLine {
    ran_ns: u64,
    waited_ns: u64,
    turns: u64,
}

#[derive(Serialize, Deserialize)]
struct SnapshotLine {
    cpu_ns: u64,
    parts_ns: Option<BTreeMap<String, u64>>,
    rss_peak: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct MachineLine {
    cores: u32,
    all_ns: u64,
    busy_ns: u64,
    stolen_ns: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CollectorLine {
    NotNeeded,
    There,
    BuiltIn,
    Absent { asked: bool },
}

#[derive(Serialize, Deserialize)]
struct ExportLine {
    endpoint: String,
    recorded: u64,
    exported: u64,
    dropped: u64,
    failed: u64,
    last_error: Option<String>,
    /// Of the requests that are kept by name, those whose trace did not arrive.
    lost: Vec<String>,
    more_lost: bool,
}

impl Context {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            command: record.identity.command.clone(),
            started_unix_us: record.identity.started_unix_us,
            workload: record.workload.name.clone(),
            database: record.workload.target.database.clone(),
            settings: record.workload.settings.iter().map(SettingLine::of).collect(),
            machine: record.machine.clone(),
            clock_error_ns: record.host.clock_error.map(Nanos::get),
            setup: record.setup.clone(),
            server: ServerLine::of(&record.server),
            collection: CollectionLine::of(&record.collection),
            load: LoadLine::of(&record.load),
            collector: match record.collector {
                Collector::NotNeeded => CollectorLine::NotNeeded,
                Collector::There => CollectorLine::There,
                Collector::BuiltIn => CollectorLine::BuiltIn,
                Collector::Absent { asked } => CollectorLine::Absent { asked },
            },
            export: record.export.as_ref().map(|export| ExportLine::of(export, record)),
            collected: record.collected,
            calibration: record.calibration.clone(),
        }
    }

    pub(super) fn record(
        self,
        header: Header,
        recorded: crate::measure::Recorded,
        source: String,
    ) -> anyhow::Result<Record> {
        let ours = env!("CARGO_PKG_VERSION");
        anyhow::ensure!(
            header.version == ours,
            "it was written by milvus-load {}, and this is {ours}: merge with the version that made the run",
            header.version
        );
        let settings = self.settings.into_iter().map(SettingLine::setting).collect();
        let workload = workload::restore(&self.workload, &self.database, settings)?;
        let fits = recorded.operations.len() == workload.operations.len()
            && self.load.planned.len() == workload.load.streams.len()
            && self.load.after_the_end.len() == workload.load.streams.len();
        anyhow::ensure!(fits, "its numbers are not those of its workload");
        let part = match (header.shard, header.start_at_unix_ns) {
            (Some(shard), Some(start_at_unix_ns)) => {
                Some(RunPart { shard: Shard::new(shard.index, shard.of)?, start_at_unix_ns })
            }
            _ => None,
        };
        Ok(Record {
            source,
            identity: Identity {
                run_id: header.run_id,
                command: self.command,
                started_unix_us: self.started_unix_us,
                part,
            },
            workload,
            machine: self.machine,
            host: Host { boot_id: header.boot_id, clock_error: self.clock_error_ns.map(Nanos::new) },
            setup: self.setup,
            server: self.server.record(),
            collection: self.collection.record(header.first_free_row),
            load: self.load.record(recorded),
            collector: match self.collector {
                CollectorLine::NotNeeded => Collector::NotNeeded,
                CollectorLine::There => Collector::There,
                CollectorLine::BuiltIn => Collector::BuiltIn,
                CollectorLine::Absent { asked } => Collector::Absent { asked },
            },
            export: self.export.map(ExportLine::report),
            collected: self.collected,
            kept: Vec::new(),
            calibration: self.calibration,
            died: false,
            hopeless: false,
        })
    }
}

impl SettingLine {
    fn of(setting: &Setting) -> Self {
        Self {
            key: setting.key.clone(),
            value: setting.value.clone(),
            from: match &setting.from {
                Origin::Flag(flag) => OriginLine::Flag(flag.clone()),
                Origin::Set => OriginLine::Set,
                Origin::Environment(name) => OriginLine::Environment(name.clone()),
                Origin::File { line, column } => OriginLine::File { line: *line, column: *column },
                Origin::Default => OriginLine::Default,
            },
        }
    }

    fn setting(self) -> Setting {
        Setting {
            key: self.key,
            value: self.value,
            from: match self.from {
                OriginLine::Flag(flag) => Origin::Flag(flag),
                OriginLine::Set => Origin::Set,
                OriginLine::Environment(name) => Origin::Environment(name),
                OriginLine::File { line, column } => Origin::File { line, column },
                OriginLine::Default => Origin::Default,
            },
        }
    }
}

impl ServerLine {
    fn of(server: &ServerRecord) -> Self {
        let line = |process: &ProcessMetrics| ProcessLine {
            cpu_seconds: process.cpu_seconds,
            rss_bytes: process.rss_bytes,
            started_seconds: process.started_seconds,
        };
        Self {
            uri: server.uri.clone(),
            embedded: server.embedded,
            on_this_machine: server.on_this_machine,
            tracing: server.tracing.clone(),
            version_start: server.version.0.clone(),
            version_end: server.version.1.clone(),
            process: server.process.as_ref().map(|(before, after)| (line(before), line(after))),
        }
    }

    fn record(self) -> ServerRecord {
        let metrics = |line: ProcessLine| ProcessMetrics {
            cpu_seconds: line.cpu_seconds,
            rss_bytes: line.rss_bytes,
            started_seconds: line.started_seconds,
        };
        ServerRecord {
            uri: self.uri,
            embedded: self.embedded,
            on_this_machine: self.on_this_machine,
            tracing: self.tracing,
            version: (self.version_start, self.version_end),
            process: self.process.map(|(before, after)| (metrics(before), metrics(after))),
        }
    }
}

impl CollectionLine {
    fn of(collection: &CollectionRecord) -> Self {
        let index = |index: &DescribedIndex| IndexLine {
            kind: index.kind.clone(),
            metric: index.metric.clone(),
            params: index.params.clone(),
        };
        let line = |look: &CollectionLook| {
            let CollectionState { rows, indexed_rows, sealed, growing } = look.state;
            StateLine { rows, indexed_rows, sealed, growing, index: look.index.as_ref().map(index) }
        };
        let VectorRecord { name, dim, metric } = collection.vector.clone();
        Self {
            extra_rows: collection.extra_rows,
            inserted_by_setup: collection.inserted_by_setup,
            vector: VectorLine { name, dim, metric },
            start: line(&collection.start),
            end: collection.end.as_ref().map(line),
        }
    }

    fn record(self, first_free_row: u64) -> CollectionRecord {
        let look = |line: StateLine| {
            let StateLine { rows, indexed_rows, sealed, growing, index } = line;
            let described = |index: IndexLine| DescribedIndex {
                kind: index.kind,
                metric: index.metric,
                params: index.params,
            };
            let state = CollectionState { rows, indexed_rows, sealed, growing };
            CollectionLook { state, index: index.map(described) }
        };
        let VectorLine { name, dim, metric } = self.vector;
        CollectionRecord {
            extra_rows: self.extra_rows,
            first_free_row,
            inserted_by_setup: self.inserted_by_setup,
            vector: VectorRecord { name, dim, metric },
            start: look(self.start),
            end: self.end.map(look),
        }
    }
}

impl LoadLine {
    fn of(load: &LoadRecord) -> Self {
        let worker = |worker: &WorkerTime| WorkerLine {
            over_ns: worker.over.get(),
            cpu: worker.cpu.map(|cpu| ThreadLine {
                ran_ns: cpu.ran.get(),
                waited_ns: cpu.waited.get(),
                turns: cpu.turns,
            }),
            spun_ns: worker.spun.get(),
            stalled_ns: worker.stalled.get(),
        };
        let length = i64::try_from(load.clock_gained.length.get()).unwrap_or(i64::MAX);
        Self {
            anchor_unix_ns: load.anchor_unix_ns,
            stopped_ns: load.stopped.map(Nanos::get),
            failure: load.failure.clone(),
            connections_lost: load.pool.connections_lost,
            connect_failures: load.pool.connect_failures,
            slot_waits: load.pool.slot_waits,
            waited_ns: load.pool.waited.get(),
            peers: load.peers.clone(),
            late_bodies: load.late_bodies,
            planned: load.planned.clone(),
            after_the_end: load.after_the_end.clone(),
            cpu_ns: load.cpu.get(),
            spun_ns: load.spun.get(),
            workers: load.workers.iter().map(worker).collect(),
            generator: (SnapshotLine::of(&load.generator.0), SnapshotLine::of(&load.generator.1)),
            machine: load.machine.map(|time| MachineLine {
                cores: time.cores,
                all_ns: time.all.get(),
                busy_ns: time.busy.get(),
                stolen_ns: time.stolen.get(),
            }),
            clock_gained_ns: if load.clock_gained.is_negative { -length } else { length },
        }
    }

    fn record(self, recorded: crate::measure::Recorded) -> LoadRecord {
        let worker = |line: WorkerLine| WorkerTime {
            over: Nanos::new(line.over_ns),
            cpu: line.cpu.map(|cpu| ThreadTime {
                ran: Nanos::new(cpu.ran_ns),
                waited: Nanos::new(cpu.waited_ns),
                turns: cpu.turns,
            }),
            spun: Nanos::new(line.spun_ns),
            stalled: Nanos::new(line.stalled_ns),
        };
        LoadRecord {
            recorded,
            anchor_unix_ns: self.anchor_unix_ns,
            stopped: self.stopped_ns.map(Nanos::new),
            failure: self.failure,
            pool: PoolStats {
                connections_lost: self.connections_lost,
                connect_failures: self.connect_failures,
                slot_waits: self.slot_waits,
                waited: Nanos::new(self.waited_ns),
            },
            peers: self.peers,
            late_bodies: self.late_bodies,
            planned: self.planned,
            after_the_end: self.after_the_end,
            cpu: Nanos::new(self.cpu_ns),
            spun: Nanos::new(self.spun_ns),
            workers: self.workers.into_iter().map(worker).collect(),
            generator: (self.generator.0.snapshot(), self.generator.1.snapshot()),
            machine: self.machine.map(|line| MachineTime {
                cores: line.cores,
                all: Nanos::new(line.all_ns),
                busy: Nanos::new(line.busy_ns),
                stolen: Nanos::new(line.stolen_ns),
            }),
            clock_gained: SignedNanos {
                length: Nanos::new(self.clock_gained_ns.unsigned_abs()),
                is_negative: self.clock_gained_ns < 0,
            },
        }
    }
}

impl SnapshotLine {
    fn of(snapshot: &ProcessSnapshot) -> Self {
        let parts = |parts: &BTreeMap<Part, Nanos>| {
            parts.iter().map(|(part, cpu)| (part.name().to_owned(), cpu.get())).collect()
        };
        Self {
            cpu_ns: snapshot.cpu.get(),
            parts_ns: snapshot.parts.as_ref().map(parts),
            rss_peak: snapshot.rss_peak,
        }
    }

    fn snapshot(self) -> ProcessSnapshot {
        let part = |name: &str| Part::ALL.into_iter().find(|part| part.name() == name);
        let parts = |parts: BTreeMap<String, u64>| {
            parts.into_iter().filter_map(|(name, cpu)| Some((part(&name)?, Nanos::new(cpu)))).collect()
        };
        ProcessSnapshot {
            cpu: Nanos::new(self.cpu_ns),
            parts: self.parts_ns.map(parts),
            rss_peak: self.rss_peak,
        }
    }
}

impl ExportLine {
    fn of(export: &ExportReport, record: &Record) -> Self {
        let is_lost = |id: &u128| export.fate(*id) == Fate::NotExported;
        Self {
            endpoint: export.endpoint.clone(),
            recorded: export.counts.recorded,
            exported: export.counts.exported,
            dropped: export.counts.dropped,
            failed: export.counts.failed,
            last_error: export.last_error.clone(),
            lost: kept_traces(record).into_iter().filter(is_lost).map(|id| format!("{id:032x}")).collect(),
            more_lost: export.more_lost(),
        }
    }

    fn report(self) -> ExportReport {
        let counts = SpanCounts {
            recorded: self.recorded,
            exported: self.exported,
            dropped: self.dropped,
            failed: self.failed,
            queued: 0,
        };
        let lost: HashSet<u128> =
            self.lost.iter().filter_map(|id| u128::from_str_radix(id, 16).ok()).collect();
        ExportReport::of_stored(self.endpoint, counts, self.last_error, lost, self.more_lost)
    }
}

/// The sampled traces of all requests that are kept by name.
fn kept_traces(record: &Record) -> Vec<u128> {
    let mut traces: Vec<u128> = Vec::new();
    for operation in &record.load.recorded.operations {
        let slowest = operation.slowest.all().chain(operation.slowest.sampled()).copied();
        let exemplars = operation.exemplars.reservoirs().flat_map(|(_, _, kept)| kept.kept);
        let sampled = slowest.chain(exemplars).filter(|exemplar| exemplar.has_trace());
        traces.extend(sampled.map(|exemplar| exemplar.trace.trace_id));
    }
    traces.sort_unstable();
    traces.dedup();
    traces
}
