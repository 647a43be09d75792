//! The bookkeeping alone, in virtual time: schedule, law and recorder, with no socket and no clock between them.
//!
//! Every moment is computed, so what is left to be wrong is the recording and the percentiles. The truth is a sorted
//! vector and the nearest rank; the histogram may be off by 0.1 % of a value, and 1 us is granted beyond.

use milvus_load::engine::Schedule;
use milvus_load::measure::{OperationRecord, Outcome, Recorder, RecorderConfig, Sample};
use milvus_load::report::model::{Dist, UnknownReason};
use milvus_load::trace::TraceRef;
use milvus_load::truth::{Delay, Stalls, due};
use milvus_load::units::{Fraction, Nanos, Rate};
use milvus_load::workload::Arrival;

use crate::support::ms;

/// 200,000 requests: 20 beyond p99.99.
const RATE: f64 = 10_000.0;
const WINDOW: Nanos = Nanos::from_secs(20);
const WARMUP: Nanos = Nanos::from_secs(1);

/// One request of virtual time.
struct Request {
    intended: Nanos,
    sent: Nanos,
    done: Nanos,
    outcome: Outcome,
}

/// A number in [0, 1), by Weyl's sequence: not the generator that draws the delays.
fn weyl(index: usize) -> f64 {
    (index as f64 * 0.618_033_988_749_894_9).fract()
}

/// What a server of that law and a generator with up to 80 us of lag make of the schedule. Of every 1,000 requests,
/// `unanswered` are none the wiser: a third each failed, timed out, not sent.
fn requests(arrival: Arrival, delay: Delay, stalls: Option<&Stalls>, unanswered: usize) -> Vec<Request> {
    let arrivals = Schedule::new(3, 0, arrival, Rate::per_second(RATE).unwrap(), WARMUP + WINDOW);
    let of = |(index, arrival): (usize, milvus_load::engine::Due)| {
        let sent = arrival.at + Nanos::new((weyl(index) * 80_000.0) as u64);
        let outcome = match index % 1_000 {
            k if k >= unanswered => Outcome::Succeeded { hits: 10 },
            k if k % 3 == 0 => Outcome::Failed { grpc: 14, milvus: 0, message: "no".into() },
            k if k % 3 == 1 => Outcome::TimedOut,
            _ => Outcome::NotSent,
        };
        let done = due(sent, delay.draw(11, 0, index as u64), stalls);
        Request { intended: arrival.at, sent, done, outcome }
    };
    arrivals.enumerate().map(of).collect()
}

fn record(requests: &[Request]) -> OperationRecord {
    let mut recorder = Recorder::new(RecorderConfig {
        operations: 1,
        connections: 1,
        window_start: WARMUP,
        window: WINDOW,
        slots: None,
        by_sampled: false,
        longest: Nanos::from_secs(20),
        slowest: 10,
        stages: vec![],
        seed: 1,
    });
    for (index, request) in requests.iter().enumerate() {
        let unsent = request.outcome == Outcome::NotSent;
        recorder.record(&Sample {
            operation: 0,
            intended: request.intended,
            sent: (!unsent).then_some(request.sent),
            done: if unsent { request.intended } else { request.done },
            outcome: request.outcome.clone(),
            trace: TraceRef { trace_id: index as u128 + 1, span_id: 1, sampled: false },
            connection: 0,
            hits_expected: Some(10),
        });
    }
    recorder.finish().operations.remove(0)
}

/// Times that the report is to tell: those of the window that are in it, the others infinitely long.
fn sorted(
    requests: &[Request],
    counts: fn(&Outcome) -> bool,
    time: fn(&Request) -> Nanos,
) -> Vec<Option<u64>> {
    let window = requests.iter().filter(|request| request.intended >= WARMUP);
    let mut all: Vec<_> =
        window.map(|request| counts(&request.outcome).then(|| time(request).get())).collect();
    all.sort_by_key(|time| time.unwrap_or(u64::MAX));
    all
}

