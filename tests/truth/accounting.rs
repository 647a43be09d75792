//! Nothing vanishes: whatever a server does, every request offered ends in one class, and in the right one.

use std::collections::{BTreeMap, BTreeSet};

use milvus_load::engine::{Execution, Finished, Schedule, Stop, StopReason};
use milvus_load::measure::{End, Exemplar, LiveTotals};
use milvus_load::truth::{Delay, Effect, Rpc, Script, When};
use milvus_load::units::{Nanos, Rate};
use milvus_load::workload::{Arrival, LoadModel};

use crate::support::*;

/// How requests ended, failures by (gRPC, Milvus) code.
fn classes(run: &Finished) -> BTreeMap<String, u64> {
    let mut classes = BTreeMap::new();
    for request in requests(run) {
        *classes.entry(format!("{:?}", request.end)).or_default() += 1;
    }
    classes
}

fn failed(grpc: u8, milvus: i32) -> End {
    End::Failed { grpc, milvus }
}

/// Effects that touch one request alone, at every n-th, and how each must be told. Numbers are coprime, so that they meet.
fn effects() -> Vec<(u64, Effect, End)> {
    let grpc = |code| Effect::Grpc { code, message: "scripted".to_owned() };
    vec![
        (7, Effect::Milvus { code: 8, reason: "rate limit".to_owned() }, failed(0, 8)),
        (11, grpc(8), failed(8, 0)),
        (13, Effect::Late(Nanos::from_secs(60)), End::TimedOut),
        (17, Effect::Withhold, End::TimedOut),
        (19, Effect::WithholdTrailers, End::TimedOut),
        // CANCEL, REFUSED_STREAM and INTERNAL_ERROR, told as gRPC over HTTP/2 has them.
        (23, Effect::Reset(8), failed(1, 0)),
        (29, Effect::Reset(7), failed(14, 0)),
        (31, Effect::Reset(2), failed(13, 0)),
        (37, Effect::Split(3), End::Succeeded),
        (41, grpc(16), failed(16, 0)),
        (43, Effect::Compressed, failed(13, 0)),
        // A proxy's answers, told as gRPC's table of HTTP statuses has them.
        (47, Effect::Http(503), failed(14, 0)),
        (53, Effect::Http(418), failed(2, 0)),
        (59, Effect::Http(404), failed(12, 0)),
        // Words that take several header frames.
        (61, Effect::Grpc { code: 9, message: "long ".repeat(8_000) }, failed(9, 0)),
    ]
}

#[test]
fn every_kind_of_failure_is_counted_as_it_was_inflicted_and_nothing_is_sent_twice() {
    let script = effects().into_iter().fold(script(Delay::Constant(ms(1))), |script, (n, effect, _)| {
        script.fault(Rpc::Search, When::Every(n), effect)
    });
    let server = start(script);
    let mut plan = plan(&server.uri(), constant(500.0));
    (plan.connections, plan.workers) = (4, 2);
    plan.recorder.window = Nanos::from_secs(2);
    // Long enough for every answer that comes, on a machine that stands still for seconds.
    plan.timeout = std::time::Duration::from_secs(10);
    let run = execute(plan);
    let log = server.stop();
    assert_eq!((log.count(Rpc::Search), run.recorded.total().offered()), (1_000, 1_000));
    let mut expected = BTreeMap::new();
    for number in 0..1_000 {
        let inflicted = effects().into_iter().find(|(n, ..)| number % n == n - 1);
        let end = inflicted.map_or(End::Succeeded, |(.., end)| end);
        *expected.entry(format!("{end:?}")).or_default() += 1;
    }
    assert_eq!(classes(&run), expected);
    let words =
        run.recorded.operations[0].errors.kinds().iter().map(|k| k.message.to_string()).collect::<Vec<_>>();
    for told in ["scripted", "rate limit", "long long", "HTTP status 418"] {
        assert!(words.iter().any(|words| words.contains(told)), "{told}: {words:?}");
    }
}

/// The answer comes half a millisecond after the timeout, within the millisecond that tokio's timer rounds up.
#[test]
fn an_answer_just_after_the_timeout_is_no_success() {
    let server = start(script(Delay::Constant(Nanos::new(100_500_000))));
    let mut plan = plan(&server.uri(), constant(200.0));
    plan.timeout = std::time::Duration::from_millis(100);
    let run = execute(plan);
    assert_eq!(classes(&run), BTreeMap::from([("TimedOut".to_owned(), 200)]));
    // Once each at most: one that was given up before the server came to read it is none to it.
    assert!((1..=200).contains(&server.stop().count(Rpc::Search)));
}

