//! The highest rate that holds a service level, of a server with one queue: by Lindley's recursion it is known.

use std::path::Path;
use std::process::{Command, Stdio};

use milvus_load::engine::{Stop, StopReason};
use milvus_load::experiment::capacity::{Terms, search};
use milvus_load::experiment::{Follow, Site, Unfollowed};
use milvus_load::random::{splitmix64, unit_interval};
use milvus_load::report::experiment::Capacity;
use milvus_load::report::experiment::capacity::{Conclusion, ProbeOutcome};
use milvus_load::report::experiment::{Experiment, Outcome};
use milvus_load::report::store::RunDirectory;
use milvus_load::run::{Identity, Metrics, RunProgress, Server, Settings};
use milvus_load::truth::{Delay, Script, TruthServer, queued};
use milvus_load::units::Nanos;
use milvus_load::workload::Override;
use rustix::process::{Pid, Signal, kill_process};

use crate::broken::{limit_descriptors, two_hundred_streams};
use crate::support::{Ended, fits_schema, has_pages, ms, run_to_end, script, start, wait_for};
use crate::tool::tool;

/// A server with one queue, and the service level that is asked of it: 95 % within ten times the service time.
#[derive(Clone, Copy)]
struct Queue {
    service: Nanos,
}

impl Queue {
    const SHARE: f64 = 0.95;

    fn within(self) -> Nanos {
        Nanos::new(10 * self.service.get())
    }

    fn start(self) -> TruthServer {
        start(Script { one_at_a_time: true, log_requests: 0, ..script(Delay::Constant(self.service)) })
    }

    fn slo(self) -> Override {
        let bound = self.within().get() / 1_000_000;
        let table = format!("{{ \"search.response.p95\" = \"< {bound}ms\" }}");
        Override::flag("--slo", "thresholds", table)
    }

    /// Whether a window with Poisson arrivals at that rate holds the service level, by Lindley's recursion from an idle server.
    fn holds(self, rate: f64, terms: &Terms, seed: u64) -> bool {
        let (start, end) = (Nanos::from(terms.warmup()), Nanos::from(terms.each()));
        let (mut arrival, mut busy_until) = (0.0, Nanos::ZERO);
        let (mut offered, mut within) = (0_u64, 0_u64);
        for k in 0.. {
            arrival += -(1.0 - unit_interval(splitmix64(splitmix64(seed) ^ k))).ln() / rate * 1e9;
            let at = Nanos::new(arrival as u64);
            if at >= end {
                break;
            }
            let response = queued(at, &mut busy_until, self.service, None) - at;
            if at >= start {
                offered += 1;
                within += u64::from(response < self.within());
            }
        }
        within >= (Self::SHARE * offered as f64).ceil() as u64
    }

    /// The rate at which half of such windows hold.
    fn capacity(self, terms: &Terms) -> f64 {
        let share = |rate: f64| (0..400).filter(|&seed| self.holds(rate, terms, seed)).count() as f64 / 400.0;
        let full = 1.0 / self.service.as_secs_f64();
        let (mut low, mut high) = (0.4 * full, full);
        while high / low > 1.001 {
            let middle = (low + high) / 2.0;
            if share(middle) >= 0.5 { low = middle } else { high = middle }
        }
        low
    }

    fn searched(self, terms: &Terms) -> (Capacity, Conclusion) {
        let (experiment, conclusion) = self.followed(terms, &Stop::default(), &mut Unfollowed::default());
        (capacity_of(&experiment).clone(), conclusion)
    }

    fn followed(self, terms: &Terms, stop: &Stop, follow: &mut dyn Follow) -> (Experiment, Conclusion) {
        let (server, place) = (self.start(), tempfile::tempdir().unwrap());
        let file = place.path().join("w.toml");
        std::fs::write(&file, WORKLOAD).unwrap();
        let flags = vec![Override::flag("--uri", "target.uri", server.uri()), self.slo()];
        let settings = Settings::resolve(&file, flags).unwrap();
        terms.check(&settings.workload).unwrap();
        let identity = Identity::new("test".to_owned()).unwrap();
        let directory =
            RunDirectory::create(place.path(), "w-capacity", identity.started_unix_us, &identity.run_id)
                .unwrap();
        let target = Server::named(server.uri().parse().unwrap(), Metrics::Told(vec![]));
        let site = Site { server: &target, directory: &directory, identity: &identity, stop };
        let (experiment, conclusion) = search(&site, &settings, terms, follow).unwrap();
        let stored = Experiment::read(&directory.path().join("experiment.json")).unwrap();
        assert_eq!(stored, experiment);
        (experiment, conclusion)
    }
}

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

fn capacity_of(experiment: &Experiment) -> &Capacity {
    match &experiment.outcome {
        Outcome::Capacity(capacity) => capacity,
        _ => panic!("another experiment"),
    }
}

fn terms(seed: u64, window: Nanos, budget: Nanos) -> Terms {
    Terms { window: window.as_duration(), budget: budget.as_duration(), seed }
}

