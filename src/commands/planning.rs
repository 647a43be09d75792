//! From a workload and a ready collection to the plan that the workers carry out.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::engine::prepare::Prepared;
use crate::engine::{InsertSource, Plan, PlannedOperation, Requests, Tracing};
use crate::measure::RecorderConfig;
use crate::milvus::scan::ReplyKind;
use crate::milvus::transport::Route;
use crate::milvus::{CallHeaders, Dialer, SearchFrames};
use crate::units::Nanos;
use crate::workload::{LoadModel, Operation, OperationKind, Search, Spin, Workload};

/// Frames made beforehand take this much memory at most; larger queries give fewer distinct requests.
const FRAMES_BYTES: usize = 256 << 20;

/// Worker threads: as the file says, else one per core that the machine can spare: one stays free for the rest of this
/// process, and half of them for a server on the same machine. Never more than connections, or than requests that may be
/// under way.
pub fn workers(workload: &Workload, server_here: bool) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let spare = if server_here { cores / 2 } else { cores.saturating_sub(1) }.max(1);
    let asked = workload.load.workers.map_or(spare, |workers| workers as usize);
    asked.min(workload.load.connections as usize).min(most_under_way(workload)).max(1)
}

/// So many workers have something to do: one per slot of the widest closed stream. An open stream gives every worker its
/// arrivals and its part of the in-flight bound, so there may be no worker whose part is 0.
fn most_under_way(workload: &Workload) -> usize {
    let streams = &workload.load.streams;
    if streams.iter().any(|stream| matches!(stream.model, LoadModel::Open { .. })) {
        return workload.load.max_in_flight as usize;
    }
    let widths = streams.iter().map(|stream| match stream.model {
        LoadModel::Open { .. } => 0,
        LoadModel::Closed { concurrency } => concurrency,
    });
    widths.max().unwrap_or(1) as usize
}

/// How long before a request is due a worker begins to busy-wait: enough for the wake-up of an idle core.
const SPIN: Duration = Duration::from_micros(40);

/// How long workers busy-wait; none where that would take a core from anybody who could use it: each worker must have
/// one of its own, another must stay free for the rest of this process, and as many for a server on the same machine.
pub fn spin(workload: &Workload, workers: usize, server_here: bool) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if spins(workload.load.spin, cores, workers, server_here) { SPIN } else { Duration::ZERO }
}

fn spins(asked: Spin, cores: usize, workers: usize, server_here: bool) -> bool {
    match asked {
        Spin::On => true,
        Spin::Off => false,
        Spin::Auto => cores >= (workers + 1) * if server_here { 2 } else { 1 },
    }
}

/// How the recorder of each worker is laid out.
pub fn recorder(workload: &Workload) -> RecorderConfig {
    RecorderConfig {
        operations: workload.operations.len(),
        connections: connections(workload),
        window_start: Nanos::from(workload.load.warmup),
        window: Nanos::from(workload.load.duration),
        stages: workload.load.stage_starts(),
        longest: Nanos::from(workload.target.timeout) + Nanos::from(workload.load.drain),
        slowest: workload.trace.slowest,
        seed: workload.data.seed,
    }
}

fn connections(workload: &Workload) -> u16 {
    u16::try_from(workload.load.connections).unwrap_or(u16::MAX)
}

/// Bytes of the vectors in requests that are made ahead, all operations together.
pub fn vector_bytes(workload: &Workload) -> usize {
    let vector = workload.collection.vector.dim as usize * 4;
    let of = |operation: &Operation| match &operation.kind {
        OperationKind::Search(search) => {
            (workload.data.queries as usize * search.nq as usize * vector).min(FRAMES_BYTES)
        }
        OperationKind::Insert { batch } => InsertSource::bytes_ahead(vector * *batch as usize),
    };
    workload.operations.iter().map(of).sum()
}

