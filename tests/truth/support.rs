//! What the truth tests share: plans against a truth server, every request of a run by name, and the binary itself.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milvus_load::data::{VectorType, Vectors};
use milvus_load::engine::{
    BusyWait, Execution, Finished, Plan, PlannedOperation, Requests, Shard, Stop, StopReason, Tracing,
};
use milvus_load::measure::{Counters, End, Exemplar, RecorderConfig};
use milvus_load::milvus::ops::{self, Op as _, search};
use milvus_load::milvus::transport::Route;
use milvus_load::milvus::{CallHeaders, Dialer, Frame, RowLayout};
use milvus_load::report::RunReport;
use milvus_load::report::experiment::{Experiment, experiment_schema};
use milvus_load::trace::ids::RunEntropy;
use milvus_load::trace::sampling::{Header, SamplingRule, Switches};
use milvus_load::truth::{Delay, Entry, Existing, Log, Script, TruthServer};
use milvus_load::units::{Fraction, Nanos, Rate};
use milvus_load::workload::{Arrival, Consistency, LoadModel, Metric, Search, Stream, Target};
use rustix::process::{Pid, Signal, kill_process};

use crate::tool::tool;
use crate::verdict::is_exit;

/// More requests than any of these tests makes: so many are kept by name.
const ALL: usize = 20_000;

/// What has not happened by then never will. Nothing takes so long that is not broken, on however slow a machine.
const LIMIT: Duration = Duration::from_secs(120);

/// How long an answer may take, and what is in flight at the end, where no test is about that.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// That an experiment, whatever its end was, has its page, which leads to the page of each of its runs.
#[track_caller]
pub fn has_pages(directory: &Path) {
    let experiment = Experiment::read(&directory.join("experiment.json")).unwrap();
    let page = std::fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && !experiment.runs.is_empty());
    for run in &experiment.runs {
        let link = run.report.replace("report.json", "report.html");
        assert!(directory.join(&link).is_file(), "{link}");
        assert!(page.contains(&format!("href=\"./{link}\"")), "{link}");
    }
}

/// A server that logs every request and has a collection of 8 dimensions under every name.
pub fn script(search: Delay) -> Script {
    Script {
        search,
        existing: Some(Existing { dim: 8, rows: 1_000 }),
        log_requests: ALL,
        ..Script::default()
    }
}

pub fn start(script: Script) -> TruthServer {
    TruthServer::start(script).unwrap()
}

pub fn open(rate: f64, arrival: Arrival) -> LoadModel {
    LoadModel::Open { rate: Rate::per_second(rate).unwrap().into(), arrival }
}

pub fn constant(rate: f64) -> LoadModel {
    open(rate, Arrival::Constant)
}

pub fn stream(model: LoadModel) -> Stream {
    Stream { name: "load".to_owned(), model, shares: vec![(0, 1.0)] }
}

pub fn target(timeout: Duration) -> Target {
    Target {
        uri: None,
        database: String::new(),
        token: None,
        ca_file: None,
        cert_file: None,
        key_file: None,
        server_name: None,
        timeout,
        metrics: vec![],
    }
}

/// `count` searches that differ in their vectors.
pub fn searches(count: u64) -> Arc<[Frame]> {
    let layout = RowLayout {
        key: None,
        vector: "vector".to_owned(),
        vectors: Vectors::clustered(VectorType::Float, 1, 8, 2, 0.1),
        scalars: vec![],
    };
    let search = Search {
        nq: 1,
        top_k: 10,
        params: serde_json::Map::new(),
        filter: None,
        output_fields: vec![],
        ignore_growing: false,
    };
    let context = ops::Context {
        collection: "c",
        layout: &layout,
        metric: Metric::Cosine,
        consistency: Consistency::Bounded,
        queries: count,
        rows: 1_000,
        known: None,
        seed: 7,
        operation: 0,
    };
    (0..count).map(|place| search.frame(&context, place)).collect()
}

