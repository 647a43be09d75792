//! Bounds: the server's on streams, the generator's own on requests in flight, and the division of both over workers.

use std::collections::BTreeMap;

use milvus_load::engine::{Choice, PlannedOperation, Requests, Schedule};
use milvus_load::measure::{End, Exemplar};
use milvus_load::milvus::CallHeaders;
use milvus_load::milvus::ops::search;
use milvus_load::milvus::proto::{milvus, schema};
use milvus_load::milvus::transport::Route;
use milvus_load::truth::{Delay, Effect, Limits, Rpc, Script, When};
use milvus_load::units::{Nanos, Rate};
use milvus_load::workload::Arrival;

use crate::scribe::Scribe;
use crate::support::*;

fn limited(streams: u32, delay: Nanos) -> Script {
    let limits = Limits { concurrent_streams: Some(streams), ..Limits::default() };
    Script { limits, ..script(Delay::Constant(delay)) }
}

/// 600 requests/s for a server that can take 8 at a time for 20 ms each, so 400/s: the wait grows, and all of it is lag.
#[test]
fn the_wait_for_a_stream_slot_is_lag_and_never_service() {
    let server = start(limited(2, ms(20)));
    let mut plan = plan(&server.uri(), constant(600.0));
    (plan.connections, plan.workers, plan.recorder.window) = (4, 2, ms(1_500));
    let run = execute(plan);
    let log = server.stop();
    let all = requests(&run);
    assert!(all.len() == 900 && all.iter().all(|request| request.end == End::Succeeded));
    assert_eq!(most_at_once(&log.entries), 2, "per connection");
    // By arithmetic the last ones wait 750 ms.
    assert!(all[880..].iter().all(|request| request.lag().unwrap() > ms(500)));
    // Half of the requests have next to nothing but the server's own 20 ms between sent and done. By arithmetic half of them wait
    // for 375 ms, and for 56 times x longer where a slow machine makes every answer take x longer.
    let mut service: Vec<_> = all.iter().map(|request| request.service().unwrap()).collect();
    assert!(service.iter().all(|service| *service >= ms(20)));
    let mut lag: Vec<_> = all.iter().map(|request| request.lag().unwrap()).collect();
    let (service, lag) = (at_quantile(&mut service, 0.5), at_quantile(&mut lag, 0.5));
    assert!(
        service.get() * 8 < lag.get(),
        "{service} of service, {lag} of lag: the wait has got into service"
    );
    assert!(run.pool.slot_waits > 100);
    in_order_of_intent(&all, 2);
}

/// First come, first served, among the requests of a worker; the first two connections are the first worker's.
fn in_order_of_intent(all: &[Exemplar], connections_each: u16) {
    let mut last = BTreeMap::new();
    for request in all {
        let worker = request.connection / connections_each;
        let before = last.insert(worker, request.sent.unwrap()).unwrap_or_default();
        assert!(request.sent.unwrap() >= before, "overtaken: {request:?}");
    }
}

/// Until a server's SETTINGS are there, nobody knows how many streams it takes; one too many is refused.
#[test]
fn a_new_connection_is_not_used_before_its_limit_is_known() {
    let script = limited(2, ms(5)).fault(Rpc::Search, When::Every(60), Effect::GoAway);
    let server = start(script);
    let run = execute(plan(&server.uri(), constant(500.0)));
    let log = server.stop();
    let all = requests(&run);
    assert!(all.len() == 500 && all.iter().all(|request| request.end == End::Succeeded));
    assert_eq!(most_at_once(&log.entries), 2);
    assert!(log.by_connection.len() >= 5, "{:?}", log.by_connection);
    in_order_of_intent(&all, 1);
}

#[test]
fn what_is_due_beyond_the_bound_is_not_sent_and_counted_at_its_own_intended_time() {
    let server = start(script(Delay::None).fault(Rpc::Search, When::Always, Effect::Withhold));
    let mut plan = plan(&server.uri(), constant(100.0));
    (plan.connections, plan.workers, plan.max_in_flight) = (3, 3, 8);
    (plan.recorder.window, plan.drain) = (Nanos::from_secs(2), Nanos::ZERO);
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    let told: Vec<_> = record.intervals.iter().map(|i| (i.counters.timed_out, i.counters.not_sent)).collect();
    assert_eq!(told, [(8, 92), (0, 100)], "shares of 3, 3 and 2, filled by the first arrivals");
    assert_eq!(record.intervals[0].in_flight_max, 8);
    // 0, 1 and 2 start the three workers' shares; index 8 is worker 2's third and so the first beyond its share.
    let sent: Vec<_> = requests(&run).iter().map(|r| r.intended.get() / 10_000_000).collect();
    assert_eq!(sent, [0, 1, 2, 3, 4, 5, 6, 7]);
    // What was sent last may have been given up before the server came to read it.
    assert!((1..=8).contains(&server.stop().count(Rpc::Search)));
}

