use std::collections::BTreeMap;

use super::super::model::{NoLink, Outcome};
use super::slow::{Listing, render};
use super::*;
use crate::report::samples;
use crate::trace::TraceSummary;
use crate::trace::spans::{Kind, Span};

fn text(report: &RunReport, number: usize, answer: &Answer) -> String {
    let listing = Listing::new(report, number);
    let answers = vec![answer.clone(); listing.requests().count()];
    let mut bytes = Vec::new();
    render(report, &listing, &answers, Style::Plain, &Footer::default(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A trace with everything that could spoil the picture.
fn hostile() -> Answer {
    let long = |service: &str, name: &str| Span {
        trace_id: 1,
        span_id: 1,
        parent: None,
        resource: 0,
        service: service.into(),
        name: name.into(),
        kind: Kind::Server,
        start: 0,
        end: 1_234_000,
        is_error: false,
    };
    Answer::Trace {
        summary: TraceSummary {
            spans: 40,
            services: (0..20)
                .map(|index| (format!("service-number-{index}").into(), 2))
                .collect::<BTreeMap<_, _>>(),
            longest: vec![long("", &"x".repeat(300)), long(&"s".repeat(90), "a\u{1b}[31mb\nc")],
            roots: vec![0, 1],
            orphans: vec![2, 3],
        },
        has_client: false,
        is_complete: false,
    }
}

#[test]
fn no_line_is_wider_than_a_hundred_columns_but_for_links() {
    let absent = |may_arrive| Answer::Absent { may_arrive };
    for (name, mut report) in samples::all() {
        for request in report.slowest.iter_mut().chain(&mut report.slowest_sampled) {
            request.operation = "an_operation_with_an_overlong_name".into();
        }
        let Answer::Trace { summary, .. } = hostile() else { panic!("it is a trace") };
        for answer in [
            Answer::NotAsked,
            Answer::Kept { summary, is_cut: false },
            hostile(),
            absent(true),
            absent(false),
        ] {
            for line in text(&report, 50, &answer).lines().filter(|line| !line.contains("://")) {
                assert!(line.chars().count() <= WIDTH && !line.contains('\u{1b}'), "{name}: {line:?}");
            }
        }
    }
}

#[test]
fn a_run_without_requests_says_so() {
    assert!(text(&samples::empty(), 10, &Answer::NotAsked).contains("no request to list"));
}

#[test]
fn nothing_is_listed_twice_and_all_sampled_ones_need_no_second_list() {
    let mut report = samples::full();
    let ids = |report: &RunReport, number| {
        Listing::new(report, number).requests().map(|request| request.trace_id.clone()).collect::<Vec<_>>()
    };
    let mixed = ids(&report, 20);
    let distinct: std::collections::HashSet<_> = mixed.iter().collect();
    assert_eq!(distinct.len(), mixed.len());
    report.slowest.iter_mut().for_each(|request| request.sampled = true);
    assert_eq!(Listing::new(&report, 20).sampled.len(), 0);
    assert_eq!(ids(&report, 20).len(), 20);
    assert_eq!(ids(&report, 1_000).len(), 50, "no more than the report holds");
}

#[test]
fn each_reason_for_a_missing_link_has_its_remedy_once() {
    let mut report = samples::full();
    let reasons = [
        (NoLink::TracingOff, "trace.enabled"),
        (NoLink::NotSampled, "trace.sample_fraction"),
        (NoLink::NotExported, "1,000 were delivered"),
        (NoLink::NoCollector, "docker compose up -d jaeger"),
        (NoLink::NoUi, "--jaeger"),
    ];
    for (reason, part) in reasons {
        for request in &mut report.slowest {
            (request.trace_url, request.trace_url_reason) = (None, Some(reason));
            request.sampled = true;
        }
        let text = text(&report, 10, &Answer::NotAsked);
        let remedies: Vec<&str> = text.lines().filter(|line| line.starts_with("  remedy")).collect();
        assert_eq!(remedies.len(), 1, "{text}");
        assert_eq!(text.matches(part).count(), 1, "{part} in\n{text}");
        // One for each request, and the remedy's.
        assert_eq!(text.matches(reason.words()).count(), 11, "{text}");
    }
}

#[test]
fn a_kept_trace_needs_no_collector() {
    let mut report = samples::full();
    for request in &mut report.slowest {
        (request.trace_url, request.trace_url_reason) = (None, Some(NoLink::NoCollector));
        request.sampled = true;
    }
    let Answer::Trace { summary, .. } = hostile() else { panic!("it is a trace") };
    let text = text(&report, 3, &Answer::Kept { summary, is_cut: false });
    assert!(!text.contains(NoLink::NoCollector.words()) && !text.contains("remedy"), "{text}");
    assert_eq!(text.matches("kept: 40 spans").count(), 3, "{text}");
}

#[test]
fn a_failed_request_shows_its_codes() {
    let mut report = samples::full();
    let first = &mut report.slowest[0];
    (first.outcome, first.grpc, first.milvus) = (Outcome::Failed, Some(0), Some(8));
    assert!(text(&report, 1, &Answer::NotAsked).contains("\n    Milvus code 8\n"));
    (report.slowest[0].grpc, report.slowest[0].milvus) = (Some(14), None);
    assert!(text(&report, 1, &Answer::NotAsked).contains("\n    gRPC code 14\n"));
}
