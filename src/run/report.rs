//! From the records of a run to its report.

use anyhow::{bail, ensure};

use crate::engine::prepare::StepRecord;
use crate::measure::{Evidence, ProcessMetrics, Verdict};
use crate::milvus::transport::PoolStats;
use crate::report::model::{self, NoLink, RunReport};
use crate::report::{Source, from_run, rfc3339, thresholds};
use crate::trace::TraceRef;
use crate::trace::exporter::{ExportReport, Fate};
use crate::trace::link::LinkTemplate;
use crate::units::Nanos;
use crate::workload::{Unsampled, Workload};

use super::evidence;
use super::observed::CollectionLook;
use super::record::{CollectionRecord, Record};
use super::tracing::Collector;

/// Puts the report of a run together, of which each process brought one record.
///
/// # Errors
/// Where there is not exactly one record, or where the link template is wrong or a histogram cannot be read; the latter two would
/// be bugs, for both were checked before.
pub fn report(records: &[Record]) -> anyhow::Result<RunReport> {
    let [record] = records else {
        ensure!(!records.is_empty(), "a run without a record has no report");
        bail!("a run of {} processes cannot be reported on yet", records.len());
    };
    let workload = &record.workload;
    let measured = record.measured();
    let mut report = RunReport::new(run(record, measured));
    surroundings(&mut report, record);
    let link = Links { link: LinkTemplate::parse(&workload.trace.link)?, record };
    report.fill(&Source {
        recorded: &record.load.recorded,
        operations: &workload.operations,
        streams: &workload.load.streams,
        anchor_unix_ns: record.load.anchor_unix_ns,
        measured,
        slow: workload.trace.slow,
        requests: workload.trace.slowest,
        peers: &record.load.peers,
        link: &|trace| link.of(trace),
    });
    let judged = thresholds::judge(&workload.thresholds, &report)?;
    let evidence = evidence::gather(record, &judged);
    report.thresholds = judged.into_iter().map(|judged| judged.threshold).collect();
    report.verdict = from_run::verdict(&Verdict::of(&evidence));
    report.transport = Some(transport(&record.load.pool));
    report.resources = resources(record, &evidence);
    Ok(report)
}

fn transport(pool: &PoolStats) -> model::Transport {
    model::Transport {
        connections_lost: pool.connections_lost,
        connect_failures: pool.connect_failures,
        stream_waits: pool.slot_waits,
        waited_us: pool.waited.as_micros_f64(),
    }
}

fn resources(record: &Record, evidence: &Evidence) -> model::Resources {
    let load = &record.load;
    let (before, after) = &load.generator;
    let sent: u64 = load.recorded.operations.iter().map(|o| o.lag.count() + o.warmup.offered()).sum();
    model::Resources {
        generator: model::Generator {
            workers: evidence.workers.iter().map(from_run::worker).collect(),
            ..from_run::generator(before, after, (load.cpu, load.spun), sent)
        },
        server: record.server.process.as_ref().map(|(before, after)| server_use(before, after)),
        others_cores: evidence.machine.and_then(|machine| machine.others()),
    }
}

fn run(record: &Record, measured: Nanos) -> model::Run {
    let workload = &record.workload;
    // Not when the command was started: set-up lies between.
    let warmup = Nanos::from(workload.load.warmup).get();
    let started = record.load.anchor_unix_ns.saturating_add(warmup) / 1_000;
    model::Run {
        id: record.identity.run_id.clone(),
        name: workload.name.clone(),
        command: record.identity.command.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: rfc3339(started),
        started_unix_us: started,
        measured_s: measured.as_secs_f64(),
        load_model: from_run::load_kind(&workload.load.streams),
        state: match record.load.stopped {
            _ if record.load.failure.is_some() => model::State::Failed,
            None => model::State::Complete,
            Some(_) => model::State::Interrupted,
        },
    }
}