/// The bound is filled in the warm-up by requests that the server never answers: nothing of the window is sent, and no time of
/// it tells why.
#[test]
fn what_is_refused_while_the_server_holds_the_bound_is_the_servers() {
    let server = start(script(Delay::None).fault(Rpc::Search, When::Always, Effect::Withhold));
    let mut plan = plan(&server.uri(), constant(100.0));
    (plan.max_in_flight, plan.drain, plan.recorder.window_start) = (8, Nanos::ZERO, ms(3_000));
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    assert_eq!((record.warmup.not_sent, record.counters.not_sent), (292, 100));
    assert_eq!(record.refused_for_server, 100, "of the window alone");
    assert_eq!((record.lag.count(), record.unsent.count()), (0, 0));
}

/// 600 requests/s for a server that can take 8 at a time for 20 ms each: next to all lag of the window is the wait for a stream,
/// and that of the warm-up is not part of it.
#[test]
fn the_wait_for_streams_is_known_for_the_windows_own_requests() {
    let server = start(limited(8, ms(20)));
    let mut plan = plan(&server.uri(), constant(600.0));
    (plan.recorder.window_start, plan.recorder.window) = (ms(750), ms(250));
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    let (lag, waited, all) = (record.lag.moments().sum(), record.waited, run.pool.waited.get());
    assert_eq!((record.counters.succeeded, record.warmup.succeeded), (150, 450));
    // What is not such a wait is the worker's coming late. It looks at itself every 100 ms, so sees all but that.
    let late = 150 * u128::from((run.workers[0].stalled + ms(100)).get());
    assert!(waited <= lag && waited + late >= lag, "{waited} of {lag} ns, {late} of them late");
    // By arithmetic waits grow evenly, to 0.5 s: the window's are (1 - 0.75 * 0.75) = 0.44 of all.
    assert!(waited < u128::from(all) * 6 / 10, "{waited} of {all} ns");
}

/// Two searches with bodies of their own, drawn by weight over Poisson arrivals.
#[test]
fn arrivals_operations_and_queries_are_the_same_for_any_number_of_workers() {
    let (rate, window, seed) = (Rate::per_second(800.0).unwrap(), ms(500), 7);
    let results = schema::SearchResultData { topks: vec![10], ..Default::default() };
    let reply = milvus::SearchResults { results: Some(results), ..Default::default() };
    let bodies = [searches(37), searches(200)];
    // The plan by the pure laws alone.
    let choice = Choice::new(seed, 0, &[(0, 3.0), (1, 1.0)]);
    let due: Vec<_> = Schedule::new(seed, 0, Arrival::Poisson, rate, window).collect();
    let mut expected: Vec<_> = due
        .iter()
        .map(|due| {
            let frames = &bodies[choice.of(due.index)];
            frames[due.index as usize % frames.len()].to_bytes(None).slice(5..)
        })
        .collect();
    expected.sort();
    let planned = |operation| due.iter().filter(|due| choice.of(due.index) == operation).count() as u64;
    for workers in 1..=3 {
        let scribe = Scribe::start(&reply);
        let mut plan = plan(&scribe.uri, open(800.0, Arrival::Poisson));
        (plan.workers, plan.connections, plan.recorder.window) = (workers, 3, window);
        let route = || Route::new(&plan.dialer, "Search", search::scan, &CallHeaders::default()).unwrap();
        let operation = |name: &str, requests: usize| PlannedOperation {
            name: name.to_owned(),
            route: route(),
            requests: Requests::Ready(bodies[requests].clone()),
        };
        plan.operations = vec![operation("few", 0), operation("many", 1)];
        plan.streams[0].shares = vec![(0, 3.0), (1, 1.0)];
        let run = execute(plan);
        let mut received = scribe.messages();
        received.sort();
        assert!(received == expected, "{workers} workers sent something else");
        let intended: Vec<_> = requests(&run).iter().map(|request| request.intended).collect();
        assert!(intended.into_iter().eq(due.iter().map(|due| due.at)), "{workers} workers, other times");
        for operation in 0..2 {
            let succeeded = run.recorded.operations[operation].counters.succeeded;
            assert_eq!(succeeded, planned(operation), "{workers} workers, operation {operation}");
        }
    }
}

/// 700 requests/s for a server that takes 400: the numbers are right, and it is the server that made them so.
#[test]
fn waiting_for_the_servers_streams_is_not_held_against_the_generator() {
    let server = start(limited(2, ms(10)));
    let workload = "[load]\nrate = 700\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1500ms\"\n\
                    connections = 2\nworkers = 1\nmax_in_flight = 2000\n[trace]\nenabled = false";
    let report = run_binary(&server.uri(), workload).done();
    let codes = codes(&report);
    // A generator that did not run for more than a second is rightly told to be late too.
    if !codes.contains(&"generator_stopped") {
        assert!(codes.contains(&"waited_for_stream") && !codes.contains(&"generator_late"), "{codes:?}");
    }
    assert_eq!(report.operations["search"].succeeded, 1_050);
    // And that it is the limit on streams is said, with how many had to wait.
    assert!(codes.contains(&"stream_limit"), "{codes:?}");
    let transport = report.transport.unwrap();
    assert!(transport.stream_waits > 100 && transport.waited_us > 1e6, "{transport:?}");
    assert_eq!(transport.connections_lost, 0);
}
