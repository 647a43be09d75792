use super::*;

const PLACE: &str = "Jaeger";

fn probe(trace_id: u128) -> Probe {
    Probe { trace_id, span_id: 1, sent: 1_000_000, done: 9_000_000 }
}

fn server(trace_id: u128, parent: Option<u64>, (start, end): (u64, u64)) -> Span {
    Span {
        trace_id,
        span_id: 2,
        parent,
        resource: 1,
        service: "standalone".into(),
        name: "milvus.proto.milvus.MilvusService/GetVersion".into(),
        kind: Kind::Server,
        start,
        end,
        is_error: false,
    }
}

fn traced() -> Came {
    Came { probe: probe(7), spans: vec![server(7, Some(1), (2_000_000, 8_000_000))] }
}

fn nothing() -> Came {
    Came { probe: probe(7), spans: vec![] }
}

fn well() -> Check {
    let check = sampled(&traced(), &traced(), None, PLACE, &Known::default());
    assert_eq!((check.state, &check.cause), (CheckState::Ok, &None));
    check
}

#[track_caller]
fn is(check: &Check, state: CheckState, code: &str) {
    let told = check.cause.as_ref().map_or("", |cause| &cause.code);
    assert_eq!((check.state, told), (state, code), "{check:?}");
}

fn configuration(endpoint: &str, secure: bool) -> Configuration {
    Configuration {
        exporter: Some("otlp".into()),
        fraction: Some(0.0),
        endpoint: Some(endpoint.into()),
        secure: Some(secure),
        method: None,
    }
}

#[test]
fn where_nothing_comes_each_signal_has_its_cause() {
    let none = Known::default;
    let here = Some(("localhost".to_owned(), 4317));
    let cases = [
        (Known { knocks: Knocks { tls: 1, ..Knocks::default() }, ..none() }, "secure_on"),
        (Known { knocks: Knocks { http1: 1, ..Knocks::default() }, ..none() }, "method_http"),
        (Known { strangers: 3, ..none() }, "header_dropped"),
        (Known { log: Some(Cause::ExporterFailedToStart), ..none() }, "exporter_failed_to_start"),
        (Known { log: Some(Cause::ExportFails), ..none() }, "export_fails"),
        (
            Known { suspect: Some(Cause::EndpointEmpty), log: Some(Cause::ExportFails), ..none() },
            "endpoint_empty",
        ),
        (Known { suspect: Some(Cause::ConfigurationNotRead), ..none() }, "configuration_not_read"),
        (
            Known { configuration: Some(configuration("jaeger:4317", false)), place: here.clone(), ..none() },
            "milvus_exports_elsewhere",
        ),
        (
            Known {
                configuration: Some(configuration("jaeger:4317", false)),
                place: Some(("jaeger".into(), 4317)),
                ..none()
            },
            "configuration_without_effect",
        ),
        (
            Known { configuration: Some(configuration("localhost:4317", false)), place: here, ..none() },
            "endpoint_is_loopback",
        ),
        (Known { version: Some(Version(2, 4, 7)), ..none() }, "exporter_failed_to_start"),
        (Known { version: Some(Version(2, 3, 5)), ..none() }, "nothing_arrives"),
    ];
    for (known, code) in cases {
        is(&sampled(&nothing(), &nothing(), Some(&nothing()), PLACE, &known), CheckState::Failed, code);
    }
}

#[test]
fn a_collector_that_came_later_loses_the_first_spans_alone() {
    let known = Known::default();
    is(&sampled(&nothing(), &traced(), None, PLACE, &known), CheckState::Ok, "collector_came_later");
    is(
        &sampled(&nothing(), &nothing(), Some(&traced()), PLACE, &known),
        CheckState::Ok,
        "collector_came_later",
    );
}

#[test]
fn a_trace_that_is_not_joined_has_lost_its_header_on_the_way() {
    let apart = Came { spans: vec![server(7, Some(99), (2_000_000, 8_000_000))], ..traced() };
    is(&sampled(&apart, &apart, None, PLACE, &Known::default()), CheckState::Failed, "header_dropped");
}

