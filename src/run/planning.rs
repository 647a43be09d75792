//! From a workload and a ready collection to the plan that the workers carry out.

use std::time::Duration;

use crate::engine::{BusyWait, Plan, Shard, Slots, Tracing};
use crate::measure::RecorderConfig;
use crate::units::{Fraction, Nanos};
use crate::workload::{LoadModel, Spin, Workload};

use super::ready::Ready;
use super::requests::Requests;

/// Worker threads: as the file says, else one per core that the machine can spare: one stays free for the rest of this
/// process, and half of them for a server on the same machine. Never more than connections, or than requests of this shard
/// that may be under way.
pub fn workers(workload: &Workload, server_here: bool, shard: Shard) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let spare = if server_here { cores / 2 } else { cores.saturating_sub(1) }.max(1);
    let asked = workload.load.workers.map_or(spare, |workers| workers as usize);
    asked.min(workload.load.connections as usize).min(most_under_way(workload, shard)).max(1)
}

/// So many workers have something to do: one per slot of the widest closed stream. An open stream gives every worker its
/// arrivals and its part of the in-flight bound, so there may be no worker whose part is 0.
fn most_under_way(workload: &Workload, shard: Shard) -> usize {
    let streams = &workload.load.streams;
    if streams.iter().any(|stream| matches!(stream.model, LoadModel::Open { .. })) {
        return shard.share(workload.load.max_in_flight) as usize;
    }
    let widths = streams.iter().map(|stream| match stream.model {
        LoadModel::Open { .. } => 0,
        LoadModel::Closed { concurrency } => shard.share(concurrency),
    });
    widths.max().unwrap_or(1) as usize
}

/// The share of a worker's time that busy-waiting may take from cores that others could use.
const SPIN_SHARE: f64 = 0.125;

/// CPU that busy-waiting for the end of a wait takes more than sleeping through it, which is not the whole 40 us: going to
/// sleep and waking up take time of the core too. Up to 12 us, the last column of benches/README.md's table of lateness.
const SPIN_COST: Duration = Duration::from_micros(12);

/// How workers wait for the next request. Where it is left to us, they busy-wait for the end of every wait where that costs
/// little, or where it takes a core from nobody who could use it: each worker must have one of its own, another must stay free
/// for the rest of this process, and as many for a server on the same machine.
pub fn busy_wait(workload: &Workload, workers: usize, server_here: bool, shard: Shard) -> BusyWait {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    chosen_wait(workload, (workers, shard), if server_here { cores / 2 } else { cores })
}

/// `cores` are those that the generator may have for itself.
fn chosen_wait(workload: &Workload, (workers, shard): (usize, Shard), cores: usize) -> BusyWait {
    let spare = cores > workers;
    let rate: f64 = workload.load.streams.iter().map(|stream| highest_rate(&stream.model)).sum();
    let share = rate / f64::from(shard.of()) / workers as f64 * SPIN_COST.as_secs_f64();
    match workload.load.spin {
        Spin::Off => BusyWait::Never,
        Spin::On => BusyWait::EveryWait,
        Spin::Auto if spare || share <= SPIN_SHARE => BusyWait::EveryWait,
        Spin::Auto => BusyWait::ShortWaits,
    }
}

fn highest_rate(model: &LoadModel) -> f64 {
    match model {
        LoadModel::Open { rate, .. } => rate.highest(),
        LoadModel::Closed { .. } => 0.0,
    }
}

/// How the recorder of each worker is laid out.
pub fn recorder(workload: &Workload) -> RecorderConfig {
    let fraction = workload.trace.sample_fraction;
    RecorderConfig {
        operations: workload.operations.len(),
        connections: connections(workload),
        window_start: Nanos::from(workload.load.warmup),
        window: Nanos::from(workload.load.duration),
        stages: workload.load.stage_starts(),
        slots: None,
        by_sampled: workload.trace.enabled && fraction > Fraction::ZERO && fraction < Fraction::ONE,
        longest: Nanos::from(workload.target.timeout) + Nanos::from(workload.load.drain),
        slowest: workload.trace.slowest,
        seed: workload.data.seed,
    }
}

fn connections(workload: &Workload) -> u16 {
    u16::try_from(workload.load.connections).unwrap_or(u16::MAX)
}

