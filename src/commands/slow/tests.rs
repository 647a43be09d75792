//! `slow` over a stored report, against a server that plays Jaeger's query API.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::cli::ReportPath;
use crate::report::model::Setting;
use crate::report::samples;
use crate::trace::closed_port::ClosedPort;
use crate::trace::kept::{KeptTrace, TRACES_OTLP_FILE, write_otlp};

/// The three slowest of the sample: searches 857, 1714 and 571 of 2,000; those of an even number were sampled.
const NOT_SAMPLED: &str = "000000000000000000000000abc00359";
const SLOWEST_SAMPLED: [&str; 3] = [
    "000000000000000000000000abc006b2",
    "000000000000000000000000abc00594",
    "000000000000000000000000abc00476",
];
/// Search 1714's own span.
const CLIENT_SPAN: &str = "00000000000006b3";

/// Answers for every trace in `traces`, and 404 for any other; remembers what it was asked.
struct FakeJaeger {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeJaeger {
    fn with(traces: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let traces: HashMap<_, _> = traces.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 2_048];
                let length = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = head.split_whitespace().nth(1).unwrap_or_default();
                let id = path.strip_prefix("/api/traces/").unwrap_or_default().to_owned();
                let (status, body) = match traces.get(id.as_str()) {
                    Some(trace) => ("200 OK", trace.to_string()),
                    None => (
                        "404 Not Found",
                        json!({"errors": [{"code": 404, "msg": "trace not found"}]}).to_string(),
                    ),
                };
                log.lock().unwrap().push(id);
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.dedup();
        asked
    }
}

/// A trace of the client's span and two of Milvus's beneath it.
fn whole() -> Value {
    let child = |of: &str| json!([{"refType": "CHILD_OF", "traceID": "", "spanID": of}]);
    json!({"data": [{
        "traceID": SLOWEST_SAMPLED[0],
        "spans": [
            {"spanID": CLIENT_SPAN, "operationName": "Search books", "startTime": 1, "duration": 41_200, "processID": "p1"},
            {"spanID": "b", "operationName": "Proxy-Search", "startTime": 2, "duration": 40_000, "processID": "p2",
             "references": child(CLIENT_SPAN)},
            {"spanID": "c", "operationName": "SearchTask", "startTime": 3, "duration": 39_000, "processID": "p2",
             "references": child("b")},
        ],
        "processes": {"p1": {"serviceName": "milvus-client"}, "p2": {"serviceName": "standalone"}},
    }]})
}

/// The trace without the spans at these places.
fn without(places: &[usize]) -> Value {
    let mut trace = whole();
    let spans = trace["data"][0]["spans"].as_array_mut().unwrap();
    for &place in places {
        spans.remove(place);
    }
    trace
}

struct Stored {
    base: TempDir,
}

impl Stored {
    fn new(report: &RunReport) -> Self {
        let base = tempfile::tempdir().unwrap();
        let started = report.run.started_unix_us;
        crate::report::store::RunDirectory::create(base.path(), "search", started, "1")
            .unwrap()
            .write_report(report)
            .unwrap();
        Self { base }
    }

    fn args(&self, number: usize, jaeger: Option<&str>) -> SlowArgs {
        SlowArgs {
            report: ReportPath { report: "latest".into(), out: self.base.path().to_owned() },
            number,
            fetch: jaeger.is_some(),
            jaeger: jaeger.map(str::to_owned),
            trace: None,
        }
    }
}

/// Long after every sample.
fn today() -> u64 {
    1_800_000_000_000_000
}

fn listed(args: &SlowArgs, now_unix_us: &dyn Fn() -> u64) -> (String, Result<Exit, Failure>) {
    let mut out = Vec::new();
    let around = Around { style: Style::Plain, width: 100, now_unix_us, variable: &|_| None };
    let exit = list(args, &around, &mut out);
    (String::from_utf8(out).unwrap(), exit)
}

/// What is listed, fetched from `jaeger`, of one request more than the slowest.
fn fetched(jaeger: &FakeJaeger) -> String {
    let (text, exit) = listed(&Stored::new(&samples::full()).args(2, Some(&jaeger.url)), &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    text
}

#[track_caller]
fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part:?} in\n{text}"))
}

