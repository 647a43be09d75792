//! Lies that only a server of known speed shows: the generator is the bottleneck, and must say so itself.

use milvus_load::truth::Delay;

use crate::support::*;

/// 400,000 requests/s are more than one worker thread can send.
#[test]
fn a_rate_that_the_generator_cannot_hold_is_not_trusted() {
    let server = start(milvus_load::truth::Script { log_requests: 0, ..script(Delay::None) });
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
    assert!(codes.contains(&"generator_saturated"), "{codes:?}");
}
