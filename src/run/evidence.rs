//! Gathers what the verdict is drawn from.

use crate::measure::{
    CalibrationEvidence, ClockEvidence, CollectionEvidence, Evidence, MachineEvidence, MachineTime,
    OperationEvidence, ServerEvidence, SpanEvidence, StreamEvidence, WorkerFailure, by_connection, by_peer,
};
use crate::report::model::{Calibration, RowOutcome};
use crate::report::thresholds::Judged;
use crate::units::Nanos;
use crate::workload::{Access, LoadModel, Stream, Workload};

use super::record::{CollectionRecord, LoadRecord, Record, ServerRecord};
use super::tracing::Collector;

/// Plain values from all that was seen.
pub fn gather(record: &Record, judged: &[Judged]) -> Evidence {
    let Record { workload, load, .. } = record;
    let LoadRecord { recorded, pool, .. } = load;
    let named = workload.operations.iter().zip(&recorded.operations);
    let measured = record.measured();
    let complete = (measured.get() / recorded.grid.length.get()) as usize;
    Evidence {
        operations: named.map(|(info, record)| OperationEvidence::of(&info.name, record, complete)).collect(),
        open_streams: open_streams(workload, load),
        too_few: judged.iter().filter_map(|judged| judged.too_few.clone()).collect(),
        constant_load: is_constant(workload),
        workers: load.workers.clone(),
        machine: load.machine.map(|time| machine(time, record)),
        clock: Some(clock(load)),
        slot_waits: pool.slot_waits,
        connections_lost: pool.connections_lost,
        connect_failures: pool.connect_failures,
        peers: by_peer(&recorded.connections, &load.peers),
        connections: by_connection(&recorded.connections),
        bodies_late: load.late_bodies,
        spans: spans(record),
        server: ServerEvidence {
            // Nobody was there to look.
            reachable_at_end: server(&record.server).reachable_at_end.filter(|_| !record.died),
            ..server(&record.server)
        },
        collection: Some(collection(workload, &record.collection)),
        calibration: record.calibration.as_ref().map(calibration),
        worker_failed: load.failure.clone().map(|reason| WorkerFailure { reason, after: measured }),
        shards_missing: None,
        died_after: record.died.then_some(measured),
        interrupted_after: load.stopped.filter(|_| load.failure.is_none() && !record.died).map(|_| measured),
    }
}

/// Whether no stream's rate changes.
fn is_constant(workload: &Workload) -> bool {
    workload.load.streams.iter().all(|stream| match &stream.model {
        LoadModel::Open { rate, .. } => rate.is_constant(),
        LoadModel::Closed { .. } => true,
    })
}

fn server(server: &ServerRecord) -> ServerEvidence {
    let (before, after) = &server.version;
    ServerEvidence {
        embedded: server.embedded,
        reachable_at_end: Some(after.is_some()),
        version_start: Some(before.clone()),
        version_end: after.clone(),
    }
}

fn collection(workload: &Workload, collection: &CollectionRecord) -> CollectionEvidence {
    let CollectionRecord { extra_rows, inserted_by_setup, start, end, .. } = collection;
    CollectionEvidence {
        rows_expected: inserted_by_setup.then_some(workload.collection.rows.saturating_add(*extra_rows)),
        start: start.state,
        end: end.as_ref().map(|end| end.state),
        writes: workload.has(Access::Writes),
        searches: workload
            .operations
            .iter()
            .any(|operation| operation.kind.facts().query_vectors().is_some()),
    }
}

/// What each open stream was to offer within the window, by its own schedule, and what was counted, less what came when the window
/// was long over.
fn open_streams(workload: &Workload, load: &LoadRecord) -> Vec<StreamEvidence> {
    let records = &load.recorded.operations;
    let offered = |stream: &Stream| -> u64 {
        stream.shares.iter().map(|&(op, _)| records[op].counters.offered()).sum()
    };
    let counts = load.planned.iter().zip(&load.after_the_end);
    let open = workload.load.streams.iter().zip(counts);
    open.filter(|(stream, _)| matches!(stream.model, LoadModel::Open { .. }))
        .map(|(stream, (planned, after_the_end))| StreamEvidence {
            name: stream.name.clone(),
            planned: *planned,
            offered: offered(stream).saturating_sub(*after_the_end),
        })
        .collect()
}

fn machine(time: MachineTime, record: &Record) -> MachineEvidence {
    let cpu_of_server = || {
        let (before, after) = record.server.process.as_ref()?;
        let seconds = after.cpu_seconds? - before.cpu_seconds?;
        // Of a server that was started anew in between nothing is known.
        (seconds >= 0.0).then(|| Nanos::new((seconds * 1e9) as u64))
    };
    let (before, after) = &record.load.generator;
    MachineEvidence {
        time,
        ours: after.cpu - before.cpu,
        server: if record.server.on_this_machine { cpu_of_server() } else { Some(Nanos::ZERO) },
    }
}

fn clock(load: &LoadRecord) -> ClockEvidence {
    let last = load.recorded.window_start + load.recorded.window;
    ClockEvidence { gained: load.clock_gained, over: load.stopped.unwrap_or(last) }
}

fn calibration(calibration: &Calibration) -> CalibrationEvidence {
    let [passed, noisy, missed] =
        [RowOutcome::Ok, RowOutcome::TooNoisy, RowOutcome::Miss].map(|outcome| calibration.count(outcome));
    CalibrationEvidence { judged: passed + noisy + missed, missed, noisy }
}

fn spans(record: &Record) -> Option<SpanEvidence> {
    let trace = &record.workload.trace;
    let (asked, present) = match &record.collector {
        Collector::NotNeeded => return None,
        Collector::There | Collector::BuiltIn => (trace.otlp_asked, true),
        Collector::Absent { asked } => (*asked, false),
    };
    let counts = record.export.as_ref().map(|export| export.counts).unwrap_or_default();
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
