//! Limits on open files.

use milvus_load::truth::{Script, TruthServer};

use crate::support::{Ended, Sandbox};

/// A run over 100 connections, where the shell has set the limits that `ulimit` names.
fn run_under(sandbox: &Sandbox, ulimit: &str) -> Ended {
    let milvus = TruthServer::start(Script::default()).unwrap();
    let set = ["--set", "collection.rows=0", "--set", "load.connections=100"];
    let uri = milvus.uri();
    let args = [&["run", "small.toml", "--uri", &uri], &set[..]].concat();
    sandbox.end(&mut sandbox.tool_after(ulimit, &args))
}

#[test]
fn a_soft_limit_is_raised_to_what_the_run_needs() {
    let sandbox = Sandbox::new();
    let run = run_under(&sandbox, "ulimit -Sn 64");
    let report = run.report(0);
    // 50 a second for 3 s.
    assert_eq!(report["operations"]["search"]["succeeded"], 150);
}

#[test]
fn a_hard_limit_that_is_too_low_is_said_before_anything_is_sent() {
    let sandbox = Sandbox::new();
    let run = run_under(&sandbox, "ulimit -n 64");
    run.ended_with(1);
    run.said(&["100 connections", "this process may have 64", "load.connections"]);
    assert_eq!((run.stdout.as_str(), &run.report), ("", &None));
}
