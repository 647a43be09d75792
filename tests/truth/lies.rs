//! What only a server of known speed and whims shows: that the generator is the bottleneck or stood still, that connections come
//! and go.

use std::time::Duration;

use milvus_load::truth::{Delay, Effect, Rpc, Script, When};
use rustix::process::Signal;

use crate::support::*;

/// 400,000 requests/s are more than one worker thread can send.
#[test]
fn a_rate_that_the_generator_cannot_hold_is_not_trusted() {
    let server = start(Script { log_requests: 0, ..script(Delay::None) });
    let workload = "[load]\nrate = 400_000\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1s\"\n\
                    connections = 2\nworkers = 1\nmax_in_flight = 100_000\n[trace]\nenabled = false";
    let ended = run_binary(&server.uri(), workload);
    let report = ended.report();
    let codes = codes(&report);
    assert_eq!(
        (ended.code, report.operations["search"].offered),
        (4, 400_000),
        "{codes:?}\n{}",
        ended.stderr
    );
    assert!(["generator_saturated", "shortfall"].iter().all(|code| codes.contains(code)), "{codes:?}");
}

/// Stopped once half a second of the window has been received, long before its end.
#[test]
fn a_generator_that_was_stopped_for_two_seconds_is_not_trusted() {
    let server = start(script(Delay::Constant(ms(1))));
    let workload = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"15s\"\n\
                    connections = 2\nworkers = 1\n[trace]\nenabled = false";
    let run = BinaryRun::start(&server.uri(), workload, |_, _| {});
    wait_for("requests", || server.log().count(Rpc::Search) >= 50);
    run.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(2));
    run.signal(Signal::CONT);
    let ended = run.end();
    let report = ended.report();
    let search = &report.operations["search"];
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    // What was due meanwhile was sent afterwards, and is counted from when it was due: the first of it soon after the stop,
    // however late the thread that takes the signal comes to run.
    assert_eq!((search.offered, search.succeeded), (1_500, 1_500));
    assert!(search.lag.max_us > Some(1.5e6), "{:?}", search.lag.max_us);
    let finding = report.verdict.findings.iter().find(|finding| finding.code == "generator_stopped");
    let words = format!("{:?}", finding.expect("it was stopped"));
    assert!(words.contains("the generator did not run for") && words.contains("SIGSTOP"), "{words}");
}

/// Every 40th request makes the server say goodbye: 100 requests, 2 of them.
#[test]
fn connections_that_the_server_closes_are_a_warning_though_no_request_is_lost() {
    let script = script(Delay::Constant(ms(2))).fault(Rpc::Search, When::Every(40), Effect::GoAway);
    let server = start(script);
    let workload = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1s\"\n\
                    connections = 2\nworkers = 1\n[trace]\nenabled = false";
    let report = run_binary(&server.uri(), workload).done();
    assert_eq!(report.operations["search"].succeeded, 100);
    assert!(codes(&report).contains(&"connections_lost"), "{:?}", codes(&report));
    assert_eq!(report.transport.unwrap().connections_lost, 2);
}
