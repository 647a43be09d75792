//! Which window a request belongs to, and how long it may take to end.

use std::time::Duration;

use milvus_load::engine::{Schedule, Stop, StopReason};
use milvus_load::measure::End;
use milvus_load::report::model::{LoadKind, State};
use milvus_load::truth::{Delay, Effect, Limits, Rpc, Script, When};
use milvus_load::units::{Nanos, Rate};
use milvus_load::workload::Arrival;
use rustix::process::Signal;

use crate::support::*;

/// Every answer takes 600 ms, so that half of what the warm-up starts ends in the window, and much of the window's after it.
#[test]
fn a_request_belongs_to_where_it_was_intended_wherever_it_ends() {
    let server = start(script(Delay::Constant(ms(600))));
    let mut plan = plan(&server.uri(), constant(50.0));
    plan.recorder.window_start = Nanos::from_secs(1);
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    assert_eq!((record.warmup.succeeded, record.warmup.offered()), (50, 50));
    assert_eq!((record.counters.succeeded, record.counters.offered()), (50, 50));
    assert_eq!((record.after.offered(), server.stop().count(Rpc::Search)), (0, 100));
    let (start, end) = (Nanos::from_secs(1), Nanos::from_secs(2));
    let all = requests(&run);
    assert!(all.iter().all(|request| (start..end).contains(&request.intended)));
    assert!(all.iter().any(|request| request.done > end), "counted though it ended after the window");
}

/// One at a time for 200 ms each, 60 due at once: the last has waited for longer than the timeout of 10 s when it is sent, and
/// then has the whole of it before it.
#[test]
fn the_timeout_counts_from_sent() {
    let limits = Limits { concurrent_streams: Some(1), ..Limits::default() };
    let server = start(Script { limits, ..script(Delay::Constant(ms(200))) });
    let mut plan = plan(&server.uri(), constant(1_000.0));
    (plan.recorder.window, plan.timeout) = (ms(60), Duration::from_secs(10));
    let run = execute(plan);
    let all = requests(&run);
    assert!(all.len() == 60 && all.iter().all(|request| request.end == End::Succeeded));
    assert!(all[59].lag().unwrap() >= ms(59 * 200 - 60) && all[59].response() > ms(10_000));
}

#[test]
fn what_is_unanswered_at_the_end_of_the_drain_has_timed_out_then() {
    let server = start(script(Delay::None).fault(Rpc::Search, When::Always, Effect::Withhold));
    let mut plan = plan(&server.uri(), constant(20.0));
    plan.drain = ms(300);
    let run = execute(plan);
    let all = requests(&run);
    assert!(all.len() == 20 && all.iter().all(|request| request.end == End::TimedOut));
    let done = all[0].done;
    assert!(all.iter().all(|request| request.done == done), "all given up at once");
    assert!(done >= ms(1_300), "{done}: the drain follows the window");
    assert_eq!(run.recorded.operations[0].timeouts.count(), 20);
}

/// Two requests in 15 s, the second at 8 s: it is answered at 9.2 s, and the drain of 200 ms lasts until 15.2 s. Counted from
/// the last arrival it would have been over at 8.2 s.
#[test]
fn the_drain_begins_with_the_end_of_the_window_and_not_with_the_last_arrival() {
    let server = start(script(Delay::Constant(ms(1_200))));
    let mut plan = plan(&server.uri(), constant(0.125));
    (plan.recorder.window, plan.drain) = (Nanos::from_secs(15), ms(200));
    let ended: Vec<_> = requests(&execute(plan)).iter().map(|request| request.end).collect();
    assert_eq!(ended, [End::Succeeded, End::Succeeded]);
}

/// Whatever was due before the one moment at which the run stopped was offered, and nothing else, by all workers.
#[test]
fn an_interrupted_run_has_offered_exactly_what_was_due_until_then() {
    let server = start(Script { log_requests: 0, ..script(Delay::Constant(ms(5))) });
    let mut plan = plan(&server.uri(), open(1_000.0, Arrival::Poisson));
    (plan.workers, plan.connections) = (3, 3);
    (plan.recorder.window_start, plan.recorder.window) = (ms(200), Nanos::from_secs(60));
    let (seed, stop) = (plan.seed, Stop::default());
    let execution = set_going(plan, &stop);
    wait_until(&execution, ms(700));
    stop.raise(StopReason::Interrupted);
    let run = execution.finish().unwrap();
    let stopped = run.stopped.expect("it was stopped");
    assert!(stopped >= ms(700));
    let rate = Rate::per_second(1_000.0).unwrap();
    let due: Vec<_> = Schedule::new(seed, 0, Arrival::Poisson, rate, stopped).map(|due| due.at).collect();
    let in_warmup = due.iter().filter(|at| **at < ms(200)).count() as u64;
    let record = &run.recorded.operations[0];
    assert_eq!(record.warmup.offered(), in_warmup);
    assert_eq!(record.counters.offered(), due.len() as u64 - in_warmup);
    assert_eq!(server.stop().count(Rpc::Search), due.len() as u64);
    requests(&run);
}

#[test]
fn a_run_that_was_interrupted_reports_what_there_was_of_its_window() {
    let server = start(script(Delay::Constant(ms(3))));
    let workload = "[load]\nrate = 400\narrival = \"constant\"\nwarmup = \"200ms\"\nduration = \"60s\"\n\
                    workers = 2\nconnections = 2\n[trace]\nenabled = false";
    let run = BinaryRun::start(&server.uri(), workload, |_, _| {});
    wait_for("requests of the window", || server.log().count(Rpc::Search) >= 700);
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    let report = ended.report();
    assert_eq!((report.run.state, report.run.load_model), (State::Interrupted, LoadKind::Open));
    let search = &report.operations["search"];
    assert_eq!(search.offered + search.warmup, server.stop().count(Rpc::Search));
    assert_eq!((search.succeeded, search.warmup), (search.offered, 80));
    // The rate is exact, for the window ends where the arrivals do: at most one gap too many or too few.
    let seconds = report.run.measured_s;
    assert!((search.offered as f64 - 400.0 * seconds).abs() <= 1.0, "{} in {seconds} s", search.offered);
    assert!((search.offered_per_s.unwrap() * seconds - search.offered as f64).abs() < 1e-6);
    let length: f64 = report.intervals.iter().map(|interval| interval.length_s).sum();
    assert!((length - seconds).abs() < 1e-6, "{length} of {seconds}");
    let offered: u64 = report.intervals.iter().map(|interval| interval.operations["search"].offered).sum();
    assert_eq!(offered, search.offered);
    let codes = codes(&report);
    // Nothing is missing but what left more than 100 ms after the stop, which no request did that left less late than that.
    let in_time = search.lag.max_us <= Some(100_000.0);
    assert!(codes.contains(&"interrupted") && !(in_time && codes.contains(&"shortfall")), "{codes:?}");
}

#[test]
fn a_closed_loop_says_that_it_is_one() {
    let server = start(script(Delay::Constant(ms(2))));
    let workload = "[load]\nconcurrency = 3\nwarmup = \"100ms\"\nduration = \"8s\"\n[trace]\nenabled = false";
    let report = run_binary(&server.uri(), workload).done();
    assert_eq!((report.run.state, report.run.load_model), (State::Complete, LoadKind::Closed));
    let search = &report.operations["search"];
    assert_eq!(search.offered + search.warmup, server.stop().count(Rpc::Search));
    assert_eq!(search.offered_per_s, Some(search.offered as f64 / 8.0));
}
