//! Gathers what the verdict is drawn from.

use crate::engine::Schedule;
use crate::measure::{
    CalibrationEvidence, CollectionEvidence, Evidence, OperationEvidence, ServerEvidence, SpanEvidence,
    StreamEvidence,
};
use crate::report::model::{Calibration, RowOutcome};
use crate::report::thresholds::Judged;
use crate::units::Nanos;
use crate::workload::{LoadModel, OperationKind, Prepare, Stream, Workload};

use super::measuring::Observed;
use super::settings::Settings;
use super::target::ChosenTarget;
use super::tracing::Collector;

/// Plain values from all that was seen.
pub fn gather(
    settings: &Settings,
    target: &ChosenTarget,
    observed: &Observed,
    measured: Nanos,
    judged: &[Judged],
) -> Evidence {
    let workload = &settings.workload;
    let records = &observed.finished.recorded.operations;
    let named = workload.operations.iter().zip(records);
    Evidence {
        operations: named.map(|(info, record)| OperationEvidence::of(&info.name, record)).collect(),
        open_streams: open_streams(workload, observed, measured),
        too_few: judged.iter().filter_map(|judged| judged.too_few.clone()).collect(),
        waited_share: waited_share(observed),
        bodies_late: observed.finished.late_bodies,
        spans: spans(settings, observed),
        server: ServerEvidence {
            embedded: target.kind.is_embedded(),
            reachable_at_end: Some(observed.version.1.is_some()),
            version_start: Some(observed.version.0.clone()),
            version_end: observed.version.1.clone(),
        },
        collection: Some(CollectionEvidence {
            rows_expected: (workload.collection.prepare != Prepare::Never)
                .then_some(workload.collection.rows + observed.extra_rows),
            start: observed.collection.0,
            end: observed.collection.1,
            writes: workload.operations.iter().any(|o| matches!(o.kind, OperationKind::Insert { .. })),
        }),
        calibration: observed.calibration.as_ref().map(calibration),
        interrupted_after: observed.finished.stopped.map(|_| measured),
    }
}

/// How much of all lag was waiting for a free stream or a connection; the warm-up's waiting is taken for the window's.
fn waited_share(observed: &Observed) -> Option<f64> {
    let lag: u128 = observed.finished.recorded.operations.iter().map(|o| o.lag.moments().sum()).sum();
    (lag > 0).then(|| (observed.finished.pool.waited.get() as f64 / lag as f64).min(1.0))
}

/// What each open stream was to offer within the window, by its own law, and what was counted.
fn open_streams(workload: &Workload, observed: &Observed, measured: Nanos) -> Vec<StreamEvidence> {
    let start = Nanos::from(workload.load.warmup);
    let records = &observed.finished.recorded.operations;
    let evidence = |(index, stream): (usize, &Stream)| match stream.model {
        LoadModel::Closed { .. } => None,
        LoadModel::Open { rate, arrival } => {
            let arrivals = Schedule::new(workload.data.seed, index as u64, arrival, rate, start + measured);
            Some(StreamEvidence {
                name: stream.name.clone(),
                planned: arrivals.filter(|due| due.at >= start).count() as u64,
                offered: stream.shares.iter().map(|&(op, _)| records[op].counters.offered()).sum(),
            })
        }
    };
    workload.load.streams.iter().enumerate().filter_map(evidence).collect()
}

fn calibration(calibration: &Calibration) -> CalibrationEvidence {
    let [passed, noisy, missed] =
        [RowOutcome::Ok, RowOutcome::TooNoisy, RowOutcome::Miss].map(|outcome| calibration.count(outcome));
    CalibrationEvidence { judged: passed + noisy + missed, missed, noisy }
}

fn spans(settings: &Settings, observed: &Observed) -> Option<SpanEvidence> {
    let trace = &settings.workload.trace;
    let (asked, present) = match &observed.collector {
        Collector::NotNeeded => return None,
        Collector::There => (trace.otlp_asked, true),
        Collector::Absent { asked, .. } => (*asked, false),
    };
    let counts = observed.export.as_ref().map(|export| export.counts).unwrap_or_default();
    Some(SpanEvidence {
        endpoint: trace.otlp_endpoint.clone(),
        asked,
        // One that came up while the run went on was there after all.
        collector_present: present || counts.exported > 0,
        recorded: counts.recorded,
        dropped: counts.dropped,
        failed: counts.failed,
    })
}
