use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use proptest::prelude::*;
use prost::Message;

use super::fake::{Behaviour, FakeCollector, goes_away, http};
use super::*;
use crate::trace::TraceRef;
use crate::trace::closed_port::ClosedPort;
use crate::trace::endpoint::{EndpointForm, Protocol};
use crate::trace::env::OtelEnv;
use crate::trace::setup::SetupSpan;
use crate::trace::span::{ClientSpan, SpanOutcome};

/// Generous: what is bounded by it ends by itself long before.
const LONG: Duration = Duration::from_secs(300);

pub(super) fn operation() -> OperationAttributes {
    OperationAttributes {
        operation: "search".into(),
        rpc: "Search".into(),
        collection: "books".into(),
        database: String::new(),
        server_address: "localhost".into(),
        server_port: 19530,
    }
}

pub(super) fn span(trace_id: u128) -> ClientSpan {
    ClientSpan {
        trace: TraceRef { trace_id, span_id: 7, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1_000_000,
        sent: 1_500_000,
        done: 9_000_000,
        outcome: SpanOutcome::Ok,
        peer: None,
        rows: 0,
    }
}

fn settings(endpoint: &str) -> ExportSettings {
    let resource = [("application".to_owned(), "shop".to_owned())];
    let mut settings =
        ExportSettings::new(endpoint, "milvus-client", &resource, &OtelEnv::default()).unwrap();
    settings.limits.delay = Duration::from_millis(10);
    patient(settings)
}

/// Time for a collector that is slow because the machine is.
fn patient(mut settings: ExportSettings) -> ExportSettings {
    settings.transport.timeout = LONG;
    settings.limits.export_timeout = LONG;
    settings
}

fn over_http(endpoint: &str) -> ExportSettings {
    let mut settings = settings(endpoint);
    settings.transport.protocol = Protocol::HttpProtobuf;
    settings
}

fn start(settings: &ExportSettings) -> Exporter {
    Exporter::start(settings, &[operation()], "run-7").unwrap()
}

/// Exports the traces 1 to `spans` with these settings.
fn export(settings: &ExportSettings, spans: u128, limit: Duration) -> ExportReport {
    let exporter = start(settings);
    let sink = exporter.sink();
    (1..=spans).for_each(|id| sink.offer(span(id)));
    exporter.finish(limit)
}

fn at(closed: &ClosedPort) -> String {
    format!("http://{}", closed.address())
}

/// Neither time nor a full batch makes it send: only being asked to.
#[test]
fn what_is_queued_is_sent_at_once_where_a_flush_is_asked_for() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    let mut settings = settings(&collector.endpoint);
    (settings.limits.delay, settings.limits.batch) = (LONG, 10);
    let exporter = start(&settings);
    let sink = exporter.sink();
    let mut offered = 0;
    for spans in [1, 9, 25, 10, 3] {
        (0..spans).for_each(|id| sink.offer(span(offered + id + 1)));
        offered += spans;
        exporter.flush();
        let begun = Instant::now();
        while u128::from(exporter.counts().exported) < offered {
            assert!(begun.elapsed() < LONG, "{:?} of {offered}", exporter.counts());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let counts = exporter.finish(LONG).counts;
    assert_eq!((u128::from(counts.exported), counts.queued), (offered, 0));
}

const THREADS: u128 = 4;
const EACH: u128 = 2_000;

/// Overruns a small queue from four threads, with the collector at `endpoint`; checks every sum and returns the report. The end is
/// asked for when `then` has returned.
#[track_caller]
fn overrun(endpoint: &str, limit: Duration, then: impl FnOnce()) -> ExportReport {
    let mut settings = settings(endpoint);
    settings.limits.queue = 500;
    settings.limits.batch = 100;
    let exporter = start(&settings);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sink, exporter) = (exporter.sink(), &exporter);
            scope.spawn(move || {
                for id in 0..EACH {
                    sink.offer(span(thread * EACH + id + 1));
                    let now = exporter.counts();
                    assert_eq!(now.recorded, now.exported + now.dropped + now.failed + now.queued);
                }
            });
        }
    });
    then();
    let report = exporter.finish(limit);
    let counts = report.counts;
    assert_eq!(u128::from(counts.recorded), THREADS * EACH);
    assert_eq!(counts.recorded, counts.exported + counts.dropped + counts.failed);
    assert_eq!(counts.queued, 0);
    report
}

