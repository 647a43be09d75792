//! A Milvus that is not there, or is there no longer.

use rustix::process::Signal;

use crate::closed_port::ClosedPort;
use crate::support::{Sandbox, alive, errors, findings, server, signal, wait_until};

#[test]
fn nobody_at_the_port_is_said_at_once_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let closed = ClosedPort::new();
    let uri = closed.address().to_string();
    let run = sandbox.end(&mut sandbox.tool(&["run", "small.toml", "--uri", &uri]));
    run.ended_with(1);
    run.said(&[&uri, "is Milvus running there"]);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert_eq!(sandbox.runs(), Vec::<std::path::PathBuf>::new());
    assert!(sandbox.servers().is_empty());
}

#[test]
fn a_milvus_killed_in_the_middle_does_not_end_the_run_and_every_request_is_accounted_for() {
    let sandbox = Sandbox::new();
    let set = ["--duration", "18s", "--set", "load.drain=3s"];
    let mut run = sandbox.start(sandbox.tool(&["run", "small.toml"]).args(set));
    run.until_said("collection run_small");
    // In the midst of the window: half a second of warm-up and 18 s of it follow. Either half may be seconds shorter.
    std::thread::sleep(std::time::Duration::from_secs(9));
    let server = sandbox.own_server();
    signal(server, Signal::KILL);
    let run = run.wait(&sandbox);

    let report = run.report(4);
    assert_eq!((&report["run"]["state"], &report["run"]["measured_s"]), (&"complete".into(), &18.0.into()));
    let search = &report["operations"]["search"];
    // 50/s for 18 s: the schedule is carried out, whatever becomes of the server.
    assert_eq!(search["offered"], 900);
    for ending in ["succeeded", "failed"] {
        assert!(search[ending].as_u64() > Some(20), "{ending}: {search}");
    }
    for class in search["errors"].as_array().unwrap() {
        assert_eq!(class["grpc"], 14, "UNAVAILABLE, and nothing else: {class}");
    }
    assert_eq!(search["response"]["p99_us"], serde_json::Value::Null);
    assert_eq!(search["response"]["unknown"]["p99_us"], "unanswered");
    assert_eq!(report["verdict"]["trusted"], false);
    assert!(errors(report).contains(&"server_gone"), "{:?}", errors(report));
    assert!(findings(report).contains(&"failures"));
    assert!(run.stdout.contains("the server cannot be reached at the end of the run"), "{}", run.stdout);
    assert!(!alive(server));
    wait_until("nothing of the server is left", || sandbox.servers().is_empty());
}

#[test]
fn the_tool_killed_with_9_takes_its_server_with_it() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.start(&mut sandbox.tool(&["run", "small.toml", "--duration", "60s"]));
    run.until_said("Milvus v");
    let server = sandbox.own_server();
    assert!(alive(server));
    run.signal(Signal::KILL);
    let run = run.wait(&sandbox);
    assert_eq!((run.code, run.report), (None, None));
    wait_until("the server is gone", || !alive(server));
    wait_until("its directory is gone", || sandbox.servers().is_empty());
}

#[test]
fn a_port_that_is_no_milvus_is_told_so() {
    let sandbox = Sandbox::new();
    let metrics = server().metrics_url.strip_suffix("/metrics").unwrap();
    // Connections come up, by the kernel's grace, and nobody ever says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_uri = format!("http://{}", silent.local_addr().unwrap());
    for uri in [metrics, &silent_uri] {
        let run = sandbox.end(&mut sandbox.tool(&["run", "small.toml", "--uri", uri]));
        run.ended_with(1);
        run.said(&[uri.strip_prefix("http://").unwrap(), "gRPC port"]);
        assert_eq!(sandbox.runs(), Vec::<std::path::PathBuf>::new());
    }
}