/// Makes the requests and everything else that must be there before the clock starts.
///
/// # Errors
/// Where the target's host cannot stand in a URI.
pub fn plan(
    workload: &Workload,
    prepared: Prepared,
    (dialer, headers): (&Dialer, &CallHeaders),
    tracing: Tracing,
    (workers, spin): (usize, Duration),
) -> anyhow::Result<Plan> {
    let load = &workload.load;
    let layout = Arc::new(prepared.layout);
    let next_row = Arc::new(AtomicU64::new(prepared.first_free_row));
    let mut operations = Vec::new();
    for operation in &workload.operations {
        let route = |reply| Route::new(dialer, operation.kind.rpc(), reply, headers);
        let collection: Arc<str> = workload.collection.name.as_str().into();
        operations.push(match &operation.kind {
            OperationKind::Search(search) => PlannedOperation {
                name: operation.name.clone(),
                route: route(ReplyKind::Search)?,
                requests: Requests::Ready(search_frames(workload, search, &layout, prepared.metric)),
                expected: expected_hits(search, prepared.rows),
            },
            OperationKind::Insert { batch } => PlannedOperation {
                name: operation.name.clone(),
                route: route(ReplyKind::Insert)?,
                requests: Requests::Built(InsertSource {
                    collection,
                    layout: Arc::clone(&layout),
                    batch: *batch,
                    next_row: Arc::clone(&next_row),
                }),
                expected: *batch,
            },
        });
    }
    Ok(Plan {
        seed: workload.data.seed,
        streams: load.streams.clone(),
        operations,
        dialer: dialer.clone(),
        connections: connections(workload),
        workers,
        spin,
        max_in_flight: load.max_in_flight,
        recorder: recorder(workload),
        drain: Nanos::from(load.drain),
        timeout: workload.target.timeout,
        tracing,
    })
}

/// A complete answer: `top_k` hits per query, or all rows where there are fewer. Filters may leave fewer; that is told
/// apart where the report judges hits.
fn expected_hits(search: &Search, rows: u64) -> u32 {
    let per_query = u64::from(search.top_k).min(rows);
    u32::try_from(per_query * u64::from(search.nq)).unwrap_or(u32::MAX)
}

fn search_frames(
    workload: &Workload,
    search: &Search,
    layout: &crate::milvus::RowLayout,
    metric: crate::workload::Metric,
) -> Arc<[crate::milvus::Frame]> {
    let frames = SearchFrames {
        collection: &workload.collection.name,
        layout,
        metric,
        consistency: workload.collection.consistency,
        search,
    };
    let queries = u64::from(workload.data.queries);
    let size = frames.frame(0, queries).len();
    let count = queries.min((FRAMES_BYTES / size) as u64).max(1);
    (0..count).map(|place| frames.frame(place, queries)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers_of(load: &str, operations: &str) -> usize {
        let text = format!("[load]\nworkers = 4\nconnections = 4\n{load}\n{operations}");
        workers(&crate::workload::load_text("w", &text, &[]).unwrap(), false)
    }

    const SEARCH: &str = "[[operations]]\nkind = \"search\"\n";

    #[test]
    fn workers_spin_on_cores_that_nobody_else_needs() {
        // Cores, workers, whether the server is here.
        for (cores, workers, here, on) in [
            (2, 1, true, false),
            (3, 1, true, false),
            (4, 1, true, true),
            (5, 2, true, false),
            (6, 2, true, true),
            (1, 1, false, false),
            (2, 1, false, true),
        ] {
            assert_eq!(spins(Spin::Auto, cores, workers, here), on, "{cores} cores, {workers} workers");
            assert!(spins(Spin::On, cores, workers, here) && !spins(Spin::Off, cores, workers, here));
        }
    }

    #[test]
    fn there_are_as_many_workers_as_asked_but_none_with_nothing_to_do() {
        assert_eq!(workers_of("rate = 10", SEARCH), 4);
        assert_eq!(workers_of("concurrency = 2", SEARCH), 2);
        assert_eq!(workers_of("rate = 10\nmax_in_flight = 3", SEARCH), 3);
    }

    /// A wide closed stream beside it must not give a worker an in-flight bound of 0: all its arrivals would go unsent.
    #[test]
    fn no_worker_has_an_in_flight_bound_of_0() {
        let closed = format!("{SEARCH}name = \"wide\"\nconcurrency = 8\n");
        let both = format!("{SEARCH}{closed}");
        assert_eq!(workers_of("rate = 10\nmax_in_flight = 1", &both), 1);
    }
}