#[test]
fn the_slowest_come_first_and_then_the_slowest_that_have_a_trace() {
    let stored = Stored::new(&samples::full());
    let (text, exit) = listed(&stored.args(3, None), &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    let ids: Vec<&str> =
        text.lines().filter_map(|line| line.trim().get(..32)).filter(|id| id.starts_with("0000")).collect();
    let third = "000000000000000000000000abc0023b";
    assert_eq!(ids, [NOT_SAMPLED, SLOWEST_SAMPLED[0], third, SLOWEST_SAMPLED[1], SLOWEST_SAMPLED[2]]);
    assert!(line_with(&text, NOT_SAMPLED).ends_with("not sampled"));
    assert!(
        line_with(&text, SLOWEST_SAMPLED[0])
            .ends_with(&format!("http://localhost:16686/trace/{}", SLOWEST_SAMPLED[0]))
    );
    // Search 857 of 2,000 in 20 s was due 8.57 s after the window's start, which was at 22:13:25.
    let words: Vec<&str> = line_with(&text, "22:13:33.570").split_whitespace().collect();
    assert_eq!(
        words,
        ["1", "search", "2.00", "s", "2.00", "s", "100", "us", "succeeded", "2023-11-14T22:13:33.570Z", "no"]
    );
    assert!(line_with(&text, "remedy").contains("50%"));
    assert!(text.trim_end().ends_with("--fetch"));
}

#[test]
fn a_trace_is_told_with_its_spans_its_services_and_whether_they_join_up() {
    let jaeger = FakeJaeger::with([(SLOWEST_SAMPLED[0], whole())]);
    let text = fetched(&jaeger);
    assert_eq!(
        line_with(&text, "3 spans").trim(),
        "3 spans (milvus-client 1, standalone 2), parents join up"
    );
    let longest: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.contains("3 spans"))
        .skip(1)
        .take(3)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        longest,
        [
            vec!["41.2", "ms", "milvus-client", "Search", "books"],
            vec!["40.0", "ms", "standalone", "Proxy-Search"],
            vec!["39.0", "ms", "standalone", "SearchTask"]
        ]
    );
    // The second sampled one is not there.
    assert_eq!(line_with(&text, "not in Jaeger").trim(), "not in Jaeger");
    assert!(text.contains("has been restarted"), "{text}");
    assert_eq!(jaeger.asked(), SLOWEST_SAMPLED[..2], "what was not sampled is not asked for");
}

#[test]
fn a_trace_with_a_part_missing_says_which_and_what_to_do() {
    for (missing, sentence, remedy) in [
        (
            &[0][..],
            "the client's span is missing, 1 span without its parent here",
            "were delivered to the collector",
        ),
        (&[1], "1 span without its parent here", "OTEL_BSP_MAX_QUEUE_SIZE"),
        (&[2, 1], "none of Milvus's", "trace.otlp.endpoint"),
    ] {
        let text = fetched(&FakeJaeger::with([(SLOWEST_SAMPLED[0], without(missing))]));
        assert!(text.contains(sentence), "{text}");
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unwrapped.contains(remedy), "{text}");
        assert!(!text.contains("parents join up"), "{text}");
    }
}

