//! Pages of reports as they are stored, made by the real program.

use std::fs::File as Opened;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use milvus_load::report::RunReport;
use milvus_load::report::html::HTML_FILE;
use milvus_load::report::index::INDEX_FILE;
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

/// The page of it, among others in a directory.
pub fn page(source: &Source, out: &TempDir) -> File {
    let path = out.path().join(format!("{}.html", source.name.replace(' ', "-")));
    let html = told(tool().arg("report").arg(&source.directory).args(["--format", "html"]), &source.name);
    std::fs::write(&path, html).unwrap();
    File { name: source.name.clone(), path }
}

/// The page that lists them all, beside them; their directories lie in one of this name.
pub fn index(sources: &[Source], name: &str, within: &str, out: &TempDir) -> File {
    let base = out.path().join(name.replace(' ', "-"));
    for (number, source) in sources.iter().enumerate() {
        let directory = base.join(within).join(number.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        for file in [REPORT, EXPERIMENT].iter().filter(|file| source.directory.join(file).is_file()) {
            std::fs::copy(source.directory.join(file), directory.join(file)).unwrap();
        }
        let page = page(source, out);
        std::fs::copy(page.path, directory.join(HTML_FILE)).unwrap();
    }
    told(tool().args(["report", "--index"]).arg(&base), name);
    File { name: name.to_owned(), path: base.join(INDEX_FILE) }
}

fn told(command: &mut Command, name: &str) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
