//! `compare` on stored reports: what it says of them, what it refuses, and how it ends.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ended, run_to_end, script, start};
use crate::tool::tool;
use milvus_load::truth::{Delay, Effect, Rpc, TruthServer, When};

/// Searches on what is there, for so long at that rate.
pub const WORKLOAD: &str = r#"
[collection]
name = "c"
prepare = "never"

[data]
queries = 100

[load]
rate = 200
arrival = "constant"
connections = 1
workers = 1
warmup = "0s"
duration = "1s"

[trace]
enabled = false

[[operations]]
kind = "search"
"#;

/// Reports of runs against servers of known delays, in a directory of their own.
pub struct Reports {
    directory: tempfile::TempDir,
}

impl Reports {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The tool, in this directory.
    pub fn tool(&self, arguments: &[&str]) -> Ended {
        let mut tool = tool();
        tool.args(arguments).current_dir(self.path()).env("MILVUS_LOAD_CACHE", self.path().join("cache"));
        run_to_end(&mut tool)
    }

    /// A run beneath `name`; its directory.
    #[track_caller]
    pub fn run(&self, server: &TruthServer, name: &str, sets: &[&str]) -> PathBuf {
        let uri = server.uri();
        let mut arguments = vec!["run", "w.toml", "--uri", &uri, "--out", name, "--allow-untrusted"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let ended = self.tool(&arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let runs = self.path().join(name).join("w");
        let mut runs: Vec<_> = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs.pop().unwrap()
    }

    /// `compare` with untrusted runs allowed: this machine may be busy.
    pub fn compare(&self, arguments: &[&str]) -> Ended {
        self.tool(&[&["compare", "--allow-untrusted"], arguments].concat())
    }
}

/// The metric of that name.
#[track_caller]
pub fn metric<'a>(experiment: &'a Value, name: &str) -> &'a Value {
    let metrics = experiment["result"]["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name} in {metrics:?}"))
}

