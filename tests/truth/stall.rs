//! The stall that other tools do not see: a server that answers in 2 ms but stops for 1 s in every 5 s.

use std::collections::BTreeSet;

use milvus_load::truth::{Delay, Entry, Log, Rpc, Script, Stalls, truth};
use milvus_load::units::Nanos;
use milvus_load::workload::LoadModel;

use crate::support::*;

const QUANTILES: [(&str, f64, u64); 5] =
    [("p50", 0.5, 2), ("p90", 0.9, 502), ("p95", 0.95, 752), ("p99", 0.99, 952), ("max", 1.0, 1_002)];

fn stalling(period: u64, offset: u64) -> Script {
    let stalls = Stalls::new(ms(period), ms(1_000), ms(offset)).unwrap();
    Script { stalls: Some(stalls), ..script(Delay::Constant(ms(2))) }
}

/// Two bounds. Below: no request can be quicker than the law, without any slack, so no percentile can. Above: what the
/// server and the generator themselves own up to, once on the way there and once on the way back, and 50 ms for what both do; the
/// error to be caught is 500 ms and more.
#[test]
fn a_stall_shows_in_the_percentiles_as_the_law_has_it() {
    let script = stalling(5_000, 2_500);
    let (stalls, server) = (script.stalls, start(script));
    let mut plan = plan(&server.uri(), constant(200.0));
    (plan.connections, plan.recorder.window) = (4, Nanos::from_secs(20));
    let run = execute(plan);
    let log = server.log();
    let all = requests(&run);
    assert_eq!(all.len(), 4_000);

    // The moments by the law of a constant rate, not as recorded.
    let intended = (0..4_000).map(|k| (on_server(&run, &server, ms(5 * k)), ms(2)));
    let mut true_times: Vec<Nanos> = truth(intended, stalls.as_ref()).collect();
    for (request, truth) in all.iter().zip(&true_times) {
        assert!(request.response() >= *truth, "quicker than the truth {truth}: {request:?}");
    }
    let record = &run.recorded.operations[0];
    let own = log.lateness.max + record.lag.moments().max().unwrap();
    println!("| | p50 | p90 | p95 | p99 | max |\n|---|---|---|---|---|---|");
    let (mut truths, mut measured) = (String::from("| truth |"), String::from("| milvus-load |"));
    for (name, share, by_arithmetic) in QUANTILES {
        let truth = at_quantile(&mut true_times, share);
        assert!(truth.get().abs_diff(ms(by_arithmetic).get()) <= ms(6).get(), "{name}: the law says {truth}");
        let told = match name {
            "max" => record.response.moments().max().unwrap(),
            _ => {
                let quantile = milvus_load::measure::Quantile::new(share).unwrap();
                milvus_load::measure::quantile(&record.response, 4_000, quantile).unwrap()
            }
        };
        truths += &format!(" {truth} |");
        measured += &format!(" {told} |");
        assert!(
            told >= truth && told <= truth + own + own + ms(50),
            "{name}: {told} for {truth}, and {own} at most"
        );
    }
    println!("{truths}\n{measured}");
    let lag = &record.lag;
    println!("own lag: p50 {}, max {}", at_half(lag), lag.moments().max().unwrap());
    let late = log.lateness;
    println!("the server's own lateness: p50 {}, p99 {}, max {}", late.p50, late.p99, late.max);
}

fn at_half(timings: &milvus_load::measure::Timings<u64>) -> Nanos {
    timings.at_ranks(&[timings.count().div_ceil(2)])[0]
}

/// The contrast: a closed loop sends nothing during a stall, so of all its requests two are slow, though the server stands
/// still for a fifth of the time. Its numbers are right and mean something else; the report says which it is.
#[test]
fn a_closed_loop_hides_the_stall_and_its_lag_is_none() {
    let server = start(stalling(5_000, 1_500));
    let plan = plan(&server.uri(), LoadModel::Closed { concurrency: 2 });
    assert!(plan.is_closed());
    let by_law = |entry: &&Entry| entry.due - entry.arrival >= ms(500);
    let has_stalled =
        |log: &Log| log.count(Rpc::Search) >= 500 && log.entries.iter().any(|entry| by_law(&entry));
    let run = execute_until(plan, &server, has_stalled);
    let log = server.stop();
    let all = requests(&run);
    // Each stall ends at one moment, at which what it held is taken up.
    let held: Vec<_> = log.entries.iter().filter(by_law).collect();
    let stalls: BTreeSet<_> =
        held.iter().map(|entry| (entry.due.get() - ms(1_500).get()) / ms(5_000).get()).collect();
    assert!(held.len() <= 2 * stalls.len(), "one per slot: {held:?}");
    // And all of it is service.
    let received = by_trace(&log);
    for request in &all {
        let entry = received[&request.trace.trace_id];
        assert!(request.service().unwrap() >= entry.due - entry.arrival, "{request:?}");
    }
    let mut times: Vec<_> = all.iter().map(|request| request.response()).collect();
    let p90 = at_quantile(&mut times, 0.9);
    println!("closed loop: {} requests, p90 {p90}, max {}", all.len(), times[times.len() - 1]);
    assert!(p90 < ms(500), "{p90}: of all moments a fifth were slow, of the requests next to none");
}