/// One search operation, one stream, one worker, one connection, no warm-up; a window of one second, time for all.
pub fn plan(uri: &str, model: LoadModel) -> Plan {
    let dialer = Dialer::new(&uri.parse().unwrap(), &target(PATIENCE)).unwrap();
    let operation = PlannedOperation {
        name: "search".to_owned(),
        route: Route::new(&dialer, "Search", search::scan, &CallHeaders::default()).unwrap(),
        requests: Requests::Ready(searches(100)),
    };
    Plan {
        seed: 7,
        streams: vec![stream(model)],
        operations: vec![operation],
        dialer,
        shard: Shard::WHOLE,
        connections: 1,
        workers: 1,
        spin: BusyWait::Never,
        max_in_flight: 10_000,
        recorder: RecorderConfig {
            operations: 1,
            connections: 1,
            window_start: Nanos::ZERO,
            window: Nanos::from_secs(1),
            stages: vec![],
            slots: None,
            by_sampled: false,
            longest: Nanos::from_secs(120),
            slowest: ALL,
            seed: 7,
        },
        drain: PATIENCE.into(),
        timeout: PATIENCE,
        slots: None,
        live_times: true,
        tracing: Tracing {
            entropy: RunEntropy::from_os().unwrap(),
            rule: SamplingRule::new(Fraction::ONE),
            switches: Switches { header: Header::Decision, spans: false },
        },
    }
}

/// Sets a plan going.
pub fn set_going(mut plan: Plan, stop: &Stop) -> Execution {
    plan.recorder.operations = plan.operations.len();
    plan.recorder.connections = plan.connections;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Execution::start(Arc::new(plan), None, stop.clone(), None)).unwrap()
}

/// Carries a plan out.
pub fn execute(plan: Plan) -> Finished {
    set_going(plan, &Stop::default()).finish().unwrap()
}