/// A machine that is busy with other things answers late, so the bounds are wide, and may have no time for the generator; how close a
/// search comes is told by the long version below.
#[test]
fn the_capacity_of_one_queue_is_that_of_lindleys_recursion() {
    let queue = Queue { service: ms(2) };
    let terms = terms(1, ms(1_500), Nanos::from_secs(32));
    let (capacity, conclusion) = queue.searched(&terms);
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
    let (found, truth) = (capacity.rate_per_s.unwrap(), queue.capacity(&terms));
    assert!((0.7..1.15).contains(&(found / truth)), "{found}, not {truth}: {capacity:?}");
    assert!(capacity.low_per_s.unwrap() < found && found < capacity.high_per_s.unwrap());
}

/// The windows of 20 s that a capacity is defined by, in a quarter of the time: with a service time of 5 ms in place of 20.
/// Five searches at once leave a machine of two cores time enough.
///
/// `cargo test --test truth -- --ignored --nocapture ten_searches`
#[test]
#[ignore = "takes eight minutes, and a machine that has time for it"]
fn ten_searches_find_the_capacity_within_5_percent_and_cover_it() {
    let queue = Queue { service: ms(5) };
    let of = |seed| terms(seed, ms(5_000), Nanos::from_secs(225));
    let truth = queue.capacity(&of(0));
    let one = |seed: u64| {
        let (capacity, conclusion) = queue.searched(&of(seed));
        let [found, low, high] =
            [capacity.rate_per_s, capacity.low_per_s, capacity.high_per_s].map(Option::unwrap_or_default);
        let (is_close, is_covered) = ((found / truth - 1.0).abs() <= 0.05, low <= truth && truth <= high);
        println!(
            "seed {seed}: {found:.1} ({low:.1}..{high:.1}) of {truth:.1}, {} probes, {conclusion:?}{}{}",
            capacity.probes.len(),
            if is_close { "" } else { ", off" },
            if is_covered { "" } else { ", not covered" },
        );
        (usize::from(is_close), usize::from(is_covered))
    };
    let five = |seeds: std::ops::RangeInclusive<u64>| {
        std::thread::scope(|scope| {
            let all: Vec<_> = seeds.map(|seed| scope.spawn(move || one(seed))).collect();
            all.into_iter().map(|search| search.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let all = [five(1..=5), five(6..=10)].concat();
    let (close, covered): (Vec<usize>, Vec<usize>) = all.into_iter().unzip();
    let (close, covered) = (close.iter().sum::<usize>(), covered.iter().sum::<usize>());
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
    let (server, place) = (Queue { service: ms(2) }.start(), tempfile::tempdir().unwrap());
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
    let directory =
        std::fs::read_dir(place.path().join("w-capacity")).unwrap().next().unwrap().unwrap().path();
    has_pages(&directory);
    assert!(told.contains(&format!("page     {}", directory.join("report.html").display())), "{told}");
    assert!(
        !place.path().join("index.html").exists(),
        "the workload is there too, so it is no directory of reports"
    );
}

/// Raises the stop where it is told something that begins so.
struct StopsAt<'a> {
    words: &'a str,
    stop: &'a Stop,
    silent: Unfollowed,
}

impl Follow for StopsAt<'_> {
    fn say(&mut self, line: &str) {
        if line.starts_with(self.words) {
            self.stop.raise(StopReason::Interrupted);
        }
    }

    fn begin(&mut self, title: Option<&str>) -> &mut dyn RunProgress {
        self.say(title.unwrap_or_default());
        self.silent.begin(title)
    }

    fn end(&mut self) {}
}

#[test]
fn a_signal_between_two_probes_loses_none_that_was_complete() {
    let (queue, terms) = (Queue { service: ms(2) }, terms(1, ms(200), Nanos::from_secs(60)));
    // Right after the first, and before the second sends anything.
    for words in ["probe 1:", "probe 2 at"] {
        let stop = Stop::default();
        let mut follow = StopsAt { words, stop: &stop, silent: Unfollowed::default() };
        let (experiment, conclusion) = queue.followed(&terms, &stop, &mut follow);
        assert_eq!(stop.reason(), Some(StopReason::Interrupted), "{words}");
        assert_eq!((conclusion, experiment.runs.len()), (Conclusion::Stopped, 1), "{words}");
        assert_eq!(capacity_of(&experiment).probes.len(), 1, "{words}");
        assert!(!experiment.experiment.complete);
    }
}

#[test]
fn a_window_that_could_not_go_on_is_no_probe_and_ends_the_search() {
    let (server, place) = (start(script(Delay::None)), tempfile::tempdir().unwrap());
    let workload = WORKLOAD.replace("[thresholds]", &format!("{}[thresholds]", two_hundred_streams()));
    let arguments = ["--window", "20s", "--budget", "300s"];
    let mut command = tool_command(&server.uri(), place.path(), &workload, &arguments);
    limit_descriptors(&mut command, 128);
    let ended = run_to_end(&mut command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("could not go on (failed)"), "{}", ended.stderr);
    let directory = std::fs::read_dir(place.path().join("w-capacity")).unwrap().next().unwrap().unwrap();
    let experiment = Experiment::read(&directory.path().join("experiment.json")).unwrap();
    assert!(!experiment.experiment.complete && capacity_of(&experiment).probes.is_empty());
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
    let more = ["--slo", "search.response.p95 < 20ms, search.succeeded_per_s >= 50"];
    assert!(refused(WORKLOAD, &more).contains("asks for more"));
    assert!(refused(WORKLOAD, &["--budget", "10s"]).contains("--budget"));
    assert!(!place.path().join("w-capacity").exists(), "nothing was begun");
}