/// Everything that must be there before the clock starts.
pub(super) fn plan(
    workload: &Workload,
    ready: &Ready<'_>,
    requests: &Requests,
    tracing: Tracing,
    slots: Option<Slots>,
) -> Plan {
    let load = &workload.load;
    let here = ready.server.is_on_this_machine();
    let shard = ready.shard;
    let workers = workers(workload, here, shard);
    Plan {
        seed: load.arrival_seed.unwrap_or(workload.data.seed),
        streams: load.streams.clone(),
        operations: requests.operations.clone(),
        dialer: ready.dialer.clone(),
        shard,
        connections: connections(workload),
        workers,
        spin: busy_wait(workload, workers, here, shard),
        max_in_flight: load.max_in_flight,
        recorder: RecorderConfig {
            slots: slots.as_ref().map(Slots::grid),
            // Across arms the sampled and the others differ in more than that.
            by_sampled: slots.is_none() && recorder(workload).by_sampled,
            ..recorder(workload)
        },
        drain: Nanos::from(load.drain),
        timeout: workload.target.timeout,
        tracing,
        slots,
        live_times: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers_of(load: &str, operations: &str) -> usize {
        workers_of_shard(load, operations, Shard::WHOLE)
    }

    fn workers_of_shard(load: &str, operations: &str, shard: Shard) -> usize {
        let text = format!("[load]\nworkers = 4\nconnections = 4\n{load}\n{operations}");
        workers(&crate::workload::load_text("w", &text, &[]).unwrap(), false, shard)
    }

    const SEARCH: &str = "[[operations]]\nkind = \"search\"\n";

    #[test]
    fn workers_busy_wait_where_it_costs_little_or_each_has_a_core_and_one_is_left() {
        let wait = |load: &str, workers, cores| {
            let text = format!("[load]\nconnections = 1000\n{load}\n{SEARCH}");
            chosen_wait(&crate::workload::load_text("w", &text, &[]).unwrap(), (workers, Shard::WHOLE), cores)
        };
        // 10,416 waits that cost 12 us are just below an eighth of a second.
        assert_eq!(wait("rate = 10_416", 1, 1), BusyWait::EveryWait);
        assert_eq!(wait("rate = 10_417", 1, 1), BusyWait::ShortWaits);
        assert_eq!(wait("rate = 20_832", 2, 2), BusyWait::EveryWait);
        assert_eq!(wait("rate = 20_000", 1, 2), BusyWait::EveryWait);
        assert_eq!(wait("rate = 30_000", 2, 2), BusyWait::ShortWaits);
        assert_eq!(wait("rate = 1\nspin = \"off\"", 1, 9), BusyWait::Never);
        assert_eq!(wait("rate = 30_000\nspin = \"on\"", 2, 2), BusyWait::EveryWait);
        let stages = "stages = [{rate = 10_417, duration = \"1s\"}, {ramp_to = 0, duration = \"1s\"}]";
        assert_eq!(wait(stages, 1, 1), BusyWait::ShortWaits);
    }

    #[test]
    fn there_are_as_many_workers_as_asked_but_none_with_nothing_to_do() {
        assert_eq!(workers_of("rate = 10", SEARCH), 4);
        assert_eq!(workers_of("concurrency = 2", SEARCH), 2);
        assert_eq!(workers_of("rate = 10\nmax_in_flight = 3", SEARCH), 3);
    }

    #[test]
    fn a_shard_has_no_worker_with_nothing_to_do() {
        let of = |load: &str, index| workers_of_shard(load, SEARCH, Shard::new(index, 3).unwrap());
        assert_eq!([0, 1, 2].map(|index| of("concurrency = 8", index)), [3, 3, 2]);
        assert_eq!([0, 1, 2].map(|index| of("rate = 10\nmax_in_flight = 4", index)), [2, 1, 1]);
        assert_eq!(of("rate = 10", 2), 4);
    }

    /// A wide closed stream beside it must not give a worker an in-flight bound of 0: all its arrivals would go unsent.
    #[test]
    fn no_worker_has_an_in_flight_bound_of_0() {
        let closed = format!("{SEARCH}name = \"wide\"\nconcurrency = 8\n");
        let both = format!("{SEARCH}{closed}");
        assert_eq!(workers_of("rate = 10\nmax_in_flight = 1", &both), 1);
    }
}
