//! Runs of several processes against one server, merged, and held against the server's own log.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use milvus_load::report::model::Spans;
use milvus_load::report::{RunReport, rfc3339, store};
use milvus_load::trace::kept::{TRACES_OTLP_FILE, read_otlp};
use milvus_load::truth::{Delay, Rpc, TruthServer};
use milvus_load::units::Nanos;

use crate::support::{Ended, codes, ms, run_to_end, script, start, wait_for};
use crate::tool::tool;

const SHARDS: usize = 4;

/// A process needs some moments before it can send, on a busy machine more than some.
const HEAD_START: Duration = Duration::from_secs(20);

/// 60 requests per second for 4 s after one of warm-up, all of them kept by name.
const WORKLOAD: &str = r#"
[collection]
name = "c"
prepare = "never"
[target]
timeout = "60s"
[data]
queries = 100
[load]
rate = 60
warmup = "1s"
duration = "4s"
drain = "60s"
max_in_flight = 10000
[trace]
slowest = 1000
[[operations]]
kind = "search"
"#;

/// A directory with a workload, and the server that all its runs go to.
struct Place {
    directory: tempfile::TempDir,
    server: TruthServer,
}

impl Place {
    fn new(search: Delay) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
        Self { directory, server: start(script(search)) }
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = tool();
        command.arg(subcommand).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, more: &[&str]) -> Command {
        let mut command = self.command("run");
        command.args(["w.toml", "--json", "--uri", &self.server.uri()]).args(more);
        command
    }

    fn shard(&self, index: usize, of: usize, start: &str) -> Command {
        let mut command =
            self.run(&["--out", &format!("out{index}"), "--run-id", "r-1", "--start-at", start]);
        command.arg("--shard").arg(format!("{index}/{of}"));
        // A collector of each one's own, so that its traces are kept.
        command.args(["--set", "trace.collector_listen=127.0.0.1:0"]);
        command
    }

    /// Starts all shards; what they say is piped.
    fn start_all(&self) -> Vec<Child> {
        let start = in_a_while();
        let mut shards: Vec<_> = (0..SHARDS).map(|index| self.shard(index, SHARDS, &start)).collect();
        let piped =
            |shard: &mut Command| shard.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        shards.iter_mut().map(piped).collect()
    }

    /// The directory that a shard's run wrote to.
    fn written(&self, index: usize) -> PathBuf {
        self.only(&format!("out{index}/w"))
    }

    fn only(&self, parent: &str) -> PathBuf {
        let mut entries = std::fs::read_dir(self.directory.path().join(parent)).unwrap();
        let only = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        only
    }

    fn merge(&self, shards: &[usize], more: &[&str]) -> Ended {
        let mut command = self.command("merge");
        command.args(shards.iter().map(|index| self.written(*index))).args(more);
        run_to_end(&mut command)
    }
}

fn in_a_while() -> String {
    let start = SystemTime::now() + HEAD_START;
    rfc3339(Nanos::from(start.duration_since(SystemTime::UNIX_EPOCH).unwrap()).get() / 1_000)
}

fn read(directory: &Path) -> RunReport {
    store::read(&directory.join("report.json")).unwrap()
}

/// When each request of the window was due, in nanoseconds from its start.
fn arrivals(report: &RunReport) -> BTreeSet<u64> {
    let due: Vec<u64> = report.slowest.iter().map(|request| (request.at_s * 1e9).round() as u64).collect();
    let distinct: BTreeSet<u64> = due.iter().copied().collect();
    assert_eq!((due.len(), due.len() as u64), (distinct.len(), report.operations["search"].offered));
    distinct
}

fn traces(report: &RunReport) -> BTreeSet<u128> {
    let ids = report.slowest.iter().map(|request| request.trace_id.as_deref().unwrap());
    ids.map(|id| u128::from_str_radix(id, 16).unwrap()).collect()
}

