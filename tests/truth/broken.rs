//! A generator that breaks down: the run ends at once, for all workers, and what was measured until then is told.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use milvus_load::data::{VectorType, Vectors};
use milvus_load::engine::{
    EngineError, Finished, InsertSource, PlannedOperation, Requests, RowBlocks, Shard, Stop,
};
use milvus_load::milvus::ops::insert;
use milvus_load::milvus::transport::Route;
use milvus_load::milvus::{CallHeaders, RowLayout};
use milvus_load::report::model::State;
use milvus_load::truth::Delay;
use milvus_load::units::Nanos;
use milvus_load::workload::{Arrival, LoadModel, Rates, Stage, Stream};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::*;

/// A schedule of ten minutes that ended by itself, and every arrival of it until then is accounted for.
#[track_caller]
fn ended_early_and_whole(run: &Finished) {
    let stopped = run.stopped.expect("the run ended early");
    assert!(stopped < Nanos::from_secs(600), "{stopped}");
    let all = requests(run);
    assert!(!all.is_empty() && all.iter().all(|request| request.intended < stopped));
}

/// One request per second from 300 ms on.
fn later() -> LoadModel {
    let stage = |rate, millis| Stage::new(rate, rate, ms(millis)).unwrap();
    let stages = vec![stage(0.0, 300), stage(1.0, 600_000)];
    LoadModel::Open { rate: Rates::Staged { warmup: Nanos::ZERO, stages }, arrival: Arrival::Constant }
}

/// What panics is the loop of a stream whose operation there is not.
#[test]
fn a_worker_whose_loop_panics_ends_the_run_for_all_and_the_others_records_are_kept() {
    panic_of_the_first_worker(9);
}

/// What panics is the task of a request that there is not.
#[test]
fn a_worker_whose_request_panics_ends_the_run_for_all_and_the_others_records_are_kept() {
    panic_of_the_first_worker(1);
}

/// Only the first worker gets the first arrival of the second stream, which is of this operation.
#[track_caller]
fn panic_of_the_first_worker(operation: usize) {
    let server = start(script(Delay::Constant(ms(2))));
    let mut plan = plan(&server.uri(), constant(200.0));
    (plan.workers, plan.connections, plan.recorder.window) = (2, 2, Nanos::from_secs(600));
    let without = PlannedOperation { requests: Requests::Ready(Arc::from([])), ..plan.operations[0].clone() };
    plan.operations.push(without);
    plan.streams.push(Stream { name: "none".to_owned(), model: later(), shares: vec![(operation, 1.0)] });
    let run = set_going(plan, &Stop::default()).finish().unwrap();
    assert!(matches!(run.failure, Some(EngineError::WorkerLost)), "{:?}", run.failure);
    assert_eq!(run.workers.len(), 1, "of the other worker");
    ended_early_and_whole(&run);
    let offered = run.recorded.operations[0].counters.offered();
    assert!(offered >= 30 && run.planned == [offered, 0], "{offered} of {:?}", run.planned);
    assert!(
        run.clock.now() < run.stopped.unwrap() + PATIENCE.into(),
        "it waited for what will never be done"
    );
    // Every second arrival of 200/s: the other worker's share.
    assert!(requests(&run).iter().all(|request| request.intended.get() / 5_000_000 % 2 == 1));
}

#[test]
fn a_run_whose_only_worker_panics_has_nothing_to_tell() {
    let server = start(script(Delay::None));
    let mut plan = plan(&server.uri(), constant(200.0));
    plan.streams[0].shares = vec![(9, 1.0)];
    let run = set_going(plan, &Stop::default()).finish();
    assert!(matches!(run, Err(EngineError::WorkerLost)), "{:?}", run.err());
}

