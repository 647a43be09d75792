//! A grid of settings against a server that is always the same: which runs there are, in which order, and what is left of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use milvus_load::report::RunReport;
use milvus_load::report::experiment::{Experiment, Outcome, Sweep};
use milvus_load::report::store;
use milvus_load::truth::{Delay, Rpc, Script, TruthServer};
use rustix::process::{Pid, Signal, kill_process};

use crate::broken::{limit_descriptors, two_hundred_streams};
use crate::support::{Ended, fits_schema, has_pages, ms, run_to_end, script, start, wait_for};
use crate::tool::tool;
use crate::verdict::is_trusted_but_for_the_machine;

const WORKLOAD: &str = r#"
trace.enabled = false
target.timeout = "60s"
[collection]
name = "c"
prepare = "never"
[data]
queries = 100
[load]
rate = 100
warmup = "0s"
duration = "300ms"
drain = "60s"
max_in_flight = 10_000
[[operations]]
kind = "search"
"#;

const GRID: [&str; 4] = ["--vary", "load.concurrency=1,3", "--vary", "operations.search.top_k=1,5,9"];

fn sweep(uri: &str, place: &Path, workload: &str, arguments: &[&str]) -> std::process::Command {
    let file = place.join("w.toml");
    std::fs::write(&file, workload).unwrap();
    let mut tool = tool();
    tool.arg("sweep")
        .arg(&file)
        .args(["--uri", uri, "--allow-untrusted", "--out"])
        .arg(place)
        .args(arguments);
    tool.env("MILVUS_LOAD_CACHE", place.join("cache")).stdin(Stdio::null());
    tool
}

fn ended(uri: &str, place: &Path, workload: &str, arguments: &[&str]) -> Ended {
    run_to_end(&mut sweep(uri, place, workload, arguments))
}

fn found(experiment: &Experiment) -> &Sweep {
    match &experiment.outcome {
        Outcome::Sweep(sweep) => sweep,
        _ => panic!("another experiment"),
    }
}

/// The one sweep's directory.
fn directory(place: &Path) -> PathBuf {
    let mut all = std::fs::read_dir(place.join("w-sweep")).unwrap();
    all.next().unwrap().unwrap().path()
}

fn stored(place: &Path) -> Experiment {
    Experiment::read(&directory(place).join("experiment.json")).unwrap()
}

fn reports(place: &Path, experiment: &Experiment) -> Vec<RunReport> {
    let read = |report: &String| store::read(&directory(place).join(report)).unwrap();
    experiment.runs.iter().map(|run| read(&run.report)).collect()
}

