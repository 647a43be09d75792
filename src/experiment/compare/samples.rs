//! Reports for tests.

use crate::measure::Timings;
use crate::report::RunReport;
use crate::report::model::{Dist, LoadKind, Run, ServerUse, State};
use crate::units::Nanos;

/// A run of one second of searches that took so many milliseconds each, of 10 in its warm-up, and of some that did not succeed.
pub fn report(millis: impl IntoIterator<Item = u64>, unsuccessful: u64) -> RunReport {
    let mut timings: Timings<u64> = Timings::new();
    millis.into_iter().for_each(|ms| timings.record(Nanos::from_millis(ms)));
    let (succeeded, offered) = (timings.count(), timings.count() + unsuccessful);
    let dist = Dist::of(&timings, offered);
    let search = serde_json::json!({
        "kind": "search", "offered": offered, "succeeded": succeeded, "failed": unsuccessful, "timed_out": 0,
        "not_sent": 0, "warmup": 10, "offered_per_s": offered, "succeeded_per_s": succeeded, "vectors_per_s": null,
        "rows_per_s": null, "hits": {"expected": 0, "returned": 0, "empty": 0}, "response": dist, "service": dist,
        "lag": dist, "failures": {"response": Dist::default(), "service": Dist::default()},
        "timeouts": Dist::default(), "errors": [], "recall": null,
    });
    let mut report = RunReport::new(Run {
        id: "1".into(),
        name: "w".into(),
        command: String::new(),
        version: "0".into(),
        started: String::new(),
        started_unix_us: 0,
        measured_s: 1.0,
        load_model: LoadKind::Open,
        state: State::Complete,
    });
    report.operations.insert("search".into(), serde_json::from_value(search).unwrap());
    report.resources.server = Some(ServerUse { cpu_s: Some(2.02), rss_bytes: None });
    report
}

/// The same, started then.
pub fn started(mut report: RunReport, second: u64) -> RunReport {
    report.run.started_unix_us = second * 1_000_000;
    report.run.id = second.to_string();
    report
}
