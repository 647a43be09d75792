//! The overhead experiment against servers that make sampled requests pay a known share.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use milvus_load::report::experiment::overhead::{EffectVerdict, Overhead};
use milvus_load::report::experiment::{Experiment, Outcome};
use milvus_load::truth::{Delay, Rpc, SampledCost, Script, TruthServer};
use milvus_load::units::{Fraction, Nanos};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::metrics_page::{self, Charge};
use crate::support::{has_pages, ms, script, start, wait_for};
use crate::tool::tool;

/// Of the delays.
const MEDIAN: Nanos = ms(4);

/// Sampled requests take `share` longer.
fn charging(seed: u64, share: f64) -> TruthServer {
    let sampled = SampledCost { fixed: Nanos::ZERO, share: Fraction::new(share).unwrap() };
    start(Script {
        seed,
        sampled,
        log_requests: 0,
        ..script(Delay::LogNormal { median: MEDIAN, sigma: 0.2 })
    })
}

const WORKLOAD: &str = "[collection]\nname = \"c\"\nprepare = \"never\"\n[data]\nqueries = 100\n\
     [load]\nrate = 300\nwarmup = \"200ms\"\nconnections = 2\nworkers = 1\nmax_in_flight = 10000\n\
     [[operations]]\nkind = \"search\"\n";

const SHORT: [&str; 4] = ["--slot", "500ms", "--washout", "200ms"];

/// `overhead` in this directory, against that server.
fn command(directory: &TempDir, server: &TruthServer, arguments: &[&str]) -> Command {
    std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
    let mut tool = tool();
    tool.args(["overhead", "w.toml", "--uri", &server.uri()]).args(arguments).current_dir(directory.path());
    tool.env("MILVUS_LOAD_CACHE", directory.path().join("cache"));
    tool.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tool
}

fn experiments(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory.join("reports/w-overhead")).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// The newest one.
#[track_caller]
fn experiment(directory: &TempDir) -> (Experiment, Overhead) {
    let newest = experiments(directory.path()).pop().unwrap();
    let experiment = Experiment::read(&newest.join("experiment.json")).unwrap();
    #[allow(irrefutable_let_patterns, reason = "there are other kinds of experiments")]
    let Outcome::Overhead(overhead) = &experiment.outcome else { panic!("{experiment:?}") };
    let overhead = (**overhead).clone();
    (experiment, overhead)
}

/// A busy machine may hide even that once; it does not hide it three times.
#[test]
fn twice_as_much_is_found_and_every_arm_proves_that_it_took_effect() {
    let found = |seed: &&str| {
        let overhead = doubled(seed);
        every_arm_proves_itself(&overhead);
        let full = &overhead.metrics[0].arms[0];
        full.verdict == EffectVerdict::Costs
            && full.change.low < 1.0
            && full.change.high > 0.5
            && charges_40_percent_more(&overhead)
    };
    assert!(["7", "8", "9"].iter().any(found));
}

/// Of the server's CPU: 500 us a request, and 200 us more for a sampled one.
const CHARGE: Charge = Charge { each: Nanos::new(500_000), sampled: Nanos::new(200_000) };

fn charges_40_percent_more(overhead: &Overhead) -> bool {
    let cpu = overhead.metrics.iter().find(|effects| effects.metric == "server.cpu_us_per_request").unwrap();
    let (off, full) = (cpu.off.unwrap(), &cpu.arms[0]);
    // At a slot's edge a few requests are charged to its neighbour.
    (off / 500.0 - 1.0).abs() < 0.05 && (full.change.estimate - 0.4).abs() < 0.05
}

/// Of a server that takes twice as long over sampled requests.
fn doubled(seed: &str) -> Overhead {
    let (server, directory) = (Arc::new(charging(1, 1.0)), tempfile::tempdir().unwrap());
    let page = format!("target.metrics=[\"{}\"]", metrics_page::of(&server, CHARGE));
    let budget = ["--fractions", "0.3,1", "--seed", seed, "--budget", "18s", "--set", &page];
    let ended = command(&directory, &server, &[&SHORT[..], &budget].concat()).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains("6 blocks of off, off again and 1, 0.3"), "{stderr}");
    let (experiment, overhead) = experiment(&directory);
    assert_eq!(experiment.experiment.seed, seed);
    assert_eq!((overhead.blocks.planned, overhead.blocks.complete, overhead.slots.len()), (6, 6, 24));
    assert_eq!(overhead.primary, "search.response.p50_us");
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(stdout.contains("Tracing every request "), "{stdout}");
    let seen = server.log().traceparents;
    assert_eq!(seen.malformed, 0);
    assert!(seen.absent > seen.unsampled && seen.unsampled > 0, "{seen:?}");
    overhead
}

#[track_caller]
fn every_arm_proves_itself(overhead: &Overhead) {
    let [off, again, on, some] = &overhead.arms[..] else { panic!("{:?}", overhead.arms) };
    for arm in [off, again] {
        assert_eq!((arm.sampled, arm.server_requests), (0, Some(0)));
    }
    assert_eq!(on.sampled, on.sent);
    let share = some.sampled as f64 / some.sent as f64;
    assert!((share - 0.3).abs() < 0.1, "{share}");
    for arm in [on, some] {
        let (spans, sampled) = (arm.client_spans.unwrap() as f64, arm.sampled as f64);
        // A request that was due before an edge and sent after it counts there, its span here.
        assert!((spans - sampled).abs() <= 0.3 * arm.sent as f64, "{arm:?}");
    }
}

