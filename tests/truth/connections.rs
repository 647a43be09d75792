//! Who asks, and over which connections.

use milvus_load::truth::{Delay, Log, Rpc, Script};
use milvus_load::workload::{LoadModel, Secret};

use crate::closed_port::ClosedPort;
use crate::support::*;

const SHORT: &str = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"300ms\"\n[trace]\nenabled = false";

fn locked(authorization: &str) -> milvus_load::truth::TruthServer {
    start(Script { authorization: Some(Secret::new(authorization.to_owned())), ..script(Delay::None) })
}

#[test]
fn a_password_and_an_api_key_open_the_server_by_environment_and_by_file() {
    // base64 of root:Milvus and of key-123, as RFC 4648 has it.
    for (token, header) in [("root:Milvus", "cm9vdDpNaWx2dXM="), ("key-123", "a2V5LTEyMw==")] {
        let server = locked(header);
        let by_environment = BinaryRun::start(&server.uri(), SHORT, |command, _| {
            command.env("MILVUS_TOKEN", token);
        });
        let by_file = BinaryRun::start(&server.uri(), SHORT, |command, directory| {
            let file = directory.join("token");
            std::fs::write(&file, format!("{token}\n")).unwrap();
            command.arg("--set").arg(format!("target.token_file={}", file.display()));
        });
        for run in [by_environment, by_file] {
            let ended = run.end();
            assert_eq!(ended.done().operations["search"].succeeded, 30);
            let told = serde_json::to_string(&ended.report()).unwrap() + &ended.stderr;
            let secret = token.rsplit(':').next().unwrap();
            // The server's own version and names hold no such word.
            assert!(
                !told.contains(&format!(":{secret}")) && !told.contains("key-123") && !told.contains(header)
            );
        }
        assert_eq!(server.stop().count(Rpc::Search), 60);
    }
}

#[test]
fn without_the_right_credentials_the_run_ends_before_it_begins() {
    let server = locked("cm9vdDpNaWx2dXM=");
    for token in [None, Some("root:wrong-password")] {
        let run = BinaryRun::start(&server.uri(), SHORT, |command, _| {
            token.map(|token| command.env("MILVUS_TOKEN", token));
        });
        let ended = run.end();
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("UNAUTHENTICATED") && ended.stderr.contains("MILVUS_TOKEN"));
        assert!(!ended.stderr.contains("wrong-password"));
    }
    assert_eq!(server.stop().count(Rpc::Search), 0);
}

#[test]
fn a_closed_port_is_an_error_that_names_it() {
    let closed = ClosedPort::new();
    let address = closed.address().to_string();
    let ended = run_binary(&format!("http://{address}"), SHORT);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains(&address) && ended.stderr.contains("is Milvus running there"),
        "{}",
        ended.stderr
    );
}

#[test]
fn connections_share_the_load_and_each_is_told_with_its_own_requests() {
    let server = start(script(Delay::Constant(ms(4))));
    let mut plan = plan(&server.uri(), LoadModel::Closed { concurrency: 8 });
    (plan.connections, plan.workers) = (4, 2);
    let over_each = |log: &Log| log.by_connection.len() == 4 && log.by_connection.iter().all(|n| *n >= 20);
    let run = execute_until(plan, &server, over_each);
    let log = server.stop();
    assert_eq!(most_at_once(&log.entries), 2, "two of eight requests at a time go over each");
    let all = requests(&run);
    assert!(run.peers.len() == 4 && run.peers.iter().all(|peers| peers.len() == 1));
    let mut told: Vec<u64> = run.recorded.connections.iter().map(|connection| connection.requests).collect();
    for (number, requests) in told.iter().enumerate() {
        let by_name = all.iter().filter(|request| usize::from(request.connection) == number).count();
        assert_eq!(*requests, by_name as u64);
    }
    // The server numbers connections as they come.
    let mut seen = log.by_connection;
    told.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, told);
}
