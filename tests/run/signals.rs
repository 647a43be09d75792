//! Ctrl-C, SIGTERM and SIGHUP.

use std::net::TcpListener;

use milvus_load::truth::{Delay, Effect, Rpc, Script, TruthServer, When};
use milvus_load::units::Nanos;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Ended, Running, Sandbox, alive, findings, trusted, wait_until};

/// A Milvus that counts what it is asked, and from search 75 on does with them what `effect` says.
fn milvus(effect: Option<Effect>) -> TruthServer {
    let script = Script { search: Delay::Constant(Nanos::from_millis(2)), ..Script::default() };
    let script = effect.into_iter().fold(script, |s, effect| s.fault(Rpc::Search, When::From(75), effect));
    TruthServer::start(script).unwrap()
}

/// A run of a minute, under way: it has sent the 25 searches of the warm-up and more than a second's, and has more than that
/// before it.
fn under_way(sandbox: &Sandbox, milvus: &TruthServer, more: &[&str]) -> Running {
    let args =
        ["run", "small.toml", "--uri", &milvus.uri(), "--duration", "60s", "--set", "collection.rows=0"];
    let run = sandbox.start(sandbox.tool(&args).args(more));
    wait_until("searches come", || milvus.log().count(Rpc::Search) >= 80);
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
    assert!(measured > 1.0 && measured < 60.0, "{measured}");
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
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let milvus = milvus(None);
        let run = under_way(&sandbox, &milvus, &[]);
        run.signal(signal);
        is_partial(&run.wait(&sandbox), code);
    }
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let sandbox = Sandbox::new();
    let milvus = milvus(None);
    let args = ["run", "small.toml", "--uri", &milvus.uri(), "--set", "collection.rows=0"];
    // What nohup does.
    let run = sandbox.start(&mut sandbox.tool_after("trap '' HUP", &args));
    wait_until("searches come", || milvus.log().count(Rpc::Search) >= 30);
    run.signal(Signal::HUP);
    let run = run.wait(&sandbox);
    assert_eq!(run.report(0)["run"]["state"], "complete");
}

#[test]
fn a_second_signal_does_not_wait_for_the_drain() {
    let sandbox = Sandbox::new();
    let milvus = milvus(Some(Effect::Withhold));
    // Longer than anything is waited for here: only an end at once can be seen.
    let mut run = under_way(&sandbox, &milvus, &["--set", "load.drain=10m", "--set", "target.timeout=10m"]);
    run.signal(Signal::INT);
    run.until_said("once more to end at once");
    run.signal(Signal::INT);
    let run = run.wait(&sandbox);
    assert_eq!((run.code, run.report), (Some(130), None::<Value>));
    // Nothing is left that would be taken for a report.
    let latest = sandbox.end(&mut sandbox.tool(&["report", "latest"]));
    latest.ended_with(1);
}

#[test]
fn a_signal_during_set_up_leaves_neither_report_nor_server() {
    let sandbox = Sandbox::new();
    let rows = ["--set", "collection.rows=1000000"];
    let mut run = sandbox.start(sandbox.tool(&["run", "small.toml"]).args(rows));
    // Said when the server answers; set-up, which takes half a minute for so many rows, is next.
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
