//! The numbers of a stored load that are no request's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{MachineTime, Part, ProcessSnapshot, Recorded, ThreadTime, WorkerTime};
use crate::milvus::transport::PoolStats;
use crate::units::{Nanos, SignedNanos};

use super::super::record::LoadRecord;

#[derive(Serialize, Deserialize)]
pub(super) struct LoadLine {
    anchor_unix_ns: u64,
    stopped_ns: Option<u64>,
    failure: Option<String>,
    connections_lost: u64,
    connect_failures: u64,
    slot_waits: u64,
    waited_ns: u64,
    peers: Vec<Vec<String>>,
    late_bodies: u64,
    pub(super) planned: Vec<u64>,
    pub(super) after_the_end: Vec<u64>,
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

impl LoadLine {
    pub(super) fn of(load: &LoadRecord) -> Self {
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

    pub(super) fn record(self, recorded: Recorded) -> LoadRecord {
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
