//! Ctrl-C and SIGTERM.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Ended, Running, Sandbox, alive, findings, server, signal, trusted, wait_until};

/// A run of a minute on the shared server, under way.
fn under_way(sandbox: &Sandbox, more: &[&str]) -> Running {
    let args = ["run", "small.toml", "--uri", &server().uri, "--duration", "60s"];
    let mut run = sandbox.start(sandbox.tool(&args).args(more));
    run.until_said("collection run_small");
    // Past the half second of warm-up, and far from the end.
    std::thread::sleep(std::time::Duration::from_secs(2));
    run
}

#[track_caller]
fn is_partial(run: &Ended, code: i32) {
    let report = run.report(code);
    assert_eq!(report["run"]["state"], "interrupted");
    let (measured, offered) = (
        report["run"]["measured_s"].as_f64().unwrap(),
        report["operations"]["search"]["offered"].as_u64().unwrap(),
    );
    assert!(measured > 0.5 && measured < 60.0, "{measured}");
    // A request every 20 ms for as long as was measured: at either edge one more or less.
    assert!((offered as f64 - measured * 50.0).abs() <= 3.0, "{offered} in {measured} s");
    assert_eq!(report["operations"]["search"]["succeeded"], offered, "what was in flight was waited for");
    assert!(findings(report).contains(&"interrupted"), "{:?}", findings(report));
    trusted(report);
    run.said(&["once more to end at once"]);
    assert!(run.stdout.contains("interrupted"), "{}", run.stdout);
}

#[test]
fn a_signal_ends_the_run_in_order_with_a_partial_report() {
    let sandbox = Sandbox::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let run = under_way(&sandbox, &[]);
        run.signal(signal);
        is_partial(&run.wait(&sandbox), code);
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_drain() {
    let sandbox = Sandbox::new();
    // Longer than anything is waited for here: only an end at once can be seen.
    let mut run = under_way(&sandbox, &["--set", "load.drain=10m", "--set", "target.timeout=10m"]);
    let milvus = server().pid;
    signal(milvus, Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(200));
    run.signal(Signal::INT);
    run.until_said("once more to end at once");
    run.signal(Signal::INT);
    let run = run.wait(&sandbox);
    signal(milvus, Signal::CONT);
    assert_eq!((run.code, run.report), (Some(130), None::<Value>));
    // Nothing is left that would be taken for a report.
    let latest = sandbox.end(&mut sandbox.tool(&["report", "latest"]));
    latest.ended_with(1);
    assert!(alive(milvus), "the server of somebody else goes on");
}

#[test]
fn a_signal_during_set_up_leaves_neither_report_nor_server() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.start(&mut sandbox.tool(&["run", "small.toml"]));
    // Said when the server answers; set-up, which takes seconds, is next.
    run.until_said("Milvus v");
    let server = sandbox.own_server();
    run.signal(Signal::INT);
    let run = run.wait(&sandbox);
    run.ended_with(130);
    run.said(&["stopped before anything was measured"]);
    assert_eq!((run.stdout.as_str(), &run.report), ("", &None));
    assert!(!alive(server), "it ends before the tool does");
    wait_until("its directory is gone", || sandbox.servers().is_empty());
    assert_eq!(sandbox.runs(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_signal_does_not_wait_for_a_server_that_says_nothing() {
    let sandbox = Sandbox::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", silent.local_addr().unwrap());
    let run = sandbox.start(&mut sandbox.tool(&["run", "small.toml", "--uri", &uri]));
    // It has connected, so it listens to signals; it waits for an answer that never comes.
    let _connection = silent.accept().unwrap();
    run.signal(Signal::TERM);
    let run = run.wait(&sandbox);
    run.ended_with(143);
    run.said(&["stopped before anything was measured"]);
    assert_eq!(sandbox.runs(), Vec::<std::path::PathBuf>::new());
}
