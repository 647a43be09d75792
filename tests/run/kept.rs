//! The built-in collector with a real Milvus: client and server spans meet, the traces that matter are kept, every span is booked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use milvus_load::trace::kept::{TRACES_OTLP_FILE, read_otlp};
use milvus_load::trace::spans::{Kind, Span};
use serde_json::Value;

use crate::support::{Ended, PATIENTLY, Sandbox, UNBOUNDED};

/// Short, and whatever it takes the server.
fn search(sandbox: &Sandbox, args: &[&str]) -> Ended {
    let workload = format!("{}/workloads/search.toml", env!("CARGO_MANIFEST_DIR"));
    let mut tool = sandbox.tool(&["run", &workload, "--duration", "8s", "--set", "load.warmup=1s"]);
    // Its p99 would be of too few.
    sandbox.end(tool.args(["--set", "trace.slow=p90"]).args(args).args(PATIENTLY).args(UNBOUNDED))
}

#[track_caller]
fn spans(report: &Value, count: &str) -> u64 {
    report["spans"][count].as_u64().unwrap_or_else(|| panic!("{count} in {}", report["spans"]))
}

/// The kept traces of the newest run, by ID.
fn kept(sandbox: &Sandbox) -> BTreeMap<u128, Vec<Span>> {
    let newest = sandbox.runs().into_iter().max_by_key(|run| fs::metadata(run).unwrap().modified().unwrap());
    read(&newest.unwrap().join(TRACES_OTLP_FILE))
}

fn read(path: &Path) -> BTreeMap<u128, Vec<Span>> {
    let traces = read_otlp(fs::File::open(path).unwrap()).unwrap();
    traces.into_iter().map(|trace| (trace.trace_id, trace.spans())).collect()
}

/// That this is the whole trace of this request, the client's span as root.
#[track_caller]
fn is_whole(trace: &[Span], request: &Value) {
    let ids: BTreeSet<u64> = trace.iter().map(|span| span.span_id).collect();
    let client = u64::from_str_radix(request["span_id"].as_str().unwrap(), 16).unwrap();
    let roots: Vec<_> = trace.iter().filter(|span| span.parent.is_none()).map(|span| span.span_id).collect();
    assert_eq!(roots, [client], "{trace:#?}");
    assert!(trace.iter().all(|span| span.parent.is_none_or(|parent| ids.contains(&parent))), "{trace:#?}");
    let server = trace.iter().find(|span| span.kind == Kind::Server && span.parent == Some(client));
    assert_eq!(server.map(|span| &*span.service), Some("standalone"), "{trace:#?}");
    for name in ["Proxy-Search", "SearchTask"] {
        assert!(trace.iter().any(|span| &*span.name == name), "no {name} in {trace:#?}");
    }
}

/// Books balance, and each of the requests that the report names has its whole trace beside it.
#[track_caller]
fn check(report: &Value, traces: &BTreeMap<u128, Vec<Span>>) {
    let booked: u64 = ["kept", "let_go", "evicted", "foreign"].iter().map(|count| spans(report, count)).sum();
    assert_eq!(spans(report, "received"), booked, "{}", report["spans"]);
    assert_eq!((spans(report, "evicted"), spans(report, "exports_refused")), (0, 0), "{}", report["spans"]);
    assert_eq!(spans(report, "lost_at_server"), 0, "{}", report["spans"]);
    let kept: usize = traces.values().map(Vec::len).sum();
    assert_eq!(spans(report, "kept"), kept as u64);
    for list in ["slowest", "slowest_sampled", "slow", "typical"] {
        let requests = report[list].as_array().unwrap();
        assert!(!requests.is_empty(), "{list}");
        for request in requests {
            let id = u128::from_str_radix(request["trace_id"].as_str().unwrap(), 16).unwrap();
            let trace = traces.get(&id).unwrap_or_else(|| panic!("{id:032x}, one of {list}, is not kept"));
            is_whole(trace, request);
        }
    }
}

