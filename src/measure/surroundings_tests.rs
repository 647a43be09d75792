//! Each rule about the generator, its machine, clocks and connections, and about drift, on both sides of its bound.

use super::verdict_tests::found;
use super::*;
use crate::units::{Nanos, SignedNanos};

const fn us(micros: u64) -> Nanos {
    Nanos::new(micros * 1_000)
}

const fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// 10 s in which a worker was on a core for `ran`, and had `turns` turns with so much waiting before them altogether.
fn worker(ran: Nanos, waited: Nanos, turns: u64) -> WorkerTime {
    WorkerTime {
        over: Nanos::from_secs(10),
        cpu: Some(ThreadTime { ran, waited, turns }),
        ..WorkerTime::default()
    }
}

fn open_stream(e: &mut Evidence) {
    e.open_streams.push(StreamEvidence { name: "load".into(), planned: 1_000, offered: 1_000 });
}

#[test]
fn a_worker_may_have_work_for_nine_tenths_of_the_time() {
    let used = |millis: u64| move |e: &mut Evidence| e.workers.push(worker(ms(millis), Nanos::ZERO, 1_000));
    found(used(9_000), &[]);
    found(used(9_001), &["!generator_saturated"]);
    // Busy-waiting is no work.
    found(|e| (used(9_500)(e), e.workers[0].spun = ms(500)).0, &[]);
    found(|e| (used(9_500)(e), e.workers[0].spun = ms(499)).0, &["!generator_saturated"]);
    // Waiting for a core is as bad as being on one.
    found(|e| e.workers.push(worker(ms(3_000), ms(6_000), 100)), &[]);
    found(|e| e.workers.push(worker(ms(3_000), ms(6_001), 100)), &["!generator_saturated"]);
    // One of two suffices, for half of the requests are its own.
    found(|e| (used(100)(e), used(9_500)(e)).0, &["!generator_saturated"]);
    // In an open loop it is lateness, in a closed one the throughput that is the generator's.
    let cause = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = Evidence::default();
        change(&mut evidence);
        used(9_500)(&mut evidence);
        let findings = Verdict::of(&evidence).findings;
        findings.iter().find(|f| f.code() == "generator_saturated").unwrap().cause()
    };
    assert!(cause(&open_stream).contains("leave late"));
    assert!(cause(&|_| ()).contains("throughput"));
}

#[test]
fn waiting_for_a_core_may_take_a_tenth_of_the_service_or_a_tenth_of_a_millisecond() {
    let waits = |mean: Nanos, service: Nanos| {
        move |e: &mut Evidence| {
            e.operations[0].service_mean = Some(service);
            e.workers.push(worker(ms(100), Nanos::new(mean.get() * 1_000), 1_000));
        }
    };
    found(waits(us(500), us(5_000)), &[]);
    found(waits(us(501), us(5_000)), &["!short_of_cpu"]);
    found(waits(us(100), us(200)), &[]);
    found(waits(us(101), us(200)), &["!short_of_cpu"]);
    found(waits(us(101), us(2_000)), &[]);
    let few = |turns| {
        move |e: &mut Evidence| {
            e.operations[0].service_mean = Some(us(5_000));
            e.workers.push(worker(ms(100), Nanos::new(us(501).get() * turns), turns));
        }
    };
    found(few(199), &[]);
    found(few(200), &["!short_of_cpu"]);
    // The fastest operation suffers most, the worst worker decides; without a mean nothing is concluded.
    let two = |e: &mut Evidence| {
        waits(us(501), us(50_000))(e);
        waits(us(1), us(50_000))(e);
        let fast = OperationEvidence {
            name: "get".into(),
            service_mean: Some(us(5_000)),
            counters: e.operations[0].counters,
            ..OperationEvidence::default()
        };
        e.operations.push(fast);
    };
    found(two, &["!short_of_cpu"]);
    found(|e| (waits(us(7_000), us(5_000))(e), e.operations[0].service_mean = None).1, &[]);
}

