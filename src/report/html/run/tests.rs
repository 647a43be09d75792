//! The page of every sample, and of a report whose every text is an attack.

use opentelemetry_proto::tonic::common::v1::any_value as value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::super::attack::{ATTACK, assert_harmless, assert_told, attacked};
use super::super::page::{SCRIPT, STYLE, hash};
use super::{Kept, page as with_traces};
use crate::report::model::Request;
use crate::report::{RunReport, samples};
use crate::trace::kept::KeptTrace;

fn page(report: &RunReport) -> String {
    with_traces(report, &Kept::new(&[]))
}

/// Everything that a report can hold, a little of each.
fn small() -> RunReport {
    let mut report = samples::full();
    let failed = samples::all_failed();
    let staged = samples::staged();
    report.stages = staged.stages;
    let search = report.operations.get_mut("search").unwrap();
    search.errors = failed.operations["search"].errors.clone();
    for requests in [&mut report.slowest, &mut report.slowest_sampled, &mut report.slow, &mut report.typical]
    {
        requests.truncate(2);
    }
    report.intervals.truncate(2);
    report
}

#[test]
fn causes_are_told_with_two_bars_that_add_up_to_the_response_times() {
    let page = page(&small());
    assert!(
        page.contains("78% of 41 slow requests (p99, from 203 ms) are slow by the wait for the time tick")
    );
    let (_, figure) = page.split_once("<figure class=\"chart\" id=\"why-0\">").unwrap();
    let figure = figure.split("</figure>").next().unwrap();
    // The axis ends at the 200 ms of the slow: 180.002, 19.5, 0.098 and 0.4 of it; of the typical 0.002, 1.5, 0.098 and 0.4.
    let bars = figure.split("<rect class=\"part part-").skip(1);
    let widths: Vec<&str> =
        bars.filter_map(|rest| rest.split_once(" width=\"")?.1.split('"').next()).take(8).collect();
    assert_eq!(widths, ["90%", "9.75%", "0.05%", "0.2%", "0%", "0.75%", "0.05%", "0.2%"]);
    for cell in [">180 ms<", ">1.50 ms<", ">+18.0 ms<", ">91%<", ">+9.50 ms to +40.0 ms<"] {
        assert!(figure.contains(cell), "{cell}");
    }
}

#[test]
fn no_foreign_text_is_markup_wherever_it_stands() {
    let (report, attacks) = attacked(&small());
    assert!(attacks > 60, "{attacks} texts were taken");
    let page = page(&report);
    assert_harmless("attacked", &page);
    let shown = page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count();
    assert!(shown > 40, "{shown} of {attacks} are shown");
}

#[test]
fn only_pages_of_the_web_are_followed() {
    let mut report = small();
    for url in [
        "javascript:alert(1)",
        "data:text/html,<script>1</script>",
        "file:///etc/passwd",
        "//x",
        "https://ok/\"onload=\"x",
    ] {
        report.slowest[0].trace_url = Some(url.to_owned());
        let page = page(&report);
        assert_harmless(url, &page);
        assert_eq!(
            page.contains("href=\"https://ok/&quot;onload=&quot;x\""),
            url.starts_with("https"),
            "{url}"
        );
    }
}

#[test]
fn every_sample_answers_every_question_in_order_and_says_unknown_in_words() {
    for (name, report) in samples::all() {
        let page = page(&report);
        assert_harmless(name, &page);
        let places: Vec<usize> = ["trust", "fast", "tail", "when", "show", "ran"]
            .iter()
            .map(|id| {
                page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("{name} has no {id}"))
            })
            .collect();
        assert!(places.is_sorted(), "{name}: {places:?}");
    }
    let unknown = page(&samples::unknown());
    assert!(!unknown.contains("id=\"why\""), "it has no attribution");
    assert!(unknown.contains(">unanswered<") && unknown.contains(">too few<"));
    assert!(page(&samples::empty()).contains("Nothing was offered within the measured window."));
    assert!(page(&samples::interrupted()).contains("! interrupted"));
}