/// Nobody is told that a trace arrived which did not.
fn check_fates(report: &ExportReport, collector: &FakeCollector) {
    let arrived = collector.trace_ids();
    let exported = (1..=THREADS * EACH).filter(|id| report.fate(*id) == Fate::Exported).collect::<Vec<_>>();
    assert_eq!(exported.len() as u64, report.counts.exported);
    assert!(exported.iter().all(|id| arrived.contains(id)));
}

#[test]
fn every_span_is_accounted_for_with_a_slow_collector() {
    // Slower than anybody can offer: it answers nothing until all has been offered.
    let collector = FakeCollector::grpc(Behaviour::AcceptOnceOpen);
    let report = overrun(&collector.endpoint, LONG, || collector.open());
    assert!(report.counts.exported > 0 && report.counts.dropped > 0, "{:?}", report.counts);
    assert_eq!(report.counts.exported, collector.trace_ids().len() as u64);
    check_fates(&report, &collector);
}

#[test]
fn every_span_is_accounted_for_without_a_collector() {
    let closed = ClosedPort::new();
    let report = overrun(&at(&closed), Duration::from_millis(300), || {});
    assert_eq!(report.counts.exported, 0);
    assert_eq!(report.fate(1), Fate::NotExported);
    assert!(report.last_error.is_some());
}

#[test]
fn every_span_is_accounted_for_when_the_collector_refuses() {
    let collector = FakeCollector::grpc(Behaviour::Refuse(16));
    let report = overrun(&collector.endpoint, LONG, || {});
    assert_eq!(report.counts.exported, 0);
    assert!(report.counts.failed > 0);
    assert!(report.last_error.unwrap().contains("Unauthenticated"));
}

#[test]
fn every_span_is_accounted_for_when_the_collector_hangs() {
    let collector = FakeCollector::grpc(Behaviour::Hang);
    // The end comes when the first batch is on its way.
    let report = overrun(&collector.endpoint, Duration::from_millis(300), || collector.wait_for_one());
    assert_eq!(report.counts.exported, 0);
    assert!(report.counts.failed >= 100, "the batch on its way has failed: {:?}", report.counts);
    assert!(report.last_error.unwrap().contains("time at the end of the run was up"));
}

#[test]
fn a_willing_collector_gets_every_span_and_who_sent_it() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    let report = export(&settings(&collector.endpoint), 5_000, LONG);
    assert_eq!(report.counts, SpanCounts { recorded: 5_000, exported: 5_000, ..Default::default() });
    assert_eq!(collector.trace_ids(), (1..=5_000).collect());
    assert_eq!((report.fate(77), report.last_error.as_deref()), (Fate::Exported, None));

    let received = collector.received();
    assert!(received.iter().all(|one| one.spans().count() <= BatchLimits::MOST_IN_BATCH));
    let resource = &received[0].request.resource_spans[0];
    let attribute = |key: &str| {
        let found = resource.resource.as_ref().unwrap().attributes.iter().find(|one| one.key == key);
        match found.and_then(|one| one.value.as_ref()?.value.as_ref()) {
            Some(ProtoValue::StringValue(text)) => text.clone(),
            other => panic!("{key}: {other:?}"),
        }
    };
    assert_eq!(attribute("service.name"), "milvus-client");
    assert_eq!(attribute("application"), "shop");
    assert_eq!(attribute("telemetry.sdk.language"), "rust");
    assert_eq!(resource.scope_spans[0].schema_url, opentelemetry_semantic_conventions::SCHEMA_URL);
    assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "milvus-load");
}