#[test]
fn the_slowest_requests_of_a_run_have_their_whole_traces_beside_the_report_with_no_jaeger() {
    let sandbox = Sandbox::new();
    let run = search(&sandbox, &[]);
    let report = run.report(0);
    let traces = kept(&sandbox);
    check(report, &traces);
    assert_eq!(report["slowest"].as_array().unwrap().len(), 50, "trace.slowest");
    assert_eq!(spans(report, "foreign"), 0, "nobody else uses this server");
    assert_eq!(spans(report, "recorded"), spans(report, "exported"));
    // Set-up's trace is kept too.
    let id = u128::from_str_radix(report["setup"][0]["trace_id"].as_str().unwrap(), 16).unwrap();
    assert!(traces[&id].iter().any(|span| &*span.name == "set-up"), "{:#?}", traces[&id]);
    assert!(traces[&id].iter().any(|span| &*span.service == "standalone"));
    run.said(&["slow and typical traces are kept", "the server's last spans"]);
    assert!(run.stdout.contains(" received, "), "{}", run.stdout);
    // And both can be drawn, by number and by ID.
    let draw = |trace: &str| {
        let args = ["slow", "latest", "--trace", trace];
        let drawn = sandbox.end(&mut sandbox.tool(&args));
        drawn.ended_with(0);
        drawn.stdout.clone()
    };
    let slowest = draw("1");
    let on_path = |name: &str| slowest.lines().any(|line| line.contains(name) && line.starts_with("  *"));
    assert!(on_path("Proxy-Search") && on_path("milvus-client"), "{slowest}");
    let setup = draw(report["setup"][0]["trace_id"].as_str().unwrap());
    assert!(setup.contains("milvus-client: set-up"), "{setup}");
}

#[test]
fn a_kept_server_exports_to_one_run_after_the_other_and_to_one_at_a_time() {
    let sandbox = Sandbox::new();
    sandbox.end(&mut sandbox.tool(&["embedded", "start"])).ended_with(0);
    for _ in 0..2 {
        let run = search(&sandbox, &[]);
        check(run.report(0), &kept(&sandbox));
    }
    let workload = format!("{}/workloads/search.toml", env!("CARGO_MANIFEST_DIR"));
    let mut first = sandbox.tool(&["run", &workload, "--set", "collection.name=other", "--duration", "60s"]);
    let mut first = sandbox.start(first.args(PATIENTLY).args(UNBOUNDED).args(["--out", "first"]));
    first.until_said("slow and typical traces are kept");
    let said = first.stderr();
    let second = search(&sandbox, &[]);
    second.said(&["go to another run that uses this Milvus"]);
    assert_eq!(second.report(0)["spans"]["received"], Value::Null, "{said}");
    first.signal(rustix::process::Signal::INT);
    first.wait(&sandbox).ended_with(130);
    let run = search(&sandbox, &[]);
    check(run.report(0), &kept(&sandbox));
    sandbox.end(&mut sandbox.tool(&["embedded", "stop"])).ended_with(0);
}

#[test]
fn a_server_that_exports_elsewhere_can_be_told_to_keep_only_slow_traces_by_nobody() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[
        "small.toml",
        "--set",
        "trace.keep=slow",
        "--set",
        "trace.otlp_endpoint=http://127.0.0.1:9",
    ]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.said(&["trace.keep", "trace.collector_listen"]);
    let both = sandbox.run(&["small.toml", "--set", "trace.keep=slow", "--sample-fraction", "0.5"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    both.said(&["trace.keep", "trace.sample_fraction"]);
}

#[test]
fn spans_never_go_round_in_circles() {
    let sandbox = Sandbox::new();
    // Free now, and only listened on by the tool.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("trace.collector_listen=127.0.0.1:{port}");
    let endpoint = format!("trace.otlp_endpoint=http://localhost:{port}");
    let run = sandbox.run(&["small.toml", "--set", &listen, "--set", &endpoint]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.said(&["trace.otlp_endpoint", "the built-in collector itself listens"]);
}

#[test]
fn a_collector_listens_where_it_is_told_to_and_books_what_comes_for_nobody_as_foreign() {
    let sandbox = Sandbox::new();
    // The shared server exports nowhere: the client's part alone is there.
    let run = sandbox.run(&["small.toml", "--set", "trace.collector_listen=127.0.0.1:0"]);
    let report = run.report(0);
    assert_eq!(spans(report, "received"), spans(report, "recorded"));
    assert_eq!(spans(report, "kept") + spans(report, "let_go"), spans(report, "recorded"));
    // No span of any server came: it may have lost them, or export elsewhere.
    assert!(report["spans"]["lost_at_server"].is_null(), "{}", report["spans"]);
}
