//! Runs that are split: what the shards send together is what one process would have sent, and they start when they are told to.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milvus_load::engine::{EngineError, Execution, Plan, Requests, Schedule, Shard, Stop, StopReason};
use milvus_load::milvus::proto::{milvus, schema};
use milvus_load::truth::{Delay, Rpc};
use milvus_load::units::{Nanos, Rate};
use milvus_load::workload::{Arrival, LoadModel};

use crate::scribe::Scribe;
use crate::support::*;

/// What the schedule of 900/s has between these moments.
fn replay(seed: u64, arrival: Arrival, from: Nanos, to: Nanos) -> u64 {
    let rate = Rate::per_second(900.0).unwrap();
    Schedule::new(seed, 0, arrival, rate, to).filter(|due| due.at >= from).count() as u64
}

#[test]
fn what_workers_count_of_the_schedule_is_what_a_replay_of_it_counts() {
    for arrival in [Arrival::Poisson, Arrival::Constant] {
        let server = start(script(Delay::Constant(ms(1))));
        let mut plan = plan(&server.uri(), open(900.0, arrival));
        (plan.workers, plan.connections) = (3, 3);
        (plan.recorder.window_start, plan.recorder.window) = (ms(100), ms(400));
        let seed = plan.seed;
        plan.streams.push(stream(LoadModel::Closed { concurrency: 2 }));
        let run = execute(plan);
        assert_eq!(run.planned, [replay(seed, arrival, ms(100), ms(500)), 0], "{arrival:?}");
    }
}

#[test]
fn what_workers_of_a_stopped_run_count_ends_with_the_stop() {
    for arrival in [Arrival::Poisson, Arrival::Constant] {
        let server = start(script(Delay::Constant(ms(1))));
        let mut plan = plan(&server.uri(), open(900.0, arrival));
        (plan.workers, plan.connections) = (3, 3);
        (plan.recorder.window_start, plan.recorder.window) = (ms(100), Nanos::from_secs(600));
        let (seed, stop) = (plan.seed, Stop::default());
        let execution = set_going(plan, &stop);
        wait_until(&execution, ms(300));
        stop.raise(StopReason::Interrupted);
        let run = execution.finish().unwrap();
        let stopped = run.stopped.unwrap();
        assert_eq!(run.planned, [replay(seed, arrival, ms(100), stopped)], "{arrival:?}");
        assert_eq!(run.recorded.operations[0].counters.offered(), run.planned[0]);
    }
}

/// The plan of shard `index` of `of`, with one more worker than the shard before it.
fn of_shard(mut plan: Plan, index: u32, of: u32) -> Plan {
    plan.shard = Shard::new(index, of).unwrap();
    plan.workers = index as usize + 1;
    plan.connections = plan.workers as u16;
    plan.recorder.window = ms(300);
    plan
}

#[test]
fn shards_of_any_number_and_unequal_workers_send_together_what_one_process_sends() {
    let results = schema::SearchResultData { topks: vec![10], ..Default::default() };
    let reply = milvus::SearchResults { results: Some(results), ..Default::default() };
    for arrival in [Arrival::Poisson, Arrival::Constant] {
        let rate = Rate::per_second(900.0).unwrap();
        let due: Vec<_> = Schedule::new(7, 0, arrival, rate, ms(300)).collect();
        let frames = searches(100);
        let mut expected: Vec<_> =
            due.iter().map(|due| frames[due.index as usize % 100].to_bytes(None).slice(5..)).collect();
        expected.sort();
        for of in [1, 2, 3, 7] {
            let scribe = Scribe::start(&reply);
            let mut intended = vec![];
            let mut planned = 0;
            for index in 0..of {
                let run = execute(of_shard(plan(&scribe.uri, open(900.0, arrival)), index, of));
                intended.extend(requests(&run).iter().map(|request| request.intended));
                planned += run.planned[0];
            }
            intended.sort();
            assert!(intended.iter().copied().eq(due.iter().map(|due| due.at)), "{arrival:?} over {of}");
            assert_eq!(planned, due.len() as u64);
            let mut received = scribe.messages();
            received.sort();
            assert!(received == expected, "{arrival:?} over {of} shards sent something else");
        }
    }
}

#[test]
fn shards_share_the_slots_of_a_closed_loop_and_the_bound_of_an_open_one() {
    let server = start(script(Delay::Constant(ms(5))));
    let model = LoadModel::Closed { concurrency: 7 };
    let widths: Vec<u32> = (0..3)
        .map(|index| {
            let run = execute(of_shard(plan(&server.uri(), model.clone()), index, 3));
            run.recorded.operations[0].intervals[0].in_flight_max
        })
        .collect();
    // The third shard has three workers for its two slots.
    assert_eq!(widths, [3, 2, 2]);
}

