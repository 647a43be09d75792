//! What a sampled request pays itself, against servers that make it pay a known time.

use milvus_load::report::model::Difference;
use milvus_load::truth::{Delay, Entry, Log, SampledCost, Script, TruthServer};
use milvus_load::units::{Fraction, Nanos};

use crate::support::{at_quantile, ms, run_binary, script, start};

/// A server that lets sampled requests pay `fixed`, and logs every request.
fn charging(seed: u64, fixed: Nanos, delay: Delay) -> TruthServer {
    let sampled = SampledCost { fixed, share: Fraction::ZERO };
    start(Script { seed, sampled, log_requests: 100_000, ..script(delay) })
}

/// What the server itself took longer over the sampled ones, at the median, in microseconds.
fn by_its_own_log(log: &Log) -> f64 {
    let took = |sampled: bool| {
        let of = |entry: &&Entry| entry.trace.is_some_and(|trace| trace.sampled == sampled);
        let mut took: Vec<Nanos> =
            log.entries.iter().filter(of).map(|entry| entry.answered.unwrap() - entry.arrival).collect();
        at_quantile(&mut took, 0.5).as_micros_f64()
    };
    took(true) - took(false)
}

/// The report's difference at the median, and the server's own.
fn told_and_true(seed: u64, fixed: Nanos, delay: Delay, load: &str) -> (Difference, f64) {
    let server = charging(seed, fixed, delay);
    let workload = format!(
        "[load]\nwarmup = \"0s\"\nconnections = 4\nworkers = 1\n{load}\n\
         [trace]\nsample_fraction = 0.5\notlp_endpoint = \"http://127.0.0.1:9\"\n"
    );
    let report = run_binary(&server.uri(), &workload).done();
    let log = server.stop();
    let sampling = report.operations["search"].sampling.clone().expect("some were sampled and some were not");
    assert_eq!(
        (sampling.sampled, sampling.unsampled),
        (log.traceparents.sampled, log.traceparents.unsampled)
    );
    (sampling.service.p50_us.unwrap(), by_its_own_log(&log))
}

fn covers(told: Difference, truth: f64) -> bool {
    told.low_us <= truth && truth <= told.high_us
}

#[test]
fn what_sampled_requests_pay_is_told_with_an_interval_that_excludes_nothing_paid() {
    let delay = Delay::LogNormal { median: ms(2), sigma: 0.3 };
    let load = "rate = 1000\nduration = \"2s\"";
    // Far more than a busy machine adds to either.
    let runs = [1, 2, 3].map(|seed| told_and_true(seed, ms(10), delay, load));
    for (told, truth) in runs {
        assert!(told.low_us > 0.0 && truth > 5_000.0, "{told:?}, by its log {truth}");
    }
    // Each covers it in 95 of 100 cases.
    assert!(runs.iter().any(|(told, truth)| covers(*told, *truth)), "{runs:?}");
}

#[test]
#[ignore = "ten runs of ten seconds, on a quiet machine"]
fn fifty_microseconds_are_told_from_none_and_covered_in_eight_of_ten() {
    let load = "rate = 2000\nduration = \"10s\"";
    let micros = Nanos::new(50_000);
    let runs: Vec<_> =
        (0..10).map(|seed| told_and_true(seed, micros, Delay::Constant(ms(1)), load)).collect();
    runs.iter().for_each(|(told, truth)| println!("{told:?}, by the server's log {truth:.1} us"));
    assert!(runs.iter().all(|(told, _)| told.low_us > 0.0));
    assert!(runs.iter().filter(|(told, truth)| covers(*told, *truth)).count() >= 8);
}
