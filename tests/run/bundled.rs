//! The workloads that are shipped, and the one that `init` writes.

use crate::collections::rows;
use crate::support::{PATIENTLY, Sandbox, UNBOUNDED, alive, steps, trusted, wait_until};

fn workload(name: &str) -> String {
    format!("{}/workloads/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// Short, but with everything that belongs to a run.
const SHORT: [&str; 4] = ["--duration", "3s", "--set", "load.warmup=1s"];

#[test]
fn search_runs_as_it_is_on_a_milvus_of_its_own_and_what_init_writes_runs_on_the_kept_one() {
    let sandbox = Sandbox::new();
    // But for the bounds that a server on a busy machine may reach.
    let mut tool = sandbox.tool(&["run", &workload("search"), "--keep"]);
    let own = sandbox.end(tool.args(PATIENTLY).args(UNBOUNDED));
    let report = own.report(0);
    trusted(report);
    assert_eq!(report["server"]["embedded"], true);
    assert_eq!(report["run"]["measured_s"], 30.0);
    let search = &report["operations"]["search"];
    // Poisson at 100/s over 30 s: 3,000 and, but once in a billion seeds, less than 6 standard deviations of 55 off.
    let offered = search["offered"].as_u64().unwrap();
    assert!((2_670..=3_330).contains(&offered), "{offered}");
    assert_eq!(search["succeeded"], offered);
    assert_eq!(search["hits"]["returned"], offered * 10);
    assert!(search["response"]["p99_us"].is_f64(), "enough requests for its p99");
    own.said(&["shares this machine's cores", "goes on at"]);
    let server = sandbox.own_server();

    let init = sandbox.end(&mut sandbox.tool(&["init", "search", "--output", "mine.toml"]));
    init.ended_with(0);
    let mut tool = sandbox.tool(&["run", "mine.toml"]);
    let mine = sandbox.end(tool.args(SHORT).args(PATIENTLY).args(UNBOUNDED));
    let report = mine.report(0);
    mine.said(&["the embedded one you started", "20000 rows", "reused"]);
    assert_eq!(steps(report).iter().filter(|step| **step == "insert").count(), 0);
    assert_eq!(sandbox.own_server(), server, "the kept one, and no other");

    sandbox.end(&mut sandbox.tool(&["embedded", "stop"])).ended_with(0);
    assert!(!alive(server));
    wait_until("its directory is gone", || sandbox.servers().is_empty());
}

#[test]
fn a_closed_loop_keeps_its_callers_busy() {
    let sandbox = Sandbox::new();
    let report = sandbox.run(&[&[workload("search-closed-loop").as_str()], &SHORT[..]].concat());
    let report = report.report(0);
    assert_eq!(report["run"]["load_model"], "closed");
    let search = &report["operations"]["search"];
    assert_eq!(search["offered"], search["succeeded"]);
    assert_eq!(search["not_sent"], 0);
    let busiest =
        report["intervals"].as_array().unwrap().iter().map(|i| &i["operations"]["search"]["in_flight_max"]);
    assert_eq!(busiest.max_by_key(|most| most.as_u64()).unwrap(), 8);
}

#[test]
fn every_row_of_an_insert_that_succeeded_is_in_the_collection() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[&[workload("insert").as_str()], &SHORT[..], &UNBOUNDED].concat());
    let report = run.report(0);
    let insert = &report["operations"]["insert"];
    // 20/s: one second of warm-up and three that count.
    assert_eq!(
        (&insert["warmup"], &insert["offered"], &insert["succeeded"]),
        (&20.into(), &60.into(), &60.into())
    );
    assert_eq!(insert["hits"]["returned"], 6_000);
    assert_eq!(insert["rows_per_s"], 2_000.0);
    assert_eq!(rows("milvus_load_insert"), 5_000 + 80 * 100);
    assert_eq!(report["collection"]["start"]["rows"], 5_000);
    assert_eq!(report["collection"]["end"]["rows"], 13_000);
}

#[test]
fn mixed_streams_keep_each_its_own_rate() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(
        &[&[workload("mixed").as_str()], &SHORT[..], &UNBOUNDED, &["--set", "load.arrival=constant"]]
            .concat(),
    );
    let report = run.report(0);
    let (search, insert) = (&report["operations"]["search"], &report["operations"]["insert"]);
    assert_eq!((&search["offered"], &insert["offered"]), (&150.into(), &15.into()));
    assert_eq!((&search["succeeded"], &insert["succeeded"]), (&150.into(), &15.into()));
    // One second of warm-up has 5 inserts more.
    assert_eq!(rows("milvus_load_mixed"), 20_000 + 20 * 100);
}

#[test]
fn lookups_bring_back_the_rows_that_were_asked_for() {
    let sandbox = Sandbox::new();
    let report = sandbox.run(&[&[workload("lookup").as_str()], &SHORT[..], &UNBOUNDED].concat());
    let report = report.report(0);
    trusted(report);
    for operation in ["get", "query"] {
        let told = &report["operations"][operation];
        assert!(told["offered"].as_u64() > Some(0) && told["offered"] == told["succeeded"], "{told}");
        assert_eq!(told["hits"]["returned"], told["hits"]["expected"], "{operation}");
        assert_eq!((&told["hits"]["short"], &told["hits"]["unknown"]), (&0.into(), &0.into()), "{operation}");
    }
    let get = &report["operations"]["get"];
    assert_eq!(get["hits"]["returned"], get["succeeded"].as_u64().unwrap() * 10);
}

#[test]
fn binary_vectors_are_searched() {
    let sandbox = Sandbox::new();
    let report = sandbox.run(&[&[workload("binary").as_str()], &SHORT[..], &UNBOUNDED].concat());
    let report = report.report(0);
    trusted(report);
    let search = &report["operations"]["search"];
    assert_eq!(search["hits"]["returned"], search["succeeded"].as_u64().unwrap() * 10);
    assert_eq!(report["collection"]["start"]["index"]["type"], "BIN_IVF_FLAT");
}

#[test]
fn a_ramp_is_reported_stage_by_stage() {
    let sandbox = Sandbox::new();
    let short = "load.stages=[{ rate = 20, duration = \"1s\" }, { ramp_to = 60, duration = \"2s\" }]";
    let options = ["--set", short, "--set", "load.warmup=1s", "--set", "load.arrival=constant"];
    let run = sandbox.run(&[&[workload("ramp").as_str()], &options[..], &UNBOUNDED].concat());
    let report = run.report(0);
    assert!(run.stdout.contains("2 stages") && run.stdout.contains("20 to 60/s"), "{}", run.stdout);
    assert_eq!(report["run"]["measured_s"], 3.0);
    let stages = report["stages"].as_array().unwrap();
    let told: Vec<_> = stages.iter().map(|stage| &stage["operations"]["search"]).collect();
    // 20/s for a second, then 40/s on average for two.
    assert_eq!((&told[0]["offered"], &told[1]["offered"]), (&20.into(), &80.into()));
    assert_eq!((&told[0]["succeeded"], &told[1]["succeeded"]), (&20.into(), &80.into()));
    assert_eq!(told[1]["rate"], serde_json::json!({ "from": 20.0, "to": 60.0 }));
    assert_eq!(report["operations"]["search"]["warmup"], 20);
}