#[test]
fn numbers_are_those_of_the_report() {
    // samples::full(): 1 to 2,000 ms, each once.
    let page = page(&samples::full());
    for cell in [
        ">1.00 s<",
        ">1.80 s<",
        ">1.98 s<",
        ">2.00 s<",
        ">2,000<",
        ">100.0<",
        "search.response.p99 &lt; 50ms",
        "✗ not met",
    ] {
        assert!(page.contains(cell), "{cell}");
    }
}

#[test]
fn every_picture_has_a_title_a_description_and_its_numbers_in_a_table() {
    for (name, report) in samples::all() {
        let page = page(&report);
        assert_eq!(
            !page.contains("<figure"),
            report.operations.values().all(|operation| operation.offered == 0),
            "{name}"
        );
        assert_told(name, &page);
    }
}

#[test]
fn a_page_allows_its_own_style_and_script_and_nothing_else() {
    let page = page(&samples::full());
    let within = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0
    };
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(within("style")),
        hash(within("script"))
    );
    assert!(page.contains(&format!("content=\"{policy}\"")), "{policy}");
    // Of the published test vectors of SHA-256: "abc".
    assert_eq!(hash("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    assert_eq!((page.matches("<style").count(), page.matches("<script").count()), (1, 1));
    assert!(SCRIPT.lines().count() < 150);
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

/// 150 spans of long names beneath a request.
fn large(request: &Request) -> Option<KeptTrace> {
    let trace_id = u128::from_str_radix(request.trace_id.as_deref()?, 16).ok()?;
    let client = u64::from_str_radix(request.span_id.as_deref()?, 16).ok()?;
    let start = request.intended_unix_us * 1_000;
    let span = |number: u64| Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: (number << 40 | 1).to_be_bytes().to_vec(),
        parent_span_id: client.to_be_bytes().to_vec(),
        name: "<".repeat(1_000),
        kind: 2,
        start_time_unix_nano: start + number * 1_000_000,
        end_time_unix_nano: start + (number + 1) * 1_000_000,
        ..Span::default()
    };
    let spans = (0..150).map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    Some(KeptTrace {
        trace_id,
        resources: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
        is_cut: false,
    })
}

#[test]
fn a_page_is_small_enough_to_be_mailed() {
    let mut report = samples::unknown();
    let once = report.intervals.clone();
    report.intervals = (0..30).flat_map(|_| once.clone()).collect();
    assert!(page(&report).len() < 400_000);
    // Many operations, each with as much as an operation can have.
    let search = report.operations["search"].clone();
    let slowest = report.slowest.clone();
    for number in 0..9 {
        let name = format!("search{number}");
        report.operations.insert(name.clone(), search.clone());
        for interval in &mut report.intervals {
            let numbers = interval.operations["search"].clone();
            interval.operations.insert(name.clone(), numbers);
        }
        report
            .slowest
            .extend(slowest.iter().map(|request| Request { operation: name.clone(), ..request.clone() }));
    }
    let kept: Vec<KeptTrace> = slowest.iter().filter_map(large).collect();
    let page = with_traces(&report, &Kept::new(&kept));
    assert!(
        page.contains("<details id=\"trace-0-0\" open>")
            && page.contains("not drawn; the file with the traces has it")
    );
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    // By name: the first eight are drawn.
    assert!(page.contains("2 more operations are not drawn; report.json has them: search7, search8."));
}

/// A trace of the slowest sampled search: the client's span, the server's within it from 10 ms after sent to 10 ms before done, and a
/// failed child of that in its first half.
fn trace(report: &RunReport, name: &str) -> KeptTrace {
    let request = report.slowest_sampled.iter().find(|request| request.operation == "search").unwrap();
    let id = |hex: &str| u128::from_str_radix(hex, 16).unwrap();
    let trace_id = id(request.trace_id.as_deref().unwrap());
    let client = id(request.span_id.as_deref().unwrap()) as u64;
    let sent = request.intended_unix_us * 1_000 + 100_000;
    let done = request.intended_unix_us * 1_000 + (request.response_us * 1e3) as u64;
    let event = |name: &str, at: u64| Event { name: name.to_owned(), time_unix_nano: at, ..Event::default() };
    let span = |span_id: u64, parent: u64, kind, start, end| Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: span_id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: format!("{name} {kind}"),
        kind,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        status: Some(Status {
            code: if kind == 1 { 2 } else { 0 },
            message: if kind == 1 { format!("{name} gave way") } else { String::new() },
        }),
        events: vec![event("message", start), event(&format!("{name} begins"), start + 5_000_000)],
        ..Span::default()
    };
    let server = [sent + 10_000_000, done - 10_000_000];
    let of = |service: &str, spans| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![KeyValue {
                key: "service.name".to_owned(),
                value: Some(AnyValue { value: Some(value::Value::StringValue(format!("{name} {service}"))) }),
                ..KeyValue::default()
            }],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let middle = (server[0] + server[1]) / 2;
    let spans =
        vec![span(1 << 40, client, 2, server[0], server[1]), span(2 << 40, 1 << 40, 1, server[0], middle)];
    KeptTrace {
        trace_id,
        resources: vec![of("client", vec![span(client, 0, 3, sent, done)]), of("server", spans)],
        is_cut: false,
    }
}