#[test]
fn a_trace_is_joined_where_jaeger_has_both_halves() {
    let client =
        Span { span_id: 1, parent: None, kind: Kind::Client, ..server(7, None, (1_000_000, 9_000_000)) };
    let with = |spans: Vec<Span>| Came { spans, ..nothing() };
    let server = || traced().spans[0].clone();
    is(&joined(&with(vec![client.clone(), server()]), &well()), CheckState::Ok, "");
    is(&joined(&with(vec![client]), &well()), CheckState::Failed, "milvus_exports_elsewhere");
    is(&joined(&with(vec![server()]), &well()), CheckState::Failed, "another_jaeger");
}

#[test]
fn what_was_not_to_be_sampled_has_no_spans() {
    is(&unsampled(&nothing(), &well()), CheckState::Ok, "");
    is(&unsampled(&traced(), &well()), CheckState::Failed, "flag_ignored");
    let broken = sampled(&nothing(), &nothing(), None, PLACE, &Known::default());
    is(&unsampled(&nothing(), &broken), CheckState::Unknown, "");
}

#[test]
fn the_servers_own_fraction_is_told_and_held_against_its_configuration() {
    let of = |traced, told| own_fraction(Some(Traced { traced, sent: 300 }), told, &well());
    is(&of(0, None), CheckState::Ok, "own_fraction_zero");
    is(&of(0, Some(0.0)), CheckState::Ok, "own_fraction_zero");
    is(&of(300, Some(1.0)), CheckState::Ok, "");
    is(&of(31, Some(0.1)), CheckState::Ok, "");
    is(&of(0, Some(0.5)), CheckState::Failed, "configuration_without_effect");
    is(&own_fraction(None, None, &well()), CheckState::Unknown, "");
}

#[test]
fn a_request_id_that_keeps_a_request_from_being_traced_is_noted() {
    is(&request_id(Some(&traced()), &well()), CheckState::Ok, "");
    is(&request_id(Some(&nothing()), &well()), CheckState::Ok, "client_request_id");
    is(&request_id(None, &well()), CheckState::Unknown, "");
}

#[test]
fn a_search_without_segcores_spans_is_told_by_version() {
    let with_segcore = {
        let mut came = traced();
        came.spans.push(Span {
            service: "segcore".into(),
            name: "SegCoreSearch".into(),
            span_id: 5,
            ..came.spans[0].clone()
        });
        came
    };
    let of = |version, secure: Option<bool>| Known {
        version: Some(version),
        configuration: secure.map(|secure| configuration("jaeger:4317", secure)),
        ..Known::default()
    };
    let search = |came: &Came, known: &Known| search(came, known, &well());
    is(&search(&with_segcore, &of(Version(2, 5, 11), None)), CheckState::Ok, "");
    is(&search(&traced(), &of(Version(2, 4, 5), Some(true))), CheckState::Failed, "segcore_ignores_secure");
    is(&search(&traced(), &of(Version(2, 4, 5), Some(false))), CheckState::Failed, "no_segcore");
    is(&search(&traced(), &of(Version(2, 5, 11), Some(true))), CheckState::Failed, "no_segcore");
    is(&search(&nothing(), &of(Version(2, 5, 11), None)), CheckState::Unknown, "");
}

/// Sent at 1 ms, done at 9 ms.
#[test]
fn clocks_are_apart_where_the_servers_span_cannot_lie_within_the_clients() {
    let at = |start: i64, end: i64| {
        let ns = |ms: i64| (100_000_000 + ms * 1_000_000) as u64;
        let probe = Probe { sent: ns(1), done: ns(9), ..probe(7) };
        Came { probe, spans: vec![server(7, Some(1), (ns(start), ns(end)))] }
    };
    let of = |came: &[Came]| clocks(came.iter(), &well());
    is(&of(&[at(2, 8)]), CheckState::Ok, "");
    // It ends 1 ms after the answer was there: 1 ms ahead at least.
    let ahead = of(&[at(4, 10)]);
    is(&ahead, CheckState::Failed, "clocks_apart");
    assert!(ahead.seen.contains("ahead by 1.00 ms"), "{}", ahead.seen);
    let behind = of(&[at(-2, 4)]);
    is(&behind, CheckState::Failed, "clocks_apart");
    assert!(behind.seen.contains("behind by 3.00 ms"), "{}", behind.seen);
    // One request alone may not tell; the narrowest of several does.
    assert_eq!(of(&[at(2, 8), at(4, 10)]).state, CheckState::Failed);
    // Microseconds are no difference.
    let mut cut = at(1, 9);
    cut.spans[0].start -= 1_000;
    is(&of(&[cut]), CheckState::Ok, "");
}
