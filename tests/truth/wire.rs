//! HTTP/2's own limits: what does not fit takes longer or fails with a name, and nothing is lost or taken for another.

use std::sync::Arc;

use milvus_load::engine::Requests;
use milvus_load::measure::End;
use milvus_load::milvus::CallHeaders;
use milvus_load::milvus::ops::search;
use milvus_load::milvus::transport::{Route, STREAM_WINDOW};
use milvus_load::truth::{Delay, Limits, Rpc, Script};
use milvus_load::workload::{LoadModel, Secret};

use crate::support::*;

/// A search of 8 dimensions is some 100 bytes long: with a window of 16, each waits for the server several times.
#[test]
fn a_body_larger_than_the_servers_window_is_sent_in_pieces_and_answered() {
    let limits = Limits { initial_window: Some(16), ..Limits::default() };
    let server = start(Script { limits, ..script(Delay::Constant(ms(1))) });
    let mut plan = plan(&server.uri(), constant(300.0));
    plan.connections = 2;
    let bytes = match &plan.operations[0].requests {
        Requests::Ready(frames) => frames[0].len() as u64,
        Requests::Built(_) => unreachable!("searches are made ahead"),
    };
    assert!(bytes > 3 * 16, "{bytes}");
    let run = execute(plan);
    let anchor = server.anchor();
    let log = server.stop();
    assert_eq!(log.count(Rpc::Search), 300);
    assert!(log.received_bytes >= 300 * bytes, "every byte arrived");
    let all = requests(&run);
    assert!(all.len() == 300 && all.iter().all(|request| request.end == End::Succeeded));
    // The wait for the window lies between sent and arrival: service by its definition, and no lag.
    let received = by_trace(&log);
    for request in &all {
        let sent = run.clock.instant(request.sent.unwrap());
        let arrival = anchor + received[&request.trace.trace_id].arrival.as_duration();
        assert!(sent <= arrival);
    }
}

/// 600,000 hits with a score of 4 bytes and an ID of at least 1 make some 5 MB: beyond the receive window of a stream, so the rest comes only
/// because what is read is given back.
#[test]
fn a_reply_larger_than_our_own_window_is_read_to_its_end() {
    let server = start(Script { hits: Some(600_000), ..script(Delay::None) });
    let mut plan = plan(&server.uri(), LoadModel::Closed { concurrency: 4 });
    plan.connections = 2;
    let run = execute_until(plan, &server, |log| log.count(Rpc::Search) >= 8);
    let operation = &run.recorded.operations[0];
    let counters = operation.counters;
    assert!(counters.succeeded >= 8 && counters.unsuccessful() == 0, "{counters:?}");
    assert_eq!(operation.hits.returned, counters.succeeded * 600_000);
    // A score takes 4 bytes, an ID (a varint below 600,000) most often 3.
    const { assert!(600_000 * 7 >= STREAM_WINDOW) };
}

#[test]
fn headers_beyond_the_servers_limit_fail_with_their_status() {
    let limits = Limits { header_list: Some(2_000), ..Limits::default() };
    let server = start(Script { limits, ..script(Delay::None) });
    let mut plan = plan(&server.uri(), constant(50.0));
    let token = Secret::new("x".repeat(4_000));
    let headers = CallHeaders::new(Some(&token), "").unwrap();
    plan.operations[0].route = Route::new(&plan.dialer, "Search", search::scan, &headers).unwrap();
    plan.operations[0].requests = Requests::Ready(Arc::clone(&searches(10)));
    let run = execute(plan);
    assert_eq!(server.stop().count(Rpc::Search), 0);
    let counters = run.recorded.operations[0].counters;
    assert_eq!((counters.failed, counters.offered()), (50, 50));
    let kinds = run.recorded.operations[0].errors.kinds();
    assert!(kinds[0].message.contains("431"), "{:?}", kinds[0]);
}
