//! `overhead --server-fraction` on a Milvus that somebody else starts anew.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use milvus_load::milvus::embedded::{Embedded, EmbeddedOptions, Exports, Quiet};
use milvus_load::units::Fraction;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{LIMIT, Sandbox, TOOL};

/// An address that stays while the server behind it is another one.
struct Relay {
    uri: String,
    to: Arc<Mutex<SocketAddr>>,
}

impl Relay {
    fn to(server: &Embedded) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let to = Arc::new(Mutex::new(address(server)));
        let target = Arc::clone(&to);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = *target.lock().unwrap();
                // Nobody there: the client is hung up on.
                let Ok(server) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { uri, to }
    }

    fn turn_to(&self, server: &Embedded) {
        *self.to.lock().unwrap() = address(server);
    }
}

fn address(server: &Embedded) -> SocketAddr {
    server.info().uri.trim_start_matches("http://").replace("localhost", "127.0.0.1").parse().unwrap()
}

fn milvus(sandbox: &Sandbox, collector: SocketAddr, fraction: f64) -> Embedded {
    let options = EmbeddedOptions {
        exports: Exports::To(collector.to_string().parse().unwrap()),
        sample_fraction: Fraction::new(fraction).unwrap(),
        cache_dir: Some(sandbox.path().join("cache")),
        supervisor_exe: TOOL.into(),
        ..EmbeddedOptions::default()
    };
    Embedded::start(&options, &mut Quiet).unwrap()
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn experiment(directory: &Path) -> Value {
    let entries = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let files = entries(directory).iter().flat_map(|name| entries(name)).collect::<Vec<_>>();
    let file = files.iter().map(|run| run.join("experiment.json")).find(|file| file.exists()).unwrap();
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// With this seed the first start is at fraction 1, the second at 0.
const SEED: &str = "3";

#[test]
fn a_server_that_is_named_is_waited_for_until_its_own_fraction_is_in_effect() {
    let sandbox = Sandbox::new();
    let collector = free_port();
    let off = milvus(&sandbox, collector, 0.0);
    let relay = Relay::to(&off);
    let arguments = ["overhead", "small.toml", "--server-fraction", "1", "--seed", SEED, "--uri", &relay.uri];
    let mut tool = sandbox.tool(&arguments);
    let mut run = sandbox.start(tool.args(["--collector-listen", &collector.to_string()]));
    run.until_said("now set trace.sampleFraction to 1");
    run.until_said("it answers, and traces 0.0 % of calls without a header");
    off.stop().unwrap();
    run.until_said("it does not answer");
    let on = milvus(&sandbox, collector, 1.0);
    relay.turn_to(&on);
    // Somebody else may have asked it for its version, such as whoever started it.
    run.until_said("in effect: it traces 100.");
    run.until_said("now set trace.sampleFraction to 0");
    run.signal(Signal::INT);
    let ended = run.wait(&sandbox);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let overhead = &experiment(&sandbox.path().join("reports"))["result"];
    assert_eq!(overhead["slots"].as_array().map(Vec::len), Some(1), "{overhead}");
    let arm = &overhead["arms"][1];
    assert_eq!((&arm["arm"], &arm["client_spans"]), (&"1".into(), &0.into()));
    // Each of the requests was traced though no header was sent.
    let (sent, traced) = (arm["sent"].as_u64().unwrap(), arm["server_requests"].as_u64().unwrap());
    assert!(sent > 100 && traced.abs_diff(sent) * 20 <= sent, "{arm}");
}

#[test]
fn off_is_not_off_where_a_named_server_traces_by_itself_and_that_is_refused() {
    let sandbox = Sandbox::new();
    let collector = free_port();
    let sampling = milvus(&sandbox, collector, 0.5);
    let address = collector.to_string();
    let arguments = ["overhead", "small.toml", "--uri", &sampling.info().uri, "--collector-listen", &address];
    // It may have looked for the collector before there was one, and looks again within two minutes.
    let refused = sandbox.end_within(&mut sandbox.tool(&arguments), 2 * LIMIT);
    refused.ended_with(1);
    refused.said(&[
        "of the requests that have no header, so off would not be off",
        "set its trace.sampleFraction to 0",
    ]);
    let without = sandbox.end(sandbox.tool(&arguments[..4]).args(["--server-fraction", "1"]));
    without.ended_with(2);
    without.said(&["name with --collector-listen IP:PORT where it can export to, such as 127.0.0.1:4317"]);
}
