//! From the records of a run to its report.

use crate::measure::{Evidence, ProcessMetrics, Scope, Verdict};
use crate::milvus::transport::PoolStats;
use crate::report::model::{self, NoLink, RunReport};
use crate::report::{Source, from_run, rfc3339, thresholds};
use crate::trace::TraceRef;
use crate::trace::collector::Books;
use crate::trace::exporter::{ExportReport, Fate};
use crate::trace::link::LinkTemplate;
use crate::units::{Nanos, SignedNanos};
use crate::workload::{Unsampled, Workload};

use super::attribution;
use super::evidence;
use super::merged;
use super::observed::CollectionLook;
use super::record::{CollectedSpans, CollectionRecord, LoadRecord, Record};
use super::tracing::Collector;

/// Puts the report of a run together, of which each process brought one record. `missing` are the shards whose records are not
/// here though the run is to be reported on as a whole; a shard's own report misses none.
///
/// # Errors
/// Where there is no record, records are not of one run, or the link template is wrong or a histogram cannot be read; the latter
/// two would be bugs, for both were checked before.
pub fn report(records: &[Record], missing: &[u32]) -> anyhow::Result<RunReport> {
    let mut parts: Vec<&Record> = records.iter().collect();
    parts.sort_by_key(|record| record.identity.part.map(|part| part.shard.index()));
    match &parts[..] {
        [] => anyhow::bail!("a run without a record has no report"),
        [record] => of_record(record, &parts, missing),
        _ => of_record(&merged::merged(&parts)?, &parts, missing),
    }
}

/// Of a record that is the sum of `parts`.
fn of_record(record: &Record, parts: &[&Record], missing: &[u32]) -> anyhow::Result<RunReport> {
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
        by_sampled: only_sampling_differs(record),
        link: &|trace| link.of(trace),
    });
    let mut judged = thresholds::judge(&workload.thresholds, &report)?;
    if record.hopeless {
        // Its window was cut short, and the threshold that is not met decides: what others would have needed is no error.
        judged.iter_mut().for_each(|judged| judged.too_few = None);
    }
    let mut evidence = evidence::gather(record, &judged);
    report.thresholds = judged.into_iter().map(|judged| judged.threshold).collect();
    // What only the end of a load tells is not known of one that died.
    report.transport = (!record.died).then(|| transport(&record.load.pool));
    report.resources = resources(record, &evidence);
    let (part, is_divided) = (parts.first().and_then(|part| part.identity.part), parts.len() > 1);
    if is_divided || !missing.is_empty() {
        evidence.shards_missing = part.map(|part| (missing.to_vec(), part.shard.of()));
        report.shards = shards(parts);
    } else {
        report.shard = part.map(|part| model::Shard { index: part.shard.index(), of: part.shard.of() });
    }
    report.verdict = match is_divided {
        false if record.died => {
            // Of its generator nothing is known.
            let found = Verdict::of(&evidence).findings.into_iter();
            let of_run = found.filter(|finding| finding.scope() == Scope::Run);
            from_run::findings(&of_run.map(|finding| (None, finding)).collect::<Vec<_>>())
        }
        true => {
            report.resources.others_cores = merged::others_cores(parts);
            from_run::findings(&merged::judge(&evidence, parts))
        }
        false => from_run::verdict(&Verdict::of(&evidence)),
    };
    attribution::attribute(&mut report, record);
    Ok(report)
}

/// What is told of each process of a run.
fn shards(parts: &[&Record]) -> Vec<model::ShardPart> {
    let of = |(record, machine): (&&Record, u32)| {
        let part = record.identity.part?;
        let LoadRecord { recorded, generator: (before, after), cpu, spun, .. } = &record.load;
        let late = SignedNanos::difference(
            Nanos::new(record.load.anchor_unix_ns),
            Nanos::new(part.start_at_unix_ns),
        );
        let late_us = late.length.as_micros_f64();
        Some(model::ShardPart {
            index: part.shard.index(),
            machine,
            late_us: if late.is_negative { -late_us } else { late_us },
            clock_error_us: record.host.clock_error.map(Nanos::as_micros_f64),
            offered: recorded.total().offered(),
            connections: u32::try_from(recorded.connections.len()).unwrap_or(u32::MAX),
            cpu_us_per_request: from_run::generator(before, after, (*cpu, *spun), sent(&record.load))
                .cpu_us_per_request,
        })
    };
    parts.iter().zip(merged::machines(parts)).filter_map(of).collect()
}

/// A request without a header is the server's to decide on: it may be sampled there though it counts as unsampled here.
fn only_sampling_differs(record: &Record) -> bool {
    let server = record.server.tracing.as_ref().and_then(|tracing| tracing.sample_fraction);
    match record.workload.trace.unsampled {
        Unsampled::Propagate => true,
        Unsampled::Omit => server == Some(0.0),
    }
}

/// Requests that were sent, and those of the warm-up.
fn sent(load: &LoadRecord) -> u64 {
    load.recorded.operations.iter().map(|o| o.lag.count() + o.warmup.offered()).sum()
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
    model::Resources {
        generator: model::Generator {
            workers: evidence.workers.iter().map(from_run::worker).collect(),
            ..from_run::generator(before, after, (load.cpu, load.spun), sent(load))
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
            _ if record.load.failure.is_some() || record.died => model::State::Failed,
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
    report.setup = record.setup.clone();
    report.trace = workload.trace.enabled.then(|| trace(workload));
    report.spans = record.export.as_ref().map(|export| spans(export, record.collected.as_ref()));
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
        keep: workload.trace.keep.name().to_owned(),
        service_name: workload.trace.service_name.clone(),
    }
}

fn collection(record: &Record) -> model::Collection {
    let workload = &record.workload;
    let CollectionRecord { extra_rows, inserted_by_setup, vector, start, end, .. } = &record.collection;
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

fn spans(export: &ExportReport, collected: Option<&CollectedSpans>) -> model::Spans {
    let counts = export.counts;
    let of = |count: fn(&Books) -> u64| collected.map(|collected| count(&collected.books));
    model::Spans {
        recorded: counts.recorded,
        exported: counts.exported,
        dropped: counts.dropped,
        failed: counts.failed,
        received: of(|books| books.received),
        kept: of(|books| books.kept),
        let_go: of(|books| books.let_go),
        evicted: of(|books| books.evicted),
        foreign: of(|books| books.foreign),
        exports_refused: of(|books| books.refused),
        lost_at_server: collected.and_then(|collected| collected.lost_at_server),
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
            (_, None) | (Collector::NotNeeded | Collector::BuiltIn, _) => Err(NoLink::NoCollector),
            (_, Some(export)) => match export.fate(trace.trace_id) {
                Fate::Exported | Fate::Unknown => Ok(self.link.of(trace.trace_id)),
                Fate::NotExported => Err(NoLink::NotExported),
            },
        }
    }
}