/// Keys for twenty inserts of ten rows are left.
#[test]
fn a_run_whose_builder_of_bodies_ends_is_over_and_tells_what_was_measured() {
    let server = start(script(Delay::Constant(ms(2))));
    let mut plan = plan(&server.uri(), constant(200.0));
    plan.recorder.window = Nanos::from_secs(600);
    let layout = RowLayout {
        key: Some("id".to_owned()),
        vector: "vector".to_owned(),
        vectors: Vectors::clustered(VectorType::Float, 1, 8, 2, 0.1),
        scalars: vec![],
    };
    let source = InsertSource {
        collection: "c".into(),
        layout: Arc::new(layout),
        batch: 10,
        rows: Arc::new(RowBlocks::new(i64::MAX as u64 - 200, 10, Shard::WHOLE)),
    };
    plan.operations.push(PlannedOperation {
        name: "insert".to_owned(),
        route: Route::new(&plan.dialer, insert::RPC, insert::scan, &CallHeaders::default()).unwrap(),
        requests: Requests::Built(source),
    });
    let insert = Stream { name: "insert".to_owned(), model: constant(50.0), shares: vec![(1, 1.0)] };
    plan.streams.push(insert);
    let run = set_going(plan, &Stop::default()).finish().unwrap();
    assert!(matches!(run.failure, Some(EngineError::BuilderLost)), "{:?}", run.failure);
    ended_early_and_whole(&run);
    let [search, insert] = [0, 1].map(|operation| run.recorded.operations[operation].counters);
    assert_eq!(insert.succeeded, 20);
    assert!(insert.failed >= 1 && search.succeeded == search.offered(), "{insert:?} {search:?}");
    assert_eq!(run.planned, [search.offered(), insert.offered()]);
    // Before the 21st insert was due, at 400 ms, nothing was wrong.
    assert!(run.stopped.unwrap() >= ms(400));
}

/// Runs the binary with so many file descriptors.
fn run_with_descriptors(limit: u64, uri: &str, workload: &str) -> Ended {
    BinaryRun::start(uri, workload, |command, _| limit_descriptors(command, limit)).end()
}

/// Gives what is started so many file descriptors.
pub fn limit_descriptors(command: &mut Command, limit: u64) {
    let limited = move || {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(Resource::Nofile, limit).map_err(Into::into)
    };
    // SAFETY: between fork and exec nothing is called but setrlimit(2).
    unsafe { command.pre_exec(limited) };
}

/// Operations with streams of their own. Each needs a timer, and 128 descriptors are not enough for all.
pub fn two_hundred_streams() -> String {
    (0..200)
        .map(|index| format!("[[operations]]\nkind = \"search\"\nname = \"s{index}\"\nrate = 1\n"))
        .collect()
}

#[test]
fn slots_of_a_closed_loop_take_no_descriptor_each() {
    let server = start(script(Delay::Constant(ms(20))));
    let workload = "[load]\nconcurrency = 2000\nwarmup = \"0s\"\nduration = \"1s\"\nconnections = 4\n\
                    workers = 2\n[trace]\nenabled = false";
    let report = run_with_descriptors(256, &server.uri(), workload).done();
    assert_eq!(report.run.state, State::Complete);
    assert_eq!(report.intervals[0].operations["search"].in_flight_max, 2_000);
    assert_eq!(report.operations["search"].succeeded, report.operations["search"].offered);
}

#[test]
fn a_run_that_lacks_descriptors_is_reported_as_failed_and_not_trusted() {
    let server = start(script(Delay::None));
    let streams = two_hundred_streams();
    let workload = format!(
        "[load]\nrate = 50\nwarmup = \"0s\"\nduration = \"600s\"\nconnections = 1\nworkers = 1\n\
         [trace]\nenabled = false\n{streams}"
    );
    let ended = run_with_descriptors(128, &server.uri(), &workload);
    let report = ended.report();
    assert_eq!(report.run.state, State::Failed);
    assert!(codes(&report).contains(&"worker_failed") && !report.verdict.trusted, "{:?}", codes(&report));
    assert!(!codes(&report).contains(&"interrupted"));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
}
