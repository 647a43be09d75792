//! What the built-in collector costs the measurement where 2,000 requests a second are sampled, on a machine that nobody else uses:
//!
//! `cargo test --release --test truth -- --ignored --nocapture what_the_built_in_collector_costs`
//!
//! The server answers after a millisecond, and exports what a Milvus does: of each sampled search nine spans, every five seconds. Runs
//! come in pairs: in one the tool collects the spans itself, in the other a process of its own does, with the same code. What differs is
//! the process alone. (A Milvus on two cores holds a quarter of that rate, and its own times scatter by a tenth from run to run.)

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use milvus_load::report::RunReport;
use milvus_load::trace::collector::{Chooser, Collector, Keeping, Onward};
use milvus_load::trace::env::OtelEnv;
use milvus_load::trace::exporter::ExportSettings;
use milvus_load::trace::span::ClientSpan;
use milvus_load::truth::{Delay, Entry, Script, TruthServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};

use crate::support::{ms, script, start};
use crate::tool::tool;

const PAIRS: usize = 6;
/// Between two exports, and spans of one: as Milvus's exporter has them.
const EVERY: Duration = Duration::from_secs(5);
const BATCH: usize = 512;

const WORKLOAD: &str = "[collection]\nname = \"c\"\nprepare = \"never\"\n[data]\nqueries = 1000\n\
     [load]\nrate = 2000\nwarmup = \"2s\"\nduration = \"20s\"\n[[operations]]\nkind = \"search\"\n[trace]\nsample_fraction = 1.0\n";

/// Where the spans are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arm {
    Here,
    Apart,
}

/// Keeps nothing: the run does not report on what is collected apart.
struct Nothing;

impl Chooser for Nothing {
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128)) {
        let_go(span.trace.trace_id);
    }
}

/// A span's name and which one it hangs beneath; -1: the client's.
const SPANS: [(&str, i8); 9] = [
    ("milvus.proto.milvus.MilvusService/Search", -1),
    ("Proxy-Search", 0),
    ("milvus.proto.rootcoord.RootCoord/AllocTimestamp", 1),
    ("SearchTask-PreExecute", 1),
    ("SearchTask-Execute", 1),
    ("milvus.proto.query.QueryNode/Search", 4),
    ("Delegator-waitTSafe", 5),
    ("SegCoreSearch", 5),
    ("SearchTask-PostExecute", 1),
];

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn spans(entry: &Entry) -> impl Iterator<Item = Span> + use<> {
    let trace = entry.trace.filter(|trace| trace.sampled);
    trace.into_iter().flat_map(|trace| {
        SPANS.iter().zip(1u64..).map(move |((name, parent), number)| {
            let id = |number: u64| (trace.span_id ^ (number << 48)).to_be_bytes().to_vec();
            Span {
                trace_id: trace.trace_id.to_be_bytes().to_vec(),
                span_id: id(number),
                parent_span_id: id(u64::try_from(i64::from(*parent) + 1).unwrap()),
                name: (*name).to_owned(),
                kind: if *parent == -1 { 2 } else { 1 },
                start_time_unix_nano: 1_700_000_000_000_000_000 + number * 1_000,
                end_time_unix_nano: 1_700_000_000_001_000_000 - number * 1_000,
                attributes: vec![text("rpc.system", "grpc"), text("net.peer.ip", "127.0.0.1")],
                ..Span::default()
            }
        })
    })
}

/// Exports the spans of what the server has answered, until it is told to end.
struct Exporting {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Exporting {
    fn start(server: Arc<TruthServer>, to: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let channel = runtime
                .block_on(async { Endpoint::from_shared(format!("http://{to}")).unwrap().connect_lazy() });
            let (mut exported, mut sent) = (0, 0);
            while !ending.load(Ordering::Acquire) {
                let next = Instant::now() + EVERY;
                let entries = server.log().entries;
                let due: Vec<Span> = entries[exported..].iter().flat_map(spans).collect();
                exported = entries.len();
                for batch in due.chunks(BATCH) {
                    sent += batch.len();
                    runtime.block_on(send(&channel, batch.to_vec()));
                }
                while Instant::now() < next && !ending.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            sent
        });
        Self { is_over, thread }
    }

    /// How many spans were sent.
    fn end(self) -> usize {
        self.is_over.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

async fn send(channel: &Channel, spans: Vec<Span>) {
    let scopes = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = Resource { attributes: vec![text("service.name", "standalone")], ..Resource::default() };
    let export = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: scopes,
            ..ResourceSpans::default()
        }],
    };
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let codec = tonic_prost::ProstCodec::<_, ExportTraceServiceResponse>::default();
    // The collector is gone where the run has ended just now.
    let _ = grpc.unary(tonic::Request::new(export), path, codec).await;
}

fn apart(listener: TcpListener) -> (Collector, Keeping) {
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = Collector::start(listener, None).unwrap();
    let settings = ExportSettings::new(&endpoint, "apart", &[], &OtelEnv::default()).unwrap();
    let keeping = collector.begin(&settings, &[], "apart", Onward::Nowhere).unwrap();
    keeping.choose_by(Box::new(Nothing));
    (collector, keeping)
}

fn run(arm: Arm) -> RunReport {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
    let constant = Delay::Constant(ms(1));
    let server = Arc::new(start(Script { log_requests: 100_000, ..script(constant) }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let place = listener.local_addr().unwrap();
    let (collected, setting) = match arm {
        Arm::Here => {
            drop(listener);
            (None, format!("trace.collector_listen=\"{place}\""))
        }
        Arm::Apart => (Some(apart(listener)), format!("trace.otlp_endpoint=\"http://{place}\"")),
    };
    let exporting = Exporting::start(Arc::clone(&server), place);
    let mut tool = tool();
    tool.args(["run", "w.toml", "--json", "--allow-untrusted", "--uri", &server.uri(), "--set", &setting]);
    tool.current_dir(directory.path()).stdin(Stdio::null());
    let ended = tool.output().unwrap();
    let sent = exporting.end();
    let report: RunReport = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ended.stderr)));
    let books = collected.map(|(collector, keeping)| {
        let books = keeping.finish(true, Duration::ZERO).books;
        drop(collector);
        books
    });
    println!("{arm:?}: {sent} spans of the server; here {:?}; apart {books:?}", report.spans);
    report
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { (values[half - 1] + values[half]) / 2.0 } else { values[half] }
}

#[test]
#[ignore = "some six minutes, on a quiet machine and optimised"]
fn what_the_built_in_collector_costs() {
    let mut p50: BTreeMap<Arm, Vec<f64>> = BTreeMap::new();
    for pair in 0..PAIRS {
        let order = if pair % 2 == 0 { [Arm::Here, Arm::Apart] } else { [Arm::Apart, Arm::Here] };
        for arm in order {
            let report = run(arm);
            let search = &report.operations["search"];
            println!(
                "pair {pair} {arm:?}: p50 {:?} us, p99 {:?} us, offered {}, generator {:?}",
                search.response.p50_us, search.response.p99_us, search.offered, report.resources.generator
            );
            p50.entry(arm).or_default().push(search.response.p50_us.expect("a p50"));
        }
    }
    let moves: Vec<f64> = p50[&Arm::Here].iter().zip(&p50[&Arm::Apart]).map(|(a, b)| a / b - 1.0).collect();
    println!("p50 here against apart: {:+.2} % (each pair: {moves:+.4?})", 100.0 * median(moves.clone()));
}
