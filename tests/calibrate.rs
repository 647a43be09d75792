//! `calibrate` and `run --calibrate` through the binary: what they tell, never how quick the machine is.

use std::collections::BTreeMap;
use std::process::Output;

use milvus_load::report::model::{Calibration, Proof, RowOutcome};
use milvus_load::report::{RunReport, calibration_schema};
use milvus_load::truth::{Delay, Existing, Script, TruthServer};
use milvus_load::units::Nanos;

#[path = "common/tool.rs"]
mod tool;

fn binary(arguments: &[&str]) -> Output {
    tool::tool().args(arguments).output().expect("runs")
}

#[track_caller]
fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// 0: proved; 4: wrong, or too noisy to say. Which of them is the machine's business.
#[track_caller]
fn check_exit(output: &Output, calibration: &Calibration) {
    let wanted = if calibration.proof == Proof::Proved { 0 } else { 4 };
    assert_eq!(output.status.code(), Some(wanted), "{}", text(&output.stderr));
}

/// Names, and truths in milliseconds.
fn truths(calibration: &Calibration) -> BTreeMap<&str, Vec<(&str, f64)>> {
    let mut all: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (scenario, row) in calibration.rows() {
        let truths = all.entry(scenario.name.as_str()).or_default();
        truths.push((row.percentile.as_str(), row.truth_us / 1e3));
    }
    all
}

/// By formula: the draws are seeded, so their quantiles are some of 2,000, within 5 standard errors of these.
fn check_truths(calibration: &Calibration) {
    let all = truths(calibration);
    let names: Vec<_> = all.keys().copied().collect();
    assert_eq!(names, ["constant", "exponential", "log-normal", "stalls", "two-point"]);
    for truths in all.values() {
        let percentiles: Vec<_> = truths.iter().map(|(percentile, _)| *percentile).collect();
        assert_eq!(percentiles, ["p50", "p90", "p95", "p99", "p99.9", "max"]);
    }
    let near = |scenario: &str, wanted: [(f64, f64); 4]| {
        for ((percentile, truth), (value, bound)) in all[scenario].iter().zip(wanted) {
            assert!((truth - value).abs() <= bound, "{scenario} {percentile}: {truth} for {value}");
        }
    };
    near("constant", [(2.0, 0.0); 4]);
    near("two-point", [(1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (20.0, 0.0)]);
    // -5 ln(1 - q), and 5 exp(z / 2).
    near("exponential", [(3.466, 0.56), (11.513, 1.68), (14.979, 2.44), (23.026, 5.57)]);
    near("log-normal", [(5.0, 0.36), (9.490, 0.91), (11.381, 1.35), (16.0, 3.36)]);
    // Moved by up to one gap of 5 ms with where the stall falls between two requests.
    near("stalls", [(2.0, 0.0), (502.0, 5.0), (752.0, 5.0), (952.0, 5.0)]);
}

#[test]
fn a_quick_calibration_tells_truth_and_measured_and_what_the_machine_can_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("calibration.json");
    let output = binary(&["calibrate", "--quick", "--json", "--out", file.to_str().expect("UTF-8")]);
    let json = text(&output.stdout);
    assert_eq!(std::fs::read_to_string(&file).expect("is written"), json);
    let value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let validator = jsonschema::validator_for(&calibration_schema()).expect("a schema");
    if let Err(error) = validator.validate(&value) {
        panic!("{error} at {}", error.instance_path());
    }
    let calibration: Calibration = serde_json::from_value(value).expect("is read");
    check_exit(&output, &calibration);
    check_truths(&calibration);
    for scenario in &calibration.scenarios {
        assert_eq!(scenario.succeeded, scenario.planned, "{}", scenario.name);
        assert!(scenario.base_us > 0.0);
    }
    for (scenario, row) in calibration.rows() {
        let name = format!("{} {}", scenario.name, row.percentile);
        // No request is quicker than its law, for the server waits; but two may change places at the window's edge.
        let least = row.truth_us - row.bound_us;
        assert!(row.measured_us.is_none_or(|measured| measured >= least), "{name}: {row:?}");
        let judged = !["p99.9", "max"].contains(&row.percentile.as_str());
        assert_eq!(row.outcome != RowOutcome::NotJudged, judged, "{name}");
        assert!((row.bound_us - (row.truth_us * 0.01).max(100.0)).abs() < 0.001, "{name}: {row:?}");
        // Of the round trips of the window, a machine that stood still at its end may have brought too few for a p99.
        let has_floor = row.floor_us.is_some() && row.percentile != "max";
        assert!(has_floor == judged || row.percentile == "p99", "{name}: {row:?}");
    }
    let figures = calibration.figures.expect("were looked at");
    assert!(figures.service_min_us <= figures.service_p50_us && figures.service_min_us > Some(0.0));
    let rates: Vec<_> = figures.pacing.iter().map(|pacing| pacing.rate_per_s).collect();
    assert_eq!(rates, [1_000.0, 10_000.0]);
    assert!(figures.pacing.iter().all(|pacing| pacing.bare.p99_us.is_some() && pacing.lag.max_us.is_some()));
    assert!(figures.worker_cpu_us_per_request > Some(0.0));
}

#[test]
fn a_run_that_is_calibrated_first_carries_the_rows_and_the_finding() {
    let existing = Some(Existing { dim: 8, rows: 100 });
    let delay = Delay::Constant(Nanos::from_millis(1));
    let server = TruthServer::start(Script { existing, ..Script::with_search_delay(delay) }).expect("starts");
    let directory = tempfile::tempdir().expect("a directory");
    let workload = directory.path().join("w.toml");
    let lines = "[collection]\nname = \"c\"\nprepare = \"never\"\n[data]\nqueries = 10\n[load]\nrate = 50\nwarmup = \"0s\"\n\
                 duration = \"1s\"\n[trace]\nenabled = false\n[[operations]]\nkind = \"search\"\n";
    std::fs::write(&workload, lines).expect("is written");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let (workload, out) = (path(&workload), path(directory.path()));
    let output = binary(&["run", &workload, "--json", "--calibrate", "--uri", &server.uri(), "--out", &out]);
    let report: RunReport = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let calibration = report.calibration.expect("was made");
    check_truths(&calibration);
    assert!(calibration.figures.is_none());
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&format!("calibration: {}", calibration.proof.name())), "{stderr}");
    let found = report.verdict.findings.iter().find(|finding| finding.code == "calibration_failed");
    assert_eq!(found.is_some(), calibration.proof != Proof::Proved);
    if calibration.proof == Proof::Wrong {
        assert!(!report.verdict.trusted);
    }
}

#[test]
fn windows_too_short_to_judge_and_files_that_cannot_be_written_are_refused_at_once() {
    for (arguments, code) in [
        (&["calibrate", "--duration", "1s"][..], 2),
        (&["calibrate", "--quick", "--duration", "5s"], 2),
        (&["calibrate", "--out", "no/such/directory/file.json"], 1),
    ] {
        let output = binary(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !text(&output.stderr).contains("constant"));
    }
}
