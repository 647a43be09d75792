//! Tests of whole reports: against the schema, and against numbers made by hand.

use serde_json::{Value, json};

use super::model::{NoLink, Outcome};
use super::{samples, schema};
use crate::measure::Timings;

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

#[test]
fn every_report_that_is_written_fits_the_published_schema() {
    let validator = validator();
    for (name, report) in samples::all() {
        let written = serde_json::to_value(&report).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&written).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn a_report_of_another_shape_does_not_fit() {
    let validator = validator();
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::to_value(samples::full()).unwrap();
        change(&mut value);
        value
    };
    let changes: [&dyn Fn(&mut Value); 5] = [
        &|v| v["schema"] = json!("milvus-load/report/2"),
        &|v| v["operations"]["search"]["offered"] = json!(-1),
        &|v| v["operations"]["search"]["response"]["p99_us"] = json!("fast"),
        &|v| v["operations"]["search"]["response"]["unknown"] = json!({ "p99_us": "no idea" }),
        &|v| _ = v["run"].as_object_mut().unwrap().remove("id"),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert!(!validator.is_valid(&broken(change)), "change {index} went unnoticed");
    }
    assert!(validator.is_valid(&broken(&|v| v["later"] = json!(1))), "fields may be added");
}

#[test]
fn rates_divide_by_the_window_and_count_what_they_say() {
    let report = samples::unknown();
    let search = &report.operations["search"];
    // 100 offered, 80 succeeded, 20 s, 2 query vectors each.
    assert_eq!((search.offered_per_s, search.succeeded_per_s), (Some(5.0), Some(4.0)));
    assert_eq!((search.vectors_per_s, search.rows_per_s), (Some(8.0), None));
    assert_eq!((search.hits.expected, search.hits.returned), (800, 720));
    assert_eq!(search.offered, search.succeeded + search.failed + search.timed_out + search.not_sent);
    assert_eq!(report.errors(), Some(0.2));
}

#[test]
fn a_run_that_was_stopped_tells_no_intervals_after_its_end_and_divides_by_what_there_was() {
    let report = samples::interrupted();
    let lengths: Vec<f64> = report.intervals.iter().map(|interval| interval.length_s).collect();
    assert_eq!(lengths, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]);
    assert_eq!(report.operations["search"].offered_per_s, Some(10.0));
    assert_eq!(report.intervals[0].operations["search"].in_flight_max, 3);
}

#[test]
fn a_stage_has_its_rates_and_divides_by_what_there_was_of_it() {
    let report = samples::staged();
    let told: Vec<_> = report.stages.iter().map(|stage| (stage.start_s, stage.length_s)).collect();
    assert_eq!(told, [(0.0, 8.0), (8.0, 8.0), (16.0, 2.0)], "stopped after 18 s");
    let rate = |stage: usize, operation: &str| {
        report.stages[stage].operations[operation].rate.map(|rate| (rate.from, rate.to))
    };
    assert_eq!((rate(0, "search"), rate(1, "search")), (Some((20.0, 20.0)), Some((20.0, 80.0))));
    assert_eq!((rate(2, "search"), rate(2, "insert")), (Some((80.0, 40.0)), None), "half way down");
    let search = &report.stages[1].operations["search"];
    assert_eq!((search.offered_per_s, search.succeeded_per_s), (Some(50.0), Some(49.5)));
    let numbers = &search.numbers;
    assert_eq!((numbers.offered, numbers.not_sent, numbers.in_flight_max), (400, 4, 3));
    assert_eq!((numbers.response.count, numbers.response.max_us), (396, Some(20_000.0)));
}

/// In the written form, from the texts of the histograms alone.
#[test]
fn stages_and_intervals_sum_to_the_run_in_the_report_too() {
    let report = samples::staged();
    for (name, run) in &report.operations {
        let stages = report.stages.iter().map(|stage| &stage.operations[name].numbers.response);
        let intervals = report.intervals.iter().map(|interval| &interval.operations[name].response);
        for parts in [stages.collect::<Vec<_>>(), intervals.collect()] {
            let mut sum = Timings::new();
            parts.into_iter().for_each(|part| sum.merge(&part.timings().unwrap()));
            assert!(sum == run.response.timings().unwrap(), "{name}");
        }
    }
}

#[test]
fn the_slowest_come_with_their_times_and_a_link_or_the_reason_why_not() {
    let report = samples::full();
    assert_eq!(report.slowest.len(), 50);
    let times: Vec<f64> = report.slowest.iter().map(|request| request.response_us).collect();
    let expected: Vec<f64> = (0..50).map(|i| f64::from(2_000 - i) * 1_000.0).collect();
    assert_eq!(times, expected);
    for request in &report.slowest {
        assert_eq!(request.trace_url.is_some(), request.sampled);
        assert_eq!(request.trace_url_reason, (!request.sampled).then_some(NoLink::NotSampled));
        assert_eq!(request.lag_us, Some(100.0));
        assert_eq!(request.service_us, Some(request.response_us - 100.0));
    }
    assert!(report.slowest_sampled.iter().all(|request| request.sampled));
    let first = &report.slowest[0];
    // Window start + its offset, in two units that must agree.
    let offset_us = first.intended_unix_us - report.run.started_unix_us;
    assert!((offset_us as f64 / 1e6 - first.at_s).abs() < 1e-5);
}

#[test]
fn slow_and_typical_are_drawn_from_where_they_say() {
    let report = samples::full();
    // Response times are 1 to 2,000 ms, each once: from p99 on 1,980 ms (10 of them sampled), p25 to p75 500 to 1,500 ms.
    assert!(
        report.slow.iter().all(|r| (1_978_000.0..=2_000_000.0).contains(&r.response_us))
            && report.slow.len() >= 10
    );
    assert!(report.typical.iter().all(|r| (499_000.0..=1_501_600.0).contains(&r.response_us)));
    assert!(report.typical.iter().any(|r| !(899_000.0..=1_101_200.0).contains(&r.response_us)));
    assert!(report.typical.len() >= 10, "{}", report.typical.len());
    assert!(report.slow.iter().chain(&report.typical).all(|r| r.outcome == Outcome::Succeeded && r.sampled));
}

#[test]
fn where_the_slow_bound_is_unanswered_there_are_no_slow_ones_but_slowest_all_the_same() {
    let report = samples::unknown();
    assert!(report.slow.is_empty() && report.slowest.len() == 50);
    assert_eq!(report.slowest[0].outcome, Outcome::Failed);
}

#[test]
fn errors_by_kind_add_up_to_the_failed() {
    let report = samples::all_failed();
    let search = &report.operations["search"];
    assert_eq!(search.errors.iter().map(|class| class.count).collect::<Vec<_>>(), [100, 100, 100]);
    assert_eq!(search.failed, 300);
    assert_eq!(search.failures.response.count, 300);
}
