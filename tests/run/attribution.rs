//! Why slow requests are slow, of a real Milvus: each cause is planted, and found.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use milvus_load::record::JOURNAL_FILE;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{PATIENTLY, Sandbox, UNBOUNDED, wait_until};

/// The slowest tenth counts as slow.
const SHORT: [&str; 4] = ["--set", "load.warmup=1s", "--set", "trace.slow=p90"];

fn workload() -> String {
    format!("{}/workloads/search.toml", env!("CARGO_MANIFEST_DIR"))
}

/// The row that explains most of the difference, after the books of the whole attribution.
#[track_caller]
fn largest(report: &Value) -> &Value {
    let told = &report["attribution"]["search"];
    assert_eq!(told["unknown"], Value::Null, "{told}");
    let rows = told["rows"].as_array().unwrap();
    let sum = |of: &str| rows.iter().map(|row| row[of].as_f64().unwrap()).sum::<f64>();
    for (set, column) in [("slow", "slow_us"), ("typical", "typical_us")] {
        let response = told[set]["response_us"].as_f64().unwrap();
        assert!((sum(column) - response).abs() < 1e-6 * response, "{set}: {} of {response}", sum(column));
    }
    let causes: u64 =
        told["causes"].as_array().unwrap().iter().map(|cause| cause["traces"].as_u64().unwrap()).sum();
    assert_eq!(causes, told["slow"]["complete"].as_u64().unwrap());
    println!("{}", told["sentence"].as_str().unwrap());
    &rows[0]
}

/// A machine that is short of cores has reasons of its own, but not three times.
#[track_caller]
fn is_told_in_one_of_three(is_told: impl Fn() -> bool) {
    assert!((0..3).any(|_| is_told()));
}

#[test]
fn strong_searches_that_start_at_their_own_times_wait_for_the_time_tick() {
    is_told_in_one_of_three(|| {
        let (report, stdout) = strong();
        let cause = &report["attribution"]["search"]["causes"][0]["words"];
        largest(&report)["span"] == "Delegator-waitTSafe"
            && cause == "the wait for the time tick"
            && stdout.contains("the wait for the time tick")
    });
}

/// The report and what was said of a run of Strong searches.
fn strong() -> (Value, String) {
    let sandbox = Sandbox::new();
    let mut tool = sandbox.tool(&["run", &workload(), "--set", "collection.consistency=strong"]);
    // Few at once: those that a tick releases together would compete for the cores.
    let run = sandbox.end(tool.args(["--rate", "20", "--duration", "20s"]).args(SHORT).args(PATIENTLY));
    (run.report(0).clone(), run.stdout)
}

#[test]
fn a_generator_that_was_stopped_is_told_as_its_own_lateness() {
    is_told_in_one_of_three(|| {
        let report = stopped_for_three_seconds();
        let lateness = report["attribution"]["search"]["lateness"].as_str().unwrap_or_default();
        largest(&report)["row"] == "lag" && lateness.contains("stopped")
    });
}

fn stopped_for_three_seconds() -> Value {
    let sandbox = Sandbox::new();
    let mut tool = sandbox.tool(&["run", &workload(), "--duration", "10s", "--allow-untrusted"]);
    let run = sandbox.start(tool.args(SHORT).args(PATIENTLY).args(UNBOUNDED));
    let is_under_way = || sandbox.runs().iter().any(|run| run.join(JOURNAL_FILE).exists());
    wait_until("the load begins", is_under_way);
    thread::sleep(Duration::from_secs(3));
    run.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(3));
    run.signal(Signal::CONT);
    run.wait(&sandbox).report(0).clone()
}

/// A network that now and then holds answers back.
#[test]
fn a_delay_on_the_way_is_told_as_outside_milvus() {
    is_told_in_one_of_three(|| largest(&delayed_on_the_way())["row"] == "outside_milvus");
}

fn delayed_on_the_way() -> Value {
    let sandbox = Sandbox::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let started = sandbox.end(&mut sandbox.tool(&["embedded", "start", "--otlp-endpoint", &endpoint]));
    started.ended_with(0);
    let status = sandbox.end(&mut sandbox.tool(&["embedded", "status"])).stdout;
    let milvus = status.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
    let relay = relay(milvus.trim_matches(|c: char| !c.is_ascii_digit()).to_owned());
    let listen = format!("trace.collector_listen=127.0.0.1:{port}");
    let mut tool = sandbox.tool(&["run", &workload(), "--duration", "8s", "--uri", &relay, "--set", &listen]);
    let run = sandbox.end(tool.args(SHORT).args(PATIENTLY).args(UNBOUNDED));
    sandbox.end(&mut sandbox.tool(&["embedded", "stop"])).ended_with(0);
    run.report(0).clone()
}

/// An address that leads to another one; for 200 ms of each second nothing comes back from there.
fn relay(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let start = Instant::now();
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&to) else { return };
            let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || carry(from_client, server, || ()));
            thread::spawn(move || {
                carry(from_server, client, || {
                    let into = start.elapsed().as_millis() as u64 % 1_000;
                    thread::sleep(Duration::from_millis(200_u64.saturating_sub(into)));
                });
            });
        }
    });
    uri
}

fn carry(mut from: TcpStream, mut to: TcpStream, hold: impl Fn()) {
    let mut bytes = [0; 65_536];
    while let Ok(read) = from.read(&mut bytes) {
        hold();
        if read == 0 || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // The other direction then ends too; it may have done so already.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
