//! The rules about what surrounds the requests: the generator's threads, its machine, its clocks, its connections.

use super::endpoints::{EndpointEvidence, Tail};
use super::evidence::{ClockEvidence, Evidence, MachineEvidence};
use super::finding::{Finding, Load};
use super::kernel::WorkerTime;
use crate::units::Nanos;

/// A worker that could not look at its clock for longer than this was stopped, not late.
pub const STOPPED: Nanos = Nanos::from_secs(1);
/// The share of the window in which a worker may have work to do, on a core or waiting for one: beyond it, a little more work
/// makes a long queue.
pub const SATURATED: f64 = 0.90;
/// No shorter time is judged by the kernel's numbers: they are read a little before and after its ends.
pub const LEAST_WATCHED: Nanos = Nanos::from_millis(500);
/// A worker's mean wait for a core may be this share of the mean service time...
pub const WAIT_SHARE: f64 = 0.10;
/// ... or this long, before the generator is short of CPU. A thread is woken for most answers, and reads them so much later:
/// it is the part of the service time that is the generator's own.
pub const WAIT: Nanos = Nanos::new(100_000);
/// Fewer turns tell no mean: a single long wait would decide it.
pub const ENOUGH_TURNS: u64 = 200;
/// Other programs may use this many cores on average...
pub const OTHERS: f64 = 0.25;
/// ... or this share of all cores, before the machine is called busy.
pub const OTHERS_SHARE: f64 = 0.10;
/// The share of the machine's time that the hypervisor may give to others.
pub const STOLEN: f64 = 0.05;
/// The system clock may move by this much against the monotonic one ...
pub const CLOCK_STEP: Nanos = Nanos::from_millis(50);
/// ... and by this share of the time passed: twice what NTP's slewing does at most (500 ppm).
pub const CLOCK_SLEW: f64 = 1e-3;
/// The largest may be so many times the smallest, before endpoints are called uneven.
pub const SPREAD: f64 = 2.0;
/// Requests per connection, on average, from which on their evenness says something.
pub const ENOUGH_PER_CONNECTION: u64 = 200;

pub(super) fn all(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(stopped(&evidence.workers));
    findings.extend(saturated(evidence));
    findings.extend(short_of_cpu(evidence));
    findings.extend(evidence.machine.iter().flat_map(machine));
    findings.extend(evidence.clock.as_ref().and_then(clock));
    findings.extend((evidence.slot_waits > 0).then_some(Finding::StreamLimit { waits: evidence.slot_waits }));
    findings.extend((evidence.connections_lost > 0).then_some(Finding::ConnectionsLost {
        lost: evidence.connections_lost,
        failures: evidence.connect_failures,
    }));
    findings.extend(uneven_requests(&evidence.peers));
    // Where there is only one address, a proxy behind it may spread the connections over servers.
    let endpoints = if evidence.peers.len() > 1 { &evidence.peers } else { &evidence.connections };
    findings.extend(uneven_p99(endpoints));
    findings
}

fn stopped(workers: &[WorkerTime]) -> Option<Finding> {
    let longest = workers.iter().map(|worker| worker.stalled).max()?;
    (longest > STOPPED).then_some(Finding::GeneratorStopped { longest })
}

/// Each worker that was watched for long enough, with its number.
fn watched(evidence: &Evidence) -> impl Iterator<Item = (usize, &WorkerTime)> {
    evidence.workers.iter().enumerate().filter(|(_, worker)| worker.over >= LEAST_WATCHED)
}

fn saturated(evidence: &Evidence) -> Option<Finding> {
    let shares =
        watched(evidence).filter_map(|(n, worker)| Some((n, worker.busy_share()?, worker.cpu_share()?)));
    let (worker, busy, on_core) = shares.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let load = if evidence.open_streams.is_empty() { Load::Closed } else { Load::Open };
    (busy > SATURATED).then_some(Finding::GeneratorSaturated { worker, busy, on_core, load })
}

fn short_of_cpu(evidence: &Evidence) -> Option<Finding> {
    let enough =
        watched(evidence).filter_map(|(_, worker)| worker.cpu.filter(|cpu| cpu.turns >= ENOUGH_TURNS));
    let wait = enough.filter_map(|cpu| cpu.mean_wait()).max()?;
    let served = evidence.operations.iter().filter_map(|o| Some((o, o.service_mean?)));
    let (operation, service) = served.min_by_key(|(_, service)| *service)?;
    (wait > WAIT && wait.get() as f64 > WAIT_SHARE * service.get() as f64).then(|| Finding::ShortOfCpu {
        operation: operation.name.clone(),
        wait,
        service,
    })
}

fn machine(machine: &MachineEvidence) -> Vec<Finding> {
    let time = machine.time;
    if time.all < LEAST_WATCHED {
        return Vec::new();
    }
    let is_busy = |others: f64| others > OTHERS && others > OTHERS_SHARE * f64::from(time.cores);
    let busy = machine.others().filter(|others| is_busy(*others));
    let stolen = Some(time.stolen.get() as f64 / time.all.get() as f64).filter(|share| *share > STOLEN);
    busy.map(|others| Finding::BusyMachine { others, cores: time.cores })
        .into_iter()
        .chain(stolen.map(|share| Finding::StolenTime { share }))
        .collect()
}

fn clock(clock: &ClockEvidence) -> Option<Finding> {
    let allowed = CLOCK_STEP + Nanos::new((clock.over.get() as f64 * CLOCK_SLEW) as u64);
    (clock.gained.length > allowed).then_some(Finding::ClockStep { gained: clock.gained })
}

/// Requests per connection, so that an address with two connections may have twice as many as one with one.
fn uneven_requests(peers: &[EndpointEvidence]) -> Option<Finding> {
    let (requests, connections) =
        peers.iter().fold((0, 0), |sum, peer| (sum.0 + peer.requests, sum.1 + u64::from(peer.connections)));
    if peers.len() < 2 || requests < ENOUGH_PER_CONNECTION * connections {
        return None;
    }
    let each = |peer: &EndpointEvidence| peer.requests / u64::from(peer.connections.max(1));
    let (most, least) = (peers.iter().max_by_key(|p| each(p))?, peers.iter().min_by_key(|p| each(p))?);
    let told = |peer: &EndpointEvidence| (peer.name.clone(), each(peer));
    (each(most) as f64 > SPREAD * each(least) as f64)
        .then(|| Finding::UnevenRequests { most: told(most), least: told(least) })
}

/// Where the slowest p99 is more than twice the fastest, and chance does not explain it.
fn uneven_p99(endpoints: &[EndpointEvidence]) -> Option<Finding> {
    let known = || endpoints.iter().filter_map(|endpoint| Some((endpoint, endpoint.p99?)));
    let (slowest, slow) = known().max_by_key(|(_, tail)| tail.p99)?;
    let (fastest, fast) = known().min_by_key(|(_, tail)| tail.p99)?;
    let Tail::Answered(fast_p99) = fast.p99 else { return None };
    let is_wide = match slow.p99 {
        Tail::Answered(slow_p99) => slow_p99.get() as f64 > SPREAD * fast_p99.get() as f64,
        Tail::Unanswered => true,
    };
    (is_wide && slow.low > fast.high).then(|| Finding::UnevenP99 {
        slowest: (slowest.name.clone(), slow.p99),
        fastest: (fastest.name.clone(), fast_p99),
    })
}
