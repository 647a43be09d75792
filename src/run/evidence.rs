//! Gathers what the verdict is drawn from.

use crate::engine::{Finished, Schedule};
use crate::measure::{
    CalibrationEvidence, ClockEvidence, CollectionEvidence, Evidence, MachineEvidence, MachineTime,
    OperationEvidence, ServerEvidence, SpanEvidence, StreamEvidence, by_connection, by_peer,
};
use crate::report::model::{Calibration, RowOutcome};
use crate::report::thresholds::Judged;
use crate::units::Nanos;
use crate::workload::{LoadModel, OperationKind, Prepare, Stream, Workload};

use super::machine::is_ours;
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
    let Finished { recorded, pool, .. } = &observed.finished;
    let complete = (measured.get() / recorded.grid.length.get()) as usize;
    let peers = observed.finished.peer_names();
    Evidence {
        operations: named.map(|(info, record)| OperationEvidence::of(&info.name, record, complete)).collect(),
        open_streams: open_streams(workload, observed, measured),
        too_few: judged.iter().filter_map(|judged| judged.too_few.clone()).collect(),
        constant_load: is_constant(workload),
        workers: observed.finished.workers.clone(),
        machine: observed.machine.map(|time| machine(time, target, observed)),
        clock: Some(clock(observed)),
        slot_waits: pool.slot_waits,
        connections_lost: pool.connections_lost,
        connect_failures: pool.connect_failures,
        peers: by_peer(&recorded.connections, &peers),
        connections: by_connection(&recorded.connections),
        bodies_late: observed.finished.late_bodies,
        spans: spans(settings, observed),
        server: server(target, observed),
        collection: Some(collection(workload, observed)),
        calibration: observed.calibration.as_ref().map(calibration),
        interrupted_after: observed.finished.stopped.map(|_| measured),
    }
}

/// Whether no stream's rate changes.
fn is_constant(workload: &Workload) -> bool {
    workload.load.streams.iter().all(|stream| match &stream.model {
        LoadModel::Open { rate, .. } => rate.is_constant(),
        LoadModel::Closed { .. } => true,
    })
}

fn server(target: &ChosenTarget, observed: &Observed) -> ServerEvidence {
    let (before, after) = &observed.version;
    ServerEvidence {
        embedded: target.kind.is_embedded(),
        reachable_at_end: Some(after.is_some()),
        version_start: Some(before.clone()),
        version_end: after.clone(),
    }
}

fn collection(workload: &Workload, observed: &Observed) -> CollectionEvidence {
    let (start, end) = observed.collection;
    let is_any = |is: fn(&OperationKind) -> bool| workload.operations.iter().any(|o| is(&o.kind));
    CollectionEvidence {
        rows_expected: (workload.collection.prepare != Prepare::Never)
            .then_some(workload.collection.rows + observed.extra_rows),
        start,
        end,
        writes: is_any(|kind| matches!(kind, OperationKind::Insert { .. })),
        reads: is_any(|kind| matches!(kind, OperationKind::Search(_))),
    }
}

/// What each open stream was to offer within the window, by its own law, and what was counted, less what came when the window
/// was long over.
fn open_streams(workload: &Workload, observed: &Observed, measured: Nanos) -> Vec<StreamEvidence> {
    let start = Nanos::from(workload.load.warmup);
    let records = &observed.finished.recorded.operations;
    let after_the_end = &observed.finished.after_the_end;
    let offered = |stream: &Stream| -> u64 {
        stream.shares.iter().map(|&(op, _)| records[op].counters.offered()).sum()
    };
    let evidence = |(index, stream): (usize, &Stream)| match &stream.model {
        LoadModel::Closed { .. } => None,
        LoadModel::Open { rate, arrival } => {
            let (seed, end) = (workload.data.seed, start + measured);
            let arrivals = Schedule::new(seed, index as u64, *arrival, rate.clone(), end);
            Some(StreamEvidence {
                name: stream.name.clone(),
                planned: arrivals.filter(|due| due.at >= start).count() as u64,
                offered: offered(stream).saturating_sub(after_the_end.get(index).copied().unwrap_or(0)),
            })
        }
    };
    workload.load.streams.iter().enumerate().filter_map(evidence).collect()
}

fn machine(time: MachineTime, target: &ChosenTarget, observed: &Observed) -> MachineEvidence {
    let cpu_of_server = || {
        let (before, after) = observed.server.as_ref()?;
        let seconds = after.cpu_seconds? - before.cpu_seconds?;
        // Of a server that was started anew in between nothing is known.
        (seconds >= 0.0).then(|| Nanos::new((seconds * 1e9) as u64))
    };
    let is_here = target.is_on_this_machine()
        || observed.finished.peers.iter().flatten().any(|peer| is_ours(peer.ip()));
    MachineEvidence {
        time,
        ours: observed.generator.1.cpu - observed.generator.0.cpu,
        server: if is_here { cpu_of_server() } else { Some(Nanos::ZERO) },
    }
}

fn clock(observed: &Observed) -> ClockEvidence {
    let last = observed.finished.recorded.window_start + observed.finished.recorded.window;
    ClockEvidence { gained: observed.clock_gained, over: observed.finished.stopped.unwrap_or(last) }
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