#[test]
fn every_point_is_run_with_its_settings_in_an_order_that_is_drawn() {
    let (server, place) = (start(script(Delay::Constant(ms(2)))), tempfile::tempdir().unwrap());
    let ended =
        ended(&server.uri(), place.path(), WORKLOAD, &[&GRID[..], &["--json", "--seed", "3"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 x 3 = 6 points") && ended.stderr.contains("16 runs"),
        "{}",
        ended.stderr
    );
    let experiment: Experiment = serde_json::from_str(ended.stdout()).unwrap();
    assert_eq!(stored(place.path()), experiment);
    fits_schema(&experiment);
    let sweep = found(&experiment);
    assert!(experiment.experiment.complete && sweep.missing().is_empty());
    // 12 runs, four between two of the control: at the start, twice in between, at the end.
    assert_eq!((sweep.order.len(), experiment.runs.len()), (16, 16));
    let in_grid_order: Vec<usize> = sweep.order.iter().copied().filter(|&point| point != 0).collect();
    assert!(!in_grid_order.is_sorted(), "{in_grid_order:?}");
    for (report, &point) in reports(place.path(), &experiment).iter().zip(&sweep.order) {
        let (concurrency, top_k) = ([1, 3][point / 3], [1, 5, 9][point % 3]);
        assert_eq!(report.workload["load"]["concurrency"], concurrency);
        assert_eq!(report.workload["operations"]["search"]["top_k"], top_k);
        let search = &report.operations["search"];
        assert_eq!(search.hits.returned, top_k as u64 * search.succeeded);
        assert!(
            is_trusted_but_for_the_machine(&serde_json::to_value(report).unwrap()),
            "{:?}",
            report.verdict
        );
    }
    let runs: Vec<usize> = sweep.points.iter().map(|point| point.runs.len()).collect();
    assert_eq!(runs, [6, 2, 2, 2, 2, 2]);
    let rate = |point: usize| sweep.points[point].operations["search"].succeeded_per_s.unwrap();
    assert!(rate(3) > 1.5 * rate(0), "three under way at once, and a server that always takes 2 ms");
    assert!(sweep.drift["search"].control_range.is_some() && sweep.drift["search"].repeat_median.is_some());
}

#[test]
fn a_stopped_sweep_is_shown_and_gone_on_with_where_it_stopped() {
    let (server, place) = (start(script(Delay::Constant(ms(2)))), tempfile::tempdir().unwrap());
    let mut command = sweep(&server.uri(), place.path(), WORKLOAD, &[&GRID[..], &["--seed", "5"]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("three runs", || {
        let runs = place.path().join("w-sweep");
        runs.exists()
            && directory(place.path()).join("experiment.json").exists()
            && stored(place.path()).runs.len() >= 3
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("--resume") && told.contains("not run"), "{told}");
    let before = stored(place.path());
    let complete = before.runs.len();
    assert!(!before.experiment.complete && (3..16).contains(&complete));
    has_pages(&directory(place.path()));

    // One report is lost meanwhile.
    std::fs::remove_file(directory(place.path()).join(&before.runs[1].report)).unwrap();
    let resume = directory(place.path()).display().to_string();
    let other =
        ended(&server.uri(), place.path(), WORKLOAD, &["--set", "load.drain=59s", "--resume", &resume]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("load.drain"), "{}", other.stderr);
    let other =
        ended(&server.uri(), place.path(), WORKLOAD, &["--vary", "load.rate=1,2", "--resume", &resume]);
    assert_eq!(other.code, 2, "{}", other.stderr);

    let ended = ended(&server.uri(), place.path(), WORKLOAD, &["--resume", &resume]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{} runs are complete", complete - 1)), "{}", ended.stderr);
    let after = stored(place.path());
    assert!(after.experiment.complete);
    has_pages(&directory(place.path()));
    assert_eq!((after.experiment.seed.as_str(), after.runs.len()), ("5", 16));
    let kept = |run: &&milvus_load::report::experiment::RunReference| before.runs.contains(run);
    assert_eq!(after.runs.iter().filter(kept).count(), complete - 1, "what was complete is not run again");
}

#[test]
fn a_run_that_could_not_go_on_is_no_point_and_ends_the_sweep() {
    let (server, place) = (start(script(Delay::None)), tempfile::tempdir().unwrap());
    let workload = format!("{WORKLOAD}{}", two_hundred_streams());
    // Long enough that every stream has something to wait for.
    let grid = ["--vary", "load.rate=50,100", "--duration", "20s"];
    let mut command = sweep(&server.uri(), place.path(), &workload, &grid);
    limit_descriptors(&mut command, 128);
    let ended = run_to_end(&mut command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("could not go on (failed)"), "{}", ended.stderr);
    let experiment = stored(place.path());
    assert!(!experiment.experiment.complete && experiment.runs.is_empty(), "{:?}", experiment.runs);
    assert!(found(&experiment).points.iter().all(|point| point.runs.is_empty()));
}

/// Two runs whose reports tell of another server or machine, and one in whose place lies the report of another run.
#[test]
fn what_was_made_elsewhere_is_not_gone_on_with() {
    let (server, place) = (start(script(Delay::Constant(ms(2)))), tempfile::tempdir().unwrap());
    let grid = ["--vary", "load.concurrency=1,3", "--seed", "5", "--duration", "100ms"];
    let first = ended(&server.uri(), place.path(), WORKLOAD, &grid);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let before = stored(place.path());
    let runs = before.runs.len();
    let change = |place_of: usize, change: &dyn Fn(&mut serde_json::Value)| {
        let file = directory(place.path()).join(&before.runs[place_of].report);
        let mut report = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        change(&mut report);
        std::fs::write(&file, serde_json::to_vec(&report).unwrap()).unwrap();
    };
    change(0, &|report| report["server"]["version"] = "0.0.1".into());
    change(1, &|report| report["machine"]["cores"] = 99.into());
    change(2, &|report| report["run"]["id"] = "another".into());
    let resume = directory(place.path()).display().to_string();
    let resumed = ended(&server.uri(), place.path(), WORKLOAD, &["--duration", "100ms", "--resume", &resume]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    for words in ["note: 2 of the runs that are complete were made on Milvus", "0.0.1", "from 99 cores"] {
        assert!(resumed.stderr.contains(words), "{words}: {}", resumed.stderr);
    }
    let after = stored(place.path());
    assert!(after.experiment.complete && after.runs.len() == runs);
    assert_eq!(after.runs.iter().filter(|run| before.runs.contains(run)).count(), runs - 3);
}

#[test]
fn a_set_up_is_made_once_for_all_for_each_group_or_for_each_run() {
    let ours = WORKLOAD.replace(
        "prepare = \"never\"",
        "rows = 100\nvector = { name = \"v\", type = \"float\", dim = 8, metric = \"l2\" }",
    );
    let writes = format!("{ours}[[operations]]\nkind = \"insert\"\nbatch = 2\n");
    let kept = writes.replace("rows = 100", "rows = 100\nkeep_writes = true");
    for (workload, vary, set_ups) in [
        (&ours, "load.rate=50,100", 1),
        // Two in each of two passes; where a pass begins with the set-up that the one before ended with, it stays.
        (&ours, "collection.index.params.M=8,16", 3),
        (&writes, "load.rate=50,100", 6),
        (&kept, "load.rate=50,100", 1),
    ] {
        let server = TruthServer::start(Script::default()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let arguments = ["--vary", vary, "--seed", "1", "--duration", "100ms"];
        let ended = ended(&server.uri(), place.path(), workload, &arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let created = server.log().count(Rpc::CreateCollection);
        match set_ups {
            3 => assert!((3..=4).contains(&created), "{vary}: {created} set-ups"),
            _ => assert_eq!(created, set_ups, "{vary}: {}", ended.stderr),
        }
    }
}

#[test]
fn a_wrong_grid_is_a_usage_error_before_anything_runs() {
    let place = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&[][..], "--vary"),
        (&["--vary", "load.rate"], "key=a,b"),
        (&["--vary", "load.rat=1,2"], "did you mean rate?"),
        (&["--vary", "load.rate=1,fast"], "load.rate=fast"),
        (&["--vary", "load.rate=1,2", "--set", "load.rate=3"], "both set and varied"),
        (&["--resume", "nowhere"], "nowhere"),
    ] {
        let ended = ended("http://127.0.0.1:1", place.path(), WORKLOAD, arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
    }
    assert!(!place.path().join("w-sweep").exists(), "nothing was begun");
}
