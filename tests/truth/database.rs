//! Which database a run works in: told by the server, from the `dbname` of every call.

use std::process::Stdio;

use milvus_load::report::RunReport;
use milvus_load::truth::{Rpc, Script};

use crate::scribe::Scribe;
use crate::support::{run_to_end, start};

/// Set-up, searches and inserts, and spans of both.
const WORKLOAD: &str = r#"
[collection]
name = "c"
rows = 100
vector = { name = "vector", type = "float", dim = 8, metric = "l2" }

[load]
rate = 100
arrival = "constant"
connections = 1
workers = 1
warmup = "0s"
duration = "500ms"

[[operations]]
kind = "search"

[[operations]]
kind = "insert"
batch = 2
"#;

/// Who names a database: the file, the environment's URI, the command line.
struct Said {
    file: &'static str,
    path_of_environment: &'static str,
    arguments: &'static [&'static str],
}

/// The report of a run in which every call named `database` (empty: none did).
#[track_caller]
fn runs_in(said: &Said, database: &str) -> RunReport {
    let server = start(Script::default());
    let collector = Scribe::start(&());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.toml");
    std::fs::write(&file, format!("{}{WORKLOAD}", said.file)).unwrap();
    let mut tool = crate::tool::tool();
    tool.arg("run").arg(&file).args(said.arguments).arg("--json").arg("--out").arg(directory.path());
    tool.env("MILVUS_URI", format!("{}{}", server.uri(), said.path_of_environment));
    tool.env("MILVUS_LOAD_CACHE", directory.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.uri);
    let ended = run_to_end(tool.stdin(Stdio::null()));
    let report = ended.done();

    let log = server.log();
    let named: Vec<_> = log.databases.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(named, [database], "no call named another");
    // Control calls that read, that write, and both measured ones.
    for rpc in
        [Rpc::GetVersion, Rpc::HasCollection, Rpc::CreateCollection, Rpc::Query, Rpc::Search, Rpc::Insert]
    {
        assert!(log.databases[0].count(rpc) > 0, "{} was not called", rpc.name());
    }
    let spans = collector.messages().concat();
    let has = |text: &str| spans.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("db.collection.name"), "spans were exported");
    for name in ["staging", "prod", "of_file"] {
        assert_eq!(has(name), name == database, "{name} in spans");
    }
    let told = report.server.as_ref().unwrap();
    assert_eq!(
        (told.uri.as_str(), told.database.as_deref()),
        (&*server.uri(), Some(database).filter(|d| !d.is_empty()))
    );
    // Nobody who reads the settings may take another for the one that was used.
    let text = serde_json::to_string(&(&report.settings, &report.workload)).unwrap();
    for name in ["staging", "prod", "of_file"] {
        assert_eq!(text.contains(name), name == database, "{name} in {text}");
    }
    report
}

#[test]
fn a_database_by_set_prevails_over_the_path_of_the_environments_uri_in_every_call() {
    let arguments = &["--set", "target.database=staging"];
    let report = runs_in(&Said { file: "", path_of_environment: "/prod", arguments }, "staging");
    let from = |key: &str| report.settings.iter().find(|setting| setting.key == key).map(|s| s.from.as_str());
    assert_eq!(from("target.database"), Some("--set"));
    assert_eq!(from("target.uri"), Some("environment MILVUS_URI"));
}

#[test]
fn the_path_of_the_environments_uri_prevails_over_the_files_database_in_every_call() {
    let file = "[target]\ndatabase = \"of_file\"\n";
    runs_in(&Said { file, path_of_environment: "/prod", arguments: &[] }, "prod");
}

#[test]
fn a_database_that_the_file_alone_names_is_used_whoever_names_the_address() {
    let file = "[target]\ndatabase = \"of_file\"\n";
    runs_in(&Said { file, path_of_environment: "", arguments: &[] }, "of_file");
}

#[test]
fn where_nobody_names_a_database_no_call_does() {
    runs_in(&Said { file: "", path_of_environment: "", arguments: &[] }, "");
}
