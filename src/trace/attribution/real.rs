//! Traces of a real Milvus 2.3.5: searches, inserts and queries, alone and eight at once, of one shard and of two.

use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::TracesData;

use super::oracle::Naive;
use super::*;
use crate::trace::kept::{TRACES_OTLP_FILE, read_otlp};
use crate::trace::spans::of_otlp;

struct Real {
    name: String,
    request: Request,
    spans: Vec<Span>,
}

impl Real {
    fn told(&self) -> Attributed {
        attribute(&self.request, &self.spans).unwrap_or_else(|reason| panic!("{}: {reason}", self.name))
    }

    /// `insert`, of `insert-8-in-flight`.
    fn is(&self, class: &str) -> bool {
        self.name.starts_with(class)
    }
}

fn all() -> Vec<Real> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Real {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let data: TracesData = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    request_of(name, data).unwrap()
}

/// `None`: a trace of neither a request nor a set-up that counts.
fn request_of(name: String, data: TracesData) -> Option<Real> {
    let spans = of_otlp(&data.resource_spans);
    let is_setup = spans.iter().any(|span| span.parent.is_none() && &*span.name == "set-up");
    let is_request = |span: &&Span| {
        let is_one = if is_setup { &*span.name == "count" } else { span.kind == Kind::Client };
        is_one && &*span.service == "milvus-client"
    };
    let own = spans.iter().find(is_request)?;
    let lag_us = lag_us(&data, own.span_id);
    let request = Request {
        trace_id: own.trace_id,
        span_id: own.span_id,
        intended: own.start - lag_us * 1_000,
        sent: own.start,
        done: own.end,
    };
    Some(Real { name, request, spans })
}

/// 0 for a call of the set-up, which has none.
fn lag_us(data: &TracesData, span_id: u64) -> u64 {
    let spans = data.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|scope| &scope.spans);
    let own = spans.filter(|span| span.span_id == span_id.to_be_bytes()).flat_map(|span| &span.attributes);
    let lag = own.filter(|attribute| attribute.key == "milvus_load.lag_us");
    let value = lag.filter_map(|attribute| attribute.value.as_ref()?.value.as_ref()).next();
    match value {
        Some(Value::IntValue(lag)) => u64::try_from(*lag).unwrap(),
        _ => 0,
    }
}

fn name(row: &Row) -> String {
    match row {
        Row::Span { name, part: Part::Before(next), .. } => format!("{name} before {next}"),
        Row::Span { name, .. } => name.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_real_trace_is_whole_and_its_rows_sum_to_the_response() {
    let all = all();
    assert_eq!(all.len(), 20);
    for real in &all {
        let sum: u64 = real.told().rows.iter().map(|(_, nanos)| nanos).sum();
        assert_eq!(sum, real.request.done - real.request.intended, "{}", real.name);
    }
}

#[test]
fn the_oracle_says_the_same_of_every_real_trace() {
    // It does not know of what lies beside a request.
    for real in all().iter().filter(|real| !real.is("setup")) {
        let rows: BTreeMap<Row, u64> = real.told().rows.into_iter().collect();
        assert_eq!(Ok(rows), Naive::of(real.request, &real.spans).rows_by_changes(), "{}", real.name);
    }
}

#[test]
fn strong_searches_wait_for_the_time_tick_and_bounded_ones_do_not() {
    let wait = |real: &Real| {
        let rows = real.told().rows;
        let at = rows.iter().position(|(row, _)| name(row) == "Delegator-waitTSafe").unwrap();
        (at, rows[at].1 as f64 / (real.request.done - real.request.sent) as f64)
    };
    for real in all().iter().filter(|real| real.is("strong")) {
        let (place, share) = wait(real);
        assert!(place == 0 && share > 0.8, "{}: {place}, {share}", real.name);
    }
    for real in all().iter().filter(|real| real.is("bounded")) {
        let (_, share) = wait(real);
        assert!(share < 0.02, "{}: {share}", real.name);
    }
}

/// The query node merges searches that come together: another one's trace holds the segments, of one of two shards or of all.
#[test]
fn searches_that_were_merged_are_told_apart() {
    for real in all().iter().filter(|real| !real.is("insert")) {
        let told = real.told();
        assert_eq!(told.lacks_segments(told.waits), real.name.ends_with("merged"), "{}", real.name);
        let merged = told.searched_with_another();
        let sum: u64 = merged.rows.iter().map(|(_, nanos)| nanos).sum();
        assert_eq!(sum, real.request.done - real.request.intended, "{}", real.name);
    }
}

#[test]
fn what_hangs_beside_its_handler_is_told_within_it() {
    for real in all() {
        let rows: Vec<String> = real.told().rows.iter().map(|(row, _)| name(row)).collect();
        let has = |wanted: &str| rows.iter().any(|row| row == wanted);
        if real.is("insert") {
            assert!(has("SendMsg") && has("Proxy-Insert-Execute before SendMsg"), "{}: {rows:?}", real.name);
        }
        if real.is("query") || real.is("setup") {
            assert!(
                has("SegCoreRetrieve") && has("Proxy-Query before RetrieveTask"),
                "{}: {rows:?}",
                real.name
            );
            assert!(!has("milvus.proto.milvus.MilvusService/Query before RetrieveTask"), "{}", real.name);
        }
    }
}

/// Of all runs beneath a directory: `MILVUS_LOAD_TRACES=reports cargo test --lib -- --ignored --nocapture every_trace_that_runs_have_kept`.
#[test]
#[ignore = "wants the reports of runs"]
fn every_trace_that_runs_have_kept_is_whole_and_the_oracle_says_the_same() {
    let root =
        std::env::var_os("MILVUS_LOAD_TRACES").expect("MILVUS_LOAD_TRACES names a directory with reports");
    let mut directories = vec![PathBuf::from(root)];
    let (mut whole, mut incomplete, mut cut, mut lacking) = (BTreeMap::new(), Vec::new(), 0, 0);
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (inner, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        directories.extend(inner);
        for path in files.iter().filter(|path| path.ends_with(TRACES_OTLP_FILE)) {
            for trace in read_otlp(std::fs::File::open(path).unwrap()).unwrap() {
                cut += u64::from(trace.is_cut);
                let data = TracesData { resource_spans: trace.resources };
                let Some(real) = request_of(format!("{:032x}", trace.trace_id), data) else { continue };
                let span = real.spans.iter().find(|span| span.span_id == real.request.span_id).unwrap();
                let Ok(told) = attribute(&real.request, &real.spans) else {
                    incomplete.push(format!("{} {} in {}", span.name, real.name, path.display()));
                    continue;
                };
                *whole.entry(span.name.to_string()).or_insert(0u64) += 1;
                lacking += u64::from(told.lacks_segments(told.waits));
                let sum: u64 = told.rows.iter().map(|(_, nanos)| nanos).sum();
                assert_eq!(sum, real.request.done - real.request.intended, "{}", real.name);
                // It does not know of what lies beside a request.
                if &*span.name != "count" {
                    let rows: BTreeMap<Row, u64> = told.rows.into_iter().collect();
                    assert_eq!(
                        Ok(rows),
                        Naive::of(real.request, &real.spans).rows_by_changes(),
                        "{}",
                        real.name
                    );
                }
            }
        }
    }
    println!(
        "whole: {whole:?}; searched with another: {lacking}; known to be cut: {cut}; incomplete: {incomplete:#?}"
    );
    assert!(!whole.is_empty(), "no trace is there");
}
