//! A run with nothing wrong is trusted. The other tests allow for whatever a busy machine makes a verdict find; this one does not,
//! and has the machine for itself as far as cargo can give it that: a test target of its own runs alone.

#[path = "common/tool.rs"]
mod tool;

use std::time::{Duration, Instant};

use milvus_load::truth::{Delay, Existing, Script, TruthServer};
use milvus_load::units::Nanos;
use serde_json::Value;
use tool::tool;

const WORKLOAD: &str = "[load]\nrate = 200\nwarmup = \"500ms\"\nduration = \"3s\"\n\
                        [collection]\nprepare = \"never\"\nrows = 1000\nvector = { name = \"vector\", dim = 8 }\n\
                        [trace]\nenabled = false\n[[operations]]\nkind = \"search\"\n";

/// For how much of a time some thread of the machine had to wait for a core (Linux's pressure stall information), from 0 to 1;
/// 0 where the kernel does not tell.
fn pressure<T>(during: impl FnOnce() -> T) -> (T, f64) {
    let total = || -> Option<u64> {
        let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
        text.lines().next()?.rsplit_once("total=")?.1.trim().parse().ok()
    };
    let (begun, before) = (Instant::now(), total());
    let done = during();
    let waited = before.zip(total()).map_or(0, |(before, after)| after - before);
    (done, Duration::from_micros(waited).as_secs_f64() / begun.elapsed().as_secs_f64())
}

/// One of ten, or the machine was short of time during each of them.
#[test]
fn a_plain_run_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plain.toml");
    std::fs::write(&file, WORKLOAD).unwrap();
    let server = TruthServer::start(Script {
        search: Delay::Constant(Nanos::from_millis(2)),
        existing: Some(Existing { dim: 8, rows: 1_000 }),
        ..Script::default()
    })
    .unwrap();
    let mut untrusted = Vec::new();
    for _ in 0..10 {
        let mut run = tool();
        run.arg("run").arg(&file).args(["--uri", &server.uri(), "--json"]).current_dir(&directory);
        let (output, pressure) = pressure(|| run.output().unwrap());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr))
        });
        let verdict = &report["verdict"];
        assert_eq!(verdict["trusted"], output.status.code() == Some(0), "{verdict}");
        if verdict["trusted"] == true {
            return;
        }
        untrusted.push((pressure, verdict.to_string()));
    }
    let in_peace: Vec<_> = untrusted.iter().filter(|(pressure, _)| *pressure < 0.2).collect();
    assert!(in_peace.is_empty(), "not trusted, on a machine that had time: {in_peace:#?}");
}