#[test]
fn a_kept_trace_is_drawn_as_a_waterfall_to_which_its_request_leads() {
    let report = samples::full();
    let kept = [trace(&report, "a span")];
    let bare = page(&report);
    let page = with_traces(&report, &Kept::new(&kept));
    assert_harmless("waterfall", &page);
    assert!(page.contains("href=\"#trace-0-0\"") && page.contains("<details id=\"trace-0-0\" open>"));
    let (_, waterfall) = page.split_once("<details id=\"trace-0-0\" open>").unwrap();
    let waterfall = waterfall.split("Response = lag + service").next().unwrap();
    // samples::full(): it took 2,000 ms but for a few, 0.1 of them lag: outside Milvus 20, the server's own half, its child's half.
    for cell in [
        "lag: due, and not yet sent",
        ">100 us<",
        ">20.0 ms<",
        "a span client: ",
        "a span 2",
        "✗ failed ",
        ">10.1 ms<",
        // The server's span begins 10.1 ms after the request was due, its event 5 ms later; messages are left out.
        "<summary>1 event</summary><ul class=\"plain\"><li>15.1 ms: a span begins</li>",
        "<span class=\"bad\">a span gave way</span>",
    ] {
        assert!(waterfall.contains(cell), "{cell} in {waterfall}");
    }
    assert_eq!(
        waterfall.matches("<rect class=\"path\"").count(),
        4,
        "two of the client's, one each of the others"
    );
    assert!(!bare.contains("id=\"trace-"));
}

#[test]
fn no_word_of_a_span_is_markup() {
    let report = samples::full();
    let page = with_traces(&report, &Kept::new(&[trace(&report, ATTACK)]));
    assert_harmless("spans", &page);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn shards_and_stages_are_told() {
    let mut report = samples::staged();
    report.shards = serde_json::from_value(serde_json::json!([
        { "index": 0, "machine": 0, "late_us": -5.0, "clock_error_us": null, "offered": 1200, "connections": 2, "cpu_us_per_request": 25.5 },
        { "index": 1, "machine": 1, "late_us": 20.0, "clock_error_us": 1200.0, "offered": 800, "connections": 1, "cpu_us_per_request": null },
    ]))
    .unwrap();
    let page = page(&report);
    assert_harmless("shards", &page);
    for words in [">1,200</td>", ">not late</td>", ">20.0 us</td>", ">25.5 us</td>", ">1.20 ms</td>"] {
        assert!(page.contains(words), "{words}");
    }
    let (_, when) = page.split_once("<figure class=\"chart\" id=\"when-1\">").unwrap();
    let labels: Vec<&str> = when
        .split("</figure>")
        .next()
        .unwrap()
        .split("<text class=\"at\" ")
        .skip(1)
        .map(|rest| rest.split("</text>").next().unwrap())
        .collect();
    // The stages begin at 0, 8 and 16 of 18 s; the last has no room for its words.
    assert_eq!(labels, ["x=\"0%\" dx=\"4\" y=\"11\">20/s", "x=\"44.44%\" dx=\"4\" y=\"11\">20 to 80/s"]);
}