/// Every number of a distribution against brute force.
#[track_caller]
fn check(name: &str, dist: &Dist, offered: &[Option<u64>]) {
    let near = |what: &str, told: Option<f64>, truth: f64| {
        let told = told.unwrap_or_else(|| panic!("{name}: {what} is not told"));
        let (told, bound) = (told * 1e3, truth * 0.001 + 1_000.0);
        assert!((told - truth).abs() <= bound, "{name}: {what} is {told} ns for {truth}");
    };
    let succeeded: Vec<f64> = offered.iter().flatten().map(|&nanos| nanos as f64).collect();
    let (n, count) = (offered.len(), succeeded.len());
    assert_eq!(dist.count, count as u64, "{name}");
    for (field, per_10_000, told) in [
        ("p50_us", 5_000, dist.p50_us),
        ("p90_us", 9_000, dist.p90_us),
        ("p95_us", 9_500, dist.p95_us),
        ("p99_us", 9_900, dist.p99_us),
        ("p999_us", 9_990, dist.p999_us),
        ("p9999_us", 9_999, dist.p9999_us),
    ] {
        // The law of the design: q of the offered is q / (1 - u) of the succeeded where q < 1 - u, else it is infinite.
        let rank = (per_10_000 * n).div_ceil(10_000);
        match offered[rank - 1] {
            Some(truth) if per_10_000 * n < 10_000 * count => near(field, told, truth as f64),
            _ => assert_eq!(
                (told, dist.unknown.get(field)),
                (None, Some(&UnknownReason::Unanswered)),
                "{name}: {field}"
            ),
        }
    }
    near("min", dist.min_us, succeeded[0]);
    near("max", dist.max_us, succeeded[count - 1]);
    near("mean", dist.mean_us, succeeded.iter().sum::<f64>() / count as f64);
}

fn shapes() -> [(&'static str, Delay, Option<Stalls>); 6] {
    let constant = Delay::Constant(ms(2));
    [
        ("null", Delay::None, None),
        ("constant", constant, None),
        ("two-point", Delay::TwoPoint { a: ms(1), b: ms(20), share: Fraction::new(0.05).unwrap() }, None),
        ("exponential", Delay::Exponential { mean: ms(5) }, None),
        ("log-normal", Delay::LogNormal { median: ms(5), sigma: 0.5 }, None),
        ("stalls", constant, Some(Stalls::new(ms(5_000), ms(1_000), ms(4_000)).unwrap())),
    ]
}

#[test]
fn every_percentile_of_every_delay_is_that_of_the_sorted_truth() {
    for arrival in [Arrival::Constant, Arrival::Poisson] {
        // 2 of 1,000 unanswered make p99.9 infinite, 20 of them p99 too, 600 the median.
        for (unanswered, (shape, delay, stalls)) in
            [0, 2, 20, 600].into_iter().flat_map(|per_1_000| shapes().map(|shape| (per_1_000, shape)))
        {
            let requests = requests(arrival, delay, stalls.as_ref(), unanswered);
            let record = record(&requests);
            let name = format!("{shape}, {arrival:?}, {unanswered} of 1,000 unanswered");
            let succeeded = |outcome: &Outcome| matches!(outcome, Outcome::Succeeded { .. });
            let response = sorted(&requests, succeeded, |request| request.done - request.intended);
            assert_eq!(record.counters.offered(), response.len() as u64, "{name}");
            check(
                &format!("{name}: response"),
                &Dist::of(&record.response, record.counters.offered()),
                &response,
            );
            let service = sorted(&requests, succeeded, |request| request.done - request.sent);
            check(
                &format!("{name}: service"),
                &Dist::of(&record.service, record.counters.offered()),
                &service,
            );
            let sent = |outcome: &Outcome| *outcome != Outcome::NotSent;
            let mut lag = sorted(&requests, sent, |request| request.sent - request.intended);
            lag.retain(Option::is_some);
            check(&format!("{name}: lag"), &Dist::of(&record.lag, record.lag.count()), &lag);
        }
    }
}

/// The oracle's own test: a truth that is off by more than the bound is noticed.
#[test]
#[should_panic(expected = "p99_us")]
fn a_percentile_that_is_off_by_half_a_percent_is_noticed() {
    let requests = requests(Arrival::Constant, Delay::Exponential { mean: ms(5) }, None, 0);
    let record = record(&requests);
    let mut dist = Dist::of(&record.response, record.counters.offered());
    dist.p99_us = dist.p99_us.map(|micros| micros * 1.005);
    let response = sorted(&requests, |_| true, |request| request.done - request.intended);
    check("off", &dist, &response);
}
