//! The committed example reports are what this version reads, and tell nothing that should not be told.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use milvus_load::report::experiment::{Experiment, experiment_schema};
use milvus_load::report::{RunReport, csv, hlog, schema, store, terminal};
use serde_json::Value;

#[path = "common/tool.rs"]
mod tool;

/// A report that a person may want to open in an editor.
const LARGEST: u64 = 300_000;

fn examples() -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/examples");
    let entries = std::fs::read_dir(&base).expect("reports/examples is committed");
    let files = entries.map(|entry| entry.expect("a readable entry").path().join("report.json"));
    let files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    assert!(!files.is_empty(), "there is no example under {}", base.display());
    files
}

/// Whether all of `part` is in `whole`, which may have fields that came later.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|other| holds(other, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(other, value)| holds(other, value))
        }
        _ => whole == part,
    }
}

#[test]
fn later_fields_may_come_and_none_may_go() {
    let old = serde_json::json!({ "a": [{ "b": 1 }] });
    assert!(holds(&serde_json::json!({ "a": [{ "b": 1, "new": 0 }] }), &old));
    assert!(!holds(&serde_json::json!({ "a": [{ "new": 0 }] }), &old));
    assert!(!holds(&serde_json::json!({ "a": [{ "b": 2 }] }), &old));
}

#[test]
fn the_committed_example_is_read_and_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    for file in examples() {
        let text = std::fs::read_to_string(&file).expect("is text");
        let value = serde_json::from_str(&text).expect("is JSON");
        if let Err(error) = validator.validate(&value) {
            panic!("{}: {error} at {}", file.display(), error.instance_path());
        }
        let report = store::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let read = serde_json::to_value(&report).expect("serializes");
        assert!(holds(&read, &value), "{}: something is lost in reading", file.display());
    }
}

#[test]
fn what_the_example_counts_adds_up() {
    for file in examples() {
        let report: RunReport = store::read(&file).unwrap_or_else(|error| panic!("{error}"));
        for (name, run) in &report.operations {
            assert_eq!(run.offered, run.succeeded + run.failed + run.timed_out + run.not_sent, "{name}");
            let of = report.intervals.iter().filter_map(|interval| interval.operations.get(name));
            assert_eq!(of.map(|part| part.offered).sum::<u64>(), run.offered, "{name}");
        }
        for slow in report.slowest.iter().chain(&report.typical) {
            let (Some(service), Some(lag)) = (slow.service_us, slow.lag_us) else { continue };
            assert!((slow.response_us - service - lag).abs() < 0.01, "{slow:?}");
        }
    }
}

#[test]
fn every_format_can_be_made_of_the_example() {
    for file in examples() {
        let report = store::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let mut out = Vec::new();
        csv::render(&report, &mut out).expect("writes");
        hlog::render(&report, &mut out).expect("writes");
        terminal::render(&report, terminal::Style::Plain, &mut out).expect("writes");
        assert!(!out.is_empty());
    }
}

#[test]
fn the_example_is_small_and_names_nobodys_directories() {
    for file in examples() {
        assert!(std::fs::metadata(&file).expect("is there").len() < LARGEST, "{}", file.display());
        let text = std::fs::read_to_string(&file).expect("is text");
        for private in ["/home/", "/root", "/tmp", "/work", "/Users/"] {
            assert!(!text.contains(private), "{} holds {private}", file.display());
        }
    }
}

#[test]
fn the_committed_experiment_is_read_fits_the_schema_and_says_what_its_markdown_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/examples/overhead");
    let text = std::fs::read_to_string(directory.join("experiment.json")).expect("is text");
    let value = serde_json::from_str(&text).expect("is JSON");
    let validator = jsonschema::validator_for(&experiment_schema()).expect("a schema");
    if let Err(error) = validator.validate(&value) {
        panic!("{error} at {}", error.instance_path());
    }
    let experiment =
        Experiment::read(&directory.join("experiment.json")).unwrap_or_else(|error| panic!("{error}"));
    let mut markdown = Vec::new();
    experiment.document().markdown(&mut markdown).expect("writes");
    let committed = std::fs::read(directory.join("report.md")).expect("is there");
    assert_eq!(String::from_utf8(markdown).expect("is text"), String::from_utf8(committed).expect("is text"));
}

#[test]
fn every_example_has_the_page_that_is_made_of_it_today() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(base.join("reports/examples")).expect("reports/examples is committed");
    let mut pages = 0;
    for directory in entries.map(|entry| entry.expect("a readable entry").path()) {
        if !["report.json", "experiment.json"].iter().any(|file| directory.join(file).is_file()) {
            continue;
        }
        let name = directory.strip_prefix(base).expect("is beneath it").display();
        let output = tool::tool()
            .args(["report", "--format", "html"])
            .arg(&directory)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let committed = std::fs::read(directory.join("report.html")).unwrap_or_default();
        // Pages are too long to be printed.
        assert!(
            committed == output.stdout,
            "{name}/report.html is not what milvus-load makes of it; write it anew: cargo run report --format html {name} > {name}/report.html"
        );
        pages += 1;
    }
    assert!(pages >= 2, "{pages} examples");
}

#[test]
fn an_example_is_never_taken_for_the_latest_run() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports");
    if let Ok(latest) = store::resolve("latest", &base) {
        assert!(!latest.starts_with(base.join("examples")), "{}", latest.display());
    }
}