#[test]
fn a_span_arrives_with_its_times_and_ids() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    export(&settings(&collector.endpoint), 1, LONG);
    let received = collector.received();
    let span = received[0].spans().next().unwrap();
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_500_000, 9_000_000));
    assert_eq!(span.span_id, 7u64.to_be_bytes());
    assert_eq!((span.name.as_str(), span.kind), ("Search books", 3), "kind 3 is CLIENT");
}

#[test]
fn set_up_arrives_as_a_tree() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    let exporter = start(&settings(&collector.endpoint));
    let root = SetupSpan {
        trace: TraceRef { trace_id: 5, span_id: 1, sampled: true },
        parent: None,
        is_call: false,
        name: "set-up".into(),
        start: 1,
        end: 9,
        attributes: Vec::new(),
        error: None,
    };
    let child = SetupSpan { trace: TraceRef { span_id: 2, ..root.trace }, parent: Some(1), ..root.clone() };
    exporter.sink().offer_setup(root);
    exporter.sink().offer_setup(child);
    assert_eq!(exporter.finish(LONG).counts.exported, 2);
    let received = collector.received();
    let parents: Vec<_> =
        received.iter().flat_map(|one| one.spans()).map(|one| &one.parent_span_id[..]).collect();
    assert_eq!(parents, [&[][..], &1u64.to_be_bytes()[..]]);
}

#[test]
fn what_a_collector_refused_of_a_batch_is_not_exported() {
    for (collector, settings) in [
        (FakeCollector::grpc(Behaviour::Reject(3)), settings as fn(&str) -> _),
        (http(200, Some(3)), over_http as fn(&str) -> _),
    ] {
        let report = export(&settings(&collector.endpoint), 10, LONG);
        let batches = collector.received().len() as u64;
        assert_eq!(report.counts.failed, 3 * batches);
        assert_eq!(report.counts.exported, 10 - 3 * batches);
        // Nobody said which three.
        assert_eq!(report.fate(1), Fate::Unknown);
        assert!(report.last_error.unwrap().ends_with("too old"));
    }
}

#[test]
fn a_collector_that_refuses_more_than_it_got_refused_all_of_it() {
    for rejected in [1_000, i64::MAX] {
        let collector = FakeCollector::grpc(Behaviour::Reject(rejected));
        let report = export(&settings(&collector.endpoint), 10, LONG);
        assert_eq!((report.counts.failed, report.counts.exported), (10, 0));
    }
    // A negative number is nonsense: nothing is known to be refused.
    let collector = FakeCollector::grpc(Behaviour::Reject(-5));
    assert_eq!(export(&settings(&collector.endpoint), 10, LONG).counts.exported, 10);
}

/// One batch of 100 spans, made by letting them wait for the end.
fn one_batch(mut settings: ExportSettings) -> ExportReport {
    settings.limits.delay = LONG;
    export(&settings, 100, LONG)
}

fn sizes(collector: &FakeCollector) -> Vec<usize> {
    collector.received().iter().map(|one| one.spans().count()).collect()
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_halves_once() {
    let collector = FakeCollector::grpc(Behaviour::AtMost(50));
    let report = one_batch(settings(&collector.endpoint));
    assert_eq!((report.counts.exported, sizes(&collector)), (100, vec![100, 50, 50]));
    assert_eq!(report.last_error, None);

    let collector = FakeCollector::grpc(Behaviour::AtMost(49));
    let report = one_batch(settings(&collector.endpoint));
    assert_eq!((report.counts.failed, sizes(&collector)), (100, vec![100, 50, 50]));
    assert!(report.last_error.unwrap().contains("too large"));

    let collector = http(413, None);
    let report = one_batch(over_http(&collector.endpoint));
    assert_eq!((report.counts.failed, sizes(&collector)), (100, vec![100, 50, 50]));
}

#[test]
fn a_batch_is_full_at_its_bytes_too() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    let mut settings = settings(&collector.endpoint);
    settings.limits.batch_bytes = 8 << 10;
    let report = one_batch(settings);
    assert_eq!(report.counts.exported, 100);
    let largest = collector.received().iter().map(|one| one.request.encoded_len()).max().unwrap();
    assert!((2 << 10..=(8 << 10) + 1_024).contains(&largest), "{largest} bytes");
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let collector = FakeCollector::grpc(Behaviour::Hang);
    let mut settings = settings(&collector.endpoint);
    settings.limits.export_timeout = Duration::from_millis(50);
    let report = one_batch(settings);
    assert_eq!(report.counts.failed, 100);
    assert_eq!(report.last_error.unwrap(), "no answer within 50ms");
}

