//! The highest rate that holds a service level, of a server with one queue: by Lindley's recursion it is known.

use std::path::Path;
use std::process::{Command, Stdio};

use milvus_load::engine::Stop;
use milvus_load::experiment::capacity::{Terms, search};
use milvus_load::experiment::{Site, Unfollowed};
use milvus_load::random::{splitmix64, unit_interval};
use milvus_load::report::experiment::Capacity;
use milvus_load::report::experiment::capacity::{Conclusion, ProbeOutcome};
use milvus_load::report::experiment::{Experiment, Outcome};
use milvus_load::report::store::RunDirectory;
use milvus_load::run::{Identity, Metrics, Server, Settings};
use milvus_load::truth::{Delay, Script, TruthServer, queued};
use milvus_load::units::Nanos;
use milvus_load::workload::Override;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Ended, fits_schema, ms, run_to_end, script, start, wait_for};
use crate::tool::tool;

/// Service time of the one server.
const SERVICE: Nanos = Nanos::from_millis(2);
/// The service level: this share of the requests within that time.
const SHARE: f64 = 0.95;
const WITHIN: Nanos = Nanos::from_millis(20);

const WORKLOAD: &str = r#"
trace.enabled = false
target.timeout = "10s"
[collection]
name = "c"
prepare = "never"
[data]
queries = 100
[load]
rate = 150
max_in_flight = 10_000
connections = 2
drain = "10s"
[[operations]]
kind = "search"
[thresholds]
"search.response.p95" = "< 20ms"
"#;

fn queue() -> TruthServer {
    start(Script { one_at_a_time: true, log_requests: 0, ..script(Delay::Constant(SERVICE)) })
}

fn capacity_of(experiment: &Experiment) -> &Capacity {
    match &experiment.outcome {
        Outcome::Capacity(capacity) => capacity,
        _ => panic!("another experiment"),
    }
}

fn searched(server: &TruthServer, terms: &Terms, place: &Path) -> (Capacity, Conclusion) {
    let file = place.join("w.toml");
    std::fs::write(&file, WORKLOAD).unwrap();
    let settings =
        Settings::resolve(&file, vec![Override::flag("--uri", "target.uri", server.uri())]).unwrap();
    terms.check(&settings.workload).unwrap();
    let (stop, identity) = (Stop::default(), Identity::new("test".to_owned()).unwrap());
    let directory =
        RunDirectory::create(place, "w-capacity", identity.started_unix_us, &identity.run_id).unwrap();
    let target = Server::named(server.uri().parse().unwrap(), Metrics::Told(vec![]));
    let site = Site { server: &target, directory: &directory, identity: &identity, stop: &stop };
    let (experiment, conclusion) = search(&site, &settings, terms, &mut Unfollowed::default()).unwrap();
    (capacity_of(&experiment).clone(), conclusion)
}

/// Whether a window with Poisson arrivals at that rate holds the service level, by Lindley's recursion from an idle server.
fn holds(rate: f64, terms: &Terms, seed: u64) -> bool {
    let (start, end) = (Nanos::from(terms.warmup()), Nanos::from(terms.each()));
    let (mut arrival, mut busy_until) = (0.0, Nanos::ZERO);
    let (mut offered, mut within) = (0_u64, 0_u64);
    for k in 0.. {
        arrival += -(1.0 - unit_interval(splitmix64(splitmix64(seed) ^ k))).ln() / rate * 1e9;
        let at = Nanos::new(arrival as u64);
        if at >= end {
            break;
        }
        let response = queued(at, &mut busy_until, SERVICE, None) - at;
        if at >= start {
            offered += 1;
            within += u64::from(response < WITHIN);
        }
    }
    within >= (SHARE * offered as f64).ceil() as u64
}

/// The rate at which half of such windows hold.
fn true_capacity(terms: &Terms) -> f64 {
    let share = |rate: f64| (0..400).filter(|&seed| holds(rate, terms, seed)).count() as f64 / 400.0;
    let (mut low, mut high) = (200.0, 500.0);
    while high / low > 1.001 {
        let middle = (low + high) / 2.0;
        if share(middle) >= 0.5 { low = middle } else { high = middle }
    }
    low
}

fn terms(seed: u64, window: Nanos, budget: Nanos) -> Terms {
    Terms { window: window.as_duration(), budget: budget.as_duration(), seed }
}

/// A machine that is busy with other things answers late, so the bounds are wide, and may have no time for the generator; how close a
/// search comes is told by the long version below.
#[test]
fn the_capacity_of_one_queue_is_that_of_lindleys_recursion() {
    let (server, place) = (queue(), tempfile::tempdir().unwrap());
    let terms = terms(1, ms(1_500), Nanos::from_secs(32));
    let (capacity, conclusion) = searched(&server, &terms, place.path());
    let mut seeds: Vec<&str> = capacity.probes.iter().map(|probe| probe.seed.as_str()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), capacity.probes.len(), "every window has arrivals of its own");
    if conclusion == Conclusion::GeneratorGaveUp {
        let last = capacity.probes.last().unwrap();
        assert_eq!(last.outcome, ProbeOutcome::Generator, "{last:?}");
        return;
    }
    assert_eq!(conclusion, Conclusion::Found, "{capacity:?}");
    let (found, truth) = (capacity.rate_per_s.unwrap(), true_capacity(&terms));
    assert!((0.7..1.15).contains(&(found / truth)), "{found}, not {truth}: {capacity:?}");
    assert!(capacity.low_per_s.unwrap() < found && found < capacity.high_per_s.unwrap());
}