/// Number (next W + w) N + K of 99 requests: of three shards each sends every third, and so all of its 33.
#[test]
fn shards_of_a_closed_loop_send_every_nth_request_each_of_their_own() {
    let results = schema::SearchResultData { topks: vec![10], ..Default::default() };
    let reply = milvus::SearchResults { results: Some(results), ..Default::default() };
    let frames = searches(99);
    let bodies: Vec<_> = frames.iter().map(|frame| frame.to_bytes(None).slice(5..)).collect();
    for index in 0..3 {
        let scribe = Scribe::start(&reply);
        let mut plan = of_shard(plan(&scribe.uri, LoadModel::Closed { concurrency: 9 }), index, 3);
        plan.operations[0].requests = Requests::Ready(frames.clone());
        plan.recorder.window = Nanos::from_secs(600);
        let stop = Stop::default();
        let execution = set_going(plan, &stop);
        let sent = || -> BTreeSet<usize> {
            let number = |message: &Bytes| bodies.iter().position(|body| body == message).unwrap();
            scribe.messages().iter().map(number).collect()
        };
        wait_for("every request of the shard", || sent().len() >= 33);
        stop.raise(StopReason::Interrupted);
        execution.finish().unwrap();
        assert!(sent().into_iter().eq((index as usize..99).step_by(3)), "shard {index}");
    }
}

#[track_caller]
fn refused(plan: Plan, start: Option<SystemTime>) -> EngineError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let started = runtime.block_on(Execution::start(Arc::new(plan), None, Stop::default(), start));
    match started {
        Err(error) => error,
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn a_shard_with_nothing_to_do_is_refused_before_anything_is_sent() {
    let server = start(script(Delay::None));
    let closed = LoadModel::Closed { concurrency: 2 };
    let error = refused(of_shard(plan(&server.uri(), closed), 2, 3), None);
    assert!(matches!(error, EngineError::IdleShard { .. }), "{error}");
    // Ten arrivals a second make three in 0.3 s: 0, 1 and 2.
    let error = refused(of_shard(plan(&server.uri(), constant(10.0)), 3, 4), None);
    assert!(matches!(error, EngineError::IdleShard { .. }), "{error}");
    let mut narrow = of_shard(plan(&server.uri(), constant(900.0)), 2, 3);
    narrow.max_in_flight = 8;
    let error = refused(narrow, None);
    assert!(error.to_string().contains("raise it to 9"), "{error}");
    assert_eq!(server.stop().count(Rpc::Search), 0);
}

#[test]
fn a_run_starts_at_the_moment_that_it_is_given() {
    let server = start(script(Delay::None));
    let mut plan = plan(&server.uri(), constant(100.0));
    plan.recorder.window = ms(100);
    let moment = SystemTime::now() + Duration::from_millis(700);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let execution =
        runtime.block_on(Execution::start(Arc::new(plan), None, Stop::default(), Some(moment))).unwrap();
    let run = execution.finish().unwrap();
    let told = u128::from(run.clock.unix_nanos(Nanos::ZERO));
    assert_eq!(told, moment.duration_since(UNIX_EPOCH).unwrap().as_nanos());
    let zero = on_server(&run, &server, Nanos::ZERO);
    let log = server.stop();
    assert_eq!(log.entries.len(), 10);
    assert!(log.entries.iter().all(|entry| entry.arrival >= zero), "before {zero}");
}

#[test]
fn a_run_that_waits_for_its_moment_can_be_stopped() {
    let server = start(script(Delay::None));
    for model in [constant(100.0), LoadModel::Closed { concurrency: 2 }] {
        let plan = plan(&server.uri(), model);
        let moment = SystemTime::now() + Duration::from_secs(3_600);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stop = Stop::default();
        let execution =
            runtime.block_on(Execution::start(Arc::new(plan), None, stop.clone(), Some(moment))).unwrap();
        stop.raise(StopReason::Terminated);
        let run = execution.finish().unwrap();
        assert_eq!((run.stopped, run.recorded.total().offered()), (Some(Nanos::ZERO), 0));
    }
    assert_eq!(server.stop().count(Rpc::Search), 0);
}

#[test]
fn a_run_that_is_not_ready_by_its_moment_sends_nothing() {
    let server = start(script(Delay::None));
    let passed = SystemTime::now() - Duration::from_secs(1);
    let error = refused(plan(&server.uri(), constant(100.0)), Some(passed));
    assert!(matches!(error, EngineError::TooLate { late } if late >= Nanos::from_secs(1)), "{error}");
    assert_eq!(server.stop().count(Rpc::Search), 0);
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", silent.local_addr().unwrap());
    let error = refused(plan(&uri, constant(100.0)), Some(SystemTime::now() + Duration::from_millis(300)));
    assert!(matches!(error, EngineError::TooLate { .. }), "{error}");
}
