//! Nothing vanishes: whatever a server does, every request offered ends in one class, and in the right one.

use std::collections::BTreeMap;

use milvus_load::engine::Finished;
use milvus_load::engine::Stop;
use milvus_load::measure::{End, Exemplar};
use milvus_load::truth::{Delay, Effect, Rpc, Script, When};
use milvus_load::units::Nanos;
use milvus_load::workload::LoadModel;

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
        (13, Effect::Late(Nanos::from_secs(5)), End::TimedOut),
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
    plan.timeout = std::time::Duration::from_secs(2);
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
    assert_eq!(server.stop().count(Rpc::Search), 200);
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
    let run = execute(plan(&server.uri(), LoadModel::Closed { concurrency: 1 }));
    let log = server.stop();
    let (offered, classes) = (run.recorded.total().offered(), classes(&run));
    assert!(offered >= 20, "{offered}");
    assert_eq!(log.count(Rpc::Search), offered, "each was sent once");
    assert_eq!(classes["Failed { grpc: 14, milvus: 0 }"], offered / 10);
    assert_eq!(classes["Succeeded"], offered - offered / 10);
}

#[test]
fn a_server_that_vanishes_and_comes_back_is_found_again() {
    let server = start(script(Delay::Constant(ms(2))));
    let mut plan = plan(&server.uri(), constant(300.0));
    plan.recorder.window = Nanos::from_secs(4);
    (plan.connections, plan.workers) = (3, 2);
    let execution = set_going(plan, &Stop::default());
    wait_until(&execution, ms(700));
    server.close().unwrap();
    wait_until(&execution, ms(1_200));
    server.open().unwrap();
    // Attempts are at most a second apart, so long before this one.
    let back = execution.elapsed() + ms(1_700);
    let run = execution.finish().unwrap();
    let log = server.stop();
    let all = requests(&run);
    assert_eq!(run.recorded.total().offered(), 1_200);
    let (down, late): (Vec<Exemplar>, Vec<Exemplar>) =
        all.iter().partition(|request| request.intended < back);
    assert!(late.len() > 100 && late.iter().all(|request| request.end == End::Succeeded));
    let failures: Vec<_> = down.iter().filter(|request| request.end != End::Succeeded).collect();
    assert!(failures.iter().all(|request| request.end == failed(14, 0)), "{failures:?}");
    let never_sent: Vec<_> = failures.iter().filter(|request| request.sent.is_none()).collect();
    assert!(!never_sent.is_empty(), "while there was no connection nothing could be sent");
    assert!(never_sent.iter().all(|request| !request.trace.sampled), "and so there is no trace of it");
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
