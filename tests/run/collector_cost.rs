//! What the built-in collector costs the measurement, on a machine that nobody else uses:
//!
//! `cargo test --release --test run -- --ignored --nocapture what_the_built_in_collector_costs`
//!
//! Runs in pairs on one server: in one the tool collects the spans itself, in the other a process of its own does, with the same code.
//! What differs is the process alone.

use std::collections::BTreeMap;
use std::time::Duration;

use milvus_load::milvus::embedded::{Cache, ServerInfo, kept};
use milvus_load::trace::collector::{Chooser, Collector, Onward};
use milvus_load::trace::env::OtelEnv;
use milvus_load::trace::exporter::ExportSettings;
use milvus_load::trace::span::ClientSpan;
use serde_json::Value;

use crate::support::{PATIENTLY, Sandbox, UNBOUNDED};

/// Sampled requests per second: what two cores hold with a Milvus that traces each beside the tool.
const RATE: &str = "500";
const PAIRS: usize = 5;
const WINDOW: &str = "20s";

/// Where the spans are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arm {
    Here,
    Apart,
}

/// Keeps nothing: the run does not report on what is collected apart.
struct Nothing;

impl Chooser for Nothing {
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128)) {
        let_go(span.trace.trace_id);
    }
}

fn run(sandbox: &Sandbox, info: &ServerInfo, arm: Arm) -> Value {
    let workload = format!("{}/workloads/search.toml", env!("CARGO_MANIFEST_DIR"));
    let mut tool =
        sandbox.tool(&["run", &workload, "--rate", RATE, "--duration", WINDOW, "--allow-untrusted"]);
    tool.args(PATIENTLY).args(UNBOUNDED);
    let collected = match arm {
        Arm::Here => None,
        Arm::Apart => {
            let (listener, place) = info.take_export_place().unwrap().expect("no run has it");
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let collector = Collector::start(listener, None).unwrap();
            let settings = ExportSettings::new(&endpoint, "apart", &[], &OtelEnv::default()).unwrap();
            let keeping = collector.begin(&settings, &[], "apart", Onward::Nowhere).unwrap();
            keeping.choose_by(Box::new(Nothing));
            tool.args(["--set", &format!("trace.otlp_endpoint={endpoint}")]);
            Some((place, collector, keeping))
        }
    };
    let ended = sandbox.end(&mut tool);
    // What the server did not export cost it nothing: both arms must have been sent the same.
    if let Some((place, collector, keeping)) = collected {
        let books = keeping.finish(true, Duration::ZERO).books;
        println!("apart: {books:?}");
        drop((place, collector));
    }
    ended.report.unwrap_or_else(|| panic!("no report: {}", ended.stderr))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { (values[half - 1] + values[half]) / 2.0 } else { values[half] }
}

#[test]
#[ignore = "some six minutes, on a quiet machine and optimised"]
fn what_the_built_in_collector_costs() {
    let sandbox = Sandbox::new();
    sandbox.end(&mut sandbox.tool(&["embedded", "start"])).ended_with(0);
    let info = kept(&Cache::locate(Some(&sandbox.path().join("cache"))).unwrap()).expect("it is kept");
    // The collection is made by the first.
    run(&sandbox, &info, Arm::Here);
    let mut p50: BTreeMap<Arm, Vec<f64>> = BTreeMap::new();
    for pair in 0..PAIRS {
        let order = if pair % 2 == 0 { [Arm::Here, Arm::Apart] } else { [Arm::Apart, Arm::Here] };
        for arm in order {
            let report = run(&sandbox, &info, arm);
            let response = &report["operations"]["search"]["response"];
            let generator = &report["resources"]["generator"];
            println!(
                "pair {pair} {arm:?}: p50 {} us, p99 {} us, offered {}/s, spans {}, peak memory {} bytes, CPU {} s, server {}",
                response["p50_us"],
                response["p99_us"],
                report["operations"]["search"]["offered_per_s"],
                report["spans"],
                generator["rss_peak_bytes"],
                generator["cpu_s"],
                report["resources"]["server"],
            );
            p50.entry(arm).or_default().push(response["p50_us"].as_f64().expect("a p50"));
        }
    }
    let moves: Vec<f64> = p50[&Arm::Here].iter().zip(&p50[&Arm::Apart]).map(|(a, b)| a / b - 1.0).collect();
    println!("p50 here against apart: {:+.2} % (each pair: {moves:+.4?})", 100.0 * median(moves.clone()));
    sandbox.end(&mut sandbox.tool(&["embedded", "stop"])).ended_with(0);
}