#[test]
fn a_server_that_says_goaway_loses_no_request() {
    let script = script(Delay::Constant(ms(5))).fault(Rpc::Search, When::Every(40), Effect::GoAway);
    let server = start(script);
    let mut plan = plan(&server.uri(), constant(400.0));
    plan.connections = 2;
    let run = execute(plan);
    let log = server.stop();
    assert_eq!(classes(&run), BTreeMap::from([("Succeeded".to_owned(), 400)]));
    assert_eq!(log.count(Rpc::Search), 400);
    assert!(log.by_connection.len() > 2, "it went on over new connections");
    assert!(run.pool.connections_lost >= 1);
    assert!(
        run.peers.iter().all(|peers| peers.len() == 1),
        "new connections to the same address: {:?}",
        run.peers
    );
}

/// One request at a time, so that a cut hits one request.
#[test]
fn a_connection_cut_in_the_middle_of_an_answer_fails_that_request_and_no_other() {
    let script = script(Delay::Constant(ms(1))).fault(Rpc::Search, When::Every(10), Effect::CutMidFrame);
    let server = start(script);
    let plan = plan(&server.uri(), LoadModel::Closed { concurrency: 1 });
    let run = execute_until(plan, &server, |log| log.count(Rpc::Search) >= 30);
    let log = server.stop();
    let (offered, classes) = (run.recorded.total().offered(), classes(&run));
    assert_eq!(log.count(Rpc::Search), offered, "each was sent once");
    assert_eq!(classes["Failed { grpc: 14, milvus: 0 }"], offered / 10);
    assert_eq!(classes["Succeeded"], offered - offered / 10);
}

/// Returns when as many requests have failed as were in flight, and some that have become due since.
#[track_caller]
fn wait_for_failures(execution: &Execution) {
    let LiveTotals { unsuccessful, in_flight, .. } = execution.live();
    wait_for("failures", || execution.live().unsuccessful >= unsuccessful + in_flight + 20);
}

#[test]
fn a_server_that_vanishes_and_comes_back_is_found_again() {
    let server = start(script(Delay::Constant(ms(2))));
    let mut plan = plan(&server.uri(), constant(300.0));
    plan.recorder.window = Nanos::from_secs(600);
    (plan.connections, plan.workers) = (3, 2);
    let (seed, stop) = (plan.seed, Stop::default());
    let execution = set_going(plan, &stop);
    wait_for("answers", || execution.live().succeeded >= 200);
    server.close().unwrap();
    // Twice: what was sent to the last while it vanished, and what was due when it was known to have gone.
    wait_for_failures(&execution);
    wait_for_failures(&execution);
    server.open().unwrap();
    let opened = Nanos::from(server.anchor().elapsed());
    wait_for("requests over three connections", || {
        let entries = server.log().entries;
        let since = entries.iter().filter(|entry| entry.arrival > opened);
        since.map(|entry| entry.connection).collect::<BTreeSet<_>>().len() == 3
    });
    let back = execution.elapsed();
    wait_until(&execution, back + ms(500));
    stop.raise(StopReason::Interrupted);
    let run = execution.finish().unwrap();
    let log = server.stop();
    let all = requests(&run);
    let (rate, stopped) = (Rate::per_second(300.0).unwrap(), run.stopped.expect("it was stopped"));
    let due = Schedule::new(seed, 0, Arrival::Constant, rate, stopped).count();
    assert_eq!(run.recorded.total().offered(), due as u64);
    let (down, late): (Vec<Exemplar>, Vec<Exemplar>) =
        all.iter().partition(|request| request.intended < back);
    assert!(late.len() > 100 && late.iter().all(|request| request.end == End::Succeeded));
    let failures: Vec<_> = down.iter().filter(|request| request.end != End::Succeeded).collect();
    assert!(failures.iter().all(|request| request.end == failed(14, 0)), "{failures:?}");
    let never_sent: Vec<_> = failures.iter().filter(|request| request.sent.is_none()).collect();
    assert!(!never_sent.is_empty(), "while there was no connection nothing could be sent");
    assert!(
        never_sent.iter().all(|request| request.trace.sampled && !request.has_trace()),
        "their label stays, and there is no trace"
    );
    // Every success was received, and nothing twice; what was on its way to a closing server may be lost.
    let received = by_trace(&log);
    let sent = all.iter().filter(|request| request.sent.is_some()).count();
    let succeeded: Vec<_> = all.iter().filter(|request| request.end == End::Succeeded).collect();
    assert!(succeeded.iter().all(|request| received.contains_key(&request.trace.trace_id)));
    assert!((succeeded.len()..=sent).contains(&(log.count(Rpc::Search) as usize)));
}

/// A null server without a log: what is counted must hold at full speed too.
#[test]
fn at_full_speed_every_request_offered_was_received_once() {
    let server = start(Script { log_requests: 0, ..script(Delay::None) });
    let mut plan = plan(&server.uri(), LoadModel::Closed { concurrency: 16 });
    (plan.connections, plan.workers, plan.recorder.slowest) = (4, 2, 10);
    let run = execute(plan);
    let total = run.recorded.total();
    assert_eq!((total.offered(), total.offered()), (total.succeeded, server.stop().count(Rpc::Search)));
}