#[track_caller]
fn sums_to(merged: &RunReport, parts: &[RunReport]) {
    let of = |report: &RunReport| report.operations["search"].clone();
    let sum = |count: fn(&RunReport) -> u64| parts.iter().map(count).sum::<u64>();
    let search = of(merged);
    assert_eq!(search.offered, sum(|r| r.operations["search"].offered));
    assert_eq!(search.succeeded, sum(|r| r.operations["search"].succeeded));
    assert_eq!(search.warmup, sum(|r| r.operations["search"].warmup));
    let mut response = of(&parts[0]).response.timings().unwrap();
    parts[1..].iter().for_each(|part| response.merge(&of(part).response.timings().unwrap()));
    let told = search.response.timings().unwrap();
    assert!(told.buckets().eq(response.buckets()), "the histograms add up");
    let max = parts.iter().filter_map(|part| of(part).response.max_us).max_by(f64::total_cmp);
    assert_eq!(search.response.max_us, max);
    assert_eq!(merged.connections.len(), parts.iter().map(|part| part.connections.len()).sum::<usize>());
    let carried: u64 = merged.connections.iter().map(|connection| connection.requests).sum();
    assert_eq!(carried, search.offered);
    // A request's connection is the one of its shard, numbered through.
    let mut by_connection: HashMap<u16, u64> = HashMap::new();
    merged.slowest.iter().for_each(|request| *by_connection.entry(request.connection).or_default() += 1);
    for (index, connection) in merged.connections.iter().enumerate() {
        assert_eq!(by_connection.get(&(index as u16)).copied().unwrap_or(0), connection.requests);
    }
    for (interval, at) in merged.intervals.iter().zip(0..) {
        let offered = parts.iter().map(|part| part.intervals[at].operations["search"].offered).sum::<u64>();
        assert_eq!(interval.operations["search"].offered, offered, "interval {at}");
    }
}

/// The traces that any shard kept lie beside the merged report, and the books are those of all.
#[track_caller]
fn kept_of_all(directory: &Path, merged: &RunReport, parts: &[RunReport]) {
    let kept = read_otlp(std::fs::File::open(directory.join(TRACES_OTLP_FILE)).unwrap()).unwrap();
    let ids: BTreeSet<u128> = kept.iter().map(|trace| trace.trace_id).collect();
    assert!(traces(merged).is_subset(&ids), "{:?}", traces(merged).difference(&ids));
    let spans = merged.spans.unwrap();
    assert_eq!(spans.kept, Some(kept.iter().map(|trace| trace.spans().len() as u64).sum()));
    let sum = |count: fn(&Spans) -> Option<u64>| parts.iter().map(|part| count(&part.spans.unwrap())).sum();
    assert_eq!((spans.received, spans.let_go), (sum(|spans| spans.received), sum(|spans| spans.let_go)));
    // The truth server exports no spans, and so may any server that exports elsewhere.
    assert_eq!(spans.lost_at_server, None);
}

