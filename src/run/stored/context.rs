//! All of a stored run but its numbers and what the header says.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::engine::Shard;
use crate::measure::Recorded;
use crate::record::Header;
use crate::report::model::{Calibration, Machine, SetupStep};
use crate::trace::exporter::{ExportReport, Fate, SpanCounts};
use crate::units::Nanos;
use crate::workload::{self, Origin, Setting};

use super::super::observed::{Identity, Part};
use super::super::record::{CollectedSpans, Host, Record};
use super::super::tracing::Collector;
use super::around::{CollectionLine, ServerLine};
use super::load::LoadLine;

/// All of a record but its numbers and what the header says.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Context {
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
    pub(in super::super) fn of(record: &Record) -> Self {
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

    pub(in super::super) fn record(
        self,
        header: Header,
        recorded: Recorded,
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
                Some(Part { shard: Shard::new(shard.index, shard.of)?, start_at_unix_ns })
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
