//! What only a server of known speed and whims shows: that the generator is the bottleneck, that connections come and go.

use milvus_load::truth::{Delay, Effect, Rpc, Script, When};

use crate::support::*;

/// 400,000 requests/s are more than one worker thread can send.
#[test]
fn a_rate_that_the_generator_cannot_hold_is_not_trusted() {
    let server = start(Script { log_requests: 0, ..script(Delay::None) });
    let workload = "[load]\nrate = 400_000\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1s\"\n\
                    connections = 2\nworkers = 1\nmax_in_flight = 100_000\n[trace]\nenabled = false";
    let ended = run_binary(&server.uri(), workload);
    let report = ended.report();
    let codes: Vec<_> = report.verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(
        (ended.code, report.operations["search"].offered),
        (4, 400_000),
        "{codes:?}\n{}",
        ended.stderr
    );
    assert!(["generator_saturated", "shortfall"].iter().all(|code| codes.contains(code)), "{codes:?}");
}

/// Every 40th request makes the server say goodbye: 100 requests, 2 of them.
#[test]
fn connections_that_the_server_closes_are_a_warning_though_no_request_is_lost() {
    let script = script(Delay::Constant(ms(2))).fault(Rpc::Search, When::Every(40), Effect::GoAway);
    let server = start(script);
    let workload = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1s\"\n\
                    connections = 2\nworkers = 1\n[trace]\nenabled = false";
    let ended = run_binary(&server.uri(), workload);
    let report = ended.report();
    let codes: Vec<_> = report.verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!((ended.code, report.operations["search"].succeeded), (0, 100), "{codes:?}\n{}", ended.stderr);
    assert!(codes.contains(&"connections_lost"), "{codes:?}");
    assert_eq!(report.transport.unwrap().connections_lost, 2);
}