#[test]
fn stopped_by_hand_it_keeps_the_complete_blocks_and_goes_on_from_there() {
    let (server, directory) = (charging(1, 0.0), tempfile::tempdir().unwrap());
    let budget = ["--fractions", "1", "--seed", "3", "--budget", "10m"];
    let child = command(&directory, &server, &[&SHORT[..], &budget].concat()).spawn().unwrap();
    // A block is 2.1 s, so this is within the third one.
    wait_for("two blocks", || server.log().count(Rpc::Search) > 300 * 5);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let stopped_at = std::time::Instant::now();
    let ended = child.wait_with_output().unwrap();
    assert!(stopped_at.elapsed().as_secs() < 300, "it does not wait for the end that was planned");
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    let (stopped, overhead) = experiment(&directory);
    let complete = overhead.blocks.complete;
    assert!(complete >= 1 && complete < overhead.blocks.planned && !stopped.experiment.complete);
    assert!(overhead.metrics[0].arms.iter().all(|arm| arm.verdict == EffectVerdict::Stopped));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("--resume "));

    let earlier = experiments(directory.path()).pop().unwrap();
    has_pages(&earlier);
    let resume = ["--resume", earlier.to_str().unwrap(), "--budget", "11s"];
    let ended = command(&directory, &server, &resume).output().unwrap();
    let (resumed, overhead) = experiment(&directory);
    let servers: Vec<usize> = overhead.slots.iter().map(|slot| slot.server).collect();
    assert!(servers.is_sorted() && servers.contains(&0) && servers.contains(&1), "{servers:?}");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(overhead.blocks.complete, complete + 5, "five more blocks of 2.1 s: {stderr}");
    assert_eq!((resumed.experiment.seed.as_str(), resumed.runs.len()), ("3", 2));
}

/// A collector that has been stopped, not killed, answers nothing and is still there.
#[test]
fn a_collector_that_hangs_costs_the_experiment_its_counts_and_nothing_else() {
    let (server, directory) = (charging(1, 0.0), tempfile::tempdir().unwrap());
    let budget = ["--fractions", "1", "--budget", "12s"];
    let child = command(&directory, &server, &[&SHORT[..], &budget].concat()).spawn().unwrap();
    wait_for("a block", || server.log().count(Rpc::Search) > 300 * 2);
    let collector = children(child.id());
    assert_eq!(collector.len(), 1, "{collector:?}");
    kill_process(Pid::from_raw(collector[0]).unwrap(), Signal::STOP).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(4), "{}", String::from_utf8_lossy(&ended.stderr));
    let (_, overhead) = experiment(&directory);
    assert_eq!(overhead.blocks.complete, 5);
    let lost = overhead.findings.iter().find(|finding| finding.code == "collector_lost").unwrap();
    assert!(lost.message.contains("has it been stopped?"), "{}", lost.message);
}

fn children(of: u32) -> Vec<i32> {
    let parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let names =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(|pid| parent(*pid) == Some(of)).collect()
}

#[test]
fn what_no_experiment_can_be_is_refused_before_anything_is_sent() {
    let (server, directory) = (charging(1, 0.0), tempfile::tempdir().unwrap());
    let stages = "load.stages=[{ rate = 5, duration = \"1s\" }, { rate = 6, duration = \"1s\" }]";
    for (arguments, words) in [
        (&["--budget", "10s"][..], "it takes"),
        (&["--set", "load.duration=5s"], "--budget"),
        (&["--fractions", "0,1"], "above 0"),
        (&["--fractions", "2"], "--fractions"),
        (&["--set", stages], "stages"),
        (&["--resume", "nowhere"], "nowhere"),
    ] {
        let ended = command(&directory, &server, arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    assert_eq!(server.stop().requests, 0);
    assert!(!directory.path().join("reports").exists());
}

/// Ten experiments with such a share planted: how many claim an effect, and how many cover it.
fn of_ten(share: f64) -> (usize, usize) {
    let (mut found, mut covered) = (0, 0);
    for seed in 0..10u64 {
        let (server, directory) = (charging(seed, share), tempfile::tempdir().unwrap());
        let seed = seed.to_string();
        let slots = ["--slot", "1s", "--washout", "500ms", "--fractions", "1", "--budget", "41s"];
        command(&directory, &server, &[&slots[..], &["--seed", &seed]].concat()).output().unwrap();
        let (_, overhead) = experiment(&directory);
        let primary = &overhead.metrics[0];
        let arm = &primary.arms[0];
        // It is planted on the delay, which is not all of a response.
        let truth = share * MEDIAN.as_micros_f64() / primary.off.unwrap();
        let noise = primary.noise.unwrap().band;
        println!(
            "{:?}, planted {truth:.4}, detectable {:.4}, noise {noise:.4}",
            arm.change, arm.smallest_detectable
        );
        found += usize::from([EffectVerdict::Costs, EffectVerdict::Gains].contains(&arm.verdict));
        covered += usize::from(arm.change.low <= truth && truth <= arm.change.high);
    }
    (found, covered)
}

#[test]
#[ignore = "ten experiments of 41 s, on a quiet machine"]
fn a_planted_cost_is_found_in_nine_of_ten_and_covered_in_eight() {
    let (found, covered) = of_ten(0.1);
    assert!(found >= 9 && covered >= 8, "found in {found}, covered in {covered}");
}

#[test]
#[ignore = "ten experiments of 41 s, on a quiet machine"]
fn where_nothing_is_planted_at_most_two_of_ten_claim_something() {
    let (found, _) = of_ten(0.0);
    assert!(found <= 2, "{found}");
}
