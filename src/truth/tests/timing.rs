//! Delays and stalls, proved by the server's own log against the law: no clock of the test is looked at.

use super::*;
use crate::units::{Fraction, Nanos};

/// Sends so many searches at once over two connections and waits for all answers.
async fn burst(server: &TruthServer, count: usize) {
    let mut connections = [Raw::connect(server).await, Raw::connect(server).await];
    let mut responses = vec![];
    for k in 0..count {
        responses.push(connections[k % 2].search().await);
    }
    for response in responses {
        assert_eq!(whole(response).await.unwrap().trailers["grpc-status"], "0");
    }
}

/// Every entry obeys the law, and the log owns up to the whole difference.
fn judge(script: &Script, log: &Log, count: usize) {
    assert_eq!(log.entries.len(), count);
    let mut numbers: Vec<_> = log.entries.iter().map(|entry| entry.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>(), "each number once");
    let mut latest = Nanos::ZERO;
    for entry in &log.entries {
        assert_eq!(entry.delay, script.delay_of(Rpc::Search, entry.number));
        assert_eq!(entry.due, due(entry.arrival, entry.delay, script.stalls.as_ref()));
        let answered = entry.answered.expect("every one was answered");
        assert!(answered >= entry.due, "early: {entry:?}");
        if entry.due > entry.arrival {
            latest = latest.max(answered - entry.due);
        }
    }
    assert_eq!(log.lateness.max, latest);
}

#[tokio::test]
async fn answers_leave_when_the_law_says_or_as_much_later_as_the_log_admits() {
    let ms = Nanos::from_millis;
    for delay in [
        Delay::None,
        Delay::Constant(ms(3)),
        Delay::TwoPoint { a: ms(1), b: ms(9), share: Fraction::new(0.3).unwrap() },
        Delay::Exponential { mean: ms(2) },
        Delay::LogNormal { median: ms(2), sigma: 0.7 },
    ] {
        let script = Script { seed: 5, log_requests: 100, ..Script::with_search_delay(delay) };
        let server = start(script.clone());
        burst(&server, 60).await;
        let log = server.stop();
        judge(&script, &log, 60);
        let waited = log.entries.iter().filter(|entry| entry.due > entry.arrival).count() as u64;
        assert_eq!((log.lateness.count, waited > 0), (waited, delay != Delay::None), "{delay:?}");
    }
}

#[tokio::test]
async fn nothing_is_answered_during_a_stall() {
    let ms = Nanos::from_millis;
    // Two thirds of the time, so that a burst of any length runs into one.
    let stalls = Stalls::new(ms(15), ms(10), ms(1)).unwrap();
    let delay = Delay::Exponential { mean: ms(6) };
    let script = Script { stalls: Some(stalls), log_requests: 100, ..Script::with_search_delay(delay) };
    let server = start(script.clone());
    burst(&server, 60).await;
    let log = server.stop();
    judge(&script, &log, 60);
    let held = log.entries.iter().filter(|entry| entry.due > entry.arrival + entry.delay).count();
    assert!(held > 0, "no request met a stall");
}

#[tokio::test]
async fn a_stall_holds_control_calls_and_null_answers_too() {
    // One stall, the server's first 30 ms: what comes in it waits, what comes later is past it anyway.
    let stalls = Stalls::new(Nanos::from_secs(3_600), Nanos::from_millis(30), Nanos::ZERO).unwrap();
    let server = start(Script { stalls: Some(stalls), log_requests: 1, ..Script::default() });
    let mut milvus = client(&server).await;
    milvus.get_version(milvus::GetVersionRequest {}).await.unwrap();
    milvus.search(search(1, 1)).await.unwrap();
    let log = server.stop();
    assert!(log.entries[0].answered.unwrap() >= Nanos::from_millis(30));
}

#[tokio::test]
async fn a_short_delay_overtakes_a_long_one() {
    let late = Effect::Late(Nanos::from_secs(3_600));
    let script =
        Script { log_requests: 2, ..Script::with_search_delay(Delay::Constant(Nanos::from_millis(1))) };
    let server = start(script.fault(Rpc::Search, When::Only(0), late));
    let mut raw = Raw::connect(&server).await;
    let mut slow = raw.search().await;
    let quick = raw.search().await;
    whole(quick).await.unwrap();
    assert!(is_pending(&mut slow).await);
    let log = server.stop();
    assert_eq!((log.count(Rpc::Search), log.entries.len(), log.entries[0].number), (2, 1, 1));
}

#[tokio::test]
async fn inserts_have_a_delay_of_their_own() {
    let script =
        Script { insert: Delay::Constant(Nanos::from_millis(2)), log_requests: 2, ..Script::default() };
    let server = start(script);
    let mut milvus = client(&server).await;
    milvus.search(search(1, 1)).await.unwrap();
    milvus.insert(insert("c", 1)).await.unwrap();
    let delays: Vec<_> = server.stop().entries.iter().map(|entry| entry.delay).collect();
    assert_eq!(delays, [Nanos::ZERO, Nanos::from_millis(2)]);
}