#[test]
fn headers_arrive_once_and_are_never_shown() {
    let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| "api-key=s3cret%20word".to_owned());
    for (collector, protocol) in
        [(FakeCollector::grpc(Behaviour::Accept), Protocol::Grpc), (http(200, None), Protocol::HttpProtobuf)]
    {
        let mut settings =
            patient(ExportSettings::new(&collector.endpoint, "x", &[], &OtelEnv::read(&env)).unwrap());
        settings.transport.protocol = protocol;
        assert!(!format!("{settings:?}").contains("s3cret"));
        let report = export(&settings, 1, LONG);
        assert_eq!(report.counts.exported, 1);
        assert!(!format!("{report:?}").contains("s3cret"));
        let received = collector.received();
        let values: Vec<_> = received[0].headers.get_all("api-key").iter().collect();
        assert_eq!(values, ["s3cret word"]);
        let agent = received[0].headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("milvus-load/"), "{agent}");
    }
}

#[test]
fn compression_is_used_where_it_is_asked_for() {
    for (collector, mut settings) in [
        (FakeCollector::grpc(Behaviour::Accept), settings as fn(&str) -> ExportSettings),
        (http(200, None), over_http as fn(&str) -> _),
    ]
    .map(|(collector, settings)| {
        let settings = settings(&collector.endpoint);
        (collector, settings)
    }) {
        settings.transport.gzip = true;
        assert_eq!(export(&settings, 10, LONG).counts.exported, 10);
        assert!(collector.received().iter().all(|one| one.compressed));
        assert_eq!(collector.trace_ids(), (1..=10).collect());
    }
}