/// As `schema experiment` publishes it.
#[track_caller]
pub fn fits_the_schema(experiment: &Value) {
    let schema = run_to_end(tool().args(["schema", "experiment"])).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> = validator.iter_errors(experiment).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn of_millis(millis: u64) -> TruthServer {
    start(script(Delay::Constant(crate::support::ms(millis))))
}

#[test]
fn a_run_does_not_differ_from_itself_and_one_run_of_each_decides_nothing_unasked() {
    let (reports, server) = (Reports::new(), of_millis(5));
    let run = reports.run(&server, "a", &[]);
    let run = run.to_str().unwrap();
    let ended = reports.compare(&[run, run, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let experiment = ended.json();
    fits_the_schema(&experiment);
    assert_eq!(experiment["result"]["order"], "single_runs");
    assert_eq!(experiment["result"]["differences"], serde_json::json!([]));
    for metric in experiment["result"]["metrics"].as_array().unwrap() {
        let change = &metric["changes"][0];
        assert!(change["change"] == 0.0 || change["change"].is_null(), "{metric}");
        assert_eq!(
            change["verdict"],
            if change["change"].is_null() { "unknown" } else { "single_runs" },
            "{metric}"
        );
    }
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!((&p50["seen"], p50["primary"].is_null()), (&Value::from("nothing"), true));
    let (low, high) = (p50["interval"]["low"].as_f64().unwrap(), p50["interval"]["high"].as_f64().unwrap());
    assert!(low <= 0.0 && high >= 0.0 && low < high, "{p50}");

    let told = reports.compare(&[run, run]);
    assert!(told.stdout().contains("Run-to-run variation unknown"), "{}", told.stdout());
    let refused = reports.compare(&[run, run, "--fail-above", "5%"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("--single-run"), "{}", refused.stderr);
    let passed = reports.compare(&[run, run, "--fail-above", "400%", "--single-run"]);
    assert_eq!(passed.code, 0, "{}{}", passed.stderr, passed.stdout());
}

#[test]
fn what_differs_in_workload_or_server_is_refused_and_listed_unless_it_is_allowed() {
    let (reports, one, two) = (Reports::new(), of_millis(50), of_millis(250));
    let a = reports.run(&one, "a", &["load.duration=500ms"]);
    let b = reports.run(&two, "b", &["load.duration=500ms", "load.rate=100", "data.seed=7"]);
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    let refused = reports.compare(&[a, b]);
    assert_eq!((refused.code, refused.stdout()), (2, ""), "{}", refused.stderr);
    for line in [
        "load.rate: A 200.0, B 100.0\n".to_owned(),
        format!("server.uri: A {}, B {}\n", one.uri(), two.uri()),
        "data.seed: A 42, B 7 (may differ)\n".to_owned(),
        "--allow-differences=load.rate,server.uri".to_owned(),
    ] {
        assert!(refused.stderr.contains(&line), "{line}\n{}", refused.stderr);
    }
    assert_eq!(reports.compare(&[a, b, "--allow-differences=load.rate"]).code, 2);
    let allowed = reports.compare(&[a, b, "--allow-differences=load,server.uri", "--json"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    let experiment = allowed.json();
    let keys: Vec<_> =
        experiment["result"]["differences"].as_array().unwrap().iter().map(|d| d["key"].clone()).collect();
    assert_eq!(keys, ["data.seed", "load.rate", "server.uri"]);
    // 50 ms and 250 ms, and what the machine adds to both.
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!(
        (&p50["seen"], &p50["verdict"]),
        (&Value::from("worse"), &Value::from("single_runs")),
        "{p50}"
    );
    let decided = reports.compare(&[a, b, "--allow-differences", "--fail-above", "5%", "--single-run"]);
    // Untrusted runs are allowed, so what is left is the regression.
    assert_eq!(decided.code, 3, "{}{}", decided.stderr, decided.stdout());
}

#[test]
fn one_group_after_the_other_excludes_no_drift_and_is_no_regression_unless_told() {
    let (reports, server) = (Reports::new(), of_millis(50));
    for _ in 0..5 {
        reports.run(&server, "a", &["load.duration=300ms"]);
    }
    drop(server);
    let slower = of_millis(400);
    for _ in 0..5 {
        reports.run(&slower, "b", &["load.duration=300ms"]);
    }
    let compared = reports.compare(&["a", "b", "--allow-differences=server.uri", "--json"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    let experiment = compared.json();
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!((&p50["verdict"], &p50["seen"]), (&Value::from("drift_not_excluded"), &Value::from("worse")));
    let gate = ["a", "b", "--allow-differences=server.uri", "--fail-above", "20%"];
    // Not --allow-untrusted, which would let pass what cannot be said.
    let unsure = reports.tool(&[&["compare"], &gate[..]].concat());
    assert_eq!(unsure.code, 4, "{}{}", unsure.stderr, unsure.stdout());
    assert!(unsure.stdout().contains("Drift is not excluded"), "{}", unsure.stdout());
    let told = reports.compare(&[&gate[..], &["--allow-drift"]].concat());
    assert_eq!(told.code, 3, "{}{}", told.stderr, told.stdout());
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    let reports = Reports::new();
    std::fs::create_dir(reports.path().join("empty")).unwrap();
    let empty = reports.compare(&["empty", "empty"]);
    assert_eq!(empty.code, 1);
    assert!(empty.stderr.contains("no report of a complete run beneath empty"), "{}", empty.stderr);
    let nowhere = reports.compare(&["nowhere", "nowhere"]);
    assert!(nowhere.stderr.contains("\"nowhere\" is no report"), "{}", nowhere.stderr);
}

#[test]
fn thresholds_are_test_cases_of_a_file_for_ci() {
    let (reports, server) = (Reports::new(), of_millis(5));
    let uri = server.uri();
    let text = format!("{WORKLOAD}\n[thresholds]\n\"search.response.p50\" = \"< 1ms\"\nerrors = \"< 50%\"\n");
    std::fs::write(reports.path().join("w.toml"), text).unwrap();
    let run = ["run", "w.toml", "--uri", &uri, "--out", "reports", "--allow-untrusted", "--junit"];
    let ended = reports.tool(&[&run[..], &["junit.xml"]].concat());
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let xml = std::fs::read_to_string(reports.path().join("junit.xml")).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"0\""), "{xml}");
    assert!(xml.contains("<failure message=\"not met: it was ") && xml.contains(" ms\"/>"), "{xml}");
    // Before anything is measured, and with nothing older left in its place.
    let nowhere = reports.tool(&[&run[..], &["no/where.xml"]].concat());
    assert!(nowhere.code == 1 && nowhere.stderr.contains("cannot write no/where.xml"), "{}", nowhere.stderr);
    let closed = run.map(|word| if word == uri { "http://127.0.0.1:1" } else { word });
    assert_eq!(reports.tool(&[&closed[..], &["junit.xml"]].concat()).code, 1);
    let xml = std::fs::read_to_string(reports.path().join("junit.xml")).unwrap();
    assert!(xml.contains("did not come to its end"), "{xml}");
}

#[test]
fn a_run_that_can_no_longer_meet_its_threshold_ends_at_once_where_that_is_asked_for() {
    let broken = Effect::Grpc { code: 13, message: "broken".into() };
    let server = start(script(Delay::None).fault(Rpc::Search, When::From(20), broken));
    let reports = Reports::new();
    std::fs::write(reports.path().join("w.toml"), format!("{WORKLOAD}\n[thresholds]\nerrors = \"< 1%\"\n"))
        .unwrap();
    let uri = server.uri();
    // 60 errors of the 6,000 that are planned are too many: after some 80 requests.
    let run =
        ["run", "w.toml", "--uri", &uri, "--duration", "30s", "--allow-untrusted", "--abort-early", "--json"];
    let ended = reports.tool(&run);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("errors < 1% can no longer be met"), "{}", ended.stderr);
    let report = ended.report();
    assert!(report.operations["search"].failed >= 60 && report.run.measured_s < 30.0, "{:?}", report.run);
    assert_eq!(report.thresholds[0].met, Some(false));
}

/// The window is cut short before p99 has its 1,000 samples.
#[test]
fn what_a_hopeless_run_has_too_few_samples_for_does_not_hide_what_is_not_met() {
    let broken = Effect::Grpc { code: 13, message: "broken".into() };
    let server = start(script(Delay::None).fault(Rpc::Search, When::From(20), broken));
    let reports = Reports::new();
    let thresholds = "errors = \"< 1%\"\n\"search.lag.p99\" = \"< 10s\"\n";
    std::fs::write(reports.path().join("w.toml"), format!("{WORKLOAD}\n[thresholds]\n{thresholds}")).unwrap();
    let uri = server.uri();
    let ended =
        reports.tool(&["run", "w.toml", "--uri", &uri, "--duration", "30s", "--abort-early", "--json"]);
    let report = ended.json();
    assert!(report["run"]["measured_s"].as_f64().unwrap() < 5.0, "{}", report["run"]);
    let of = |place: usize| &report["thresholds"][place];
    let lag = (0..2).find(|&place| of(place)["expression"].as_str().unwrap().contains("lag")).unwrap();
    assert_eq!((&of(lag)["unknown"], &of(1 - lag)["met"]), (&"too_few".into(), &false.into()));
    let findings = report["verdict"]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] != "too_few_samples"), "{findings:?}");
    // A busy machine may make the numbers doubtful for reasons of its own.
    let expected = if report["verdict"]["trusted"] == true { 3 } else { 4 };
    assert_eq!(ended.code, expected, "{}", ended.stderr);
}

/// Changes a stored file as if something else had happened.
#[track_caller]
fn change(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(file, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn a_run_that_did_not_come_to_its_end_is_not_compared() {
    let (reports, server) = (Reports::new(), of_millis(5));
    let run = reports.run(&server, "a", &["load.duration=300ms"]);
    let run = run.to_str().unwrap();
    for state in ["interrupted", "failed"] {
        change(&Path::new(run).join("report.json"), |report| report["run"]["state"] = state.into());
        for arguments in [&[run, run][..], &[run, run, "--allow-differences"]] {
            let refused = reports.compare(arguments);
            assert_eq!((refused.code, refused.stdout()), (2, ""), "{}", refused.stderr);
            assert!(
                refused.stderr.contains(&format!("{run}/report.json): {state}")),
                "{state}: {}",
                refused.stderr
            );
        }
    }
}

#[test]
fn one_run_of_each_decides_only_on_what_has_an_interval_within_a_run() {
    let (reports, server) = (Reports::new(), of_millis(5));
    let run = reports.run(&server, "a", &["load.duration=300ms"]);
    let run = run.to_str().unwrap();
    let gate = [run, run, "--fail-above", "5%", "--single-run", "--metric", "search.succeeded_per_s"];
    let refused = reports.compare(&gate);
    assert_eq!((refused.code, refused.stdout()), (2, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("no interval"), "{}", refused.stderr);
}

#[test]
fn of_an_experiment_that_was_stopped_or_met_another_server_nothing_is_decided() {
    let (reports, server) = (Reports::new(), of_millis(50));
    let uri = server.uri();
    let run = ["run", "w.toml", "--uri", &uri, "--repeat", "5", "--duration", "300ms", "--allow-untrusted"];
    let ended = reports.tool(&[&run[..], &["--against-set", "load.rate=150", "--out", "r"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let directory = std::fs::read_dir(reports.path().join("r/w-compare")).unwrap().next().unwrap().unwrap();
    let (directory, file) = (directory.path(), directory.path().join("experiment.json"));
    let stored = directory.to_str().unwrap();
    let gate = [stored, "--fail-above", "10000%", "--json"];
    let whole = reports.compare(&gate);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    assert_eq!(whole.json()["result"]["decision"]["outcome"], "passed");

    change(&file, |experiment| experiment["experiment"]["complete"] = false.into());
    let stopped = reports.tool(&[&["compare"], &gate[..]].concat());
    assert_eq!(stopped.code, 4, "{}", stopped.stderr);
    let experiment = stopped.json();
    assert_eq!(experiment["experiment"]["complete"], false);
    assert_eq!(experiment["result"]["decision"]["outcome"], "cannot_say");
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!(p50["verdict"], "stopped");
    assert!(p50["interval"]["low"].is_number(), "{p50}");

    // The server was replaced before the last run.
    change(&file, |experiment| experiment["experiment"]["complete"] = true.into());
    let last =
        std::fs::read_dir(directory.join("runs")).unwrap().map(|run| run.unwrap().path()).max().unwrap();
    change(&last.join("report.json"), |report| report["server"]["version"] = "0.0.1".into());
    let values = serde_json::json!([["a"], ["a", "0.0.1"]]);
    let recorded = serde_json::json!({ "key": "server.version", "values": values, "weight": "decides" });
    change(&file, |experiment| {
        experiment["result"]["differences"].as_array_mut().unwrap().push(recorded);
    });
    let replaced = reports.compare(&gate);
    assert_eq!(replaced.code, 2, "{}", replaced.stderr);
    let allowed = "load.rate: A 200.0, B 150.0 (may differ)";
    assert!(
        replaced.stderr.contains("--allow-differences=server.version\n") && replaced.stderr.contains(allowed),
        "{}",
        replaced.stderr
    );
}