#[test]
fn without_the_kernels_word_or_in_half_a_second_nothing_is_concluded() {
    let watched =
        |over, cpu| move |e: &mut Evidence| e.workers.push(WorkerTime { over, cpu, ..WorkerTime::default() });
    let busy = Some(ThreadTime { ran: ms(500), waited: Nanos::ZERO, turns: 1 });
    found(watched(ms(499), busy), &[]);
    found(watched(ms(500), busy), &["!generator_saturated"]);
    found(watched(Nanos::from_secs(10), None), &[]);
    found(watched(Nanos::ZERO, Some(ThreadTime::default())), &[]);
}

#[test]
fn a_worker_that_was_away_for_more_than_a_second_was_stopped() {
    let away =
        |stalled| move |e: &mut Evidence| e.workers.push(WorkerTime { stalled, ..WorkerTime::default() });
    found(away(ms(1_000)), &[]);
    found(away(ms(1_001)), &["!generator_stopped"]);
    // All workers are stopped together: one finding.
    found(|e| (away(ms(2_000))(e), away(ms(1_990))(e)).0, &["!generator_stopped"]);
}

/// 10 s of a machine with so many cores, in which all programs together used so much.
fn machine(cores: u32, busy: Nanos, server: Option<Nanos>) -> MachineEvidence {
    let all = Nanos::from_secs(10 * u64::from(cores));
    MachineEvidence {
        time: MachineTime { cores, all, busy, stolen: Nanos::ZERO },
        ours: Nanos::from_secs(1),
        server,
    }
}

#[test]
fn others_may_use_a_quarter_of_a_core_or_a_tenth_of_all() {
    let used = |cores, busy, server| move |e: &mut Evidence| e.machine = Some(machine(cores, busy, server));
    let server = Some(Nanos::from_secs(4));
    // Of 2 cores, 0.25 is more than a tenth; 1 s is ours, 4 s the server's.
    found(used(2, ms(7_500), server), &[]);
    found(used(2, ms(7_510), server), &["?busy_machine"]);
    // Of 8 cores, a tenth is 0.8.
    found(used(8, ms(13_000), server), &[]);
    found(used(8, ms(13_010), server), &["?busy_machine"]);
    // A server elsewhere uses nothing here; of one here whose use is not known, nothing is concluded.
    found(used(2, ms(3_510), Some(Nanos::ZERO)), &["?busy_machine"]);
    found(used(2, ms(19_000), None), &[]);
}

#[test]
fn the_hypervisor_may_take_a_twentieth() {
    let stolen = |stolen| {
        move |e: &mut Evidence| {
            let machine = machine(2, ms(1_000), None);
            e.machine = Some(MachineEvidence { time: MachineTime { stolen, ..machine.time }, ..machine });
        }
    };
    found(stolen(ms(1_000)), &[]);
    found(stolen(ms(1_010)), &["?stolen_time"]);
}

#[test]
fn the_clocks_may_part_by_50_ms_and_a_thousandth() {
    let gained = |length, is_negative| {
        move |e: &mut Evidence| {
            let gained = SignedNanos { length, is_negative };
            e.clock = Some(ClockEvidence { gained, over: Nanos::from_secs(30) });
        }
    };
    found(gained(ms(80), false), &[]);
    found(gained(us(80_001), false), &["!clock_step"]);
    found(gained(us(80_001), true), &["!clock_step"]);
}

#[test]
fn the_ends_of_a_window_may_differ_by_a_tenth_or_by_three_spreads() {
    let trend = |first: u64, last: u64, spread: u64| {
        move |e: &mut Evidence| {
            e.constant_load = true;
            e.operations[0].trend =
                Some(Trend { first: us(first), last: us(last), spread: us(spread).get() as f64 });
        }
    };
    found(trend(1_000, 1_100, 10), &[]);
    found(trend(1_000, 1_101, 10), &["?drift"]);
    found(trend(1_101, 1_000, 10), &["?drift"]);
    found(trend(1_000, 1_300, 100), &[]);
    found(trend(1_000, 1_301, 100), &["?drift"]);
    found(trend(0, 0, 0), &[]);
    // Where the load itself changes, so may the times.
    found(|e| (trend(1_000, 2_000, 10)(e), e.constant_load = false).1, &[]);
}