#[test]
fn grpc_calls_what_the_specification_names() {
    let collector = FakeCollector::grpc(Behaviour::Accept);
    assert_eq!(export(&settings(&collector.endpoint), 3, LONG).counts.exported, 3);
    let received = &collector.received()[0];
    assert_eq!(received.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(received.headers["content-type"], "application/grpc");
    assert_eq!(received.headers["te"], "trailers");
}

#[test]
fn what_may_pass_later_is_tried_three_more_times_and_what_may_not_never() {
    // UNAVAILABLE and PERMISSION_DENIED
    for (code, attempts) in [(14, 4), (7, 1)] {
        let collector = FakeCollector::grpc(Behaviour::Refuse(code));
        let report = one_batch(settings(&collector.endpoint));
        assert_eq!((report.counts.failed, sizes(&collector)), (100, vec![100; attempts]));
    }
}

#[test]
fn a_span_of_an_operation_that_nobody_knows_has_failed() {
    for (collector, settings) in [
        (FakeCollector::grpc(Behaviour::Accept), settings as fn(&str) -> _),
        (http(200, None), over_http as fn(&str) -> _),
    ] {
        let exporter = start(&settings(&collector.endpoint));
        let sink = exporter.sink();
        sink.offer(span(1));
        sink.offer(ClientSpan { operation: 1, ..span(2) });
        let counts = exporter.finish(LONG).counts;
        assert_eq!((counts.exported, counts.failed), (1, 1));
        assert_eq!(collector.trace_ids(), HashSet::from([1]));
    }
}

#[test]
fn no_words_of_a_collector_are_repeated() {
    for code in 1..=16 {
        let collector = FakeCollector::grpc(Behaviour::Refuse(code));
        let words = one_batch(settings(&collector.endpoint)).last_error.unwrap();
        assert!(words.contains("gRPC code") && !words.contains("s3cret"), "{words}");
    }
    let words = one_batch(settings(&goes_away("no access for s3cret"))).last_error.unwrap();
    assert!(words.contains("connection was closed") && !words.contains("s3cret"), "{words}");
}

#[test]
fn http_posts_to_the_path_of_the_form() {
    for (form, path) in [(EndpointForm::Base, "/v1/traces"), (EndpointForm::Exact, "/")] {
        let collector = http(200, None);
        let mut settings = over_http(&collector.endpoint);
        settings.form = form;
        assert_eq!(export(&settings, 3, LONG).counts.exported, 3);
        let received = &collector.received()[0];
        assert_eq!(received.path, path);
        assert_eq!(received.headers["content-type"], "application/x-protobuf");
        assert_eq!(collector.trace_ids(), HashSet::from([1, 2, 3]));
    }
}

#[test]
fn a_failure_names_its_cause() {
    let closed = ClosedPort::new();
    let report = export(&settings(&at(&closed)), 3, LONG);
    let words = report.last_error.unwrap();
    assert!(words.contains("gRPC code Unavailable") && words.contains("refused"), "{words}");
    let report = export(&over_http(&http(401, None).endpoint), 3, LONG);
    assert_eq!(report.counts.failed, 3);
    assert!(report.last_error.unwrap().contains("401"));
    let report = export(&over_http(&at(&closed)), 3, LONG);
    let words = report.last_error.unwrap();
    assert!(words.to_lowercase().contains("refused"), "{words}");
}

#[test]
fn a_missing_certificate_is_an_error_that_names_the_file() {
    let certificate = Some(PathBuf::from("/nowhere/ca.pem"));
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut settings = settings("https://localhost:4317");
        settings.transport.protocol = protocol;
        settings.transport.tls.certificate = certificate.clone();
        let error = Exporter::start(&settings, &[], "r").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/ca.pem") && error.contains("OTEL_EXPORTER_OTLP_CERTIFICATE"),
            "{error}"
        );
        // Without TLS nobody looks for it.
        settings.endpoint = Endpoint::parse("http://localhost:4317").unwrap();
        assert!(Exporter::start(&settings, &[], "r").is_ok());
    }
}

#[test]
fn a_file_without_certificates_is_an_error_that_names_it() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"-----BEGIN NOTHING-----\n").unwrap();
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut settings = settings("https://localhost:4317");
        settings.transport.protocol = protocol;
        settings.transport.tls.certificate = Some(file.path().into());
        let error = Exporter::start(&settings, &[], "r").unwrap_err();
        assert!(matches!(error, ExportError::Tls(_)), "{error:?}");
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}

proptest! {
    #[test]
    fn the_estimate_is_never_below_the_encoded_size(
        collection in ".{0,80}", database in ".{0,40}", numbers: [u64; 4], rows: u32, code: i32, kind in 0..4, grpc in 0u8..17,
    ) {
        let outcome = match kind {
            0 => SpanOutcome::Ok,
            1 => SpanOutcome::Grpc(grpc),
            2 => SpanOutcome::Milvus(code),
            _ => SpanOutcome::TimedOut,
        };
        let span = ClientSpan {
            trace: TraceRef { trace_id: u128::MAX - 5, span_id: numbers[0], sampled: true },
            intended: numbers[1],
            sent: numbers[2],
            done: numbers[3],
            outcome,
            rows,
            peer: Some(([255, 255, 255, 255], 65_535).into()),
            ..span(1)
        };
        let templates = SpanTemplates::new(&[OperationAttributes { collection, database, ..operation() }], "run-7");
        let data = templates.client_span(&span).unwrap();
        let resource_spans = group_spans_by_resource_and_scope(vec![data], &Default::default());
        let encoded = ExportTraceServiceRequest { resource_spans: resource_spans.clone() };
        let bytes = encoded.resource_spans[0].scope_spans[0].spans[0].encoded_len();
        let estimate = templates.estimated_bytes(&Queued::Client(span));
        prop_assert!(bytes <= estimate && estimate <= 4 * bytes, "{bytes} encoded, {estimate} estimated");
    }
}
