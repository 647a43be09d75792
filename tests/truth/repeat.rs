//! `run --repeat`: runs in pairs against servers of known delays, what is stored of them, and how it ends.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use milvus_load::trace::kept::read_otlp;
use milvus_load::truth::{Delay, Script, TruthServer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::compare::{Reports, fits_the_schema, metric};
use crate::support::{Ended, has_pages, ms, script, start, wait_for};
use crate::tool::tool;

fn server_of(millis: u64) -> TruthServer {
    start(script(Delay::Constant(ms(millis))))
}

/// Delays beside which what a busy machine adds is little.
const FAST: u64 = 200;
/// 30 % slower.
const SLOW: u64 = 260;

/// The experiment on standard output, made anew where a machine that stood still in between was all that it could see: then it says that
/// nothing can be said.
#[track_caller]
fn decided(make: impl Fn() -> Ended) -> Ended {
    let mut ended = make();
    for _ in 0..2 {
        let experiment = ended.json();
        if experiment["result"]["decision"]["outcome"] != "cannot_say" {
            break;
        }
        ended = make();
    }
    ended
}

/// The interval holds the true change, less the bit that the machine adds to both sides, and chance: an interval misses 1 time in 20, but
/// not by much.
#[track_caller]
fn covers(change: &Value, truth: f64) {
    let end = |name: &str| change["interval"][name].as_f64().unwrap();
    assert!(end("low") < truth + 0.05 && end("high") > truth - 0.1, "{change}");
}

const SHORT: [&str; 4] = ["--duration", "400ms", "--seed", "7"];

#[track_caller]
fn order(experiment: &Value) -> String {
    experiment["runs"].as_array().unwrap().iter().map(|run| run["label"].as_str().unwrap()).collect()
}

#[test]
fn of_five_pairs_with_a_slower_server_the_second_is_worse_and_that_is_a_regression() {
    let (reports, fast, slow) = (Reports::new(), server_of(FAST), server_of(SLOW));
    let (uri, against) = (fast.uri(), format!("target.uri={}", slow.uri()));
    let gate = ["--against-set", &against, "--fail-above", "10%", "--allow-untrusted", "--json"];
    let run =
        [&["run", "w.toml", "--uri", &uri, "--repeat", "5", "--out", "reports"], &SHORT[..], &gate].concat();
    let ended = decided(|| reports.tool(&run));
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let experiment = ended.json();
    fits_the_schema(&experiment);
    assert_eq!(experiment["experiment"]["complete"], true);
    assert_eq!(
        (&experiment["result"]["order"], &experiment["experiment"]["seed"]),
        (&"pairs".into(), &"7".into())
    );
    let order = order(&experiment);
    assert!(
        order.len() == 10 && (0..5).all(|pair| ["AB", "BA"].contains(&&order[2 * pair..][..2])),
        "{order}"
    );
    assert!(order.contains("AB") && order.contains("BA"));
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!(p50["verdict"], "worse", "{p50}");
    covers(p50, 0.3);
    assert_eq!(experiment["result"]["decision"]["outcome"], "regressed");
    for label in ["run 1 of 10", "run 10 of 10", "left"] {
        assert!(ended.stderr.contains(label), "{}", ended.stderr);
    }
    assert!(
        !ended.stderr.contains("p50") && !ended.stderr.contains('%'),
        "progress tells nothing of what is measured: {}",
        ended.stderr
    );

    let stored = last_beneath(&reports.path().join("reports/w-compare"));
    let stored = stored.to_str().unwrap();
    let read: Value =
        serde_json::from_slice(&std::fs::read(format!("{stored}/experiment.json")).unwrap()).unwrap();
    assert_eq!(read, experiment);
    for run in experiment["runs"].as_array().unwrap() {
        let report: Value = serde_json::from_slice(
            &std::fs::read(format!("{stored}/{}", run["report"].as_str().unwrap())).unwrap(),
        )
        .unwrap();
        assert_eq!(report["run"]["id"], run["id"]);
    }
    // Compared again, with the same result: the numbers are those of the stored reports.
    let again = reports.compare(&[stored, "--fail-above", "10%", "--json"]);
    assert_eq!(again.code, 3, "{}", again.stderr);
    assert_eq!(again.json()["result"], experiment["result"]);
    let markdown = reports.tool(&["report", stored, "--format", "markdown"]);
    assert!(
        markdown.stdout().starts_with("## w: B against A\n\nB is worse than A: "),
        "{}",
        markdown.stdout()
    );
    assert!(markdown.stdout().contains("REGRESSED"), "{}", markdown.stdout());
}

/// By chance alone, one of twenty such comparisons would see a change; by far the most of those a small one.
#[test]
fn of_five_pairs_of_the_same_none_is_much_worse() {
    let (reports, server) = (Reports::new(), server_of(FAST));
    let uri = server.uri();
    let same =
        ["--against-set", "load.max_in_flight=255", "--fail-above", "25%", "--allow-untrusted", "--json"];
    let run =
        [&["run", "w.toml", "--uri", &uri, "--repeat", "5", "--out", "reports"], &SHORT[..], &same].concat();
    let ended = decided(|| reports.tool(&run));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let experiment = ended.json();
    let differences = experiment["result"]["differences"].as_array().unwrap();
    assert!(differences.len() == 1 && differences[0]["key"] == "load.max_in_flight", "{differences:?}");
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    covers(p50, 0.0);
    assert_eq!(experiment["result"]["decision"]["outcome"], "passed");
}

#[test]
fn runs_of_one_workload_alone_tell_how_far_they_lie_apart() {
    let (reports, server) = (Reports::new(), server_of(5));
    let uri = server.uri();
    let alone = ["run", "w.toml", "--uri", &uri, "--repeat", "3", "--out", "reports", "--allow-untrusted"];
    let ended = reports.tool(&[&alone, &SHORT[..], &["--json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let experiment = ended.json();
    fits_the_schema(&experiment);
    assert_eq!(
        (experiment["result"]["order"].as_str(), order(&experiment).as_str()),
        (Some("one_group"), "AAA")
    );
    let p50 = &metric(&experiment, "search.response.p50")["groups"][0];
    let values: Vec<f64> =
        p50["values"].as_array().unwrap().iter().map(|value| value["value"].as_f64().unwrap()).collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert!((p50["sd"].as_f64().unwrap() - sd).abs() < 1e-6 * mean, "{p50}");
    // t.975 on 2 degrees of freedom.
    let half = 4.302_653 * sd / 3f64.sqrt();
    assert!((p50["mean"]["high"].as_f64().unwrap() - mean - half).abs() < 1e-5 * mean, "{p50}");
    let groups = reports.compare(&["reports/w-repeat", "reports/w-repeat"]);
    assert!(groups.stdout().contains("(3 runs)"), "{}{}", groups.stdout(), groups.stderr);
    for (wrong, why) in [
        (["--fail-above", "5%"], "--against"),
        (["--metric", "search.response.p100"], "no number of this workload"),
        (["--metric", "insert.response.p50"], "no number of this workload"),
    ] {
        let ended = reports.tool(&[&alone[..], &wrong].concat());
        assert!(ended.code == 2 && ended.stderr.contains(why), "{wrong:?}: {} {}", ended.code, ended.stderr);
    }
}

/// One collector listens for all of them.
#[test]
fn each_run_keeps_the_traces_of_its_own_requests() {
    let (reports, server) = (Reports::new(), server_of(5));
    let uri = server.uri();
    let repeated =
        ["run", "w.toml", "--uri", &uri, "--repeat", "2", "--out", "reports", "--allow-untrusted", "--json"];
    let traced = [
        "--set",
        "trace.enabled=true",
        "--set",
        "trace.collector_listen=127.0.0.1:0",
        "--set",
        "trace.sample_fraction=1",
    ];
    let ended = reports.tool(&[&repeated, &SHORT[..], &traced].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (experiment, mut known) = (ended.json(), HashSet::new());
    let directory = last_beneath(&reports.path().join("reports/w-repeat"));
    let runs = run_reports(&reports, &experiment, "reports/w-repeat");
    for (reference, run) in experiment["runs"].as_array().unwrap().iter().zip(runs) {
        let report = directory.join(reference["report"].as_str().unwrap());
        let file = std::fs::File::open(report.with_file_name("traces.otlp.json.gz")).unwrap();
        let kept: HashSet<u128> = read_otlp(file).unwrap().iter().map(|trace| trace.trace_id).collect();
        let slowest = run["slowest"].as_array().unwrap();
        assert!(!slowest.is_empty());
        for request in slowest {
            let id = u128::from_str_radix(request["trace_id"].as_str().unwrap(), 16).unwrap();
            assert!(kept.contains(&id), "{request}");
        }
        assert!(kept.is_disjoint(&known), "a trace is of one run");
        known.extend(kept);
    }
    // What differs in tracing is compared without a collector of ours.
    let differ = ["--against-set", "trace.sample_fraction=0.5"];
    let ended = reports.tool(&[&repeated, &SHORT[..], &traced, &differ].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let directory = last_beneath(&reports.path().join("reports/w-compare"));
    let report = directory.join(ended.json()["runs"][0]["report"].as_str().unwrap());
    assert!(report.is_file() && !report.with_file_name("traces.otlp.json.gz").exists());
}

#[test]
fn what_b_cannot_tell_is_refused_before_anything_runs() {
    let (reports, server) = (Reports::new(), server_of(5));
    let uri = server.uri();
    let text = std::fs::read_to_string(reports.path().join("w.toml")).unwrap();
    std::fs::write(reports.path().join("b.toml"), format!("{text}name = \"other\"\n")).unwrap();
    let run = ["run", "w.toml", "--uri", &uri, "--repeat", "5", "--out", "reports", "--against", "b.toml"];
    let ended = reports.tool(&[&run[..], &["--metric", "search.response.p90"]].concat());
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let ended = reports.tool(&run);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("A has search, B other"), "{}", ended.stderr);
    let both = format!("{text}[[operations]]\nkind = \"search\"\nname = \"other\"\n");
    std::fs::write(reports.path().join("w.toml"), both).unwrap();
    let ended = reports.tool(&[&run[..], &["--metric", "search.response.p90"]].concat());
    assert!(ended.code == 2 && ended.stderr.contains("is no number of B"), "{}", ended.stderr);
    assert!(!reports.path().join("reports").exists(), "nothing was begun");
}

#[test]
fn an_interrupt_leaves_the_complete_pairs() {
    let (reports, server) = (Reports::new(), server_of(5));
    let mut command: Command = tool();
    command.current_dir(reports.path()).env("MILVUS_LOAD_CACHE", reports.path().join("cache"));
    command.args(["run", "w.toml", "--uri", &server.uri(), "--repeat", "50", "--out", "reports"]);
    command.args(SHORT).args(["--against-set", "load.rate=100", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let experiments = reports.path().join("reports/w-compare");
    let stored = || {
        let directory = std::fs::read_dir(&experiments).ok()?.next()?.ok()?.path();
        serde_json::from_slice::<Value>(&std::fs::read(directory.join("experiment.json")).ok()?).ok()
    };
    wait_for("two pairs", || stored().is_some_and(|experiment| order(&experiment).len() >= 4));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let experiment: Value = serde_json::from_slice(&output.stdout).unwrap();
    fits_the_schema(&experiment);
    assert_eq!(stored().unwrap(), experiment);
    assert_eq!(experiment["experiment"]["complete"], false);
    let runs = order(&experiment);
    assert!(runs.len() >= 4 && runs.len().is_multiple_of(2) && runs.len() < 100, "{runs}");
    let p50 = &metric(&experiment, "search.response.p50")["changes"][0];
    assert_eq!(p50["verdict"], "stopped", "{p50}");
    has_pages(&last_beneath(&experiments));
    let index = std::fs::read_to_string(reports.path().join("reports/index.html")).unwrap();
    assert!(index.contains("ended early") && index.contains("./w-compare/"), "{index}");
    assert!(!index.contains("/runs/"), "the runs of an experiment are in its own page");
}

/// The settings of a workload that makes its collection, and inserts into it where that is said.
fn own_collection(reports: &Reports, operations: &str) {
    let load = "[load]\nrate = 100\narrival = \"constant\"\nconnections = 1\nworkers = 1\nwarmup = \"0s\"\nduration = \"300ms\"\n";
    let collection = "[collection]\nname = \"c\"\nrows = 100\n\
                      vector = { name = \"vector\", type = \"float\", dim = 8, metric = \"l2\" }\n";
    let text = format!("{collection}{load}[trace]\nenabled = false\n{operations}");
    std::fs::write(reports.path().join("w.toml"), text).unwrap();
}

const SEARCH: &str = "[[operations]]\nkind = \"search\"\n";

/// The last directory there: names begin with times.
#[track_caller]
fn last_beneath(directory: &Path) -> PathBuf {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).max().unwrap()
}

/// The reports of an experiment's runs, in their order.
fn run_reports(reports: &Reports, experiment: &Value, out: &str) -> Vec<Value> {
    let directory = last_beneath(&reports.path().join(out));
    let read = |run: &Value| {
        serde_json::from_slice(&std::fs::read(directory.join(run["report"].as_str().unwrap())).unwrap())
            .unwrap()
    };
    experiment["runs"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn a_workload_that_writes_begins_each_run_with_the_same_rows() {
    let (reports, server) = (Reports::new(), start(Script::default()));
    own_collection(&reports, &format!("{SEARCH}[[operations]]\nkind = \"insert\"\nbatch = 2\n"));
    let uri = server.uri();
    let run =
        ["run", "w.toml", "--uri", &uri, "--repeat", "2", "--out", "reports", "--allow-untrusted", "--json"];
    let ended = reports.tool(&[&run[..], &["--against-set", "load.rate=50"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let runs = run_reports(&reports, &ended.json(), "reports/w-compare");
    assert_eq!(runs.len(), 4);
    for run in runs {
        assert!(run["operations"]["insert"]["succeeded"].as_u64().unwrap() > 0);
        assert_eq!(run["collection"]["start"]["rows"], 100, "{}", run["collection"]);
    }
}

#[test]
fn another_collection_under_the_same_name_is_made_beside_it_and_each_is_made_once() {
    let (reports, server) = (Reports::new(), start(Script::default()));
    own_collection(&reports, SEARCH);
    let uri = server.uri();
    let run =
        ["run", "w.toml", "--uri", &uri, "--repeat", "3", "--out", "reports", "--allow-untrusted", "--json"];
    let ended = reports.tool(&[&run[..], &["--against-set", "collection.rows=200"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let experiment = ended.json();
    for (run, report) in experiment["runs"].as_array().unwrap().iter().zip(run_reports(
        &reports,
        &experiment,
        "reports/w-compare",
    )) {
        let expected = if run["label"] == "A" { ("c", 100) } else { ("c_b", 200) };
        let collection = &report["collection"];
        assert_eq!(
            (&collection["name"], &collection["start"]["rows"]),
            (&expected.0.into(), &expected.1.into())
        );
    }
    assert_eq!(ended.stderr.matches("(created)").count(), 2, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("collection c").count(), 2, "{}", ended.stderr);
}
