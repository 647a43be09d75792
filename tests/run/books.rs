//! The books of a report: it has the published shape, all that was offered is accounted for, and intervals, stages and
//! histograms say the same as the totals. Nothing here is computed by the code under test.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use jsonschema::Validator;
use serde_json::Value;

use crate::support::TOOL;

const ENDINGS: [&str; 4] = ["succeeded", "failed", "timed_out", "not_sent"];

/// Panics where anything does not add up.
#[track_caller]
pub fn check(report: &Value) {
    shape(report);
    let window = report["run"]["measured_s"].as_f64().unwrap();
    for (name, operation) in report["operations"].as_object().unwrap() {
        balanced(operation, name);
        let offered = count(operation, "offered");
        let sum: u64 = operation["errors"].as_array().unwrap().iter().map(|e| count(e, "count")).sum();
        assert_eq!(sum, count(operation, "failed"), "{name}: the errors by class");
        for (rate, number) in [("offered_per_s", offered), ("succeeded_per_s", count(operation, "succeeded"))]
        {
            if let Some(rate) = operation[rate].as_f64() {
                assert!((rate * window - number as f64).abs() < 1e-6 * (1.0 + number as f64), "{name}");
            }
        }
        hits(operation, name);
        parts(report, "intervals", name, operation);
        if report["stages"].as_array().is_some_and(|stages| !stages.is_empty()) {
            parts(report, "stages", name, operation);
        }
    }
    slowest(report);
}

/// As `schema report` publishes it.
#[track_caller]
fn shape(report: &Value) {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let output = Command::new(TOOL).args(["schema", "report"]).output().unwrap();
        jsonschema::validator_for(&serde_json::from_slice(&output.stdout).unwrap()).unwrap()
    });
    let wrong: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("{field} of {value}"))
}

/// An answer is short, complete, or of unknown completeness.
#[track_caller]
fn hits(operation: &Value, what: &str) {
    let [expected, returned, empty, short, unknown] =
        ["expected", "returned", "empty", "short", "unknown"].map(|field| count(&operation["hits"], field));
    let succeeded = count(operation, "succeeded");
    assert!(short + unknown <= succeeded && empty <= succeeded, "{what}: {}", operation["hits"]);
    assert!(short > 0 || returned >= expected, "{what}: {}", operation["hits"]);
    assert!(unknown < succeeded || expected == 0, "{what}: {}", operation["hits"]);
}

#[track_caller]
fn balanced(operation: &Value, what: &str) {
    let sum: u64 = ENDINGS.iter().map(|ending| count(operation, ending)).sum();
    assert_eq!(count(operation, "offered"), sum, "{what}: {operation}");
}

/// The window's parts make the whole, in counts and, bucket by bucket, in histograms.
#[track_caller]
fn parts(report: &Value, kind: &str, name: &str, whole: &Value) {
    let mut sums = BTreeMap::new();
    let mut merged: BTreeMap<&str, Histogram<u64>> = BTreeMap::new();
    for part in report[kind].as_array().unwrap() {
        let Some(part) = part["operations"].get(name) else { continue };
        balanced(part, name);
        for field in ENDINGS.iter().chain(&["offered"]) {
            *sums.entry(*field).or_insert(0) += count(part, field);
        }
        for clock in ["response", "service", "lag"] {
            merged.entry(clock).or_insert_with(empty).add(histogram(&part[clock])).unwrap();
        }
    }
    for (field, sum) in sums {
        assert_eq!(sum, count(whole, field), "{name}: {field} of all {kind}");
    }
    let succeeded = count(whole, "succeeded");
    for clock in ["response", "service", "lag"] {
        let dist = &whole[clock];
        let histogram = histogram(dist);
        assert_eq!(histogram.len() + count(dist, "saturated"), count(dist, "count"), "{name}: {clock}");
        assert_eq!(merged.remove(clock).unwrap_or_else(empty), histogram, "{name}: {clock} of all {kind}");
        if clock == "lag" {
            assert!(count(dist, "count") >= succeeded, "{name}: what succeeded was sent");
        } else {
            assert_eq!(count(dist, "count"), succeeded, "{name}: {clock}");
        }
        percentiles(dist, &histogram, count(whole, "offered"), clock);
    }
}

/// Percentiles are those of all that was offered, to the three digits of the histogram.
#[track_caller]
fn percentiles(dist: &Value, histogram: &Histogram<u64>, offered: u64, clock: &str) {
    // The lag is of all that was sent; its own count is its population.
    let of = if clock == "lag" { histogram.len() } else { offered };
    for (field, percent) in [("p50_us", 50), ("p90_us", 90), ("p99_us", 99)] {
        let Some(value) = dist[field].as_f64() else { continue };
        let truth = at_rank(histogram, (of * percent).div_ceil(100)) as f64 / 1e3;
        assert!((value - truth).abs() <= truth * 2e-3 + 1e-3, "{clock} {field}: {value}, not {truth}");
    }
}

/// The value of this rank, from 1. The histogram's own quantiles take a share of 1, which rounding can turn into the next rank.
fn at_rank(histogram: &Histogram<u64>, rank: u64) -> u64 {
    let mut below = 0;
    let bucket = histogram.iter_recorded().find(|bucket| {
        below += bucket.count_at_value();
        below >= rank
    });
    bucket.unwrap().value_iterated_to()
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap()
}

/// The whole histogram; an empty one where the report has none.
fn histogram(dist: &Value) -> Histogram<u64> {
    let mut all = empty();
    if let Some(text) = dist["histogram"].as_str() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        all.add(Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]).unwrap()).unwrap();
    }
    all
}

/// Slowest first, within the window, and response = lag + service.
#[track_caller]
fn slowest(report: &Value) {
    let window_us = report["run"]["measured_s"].as_f64().unwrap() * 1e6;
    let start_us = report["run"]["started_unix_us"].as_f64().unwrap();
    let mut above = f64::INFINITY;
    for request in report["slowest"].as_array().unwrap() {
        let response = request["response_us"].as_f64().unwrap();
        assert!(response <= above, "slowest first");
        above = response;
        if let (Some(lag), Some(service)) = (request["lag_us"].as_f64(), request["service_us"].as_f64()) {
            assert!((lag + service - response).abs() < 0.01, "{request}");
        }
        let at = request["intended_unix_us"].as_f64().unwrap() - start_us;
        assert!((-1.0..=window_us + 1.0).contains(&at), "{at} us from the window's start: {request}");
        assert!((at - request["at_s"].as_f64().unwrap() * 1e6).abs() < 2.0, "{at}: {request}");
    }
}
