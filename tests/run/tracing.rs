//! The collector is absent, asked for and absent, or hangs: requests do not notice. And what is sent when tracing is off.

use std::net::{TcpListener, TcpStream};

use milvus_load::truth::{Script, TruthServer};
use serde_json::Value;

use crate::closed_port::ClosedPort;
use crate::support::{Sandbox, findings, server, trusted};

/// All 150 requests were answered.
#[track_caller]
fn is_unaffected(report: &Value) {
    let search = &report["operations"]["search"];
    assert_eq!((&search["offered"], &search["succeeded"]), (&150.into(), &150.into()));
}

#[track_caller]
fn spans(report: &Value, count: &str) -> u64 {
    report["spans"][count].as_u64().unwrap_or_else(|| panic!("{count} in {}", report["spans"]))
}

#[test]
fn with_no_collector_and_none_asked_for_there_is_one_note_and_no_link() {
    let sandbox = Sandbox::new();
    if TcpStream::connect("localhost:4317").is_ok() {
        eprintln!("not tested: a collector listens at localhost:4317");
        return;
    }
    let run = sandbox.run(&["small.toml"]);
    let report = run.report(0);
    is_unaffected(report);
    assert_eq!(run.stderr.matches("no collector").count(), 1, "{}", run.stderr);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    run.said(&["OTEL_EXPORTER_OTLP_ENDPOINT"]);
    assert!(findings(report).contains(&"no_collector"));
    assert_eq!(report["spans"], Value::Null);
    for request in report["slowest"].as_array().unwrap() {
        assert_eq!(
            (&request["trace_url"], &request["trace_url_reason"]),
            (&Value::Null, &"no_collector".into())
        );
        assert!(request["trace_id"].is_string(), "the server may have traced it");
    }
    assert!(!run.stdout.contains("/trace/"), "{}", run.stdout);
}

#[test]
fn a_collector_that_was_asked_for_and_is_absent_is_a_warning_and_its_spans_are_counted() {
    let sandbox = Sandbox::new();
    let closed = ClosedPort::new();
    let endpoint = format!("http://{}", closed.address());
    let mut tool = sandbox.tool(&["run", "small.toml", "--uri", &server().uri]);
    let run = sandbox.end(tool.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    let report = run.report(0);
    is_unaffected(report);
    run.said(&["warning: tracing", &endpoint]);
    assert!(findings(report).contains(&"collector_missing"), "{:?}", findings(report));
    assert_eq!(spans(report, "exported"), 0);
    assert!(spans(report, "recorded") >= 150, "{}", report["spans"]);
    assert_eq!(spans(report, "failed") + spans(report, "dropped"), spans(report, "recorded"));
    assert_eq!(report["slowest"][0]["trace_url_reason"], "not_exported");
}

#[test]
fn a_collector_that_hangs_delays_no_request_and_the_end_only_within_the_limit() {
    let sandbox = Sandbox::new();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    // Connections come up, by the kernel's grace, and are never read from.
    let mut tool = sandbox.tool(&["run", "small.toml", "--uri", &server().uri]);
    let run = sandbox.end(tool.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    let report = run.report(0);
    is_unaffected(report);
    assert_eq!(spans(report, "exported"), 0);
    assert_eq!(spans(report, "failed") + spans(report, "dropped"), spans(report, "recorded"));
    assert!(findings(report).contains(&"spans_lost"), "{:?}", findings(report));
    trusted(report);
    drop(collector);
}

#[test]
fn the_header_says_what_the_settings_say() {
    let sandbox = Sandbox::new();
    for (settings, environment, sampled, unsampled, absent) in [
        (&[][..], &[][..], 175, 0, 0),
        (&["--sample-fraction", "0"], &[], 0, 175, 0),
        (&["--sample-fraction", "0", "--set", "trace.unsampled=omit"], &[], 0, 0, 175),
        (&[], &[("OTEL_SDK_DISABLED", "true")], 0, 0, 175),
        (&[], &[("OTEL_TRACES_EXPORTER", "none")], 0, 0, 175),
        (&[], &[("OTEL_TRACES_SAMPLER", "always_off")], 0, 175, 0),
    ] {
        let milvus = TruthServer::start(Script::default()).unwrap();
        let mut tool = sandbox.tool(&["run", "small.toml", "--uri", &milvus.uri()]);
        // Collection and rows come by set-up's own calls; nothing but searches is counted here.
        let run = sandbox
            .end(tool.args(["--set", "collection.rows=0"]).args(settings).envs(environment.iter().copied()));
        let report = run.report(0);
        is_unaffected(report);
        let seen = milvus.stop().traceparents;
        // 25 requests of the warm-up and 150 of the window.
        let (case, counts) = ((settings, environment), (seen.sampled, seen.unsampled, seen.absent));
        assert_eq!(counts, (sampled, unsampled, absent), "{case:?}");
        assert_eq!(seen.malformed, 0);
        let off = environment.iter().any(|(name, _)| *name != "OTEL_TRACES_SAMPLER");
        assert_eq!(report["trace"].is_null(), off, "{case:?}");
        assert_eq!(report["slowest"][0]["trace_id"].is_null(), off, "{case:?}");
    }
}