#[test]
fn four_shards_merged_are_the_one_run_and_the_servers_log() {
    let place = Place::new(Delay::Exponential { mean: ms(5) });
    for shard in place.start_all() {
        let ended = shard.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "neither verdict nor thresholds decide: {stderr}");
    }
    let log = place.server.log();
    let merged = place.merge(&[2, 0, 3, 1], &["--json", "--allow-untrusted"]);
    let report = merged.done();
    let parts: Vec<RunReport> = (0..SHARDS).map(|index| read(&place.written(index))).collect();
    for (index, part) in parts.iter().enumerate() {
        let shard = part.shard.unwrap();
        assert_eq!((shard.index as usize, shard.of as usize, part.run.id.as_str()), (index, SHARDS, "r-1"));
        assert!(part.operations["search"].offered > 0);
    }
    sums_to(&report, &parts);
    let search = &report.operations["search"];
    assert_eq!(search.offered + search.warmup, log.count(Rpc::Search), "every request came, and none twice");
    let logged: BTreeSet<u128> = log.entries.iter().map(|entry| entry.trace.unwrap().trace_id).collect();
    assert!(traces(&report).is_subset(&logged) && traces(&report).len() as u64 == search.offered);
    assert_eq!((report.shard, report.run.id.as_str()), (None, "r-1"));
    assert_eq!(report.shards.iter().map(|shard| shard.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(report.shards.iter().all(|shard| shard.machine == 0), "{:?}", report.shards);
    assert!(!codes(&report).contains(&"shard_missing"));
    kept_of_all(&place.only("reports/w"), &report, &parts);
    let page = std::fs::read_to_string(place.only("reports/w").join("report.html")).unwrap();
    assert!(
        page.contains("4 on 1 machine") && page.contains("Waterfalls"),
        "of all shards, with their traces"
    );
    let index =
        |out: &str| std::fs::read_to_string(place.directory.path().join(out).join("index.html")).unwrap();
    assert!(index("reports").contains("run of 4 shards"));
    assert!(index("out3").contains("shard 3/4"));
    // One process alone has the very same arrivals.
    let alone = run_to_end(&mut place.run(&["--allow-untrusted", "--out", "alone"])).done();
    assert_eq!(arrivals(&report), arrivals(&alone));
    // The same again, as text, from the very files.
    let again = place.merge(&[0, 1, 2, 2, 3], &[]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("both shard 2"), "{}", again.stderr);
}

#[test]
fn a_shard_that_was_killed_is_missed_by_name_and_the_rest_is_exact() {
    let place = Place::new(Delay::Constant(ms(3)));
    let mut shards = place.start_all();
    // Past the warm-up, and far from the end.
    wait_for("a second of the window", || place.server.log().count(Rpc::Search) > 120);
    shards[1].kill().unwrap();
    for shard in shards {
        shard.wait_with_output().unwrap();
    }
    let missing = place.merge(&[0, 2, 3], &[]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("of 4 shards, 1 missing: 1"), "{}", missing.stderr);
    assert!(missing.stderr.contains("--allow-missing"), "{}", missing.stderr);
    let merged = place.merge(&[3, 0, 2], &["--allow-missing", "--json"]);
    assert_eq!(merged.code, 4, "a part of the load is not in the numbers: {}", merged.stderr);
    let report = merged.report();
    assert!(codes(&report).contains(&"shard_missing"), "{:?}", codes(&report));
    sums_to(&report, &[0, 2, 3].map(|index| read(&place.written(index))));
    // What is there of the killed one is no record, and said to be none.
    let killed = place.merge(&[0, 1, 2, 3], &["--allow-missing"]);
    assert_eq!(killed.code, 1, "{}", killed.stderr);
    assert!(killed.stderr.contains("record.jsonl"), "{}", killed.stderr);
}

#[test]
fn a_shard_that_is_not_ready_in_time_sends_nothing() {
    let place = Place::new(Delay::None);
    let ended = run_to_end(&mut place.shard(0, 2, "2026-01-31T12:00:00Z"));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was sent"), "{}", ended.stderr);
    assert_eq!(place.server.log().count(Rpc::Search), 0);
    // Of two requests per second under way there are not enough for four.
    let mut idle = place.shard(3, 4, &in_a_while());
    let ended = run_to_end(idle.args(["--concurrency", "2"]));
    assert_eq!((ended.code, place.server.log().count(Rpc::Search)), (1, 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing to do"), "{}", ended.stderr);
}

#[test]
fn shards_take_what_was_prepared_and_make_nothing_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let workload = WORKLOAD.replace("prepare = \"never\"\n", "rows = 0\n");
    std::fs::write(directory.path().join("w.toml"), workload).unwrap();
    let place = Place { directory, server: start(milvus_load::truth::Script::default()) };
    let count = |rpc| place.server.log().count(rpc);
    let ended = run_to_end(&mut place.shard(0, 1, &in_a_while()));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("--prepare-only"), "{}", ended.stderr);
    assert_eq!(count(Rpc::CreateCollection), 0);
    let mut prepare = place.command("run");
    let ended = run_to_end(prepare.args(["w.toml", "--prepare-only", "--uri", &place.server.uri()]));
    assert_eq!((ended.code, count(Rpc::CreateCollection), count(Rpc::Search)), (0, 1, 0), "{}", ended.stderr);
    let (created, flushed) = (count(Rpc::CreateCollection), count(Rpc::Flush));
    let ended = run_to_end(&mut place.shard(0, 1, &in_a_while()));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(count(Rpc::Search) > 0);
    assert_eq!((count(Rpc::CreateCollection), count(Rpc::Flush)), (created, flushed));
    // Without a server that outlives it there is nothing to share.
    for more in [&["--prepare-only"][..], &["--shard", "0/1", "--run-id", "x", "--start-at", &in_a_while()]] {
        let cache = place.directory.path().join("cache");
        let mut command = place.command("run");
        let ended = run_to_end(command.arg("w.toml").args(more).env("MILVUS_LOAD_CACHE", cache));
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("embedded start"), "{}", ended.stderr);
    }
}