/// `cargo test --release --test truth -- --ignored --nocapture ten_searches`
#[test]
#[ignore = "takes a quarter of an hour, and a machine that has time for it"]
fn ten_searches_find_the_capacity_within_5_percent_and_cover_it() {
    let (server, truth) = (queue(), true_capacity(&terms(0, ms(2_000), Nanos::from_secs(90))));
    let (mut close, mut covered) = (0, 0);
    for seed in 1..=10 {
        let place = tempfile::tempdir().unwrap();
        let (capacity, conclusion) =
            searched(&server, &terms(seed, ms(2_000), Nanos::from_secs(90)), place.path());
        let (found, low, high) = (
            capacity.rate_per_s.unwrap_or(0.0),
            capacity.low_per_s.unwrap_or(0.0),
            capacity.high_per_s.unwrap_or(0.0),
        );
        let (is_close, is_covered) = ((found / truth - 1.0).abs() <= 0.05, low <= truth && truth <= high);
        println!(
            "seed {seed}: {found:.1} ({low:.1}..{high:.1}) of {truth:.1}, {} probes, {conclusion:?}{}{}",
            capacity.probes.len(),
            if is_close { "" } else { ", off" },
            if is_covered { "" } else { ", not covered" },
        );
        close += usize::from(is_close);
        covered += usize::from(is_covered);
    }
    assert!(close >= 9 && covered >= 8, "{close} within 5 %, {covered} covered");
}

fn tool_command(uri: &str, place: &Path, workload: &str, arguments: &[&str]) -> Command {
    let file = place.join("w.toml");
    std::fs::write(&file, workload).unwrap();
    let mut tool = tool();
    tool.arg("capacity").arg(&file).args(["--uri", uri, "--out"]).arg(place).args(arguments);
    tool
}

fn command(uri: &str, place: &Path, workload: &str, arguments: &[&str]) -> Ended {
    run_to_end(&mut tool_command(uri, place, workload, arguments))
}

#[test]
fn a_service_level_that_holds_at_no_rate_ends_with_3() {
    let (server, place) = (start(script(Delay::Constant(ms(30)))), tempfile::tempdir().unwrap());
    let arguments = ["--window", "500ms", "--budget", "20s", "--json", "--seed", "7"];
    let ended = command(&server.uri(), place.path(), WORKLOAD, &arguments);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let experiment: Experiment = serde_json::from_str(ended.stdout()).unwrap();
    assert_eq!(experiment.experiment.seed, "7");
    fits_schema(&experiment);
    let capacity = capacity_of(&experiment);
    assert_eq!((capacity.conclusion, capacity.rate_per_s), (Conclusion::HoldsAtNoRate, None));
    let lowest = capacity.probes.last().unwrap();
    assert!(lowest.window_s > capacity.window_s, "lengthened, so that p95 has its samples: {lowest:?}");
    for run in &experiment.runs {
        let directory = std::fs::read_dir(place.path().join("w-capacity")).unwrap().next().unwrap().unwrap();
        assert!(directory.path().join(&run.report).is_file(), "{}", run.report);
    }
}

#[test]
fn a_search_that_is_stopped_leaves_what_its_complete_probes_say() {
    let (server, place) = (queue(), tempfile::tempdir().unwrap());
    let mut command =
        tool_command(&server.uri(), place.path(), WORKLOAD, &["--window", "500ms", "--budget", "1h"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stored = || {
        let directory = std::fs::read_dir(place.path().join("w-capacity")).ok()?.next()?.ok()?;
        Experiment::read(&directory.path().join("experiment.json")).ok()
    };
    wait_for("a probe", || stored().is_some_and(|experiment| !experiment.runs.is_empty()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("so far, stopped"), "{told}");
    let experiment = stored().unwrap();
    fits_schema(&experiment);
    let capacity = capacity_of(&experiment);
    assert!(!experiment.experiment.complete && capacity.conclusion == Conclusion::Stopped);
    assert_eq!(capacity.probes.len(), experiment.runs.len());
}

#[test]
fn what_cannot_be_searched_is_a_usage_error_that_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let refused = |workload: &str, arguments: &[&str]| {
        let ended = command("http://127.0.0.1:1", place.path(), workload, arguments);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        ended.stderr
    };
    let closed = WORKLOAD.replace("rate = 150", "concurrency = 3");
    assert!(refused(&closed, &[]).contains("--start-rate"));
    assert!(refused(WORKLOAD, &["--slo", "search.response.p99"]).contains("compares nothing"));
    assert!(refused(WORKLOAD, &["--slo", "find.errors < 1%"]).contains("the operations are search"));
    assert!(refused(WORKLOAD, &["--budget", "10s"]).contains("--budget"));
    assert!(!place.path().join("w-capacity").exists(), "nothing was begun");
}
