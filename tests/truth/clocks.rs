//! The three clocks of every request: the same in the report, in its span, and at the server.

use std::collections::{BTreeSet, HashMap};

use milvus_load::report::RunReport;
use milvus_load::report::model::NoLink;
use milvus_load::truth::{Delay, Log, Rpc, Traceparents};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::scribe::Scribe;
use crate::support::*;

/// A run of the binary at 200/s for 1.5 s after 0.5 s of warm-up: 400 requests.
struct Traced {
    report: RunReport,
    /// Those of requests.
    spans: Vec<Span>,
    /// Those of set-up.
    others: u64,
    log: Log,
}

fn traced(trace: &str) -> Traced {
    let delay = Delay::Exponential { mean: ms(4) };
    let (server, collector) = (start(script(delay)), Scribe::start(&ExportTraceServiceResponse::default()));
    let workload = format!(
        "[load]\nrate = 200\nwarmup = \"500ms\"\nduration = \"1500ms\"\narrival = \"constant\"\n\
         workers = 2\nconnections = 2\n[trace]\notlp_endpoint = \"{}\"\nslowest = 1000\n{trace}",
        collector.uri
    );
    let run = BinaryRun::start(&server.uri(), &workload, |command, _| {
        command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    });
    let report = run.end().done();
    let requests = collector.messages();
    let (spans, others): (Vec<_>, Vec<_>) = requests
        .iter()
        .flat_map(|message| ExportTraceServiceRequest::decode(&message[..]).unwrap().resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .partition(|span: &Span| attribute(span, "milvus_load.lag_us").is_some());
    let log = server.stop();
    assert_eq!(log.count(Rpc::Search), 400);
    Traced { report, spans, others: others.len() as u64, log }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

fn number(span: &Span, key: &str) -> i64 {
    match attribute(span, key) {
        Some(Value::IntValue(number)) => *number,
        other => panic!("{key} is {other:?}"),
    }
}

fn id(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
}

/// The traces that the server was told are sampled, and those of which it got a span.
fn same_traces(traced: &Traced) -> usize {
    let told = traced.log.entries.iter().filter_map(|entry| entry.trace).filter(|trace| trace.sampled);
    let told: BTreeSet<_> = told.map(|trace| (trace.trace_id, trace.span_id)).collect();
    let built: Vec<_> = traced.spans.iter().map(|s| (id(&s.trace_id), id(&s.span_id) as u64)).collect();
    assert_eq!(built.len(), told.len());
    assert_eq!(built.into_iter().collect::<BTreeSet<_>>(), told);
    told.len()
}

#[test]
fn report_span_and_server_agree_on_every_request() {
    let traced = traced("sample_fraction = 1.0");
    assert_eq!(same_traces(&traced), 400);
    assert_eq!(traced.report.spans.as_ref().unwrap().exported, 400 + traced.others);
    let spans: HashMap<_, _> = traced.spans.iter().map(|span| (id(&span.trace_id), span)).collect();
    let received = by_trace(&traced.log);
    assert_eq!(traced.report.slowest.len(), 300, "the window's, all of them");
    for request in &traced.report.slowest {
        let trace_id = u128::from_str_radix(request.trace_id.as_ref().unwrap(), 16).unwrap();
        let (span, entry) = (spans[&trace_id], received[&trace_id]);
        let (service, lag) = (request.service_us.unwrap(), request.lag_us.unwrap());
        // Values in microseconds with three places: sums are exact to a rounding of doubles.
        assert!((request.response_us - service - lag).abs() < 1e-3, "{request:?}");
        let length = span.end_time_unix_nano - span.start_time_unix_nano;
        assert!((length as f64 / 1e3 - service).abs() < 1e-3, "{request:?}: {length}");
        assert_eq!(number(span, "milvus_load.lag_us"), lag as i64);
        assert_eq!(number(span, "milvus_load.intended_unix_us") as u64, request.intended_unix_us);
        let lag_of_span = span.start_time_unix_nano - request.intended_unix_us * 1_000;
        assert!((lag_of_span as f64 / 1e3 - lag).abs() <= 1.0, "{request:?}: {lag_of_span}");
        let at = request.at_s * 200.0;
        assert!((at - at.round()).abs() < 1e-6, "due at a multiple of 5 ms: {request:?}");
        // The server had it for so long, so nobody can have had its answer sooner.
        let held = (entry.answered.unwrap() - entry.arrival).as_micros_f64();
        assert!(service >= held && held >= entry.delay.as_micros_f64());
        assert!(request.trace_url.as_ref().unwrap().contains(request.trace_id.as_ref().unwrap()));
    }
    let phases = |name: &str| {
        let is = |span: &&Span| matches!(attribute(span, "milvus_load.phase"), Some(Value::StringValue(p)) if p == name);
        traced.spans.iter().filter(is).count()
    };
    assert_eq!((phases("warmup"), phases("measure")), (100, 300));
    percentiles_are_those_of_the_requests(&traced.report);
}

/// By hand from the single requests; the histogram may be 0.1 % above.
fn percentiles_are_those_of_the_requests(report: &RunReport) {
    let search = &report.operations["search"];
    let mut responses: Vec<_> = report.slowest.iter().map(|request| request.response_us).collect();
    responses.sort_by(f64::total_cmp);
    let told = [(search.response.p50_us, 150), (search.response.p90_us, 270), (search.response.p95_us, 285)];
    for (told, rank) in told {
        let (told, truth) = (told.unwrap(), responses[rank - 1]);
        assert!(told >= truth && told <= truth * 1.001, "{told} for {truth}");
    }
    let mean = responses.iter().sum::<f64>() / 300.0;
    assert!((search.response.mean_us.unwrap() - mean).abs() < 1e-3);
    assert_eq!(search.response.max_us, responses.last().copied());
    assert_eq!((search.offered_per_s, search.succeeded_per_s), (Some(200.0), Some(200.0)));
    assert_eq!((search.hits.expected, search.hits.returned), (3_000, 3_000));
}

#[test]
fn at_a_third_the_server_is_told_of_that_share_and_gets_the_no_of_all_others() {
    let traced = traced("sample_fraction = 0.3");
    let sampled = same_traces(&traced) as u64;
    // Binomial: mean 120, standard deviation sqrt(400 x 0.3 x 0.7) = 9.2; six of those.
    assert!((65..=175).contains(&sampled), "{sampled}");
    let seen = Traceparents { sampled, unsampled: 400 - sampled, ..Traceparents::default() };
    assert_eq!(traced.log.traceparents, seen);
    for request in &traced.report.slowest {
        let reason = if request.sampled { None } else { Some(NoLink::NotSampled) };
        assert_eq!((request.trace_url_reason, request.trace_url.is_some()), (reason, request.sampled));
    }
}

#[test]
fn where_the_no_is_omitted_only_the_sampled_have_a_header() {
    let traced = traced("sample_fraction = 0.3\nunsampled = \"omit\"");
    let sampled = same_traces(&traced) as u64;
    assert!((65..=175).contains(&sampled), "{sampled}");
    let seen = Traceparents { sampled, absent: 400 - sampled, ..Traceparents::default() };
    assert_eq!(traced.log.traceparents, seen);
}

#[test]
fn at_fraction_0_every_request_says_no_and_there_is_no_span() {
    let traced = traced("sample_fraction = 0.0");
    assert_eq!(same_traces(&traced), 0);
    assert_eq!(traced.log.traceparents, Traceparents { unsampled: 400, ..Traceparents::default() });
}

#[test]
fn with_tracing_off_there_is_neither_header_nor_id_nor_span() {
    let traced = traced("enabled = false");
    assert_eq!(same_traces(&traced), 0);
    assert_eq!(traced.log.traceparents, Traceparents { absent: 400, ..Traceparents::default() });
    assert!(traced.report.slowest.iter().all(|r| r.trace_id.is_none() && !r.sampled));
}