fn surroundings(report: &mut RunReport, record: &Record) {
    let workload = &record.workload;
    report.workload = from_run::workload_value(&workload.settings);
    report.settings = from_run::settings(&workload.settings);
    report.machine = record.machine.clone();
    report.server = Some(model::Server {
        uri: record.server.uri.clone(),
        database: Some(workload.target.database.clone()).filter(|name| !name.is_empty()),
        version: Some(record.server.version.0.clone()),
        embedded: record.server.embedded,
        tracing: record.server.tracing.clone(),
    });
    report.collection = Some(collection(record));
    report.setup = record.setup.iter().map(step).collect();
    report.trace = workload.trace.enabled.then(|| trace(workload));
    report.spans = record.export.as_ref().map(spans);
    report.calibration = record.calibration.clone();
}

fn trace(workload: &Workload) -> model::Trace {
    model::Trace {
        fraction: workload.trace.sample_fraction.get(),
        endpoint: workload.trace.otlp_endpoint.clone(),
        unsampled: match workload.trace.unsampled {
            Unsampled::Propagate => "propagate".to_owned(),
            Unsampled::Omit => "omit".to_owned(),
        },
        keep: "all".to_owned(),
        service_name: workload.trace.service_name.clone(),
    }
}

fn collection(record: &Record) -> model::Collection {
    let workload = &record.workload;
    let CollectionRecord { extra_rows, inserted_by_setup, vector, start, end } = &record.collection;
    let hash = inserted_by_setup.then(|| crate::milvus::data_hash(&workload.collection, &workload.data));
    let state = |look: &CollectionLook| collection_state(look, hash.clone());
    model::Collection {
        name: workload.collection.name.clone(),
        extra_rows: *extra_rows,
        vector: Some(model::Vector {
            name: vector.name.clone(),
            dim: vector.dim,
            metric: vector.metric.clone(),
        }),
        start: state(start),
        end: end.as_ref().map(state),
    }
}

fn collection_state(look: &CollectionLook, data_hash: Option<String>) -> model::CollectionState {
    let CollectionLook { state, index } = look;
    model::CollectionState {
        rows: state.rows,
        segments: state.sealed.zip(state.growing).map(|(sealed, growing)| model::Segments {
            sealed,
            growing,
            indexed: None,
        }),
        index: index.as_ref().map(|index| {
            serde_json::json!({
                "type": index.kind, "metric": index.metric, "params": index.params, "indexed_rows": state.indexed_rows,
            })
        }),
        data_hash_reason: data_hash.is_none().then_some(model::NoDataHash::NotInsertedBySetup),
        data_hash,
    }
}

fn step(step: &StepRecord) -> model::SetupStep {
    model::SetupStep {
        step: step.name.to_owned(),
        seconds: step.seconds,
        retries: step.retries,
        trace_id: step.trace_id.map(|id| format!("{id:032x}")),
    }
}

fn spans(export: &ExportReport) -> model::Spans {
    let counts = export.counts;
    model::Spans {
        recorded: counts.recorded,
        exported: counts.exported,
        dropped: counts.dropped,
        failed: counts.failed,
        ..model::Spans::default()
    }
}

fn server_use(before: &ProcessMetrics, after: &ProcessMetrics) -> model::ServerUse {
    model::ServerUse {
        cpu_s: before.cpu_seconds.zip(after.cpu_seconds).map(|(before, after)| after - before),
        rss_bytes: after.rss_bytes,
    }
}

/// Links to traces, none of them dead as far as is known.
struct Links<'a> {
    link: LinkTemplate,
    record: &'a Record,
}

impl Links<'_> {
    fn of(&self, trace: TraceRef) -> Result<String, NoLink> {
        if !trace.sampled {
            return Err(NoLink::NotSampled);
        }
        match (&self.record.collector, &self.record.export) {
            (_, None) | (Collector::NotNeeded, _) => Err(NoLink::NoCollector),
            (_, Some(export)) => match export.fate(trace.trace_id) {
                Fate::Exported | Fate::Unknown => Ok(self.link.of(trace.trace_id)),
                Fate::NotExported => Err(NoLink::NotExported),
            },
        }
    }
}
