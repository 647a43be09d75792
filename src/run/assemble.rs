//! From what was seen of a run to its report.

use crate::engine::prepare::StepRecord;
use crate::measure::{CollectionState, Evidence, ProcessMetrics, Verdict};
use crate::milvus::transport::PoolStats;
use crate::report::model::{self, NoLink, RunReport};
use crate::report::{Source, from_run, rfc3339, thresholds};
use crate::trace::TraceRef;
use crate::trace::exporter::{ExportReport, Fate};
use crate::trace::link::LinkTemplate;
use crate::units::Nanos;
use crate::workload::{Unsampled, Workload};

use super::evidence;
use super::machine;
use super::measuring::Observed;
use super::settings::Settings;
use super::target::ChosenTarget;
use super::tracing::Collector;

/// Puts the report together.
///
/// # Errors
/// Where the link template is wrong or a histogram cannot be read; both would be bugs, for both were checked before.
pub fn report(settings: &Settings, target: &ChosenTarget, observed: &Observed) -> anyhow::Result<RunReport> {
    let workload = &settings.workload;
    let measured = measured(workload, observed);
    let mut report = RunReport::new(run(workload, observed, measured));
    surroundings(&mut report, settings, target, observed);
    let link = Links { link: LinkTemplate::parse(&workload.trace.link)?, observed };
    let peers = observed.finished.peer_names();
    report.fill(&Source {
        recorded: &observed.finished.recorded,
        operations: &workload.operations,
        streams: &workload.load.streams,
        anchor_unix_ns: observed.finished.clock.unix_nanos(Nanos::ZERO),
        measured,
        slow: workload.trace.slow,
        requests: workload.trace.slowest,
        peers: &peers,
        link: &|trace| link.of(trace),
    });
    let judged = thresholds::judge(&workload.thresholds, &report)?;
    let evidence = evidence::gather(settings, target, observed, measured, &judged);
    report.thresholds = judged.into_iter().map(|judged| judged.threshold).collect();
    report.verdict = from_run::verdict(&Verdict::of(&evidence));
    report.transport = Some(transport(&observed.finished.pool));
    report.resources = resources(observed, &evidence);
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

fn resources(observed: &Observed, evidence: &Evidence) -> model::Resources {
    let (before, after) = &observed.generator;
    let sent: u64 =
        observed.finished.recorded.operations.iter().map(|o| o.lag.count() + o.warmup.offered()).sum();
    model::Resources {
        generator: model::Generator {
            workers: evidence.workers.iter().map(from_run::worker).collect(),
            ..from_run::generator(before, after, (observed.finished.cpu, observed.finished.spun), sent)
        },
        server: observed.server.as_ref().map(|(before, after)| server_use(before, after)),
        others_cores: evidence.machine.and_then(|machine| machine.others()),
    }
}

/// What there was of the window: all of it, or up to the stop.
fn measured(workload: &Workload, observed: &Observed) -> Nanos {
    let window = Nanos::from(workload.load.duration);
    match observed.finished.stopped {
        None => window,
        Some(stopped) => window.min(stopped - Nanos::from(workload.load.warmup)),
    }
}

fn run(workload: &Workload, observed: &Observed, measured: Nanos) -> model::Run {
    // Not when the command was started: set-up lies between.
    let started = observed.finished.clock.unix_nanos(Nanos::from(workload.load.warmup)) / 1_000;
    model::Run {
        id: observed.identity.run_id.clone(),
        name: workload.name.clone(),
        command: "run".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: rfc3339(started),
        started_unix_us: started,
        measured_s: measured.as_secs_f64(),
        load_model: from_run::load_kind(&workload.load.streams),
        state: match observed.finished.stopped {
            None => model::State::Complete,
            Some(_) => model::State::Interrupted,
        },
    }
}

fn surroundings(report: &mut RunReport, settings: &Settings, target: &ChosenTarget, observed: &Observed) {
    let workload = &settings.workload;
    report.workload = from_run::workload_value(&workload.settings);
    report.settings = from_run::settings(&workload.settings);
    report.machine = machine::describe();
    report.server = Some(model::Server {
        uri: target.uri.to_string(),
        version: Some(observed.version.0.clone()),
        embedded: target.kind.is_embedded(),
        tracing: target.tracing(),
    });
    let hash = crate::milvus::data_hash(&workload.collection, &workload.data);
    let state = |state: &CollectionState| collection_state(state, workload, &hash);
    report.collection = Some(model::Collection {
        name: workload.collection.name.clone(),
        extra_rows: observed.extra_rows,
        start: state(&observed.collection.0),
        end: observed.collection.1.as_ref().map(state),
    });
    report.setup = observed.setup.iter().map(step).collect();
    report.trace = workload.trace.enabled.then(|| model::Trace {
        fraction: workload.trace.sample_fraction.get(),
        endpoint: workload.trace.otlp_endpoint.clone(),
        unsampled: match workload.trace.unsampled {
            Unsampled::Propagate => "propagate".to_owned(),
            Unsampled::Omit => "omit".to_owned(),
        },
        keep: "all".to_owned(),
        service_name: workload.trace.service_name.clone(),
    });
    report.spans = observed.export.as_ref().map(spans);
    report.calibration = observed.calibration.clone();
}

fn collection_state(state: &CollectionState, workload: &Workload, hash: &str) -> model::CollectionState {
    let index = &workload.collection.index;
    model::CollectionState {
        rows: state.rows,
        segments: state.sealed.zip(state.growing).map(|(sealed, growing)| model::Segments {
            sealed,
            growing,
            indexed: None,
        }),
        index: Some(serde_json::json!({
            "type": index.kind, "params": index.params, "indexed_rows": state.indexed_rows,
        })),
        data_hash: Some(hash.to_owned()),
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
    observed: &'a Observed,
}

impl Links<'_> {
    fn of(&self, trace: TraceRef) -> Result<String, NoLink> {
        if !trace.sampled {
            return Err(NoLink::NotSampled);
        }
        match (&self.observed.collector, &self.observed.export) {
            (_, None) | (Collector::NotNeeded, _) => Err(NoLink::NoCollector),
            (_, Some(export)) => match export.fate(trace.trace_id) {
                Fate::Exported | Fate::Unknown => Ok(self.link.of(trace.trace_id)),
                Fate::NotExported => Err(NoLink::NotExported),
            },
        }
    }
}
