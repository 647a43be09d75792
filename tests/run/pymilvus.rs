//! What this tool wrote, read back by Milvus's own Python client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::requests::Described;
use crate::support::{Sandbox, server};
use crate::{binary, lookups};

/// The client of the embedded server's version, and of its dependencies the last that it runs with: it names no upper bounds.
const PACKAGES: [&str; 6] =
    ["pymilvus==2.3.5", "setuptools<70", "marshmallow<4", "protobuf<5", "numpy<2", "pandas<3"];

/// A directory to import from, installed into once and used again by later runs.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install)
}

fn install() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pymilvus-2.3.5");
    let complete = dir.join("installed");
    if !complete.exists() {
        let _ = fs::remove_dir_all(&dir);
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"];
        // In a directory of its own, so that nothing lies there that Python would run.
        fs::create_dir_all(&dir).unwrap();
        let mut command = Command::new("python3");
        command.args(pip).arg(&dir).args(PACKAGES).current_dir(&dir);
        let ended = command.output().expect("python3 is needed: see the README");
        assert!(ended.status.success(), "pip: {}", String::from_utf8_lossy(&ended.stderr));
        fs::write(complete, "").unwrap();
    }
    dir
}

/// Rows `first .. last` of a collection, by pymilvus.
fn read(described: &Described, first: u64, last: u64) -> Vec<Value> {
    let uri: milvus_load::workload::MilvusUri = server().uri.parse().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/read_rows.py");
    let collection = &described.workload.collection;
    let mut command = Command::new("python3");
    command.arg(script).args([&uri.host, &uri.port.to_string(), &collection.name, &collection.vector.name]);
    command.args([first.to_string(), last.to_string()]).env("PYTHONPATH", installed());
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn same(text: &str) {
    let described = Described::new(text);
    let sandbox = Sandbox::on(&described.workload.collection.name);
    sandbox.write("rows.toml", text);
    sandbox.run(&["rows.toml", "--duration", "1s"]).report(0);
    let vector = described.workload.collection.vector.name.as_str();
    for first in [0, 1_490, 2_900] {
        let mut rows = read(&described, first, first + 100);
        rows.sort_by_key(|row| row["id"].as_u64());
        assert_eq!(rows.len(), 100);
        for (key, row) in (first..).zip(rows) {
            assert_eq!(row["id"], key);
            let hex: String = described.vector(key).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(row[vector], hex, "vector of row {key}");
            for (field, (scalar, _)) in described.layout.scalars.iter().enumerate() {
                let value = described.layout.scalar_value(field, key).to_string();
                let found = match &row[&scalar.name] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                assert_eq!(found, value, "{} of row {key}", scalar.name);
            }
        }
    }
}

#[test]
fn pymilvus_reads_the_float_vectors_and_scalars_that_were_written() {
    same(lookups::LOOKUP);
}

#[test]
fn pymilvus_reads_the_binary_vectors_that_were_written() {
    same(&binary::workload("hamming", "BIN_FLAT", "{}"));
}