/// Returns when it has happened.
#[track_caller]
pub fn wait_for(what: &str, mut has_happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !has_happened() {
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Carries a plan out until the server's log shows enough; how long that takes is the machine's business.
#[track_caller]
pub fn execute_until(mut plan: Plan, server: &TruthServer, is_enough: impl Fn(&Log) -> bool) -> Finished {
    plan.recorder.window = Nanos::from_secs(600);
    let stop = Stop::default();
    let execution = set_going(plan, &stop);
    wait_for("enough requests", || is_enough(&server.log()));
    stop.raise(StopReason::Interrupted);
    execution.finish().unwrap()
}

/// Returns at that time of the run.
pub fn wait_until(execution: &Execution, moment: Nanos) {
    while execution.elapsed() < moment {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// All requests of the window but those not sent at the bound, by intended start; proves that the record is whole.
pub fn requests(run: &Finished) -> Vec<Exemplar> {
    let mut all = vec![];
    for operation in &run.recorded.operations {
        let kept: Vec<_> = operation.slowest.all().copied().collect();
        assert_eq!(kept.len() as u64, operation.counters.offered() - operation.counters.not_sent);
        check_sums(operation);
        all.extend(kept);
    }
    all.sort_by_key(|request| request.intended);
    all
}

/// Counters, intervals, error classes, histograms and single requests must tell the same story.
fn check_sums(operation: &milvus_load::measure::OperationRecord) {
    let mut intervals = Counters::default();
    operation.intervals.iter().for_each(|interval| intervals.merge(&interval.counters));
    assert_eq!(intervals, operation.counters, "the intervals sum to the run");
    let ended = |want: fn(&End) -> bool| operation.slowest.all().filter(|r| want(&r.end)).count() as u64;
    let counters = operation.counters;
    assert_eq!(ended(|end| *end == End::Succeeded), counters.succeeded);
    assert_eq!(ended(|end| matches!(end, End::Failed { .. })), counters.failed);
    assert_eq!(ended(|end| *end == End::TimedOut), counters.timed_out);
    let kinds: u64 = operation.errors.kinds().iter().map(|kind| kind.count).sum();
    assert_eq!(kinds + operation.errors.other(), counters.failed);
    assert_eq!(operation.response.count(), counters.succeeded);
    assert_eq!(operation.service.count(), counters.succeeded);
    let sent = operation.slowest.all().filter(|request| request.sent.is_some()).count();
    assert_eq!(operation.lag.count(), sent as u64);
    for request in operation.slowest.all().filter(|request| request.sent.is_some()) {
        let parts = request.lag().unwrap() + request.service().unwrap();
        assert_eq!(request.response(), parts, "response is lag and service: {request:?}");
    }
}

/// What the server wrote down, by trace ID.
pub fn by_trace(log: &Log) -> HashMap<u128, Entry> {
    let all: HashMap<_, _> =
        log.entries.iter().map(|entry| (entry.trace.expect("a header").trace_id, *entry)).collect();
    assert_eq!(all.len(), log.entries.len(), "no request came twice");
    all
}

/// The most requests of one connection that the server had at once.
pub fn most_at_once(entries: &[Entry]) -> usize {
    let connections = entries.iter().map(|entry| entry.connection).max().map_or(0, |last| last + 1);
    let most = |connection| {
        let mine = || entries.iter().filter(move |entry| entry.connection == connection);
        mine()
            .map(|one| {
                let at = |other: &&Entry| {
                    other.arrival <= one.arrival && one.arrival < other.answered.unwrap_or(Nanos::MAX)
                };
                mine().filter(at).count()
            })
            .max()
    };
    (0..connections).filter_map(most).max().unwrap_or(0)
}

/// A moment of the run on the server's clock.
pub fn on_server(run: &Finished, server: &TruthServer, moment: Nanos) -> Nanos {
    Nanos::from(run.clock.instant(moment).saturating_duration_since(server.anchor()))
}

/// The value of that rank (from the smallest, by ceiling) among all.
pub fn at_quantile(values: &mut [Nanos], share: f64) -> Nanos {
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// That an experiment is what its published schema says.
#[track_caller]
pub fn fits_schema(experiment: &Experiment) {
    let validator = jsonschema::validator_for(&experiment_schema()).unwrap();
    let value = serde_json::to_value(experiment).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The codes of the verdict's findings.
pub fn codes(report: &RunReport) -> Vec<&str> {
    report.verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// A run of the binary against a server.
pub struct BinaryRun {
    /// Lives as long as the run.
    _directory: tempfile::TempDir,
    child: Child,
}

/// How a run of the binary ended.
pub struct Ended {
    pub code: i32,
    pub stderr: String,
    stdout: String,
}

impl Ended {
    fn of(Output { status, stdout, stderr }: Output) -> Self {
        Self {
            code: status.code().unwrap_or(-1),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            stdout: String::from_utf8(stdout).unwrap(),
        }
    }

    /// What it printed.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// The report on standard output.
    #[track_caller]
    pub fn report(&self) -> RunReport {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }

    /// What is on standard output, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }

    /// The report of a run that did what it was to do, on however busy a machine.
    #[track_caller]
    pub fn done(&self) -> RunReport {
        let report = serde_json::from_str(&self.stdout).ok();
        assert!(is_exit(0, Some(self.code), report.as_ref()), "{}: {}", self.code, self.stderr);
        self.report()
    }
}

impl BinaryRun {
    /// `run --json` of one search operation on what is there, plus these lines of `[load]`, `[trace]` and so on.
    pub fn start(uri: &str, workload: &str, set_up: impl FnOnce(&mut Command, &Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("w.toml");
        let common = "[collection]\nname = \"c\"\nprepare = \"never\"\n[data]\nqueries = 100\n";
        std::fs::write(&file, format!("{common}{workload}\n[[operations]]\nkind = \"search\"\n")).unwrap();
        let mut command = tool();
        command.arg("run").arg(&file).args(["--json", "--uri", uri, "--out"]).arg(directory.path());
        command.args(["--set", "target.timeout=60s", "--set", "load.drain=60s"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        set_up(&mut command, directory.path());
        Self { child: command.spawn().unwrap(), _directory: directory }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        Ended::of(self.child.wait_with_output().unwrap())
    }
}

/// `run --json` of a workload of its own against a server, with what else is said.
pub fn run_workload(uri: &str, workload: &str, arguments: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.toml");
    std::fs::write(&file, workload).unwrap();
    let mut tool = tool();
    tool.arg("run").arg(&file).args(["--json", "--uri", uri, "--out"]).arg(directory.path()).args(arguments);
    tool.args(["--set", "target.timeout=60s", "--set", "load.drain=60s"]);
    run_to_end(tool.env("MILVUS_LOAD_CACHE", directory.path()).stdin(Stdio::null()))
}

/// Carries a command out to its end.
pub fn run_to_end(command: &mut Command) -> Ended {
    Ended::of(command.output().unwrap())
}

/// Runs the binary to its end.
pub fn run_binary(uri: &str, workload: &str) -> Ended {
    BinaryRun::start(uri, workload, |_, _| {}).end()
}
