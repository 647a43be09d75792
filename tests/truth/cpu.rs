//! CPU time: the server's against a page that tells a known one, the generator's against what its shell was told by the kernel.

use std::process::{Command, Stdio};
use std::sync::Arc;

use milvus_load::report::RunReport;
use milvus_load::truth::{Delay, Rpc};
use milvus_load::units::Nanos;

use crate::metrics_page::{self, Charge};
use crate::support::{ms, run_workload, script, start};
use crate::tool::tool;

fn workload(rate: u32, duration: &str, more: &str) -> String {
    format!(
        "[collection]\nname = \"c\"\nprepare = \"never\"\n[data]\nqueries = 100\n\
         [load]\nrate = {rate}\nduration = \"{duration}\"\nwarmup = \"500ms\"\nconnections = 2\nworkers = 1\n\
         max_in_flight = 10000\n[trace]\nenabled = false\n{more}\n[[operations]]\nkind = \"search\"\n"
    )
}

#[test]
fn the_servers_cpu_is_what_its_page_tells_from_the_warm_up_to_the_drain() {
    let server = Arc::new(start(script(Delay::Constant(ms(1)))));
    let charge = Charge { each: Nanos::new(500_000), sampled: Nanos::ZERO };
    let page = metrics_page::of(&server, charge);
    let more = format!("[target]\nmetrics = [\"{page}\"]");
    let report = run_workload(&server.uri(), &workload(300, "2s", &more), &[]).done();
    let used = report.resources.server.clone().unwrap();
    // The log counts no search beside those of the load.
    let charged = 500e-6 * server.log().count(Rpc::Search) as f64;
    assert!((used.cpu_s.unwrap() - charged).abs() < 1e-6, "{used:?}, charged {charged}");
    assert_eq!(used.rss_bytes, Some(100_000_000));
}

/// A run under a shell that tells afterwards what its children used.
fn report_and_truth(uri: &str, duration: &str) -> (RunReport, f64) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("w.toml"), workload(2_000, duration, "")).unwrap();
    let tool = tool();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" \"$@\"; times >&2"]).arg(tool.get_program());
    shell.args(["run", "w.toml", "--json", "--allow-untrusted", "--uri", uri]);
    for (name, _) in tool.get_envs() {
        shell.env_remove(name);
    }
    shell.env("MILVUS_LOAD_CACHE", directory.path()).current_dir(directory.path()).stdin(Stdio::null());
    let output = shell.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    // Its last line: minutes and seconds of user and of system time.
    let last = stderr.lines().last().unwrap();
    (report, last.split_whitespace().map(seconds).sum())
}

fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
}

#[test]
fn the_generators_cpu_is_what_the_kernel_charges_it_with() {
    let server = start(script(Delay::Constant(ms(1))));
    let of = |duration| {
        let (report, truth) = report_and_truth(&server.uri(), duration);
        let generator = &report.resources.generator;
        let told: f64 = generator.cpu_s.values().sum();
        let offered: u64 =
            report.operations.values().map(|operation| operation.offered + operation.warmup).sum();
        let each = (told - generator.busy_wait_s) * 1e6 / offered as f64;
        assert!((generator.cpu_us_per_request.unwrap() - each).abs() < 1e-3 * each, "{generator:?}");
        (told, truth)
    };
    // What comes before and after the load is the same in both.
    let ((short, short_truth), (long, long_truth)) = (of("1s"), of("6s"));
    let (told, truth) = (long - short, long_truth - short_truth);
    // The shell is told in hundredths of a second.
    assert!(told > 0.8 * truth - 0.04 && told < 1.1 * truth + 0.04, "{told} s told, {truth} s used");
}
