//! A run whose process is killed, and what its journal tells, held against the server's log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use milvus_load::report::RunReport;
use milvus_load::report::model::State;
use milvus_load::truth::{Delay, Rpc, TruthServer};

use crate::support::{codes, ms, run_to_end, script, start, wait_for};
use crate::tool::tool;

const RATE: u64 = 40;

/// A minute at 40 per second; a request may take 2 s, and 1 s more at the end.
const WORKLOAD: &str = r#"
[collection]
name = "c"
prepare = "never"
[target]
timeout = "2s"
[data]
queries = 100
[load]
rate = 40
arrival = "constant"
warmup = "1s"
duration = "60s"
drain = "1s"
max_in_flight = 10000
[trace]
slowest = 2000
[[operations]]
kind = "search"
"#;

struct Place {
    directory: tempfile::TempDir,
    server: TruthServer,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
        Self { directory, server: start(script(Delay::Constant(ms(5)))) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = tool();
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    fn run(&self) -> Command {
        let mut command = self.command(&["run", "w.toml", "--uri", &self.server.uri()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The only run's directory.
    fn written(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.directory.path().join("reports/w")).unwrap();
        let only = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        only
    }
}

#[test]
fn a_run_that_was_killed_is_rebuilt_but_for_its_last_seconds() {
    let place = Place::new();
    let mut run = place.run().spawn().unwrap();
    wait_for("a dozen seconds", || place.server.log().count(Rpc::Search) >= 14 * RATE);
    run.kill().unwrap();
    run.wait().unwrap();
    let log = place.server.log();
    let directory = place.written();
    assert!(directory.join("journal.jsonl").is_file() && !directory.join("report.json").exists());
    let shown = run_to_end(&mut place.command(&["report", directory.to_str().unwrap()]));
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let report = shown.report();
    assert_eq!(report.run.state, State::Failed);
    assert!(codes(&report).contains(&"run_died") && !report.verdict.trusted, "{:?}", codes(&report));
    assert_eq!((report.transport, report.collection.as_ref().unwrap().end.is_none()), (None, true));
    // Whole intervals of one second, each with the arrivals of its second.
    let search = &report.operations["search"];
    let seconds = report.run.measured_s as u64;
    assert!(seconds >= 1 && report.run.measured_s.fract() == 0.0, "{}", report.run.measured_s);
    assert_eq!((search.offered, report.intervals.len() as u64), (RATE * seconds, seconds));
    assert!(report.intervals.iter().all(|interval| interval.operations["search"].offered == RATE));
    let (succeeded, failed, timed_out) = (search.succeeded, search.failed, search.timed_out);
    assert_eq!(search.offered, succeeded + failed + timed_out + search.not_sent);
    assert_eq!(search.warmup, RATE);
    // All that was sent is in the server's log, and what is in that and not here was due in the last seconds: timeout, drain, 3
    // intervals, and whatever the machine was late by.
    let sent: BTreeSet<u128> = traces(&report);
    let logged: BTreeSet<u128> = log.entries.iter().map(|entry| entry.trace.unwrap().trace_id).collect();
    assert_eq!(sent.len() as u64, search.offered - search.not_sent);
    let unanswered = sent.difference(&logged).count() as u64;
    assert!(unanswered <= timed_out + failed, "{unanswered} of {timed_out} and {failed}");
    let lost = log.count(Rpc::Search) - search.warmup - (sent.len() as u64 - unanswered);
    assert!(lost <= RATE * (2 + 1 + 3), "{lost} requests are lost");
    let slow = run_to_end(&mut place.command(&["slow", directory.to_str().unwrap()]));
    assert_eq!(slow.code, 0, "{}", slow.stderr);
}

fn traces(report: &RunReport) -> BTreeSet<u128> {
    let ids = report.slowest.iter().map(|request| request.trace_id.as_deref().unwrap());
    ids.map(|id| u128::from_str_radix(id, 16).unwrap()).collect()
}

#[test]
fn a_run_that_ends_leaves_no_journal() {
    let place = Place::new();
    let ended = run_to_end(place.run().args(["--duration", "1s", "--allow-untrusted"]));
    assert_eq!(ended.code, 0);
    let mut names: Vec<_> = std::fs::read_dir(place.written())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["record.jsonl", "report.html", "report.json"]);
}