#[test]
fn what_the_run_did_not_deliver_is_not_in_jaeger_for_that_reason() {
    let mut report = samples::full();
    for request in report.slowest.iter_mut().chain(&mut report.slowest_sampled).filter(|one| one.sampled) {
        (request.trace_url, request.trace_url_reason) = (None, Some(NoLink::NotExported));
    }
    let (text, exit) = listed(&Stored::new(&report).args(2, Some(&FakeJaeger::with([]).url)), &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    assert!(text.contains("not in Jaeger: not exported") && !text.contains("restarted"), "{text}");
}

#[test]
fn what_is_not_there_shortly_after_the_run_may_still_arrive() {
    let report = samples::full();
    let last = report.slowest.iter().chain(&report.slowest_sampled);
    let last = last.map(|request| request.intended_unix_us + request.response_us as u64).max().unwrap();
    // Old enough not to be waited for, too young to be given up.
    let soon = move || last + 13_000_000;
    let (text, exit) = listed(&Stored::new(&report).args(2, Some(&FakeJaeger::with([]).url)), &soon);
    assert_eq!(exit.unwrap(), Exit::Done);
    assert!(text.contains("not in Jaeger: not arrived yet") && text.contains("ask again"), "{text}");
}

#[test]
fn a_jaeger_that_is_not_there_is_an_error_after_the_list() {
    let closed = ClosedPort::new();
    let stored = Stored::new(&samples::full());
    // Right after the run, when a missing trace would be waited for.
    let (text, exit) = listed(&stored.args(2, Some(&format!("http://{}", closed.address()))), &|| 0);
    let failure = exit.unwrap_err();
    assert_eq!(failure.code(), 1);
    let words = failure.to_string();
    assert!(words.contains("cannot be reached") && words.contains("--jaeger"), "{words}");
    assert!(text.contains(NOT_SAMPLED) && text.contains(SLOWEST_SAMPLED[0]), "{text}");
}

#[test]
fn jaeger_is_where_the_reports_links_lead_unless_another_is_named() {
    let setting =
        |key: &str, value: &str| Setting { key: key.into(), value: value.into(), from: "default".into() };
    let with = |settings: Vec<Setting>| RunReport { settings, ..samples::full() };
    let of = |report: &RunReport| jaeger_of(None, report);
    assert_eq!(of(&with(vec![setting("trace.jaeger_ui", "http://a:1")])).unwrap(), "http://a:1");
    assert_eq!(
        of(&with(vec![setting("trace.link", "http://b:2/x/trace/{trace_id}")])).unwrap(),
        "http://b:2/x"
    );
    for unknown in [vec![], vec![setting("trace.link", "https://tempo/{trace_id}")]] {
        let report = with(unknown);
        assert!(of(&report).unwrap_err().to_string().contains("--jaeger"));
        assert_eq!(jaeger_of(Some("http://c:3".into()), &report).unwrap(), "http://c:3");
    }
}

#[test]
fn links_lead_to_the_jaeger_that_is_named() {
    let stored = Stored::new(&samples::full());
    let args = SlowArgs { fetch: false, ..stored.args(2, Some("http://elsewhere:16686/jaeger/")) };
    let text = listed(&args, &today).0;
    assert!(
        line_with(&text, SLOWEST_SAMPLED[0]).contains(" http://elsewhere:16686/jaeger/trace/0000"),
        "{text}"
    );
    assert!(line_with(&text, NOT_SAMPLED).ends_with("not sampled"));
}

#[test]
fn an_address_that_is_none_is_a_usage_error_and_a_password_is_not_repeated() {
    let stored = Stored::new(&samples::full());
    for wrong in ["localhost:16686", "", "ftp://x", "http://me:hunter2@host:16686"] {
        let failure = listed(&stored.args(1, Some(wrong)), &today).1.unwrap_err();
        assert_eq!(failure.code(), 2, "{wrong}");
        assert!(!failure.to_string().contains("hunter2"));
    }
}

#[test]
fn a_report_that_is_not_there_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    let args = SlowArgs {
        report: ReportPath { report: "latest".into(), out: empty.path().to_owned() },
        number: 1,
        trace: None,
        fetch: false,
        jaeger: None,
    };
    assert_eq!(listed(&args, &today).1.unwrap_err().code(), 1);
}

fn resource(service: &str) -> opentelemetry_proto::tonic::resource::v1::Resource {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    let value = AnyValue { value: Some(Value::StringValue(service.to_owned())) };
    let name = KeyValue { key: "service.name".to_owned(), value: Some(value), ..KeyValue::default() };
    opentelemetry_proto::tonic::resource::v1::Resource { attributes: vec![name], ..Default::default() }
}

