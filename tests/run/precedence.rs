//! Flag and `--set`, then environment, then file, then default; and what is said about it.

use std::io::ErrorKind;
use std::net::TcpListener;

use milvus_load::truth::{Script, TruthServer};

use crate::closed_port::ClosedPort;
use crate::support::{SMALL, Sandbox, server};

const SECRET: &str = "geheim-7f3a";

/// The line of one setting in a dry run, its words one space apart.
#[track_caller]
fn setting(sandbox: &Sandbox, key: &str, args: &[&str], environment: &[(&str, &str)]) -> String {
    let mut tool = sandbox.tool(&["run", "file.toml", "--dry-run"]);
    let run = sandbox.end(tool.args(args).envs(environment.iter().copied()));
    run.ended_with(0);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = run.stdout.lines().map(words);
    lines.find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {}", run.stdout))
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let sandbox = Sandbox::new();
    let head = "target.uri = \"http://of-file:1\"\ntrace.sample_fraction = 0.25\n";
    sandbox.write("file.toml", &format!("{head}{SMALL}"));
    let uri =
        |args: &[&str], environment: &[(&str, &str)]| setting(&sandbox, "target.uri", args, environment);
    let environment = [("MILVUS_URI", "http://of-environment:2")];
    assert_eq!(uri(&[], &[]), "target.uri \"http://of-file:1\" (line 1, column 8)");
    assert_eq!(uri(&[], &environment), "target.uri \"http://of-environment:2\" (MILVUS_URI)");
    assert_eq!(uri(&["--uri", "http://of-flag:3"], &environment), "target.uri \"http://of-flag:3\" (--uri)");
    let set = ["--set", "target.uri=http://of-set:4"];
    assert_eq!(uri(&set, &environment), "target.uri \"http://of-set:4\" (--set)");

    let fraction = |args: &[&str], environment: &[(&str, &str)]| {
        setting(&sandbox, "trace.sample_fraction", args, environment)
    };
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")];
    assert_eq!(fraction(&[], &[]), "trace.sample_fraction 0.25 (line 2, column 7)");
    assert_eq!(fraction(&[], &ratio), "trace.sample_fraction 0.5 (OTEL_TRACES_SAMPLER_ARG)");
    assert_eq!(
        fraction(&["--sample-fraction", "0.75"], &ratio),
        "trace.sample_fraction 0.75 (--sample-fraction)"
    );
}

#[test]
fn a_variable_that_beats_the_file_is_said_and_one_that_does_not_is_not() {
    let sandbox = Sandbox::new();
    sandbox.write("file.toml", &format!("target.uri = \"http://of-file:1\"\n{SMALL}"));
    let noted = |args: &[&str]| {
        let mut tool = sandbox.tool(&["run", "file.toml", "--dry-run"]);
        sandbox.end(tool.args(args).env("MILVUS_URI", "http://of-environment:2")).stderr
    };
    let note = noted(&[]);
    assert!(note.contains("MILVUS_URI overrides target.uri") && note.contains("line 1"), "{note}");
    assert_eq!(noted(&["--uri", "http://of-flag:3"]), "");
}

#[test]
fn a_dry_run_touches_no_server_and_writes_nothing() {
    let sandbox = Sandbox::new();
    let [milvus, collector] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let at = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let args = ["run", "small.toml", "--dry-run", "--uri", &at(&milvus)];
    let run = sandbox.end(sandbox.tool(&args).env("OTEL_EXPORTER_OTLP_ENDPOINT", at(&collector)));
    run.ended_with(0);
    // What it names it has understood.
    assert!(run.stdout.contains(&at(&milvus)) && run.stdout.contains(&at(&collector)), "{}", run.stdout);
    for listener in [milvus, collector] {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "it called");
    }
    assert!(!sandbox.path().join("reports").exists());
    let embedded = sandbox.end(&mut sandbox.tool(&["run", "small.toml", "--dry-run"]));
    assert!(embedded.stdout.contains("the embedded Milvus"), "{}", embedded.stdout);
    assert!(sandbox.servers().is_empty());
}

#[test]
fn the_run_itself_names_target_endpoint_and_fraction_with_their_origin() {
    let sandbox = Sandbox::new();
    let closed = ClosedPort::new();
    let endpoint = format!("http://{}", closed.address());
    let mut tool = sandbox.tool(&["run", "small.toml", "--duration", "1s", "--sample-fraction", "0.5"]);
    let run =
        sandbox.end(tool.env("MILVUS_URI", &server().uri).env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    run.ended_with(0);
    run.said(&[
        &format!("{} (MILVUS_URI)", server().uri),
        &format!("{endpoint} (OTEL_EXPORTER_OTLP_ENDPOINT)"),
        "fraction 0.5 (--sample-fraction)",
    ]);
}

#[test]
fn the_token_reaches_milvus_and_nothing_else() {
    let sandbox = Sandbox::new();
    let token = format!("root:{SECRET}");
    let milvus = TruthServer::start(Script::default()).unwrap();
    let args = ["run", "small.toml", "--duration", "1s", "--json", "--uri", &milvus.uri()];
    let run = sandbox.end(sandbox.tool(&args).env("MILVUS_TOKEN", &token));
    let report = run.report(0).to_string();
    let sent = milvus.stop().authorization.expect("it was sent");
    // base64 of `root:geheim-7f3a`, made by hand with coreutils' base64.
    assert_eq!(sent.reveal(), "cm9vdDpnZWhlaW0tN2YzYQ==");

    let closed = ClosedPort::new();
    let nobody = closed.address().to_string();
    let refused =
        sandbox.end(sandbox.tool(&["run", "small.toml", "--uri", &nobody]).env("MILVUS_TOKEN", &token));
    refused.ended_with(1);
    let dry = sandbox.end(sandbox.tool(&["run", "small.toml", "--dry-run"]).env("MILVUS_TOKEN", &token));
    let wrong = sandbox.end(
        sandbox
            .tool(&["run", "small.toml", "--set", "load.rate=nan"])
            .env("MILVUS_TOKEN", format!("{token}\n\u{7}")),
    );
    for text in [&run.stdout, &run.stderr, &report, &refused.stderr, &dry.stdout, &dry.stderr, &wrong.stderr]
    {
        for secret in [SECRET, sent.reveal()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
