//! Pages of reports as they are stored, made by the real program.

use std::fs::File as Opened;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use milvus_load::report::RunReport;
use milvus_load::report::model::Request;
use milvus_load::report::store;
use milvus_load::trace::kept::{KeptTrace, TRACES_OTLP_FILE, read_otlp, write_packed};
use tempfile::TempDir;

use crate::checks::File;
use crate::tool::tool;

pub const REPORT: &str = "report.json";
pub const EXPERIMENT: &str = "experiment.json";

/// A directory with a report of a run or of an experiment in it.
pub struct Source {
    pub name: String,
    pub directory: PathBuf,
}

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/examples")
}

/// All that are committed.
pub fn examples() -> Vec<Source> {
    let directories = std::fs::read_dir(base()).unwrap().map(|entry| entry.unwrap().path());
    let mut sources: Vec<Source> = directories
        .filter(|directory| [REPORT, EXPERIMENT].iter().any(|file| directory.join(file).is_file()))
        .map(|directory| Source {
            name: directory.file_name().unwrap().to_str().unwrap().to_owned(),
            directory,
        })
        .collect();
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(sources.len() >= 2, "{} holds no examples", base().display());
    sources
}

/// The example of a run beside traces that were kept of real searches: its slowest requests are made theirs.
pub fn with_traces(directory: &Path) -> Source {
    let mut report: RunReport = store::read(&base().join("search").join(REPORT)).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let read = |file: &str| read_otlp(Opened::open(data.join(file)).unwrap()).unwrap();
    let kept: Vec<KeptTrace> =
        ["strong-2.json", "bounded-2-shards.json", "query.json"].into_iter().flat_map(read).collect();
    for (request, trace) in report.slowest.iter_mut().zip(&kept) {
        become_of(request, trace);
    }
    report.slowest_sampled.clone_from(&report.slowest);
    std::fs::write(directory.join(REPORT), serde_json::to_vec(&report).unwrap()).unwrap();
    write_packed(&kept, Opened::create(directory.join(TRACES_OTLP_FILE)).unwrap()).unwrap();
    Source { name: "with traces".to_owned(), directory: directory.to_owned() }
}

/// What this request would be had it made this trace.
fn become_of(request: &mut Request, trace: &KeptTrace) {
    let spans = trace.spans();
    let ids: Vec<u64> = spans.iter().map(|span| span.span_id).collect();
    let top = spans.iter().filter(|span| span.parent.is_none_or(|parent| !ids.contains(&parent)));
    let top = top.max_by_key(|span| span.length()).unwrap();
    let service_us = top.length() as f64 / 1e3;
    request.trace_id = Some(format!("{:032x}", trace.trace_id));
    request.span_id = Some(format!("{:016x}", top.parent.unwrap_or(top.span_id)));
    request.intended_unix_us = top.start / 1_000 - 50;
    request.service_us = Some(service_us);
    request.lag_us = Some(50.0);
    request.response_us = service_us + 50.0;
}

/// The page of it, in a directory of its own.
pub fn page(source: &Source, out: &TempDir) -> File {
    let path = out.path().join(format!("{}.html", source.name.replace(' ', "-")));
    let output = tool()
        .arg("report")
        .arg(&source.directory)
        .args(["--format", "html"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", source.name, String::from_utf8_lossy(&output.stderr));
    std::fs::write(&path, output.stdout).unwrap();
    File { name: source.name.clone(), path }
}