/// A kept trace of search 1714, which took 1,999 ms from when it was due: of the client and of Milvus.
fn kept() -> KeptTrace {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    let request =
        samples::full().slowest.into_iter().find(|one| one.trace_id.as_deref() == Some(SLOWEST_SAMPLED[0]));
    let request = request.unwrap();
    let due = request.intended_unix_us * 1_000;
    let span = |id: u64, parent: u64, name: &str, start: u64, end: u64| Span {
        trace_id: u128::from_str_radix(SLOWEST_SAMPLED[0], 16).unwrap().to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano: due + start * 1_000,
        end_time_unix_nano: due + end * 1_000,
        ..Span::default()
    };
    let done = request.response_us as u64;
    let client = Span { kind: 3, ..span(0x6b3, 0, "Search books", 100, done) };
    let of = |service: &str, spans| ResourceSpans {
        resource: Some(resource(service)),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let server = vec![
        span(2, 0x6b3, "milvus.proto.milvus.MilvusService/Search", 200, done - 100),
        span(3, 2, "Proxy-Search", 300, done - 200),
    ];
    KeptTrace {
        trace_id: u128::from_str_radix(SLOWEST_SAMPLED[0], 16).unwrap(),
        resources: vec![of("milvus-client", vec![client]), of("standalone", server)],
        is_cut: false,
    }
}

impl Stored {
    /// With this trace kept beside the report.
    fn keeping(report: &RunReport, traces: &[KeptTrace]) -> Self {
        let stored = Self::new(report);
        let path = crate::report::store::resolve("latest", stored.base.path()).unwrap();
        let mut bytes = Vec::new();
        write_otlp(traces, &mut bytes).unwrap();
        std::fs::write(path.with_file_name(TRACES_OTLP_FILE), bytes).unwrap();
        stored
    }

    fn draw(&self, trace: &str) -> (String, Result<Exit, Failure>) {
        listed(&SlowArgs { trace: Some(trace.to_owned()), ..self.args(3, None) }, &today)
    }
}

#[test]
fn a_kept_trace_is_told_in_the_list_and_drawn_by_number_or_by_the_beginning_of_its_id() {
    let stored = Stored::keeping(&samples::full(), &[kept()]);
    let (text, exit) = listed(&stored.args(3, None), &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    assert_eq!(
        line_with(&text, "kept:").trim(),
        "kept: 3 spans (milvus-client 1, standalone 2), parents join up"
    );
    // It is second in the list.
    assert!(text.trim_end().ends_with("--trace 2"), "{text}");
    let by_number = stored.draw("2");
    assert_eq!(by_number.1.unwrap(), Exit::Done);
    let text = by_number.0;
    assert!(line_with(&text, "search").contains("2.00 s = lag 100 us + service 2.00 s, succeeded"), "{text}");
    assert!(line_with(&text, "Proxy-Search").trim_start().starts_with('*'), "{text}");
    for id in [SLOWEST_SAMPLED[0].to_owned(), SLOWEST_SAMPLED[0].to_uppercase()] {
        assert_eq!(stored.draw(&id).0, text);
    }
}

#[test]
fn a_kept_trace_that_lacks_spans_says_so_in_the_list_and_where_it_is_drawn() {
    let stored = Stored::keeping(&samples::full(), &[KeptTrace { is_cut: true, ..kept() }]);
    let (text, _) = listed(&stored.args(3, None), &today);
    let told =
        "kept: 3 spans (milvus-client 1, standalone 2), parents join up, spans are known to be missing";
    assert_eq!(line_with(&text, "kept:").trim(), told);
    let (text, _) = stored.draw("2");
    assert!(text.contains("; spans are known to be missing"), "{text}");
}

#[test]
fn a_trace_that_cannot_be_drawn_says_why_and_what_to_do() {
    let stored = Stored::keeping(&samples::full(), &[kept()]);
    let failure = |stored: &Stored, trace: &str| stored.draw(trace).1.unwrap_err();
    for (trace, code, words) in [
        ("xyz", 2, "1 to 5"),
        ("", 2, "1 to 5"),
        ("0", 1, "begin with 0: "),
        ("ffff", 1, "no request of this report"),
        ("6", 1, "the list ends at 5"),
        (NOT_SAMPLED, 1, "was not sampled"),
        (SLOWEST_SAMPLED[1], 1, "--fetch"),
    ] {
        let failure = failure(&stored, trace);
        assert_eq!(failure.code(), code, "{trace}: {failure}");
        assert!(failure.to_string().contains(words), "{trace}: {failure}");
    }
    let nothing_kept = failure(&Stored::new(&samples::full()), "2").to_string();
    assert!(
        nothing_kept.contains("no traces were kept") && nothing_kept.contains("--fetch"),
        "{nothing_kept}"
    );
}

#[test]
fn a_damaged_file_of_kept_traces_spoils_no_list_and_is_named_where_it_is_needed() {
    let stored = Stored::keeping(&samples::full(), &[kept()]);
    let path = crate::report::store::resolve("latest", stored.base.path()).unwrap();
    std::fs::write(path.with_file_name(TRACES_OTLP_FILE), "{").unwrap();
    let (text, exit) = listed(&stored.args(3, None), &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    assert!(text.contains(SLOWEST_SAMPLED[0]), "{text}");
    let failure = stored.draw("2").1.unwrap_err().to_string();
    assert!(failure.contains(TRACES_OTLP_FILE) && failure.contains("damaged"), "{failure}");
}

#[test]
fn jaegers_trace_is_drawn_where_it_is_asked_for() {
    let jaeger = FakeJaeger::with([(SLOWEST_SAMPLED[0], whole())]);
    let stored = Stored::new(&samples::full());
    let args = SlowArgs { trace: Some("2".to_owned()), ..stored.args(3, Some(&jaeger.url)) };
    let (text, exit) = listed(&args, &today);
    assert_eq!(exit.unwrap(), Exit::Done);
    assert!(text.contains("3 spans, from Jaeger at") && text.contains("SearchTask"), "{text}");
    let failure = listed(&SlowArgs { trace: Some("4".to_owned()), ..args }, &today).1.unwrap_err();
    assert!(failure.to_string().contains("was not fetched"), "{failure}");
}

#[test]
fn headers_that_are_none_are_a_usage_error_and_not_repeated() {
    let stored = Stored::new(&samples::full());
    let variable = |_: &str| Some("hunter2".to_owned());
    let around = Around { style: Style::Plain, width: 100, now_unix_us: &today, variable: &variable };
    let failure = list(&stored.args(1, Some("http://localhost:1")), &around, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.code(), 2);
    let words = failure.to_string();
    assert!(words.contains("MILVUS_LOAD_JAEGER_HEADERS") && !words.contains("hunter2"), "{words}");
}