#[test]
fn a_wait_for_streams_and_a_lost_connection_are_told_from_the_first_on() {
    found(|e| e.slot_waits = 1, &["?stream_limit"]);
    found(|e| e.connections_lost = 1, &["?connections_lost"]);
    found(|e| e.connect_failures = 1, &[]);
}

fn endpoint(name: &str, connections: u32, requests: u64) -> EndpointEvidence {
    EndpointEvidence { name: name.into(), connections, requests, p99: None }
}

#[test]
fn an_address_may_get_twice_the_requests_of_another_for_each_connection() {
    let peers = |a, b| move |e: &mut Evidence| e.peers = vec![a, b];
    found(peers(endpoint("a:1", 1, 400), endpoint("b:1", 1, 200)), &[]);
    found(peers(endpoint("a:1", 1, 401), endpoint("b:1", 1, 200)), &["?uneven_requests"]);
    found(peers(endpoint("a:1", 1, 1_000), endpoint("b:1", 1, 0)), &["?uneven_requests"]);
    found(peers(endpoint("a:1", 2, 800), endpoint("b:1", 1, 200)), &[]);
    // Fewer than 200 per connection say nothing, and connections to one address are for us to choose.
    found(peers(endpoint("a:1", 1, 300), endpoint("b:1", 1, 99)), &[]);
    found(|e| e.peers = vec![endpoint("a:1", 2, 900)], &[]);
    found(|e| e.connections = vec![endpoint("connection 0", 1, 900), endpoint("connection 1", 1, 1)], &[]);
}

#[test]
fn an_ends_p99_may_be_twice_anothers_or_what_chance_leaves_open() {
    let tail = |p99: u64, low: u64, high: u64| {
        let [p99, low, high] = [p99, low, high].map(|micros| Tail::Answered(us(micros)));
        Some(TailEvidence { p99, low, high })
    };
    let endpoints = |a, b| {
        vec![
            EndpointEvidence { p99: a, ..endpoint("x", 1, 300) },
            EndpointEvidence { p99: b, ..endpoint("y", 1, 300) },
        ]
    };
    let fast = tail(1_000, 900, 1_500);
    found(|e| e.connections = endpoints(fast, tail(2_000, 1_900, 2_500)), &[]);
    found(|e| e.connections = endpoints(fast, tail(2_001, 1_900, 2_500)), &["?uneven_p99"]);
    found(|e| e.connections = endpoints(fast, tail(9_000, 1_501, 9_500)), &["?uneven_p99"]);
    found(|e| e.connections = endpoints(fast, tail(9_000, 1_500, 9_500)), &[]);
    found(|e| e.connections = endpoints(fast, None), &[]);
    // Without an answer is slower than anything, where chance does not explain so many.
    let unanswered = |low| Some(TailEvidence { p99: Tail::Unanswered, low, high: Tail::Unanswered });
    found(|e| e.connections = endpoints(fast, unanswered(Tail::Unanswered)), &["?uneven_p99"]);
    found(|e| e.connections = endpoints(fast, unanswered(Tail::Answered(us(1_500)))), &[]);
    found(|e| e.connections = endpoints(unanswered(Tail::Unanswered), unanswered(Tail::Unanswered)), &[]);
    // Where there are several addresses, these are compared.
    found(
        |e| {
            e.peers = endpoints(fast, tail(1_100, 1_000, 1_600));
            e.connections = endpoints(fast, tail(9_000, 8_000, 9_500));
        },
        &[],
    );
}
