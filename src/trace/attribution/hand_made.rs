//! Traces made by hand, with answers worked out by hand.

use super::*;

const TRACE: u128 = 0xabc;
/// The client's span, and C: 0 to 100, due at -5.
const C: u64 = 1;
const START: u64 = 1_000;

/// Spans of one server, `standalone`; moments count from C's start.
fn span(id: u64, parent: u64, name: &str, start: u64, end: u64) -> Span {
    Span {
        trace_id: TRACE,
        span_id: id,
        parent: Some(parent),
        resource: 1,
        service: "standalone".into(),
        name: name.into(),
        kind: if parent == C { Kind::Server } else { Kind::Internal },
        start: START + start,
        end: START + end,
        is_error: false,
    }
}

fn of_process(resource: u64, service: &str, span: Span) -> Span {
    Span { resource, service: service.into(), ..span }
}

fn request() -> Request {
    Request { trace_id: TRACE, span_id: C, intended: START - 5, sent: START, done: START + 100 }
}

/// `Search self`, `Search before Task`, `Search after last`, with their nanoseconds, by name.
fn told(spans: &[Span]) -> Vec<(String, u64)> {
    let name = |row: &Row| match row {
        Row::Lag => "lag".to_owned(),
        Row::Outside => "outside".to_owned(),
        Row::WithAnother => "with another".to_owned(),
        Row::Span { name, part: Part::Whole, .. } => name.to_string(),
        Row::Span { name, part: Part::Before(next), .. } => format!("{name} before {next}"),
        Row::Span { name, part: Part::AfterLast, .. } => format!("{name} after last"),
    };
    let rows = attribute(&request(), spans).unwrap().rows;
    assert_eq!(rows.iter().map(|(_, nanos)| nanos).sum::<u64>(), 105, "{rows:?}");
    let mut told: Vec<_> = rows.iter().map(|(row, nanos)| (name(row), *nanos)).collect();
    told.retain(|(name, _)| name != "lag");
    told.sort();
    told
}

#[track_caller]
fn tells(spans: &[Span], expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(name, nanos)| ((*name).to_owned(), *nanos)).collect();
    assert_eq!(told(spans), expected);
}

#[test]
fn nested_spans_keep_what_their_children_leave_them() {
    tells(
        &[span(2, C, "Search", 10, 90), span(3, 2, "Task", 20, 70), span(4, 3, "Segment", 30, 60)],
        &[
            ("Search after last", 20),
            ("Search before Task", 10),
            ("Segment", 30),
            ("Task after last", 10),
            ("Task before Segment", 10),
            ("outside", 20),
        ],
    );
}

#[test]
fn of_overlapping_children_the_one_that_ends_last_has_the_overlap() {
    tells(
        &[span(2, C, "Search", 0, 100), span(3, 2, "A", 10, 60), span(4, 2, "B", 40, 90)],
        &[("A", 30), ("B", 50), ("Search after last", 10), ("Search before A", 10)],
    );
}

/// The longest of what runs at once is what the parent waits for.
#[test]
fn of_parallel_children_the_slowest_has_all_that_it_covers() {
    tells(
        &[
            span(2, C, "Search", 0, 100),
            span(3, 2, "A", 10, 50),
            span(4, 2, "B", 10, 80),
            span(5, 2, "C", 10, 60),
            span(6, 3, "within A", 20, 30),
        ],
        &[("B", 70), ("Search after last", 20), ("Search before B", 10)],
    );
}

#[test]
fn of_children_that_end_together_the_one_that_starts_later_counts_and_then_the_smaller_id() {
    tells(
        &[span(2, C, "Search", 0, 100), span(3, 2, "A", 10, 80), span(4, 2, "B", 30, 80)],
        &[("A", 20), ("B", 50), ("Search after last", 20), ("Search before A", 10)],
    );
    tells(&[span(2, C, "Search", 0, 100), span(4, 2, "A", 0, 100), span(3, 2, "B", 0, 100)], &[("B", 100)]);
}

#[test]
fn children_back_to_back_leave_nothing_between_them() {
    tells(
        &[
            span(2, C, "Search", 0, 100),
            span(3, 2, "A", 0, 40),
            span(4, 2, "B", 40, 70),
            span(5, 2, "C", 70, 100),
        ],
        &[("A", 40), ("B", 30), ("C", 30)],
    );
}

/// What is started and not waited for cannot have made its parent wait, beyond the parent's own end.
#[test]
fn a_child_that_outlives_its_parent_counts_up_to_the_parents_end() {
    tells(
        &[
            span(2, C, "Insert", 10, 80),
            span(3, 2, "Task", 20, 60),
            span(4, 3, "Async", 50, 500),
            span(5, 2, "starts after it", 90, 95),
        ],
        &[
            ("Async", 10),
            ("Insert after last", 20),
            ("Insert before Task", 10),
            ("Task before Async", 30),
            ("outside", 30),
        ],
    );
}

#[test]
fn clocks_that_run_apart_are_put_in_line_hop_by_hop() {
    let far = |resource, service: &str, mut span: Span, by: i64| {
        span.start = span.start.saturating_add_signed(by);
        span.end = span.end.saturating_add_signed(by);
        of_process(resource, service, span)
    };
    // Where they are truly: proxy 10 to 90, its task 20 to 80, the query node 30 to 70, its search 40 to 60.
    let true_spans = |proxy: i64, node: i64| {
        [
            far(7, "proxy", span(2, C, "Search", 10, 90), proxy),
            far(7, "proxy", span(3, 2, "Task", 20, 80), proxy),
            far(8, "querynode", span(4, 3, "Node", 30, 70), node),
            far(SEGCORE.len() as u64, SEGCORE, span(5, 4, "Segment", 40, 60), node),
        ]
    };
    let expected = [
        ("Node after last", 10),
        ("Node before Segment", 10),
        ("Search after last", 10),
        ("Search before Task", 10),
        ("Segment", 20),
        ("Task", 20),
        ("outside", 20),
    ];
    for (proxy, node) in [(0, 0), (-800, 0), (900, -700), (900, 900), (0, 30), (15, -15)] {
        tells(&true_spans(proxy, node), &expected);
    }
    // Ends at the request's end; the query node from there to its parent's end.
    let moved = attribute(&request(), &true_spans(900, -700)).unwrap().moved;
    assert_eq!(moved, [-890, -890, 690 + 10, 690 + 10]);
}

/// One clock has one error: two shards on one query node overlap as they truly did.
#[test]
fn children_of_one_process_are_moved_together() {
    tells(
        &[
            span(2, C, "Search", 0, 100),
            of_process(8, "querynode", span(3, 2, "A", 520, 540)),
            of_process(8, "querynode", span(4, 2, "B", 550, 590)),
        ],
        // To 30 to 50 and 60 to 100.
        &[("A", 20), ("B", 40), ("Search", 40)],
    );
}

#[test]
fn a_child_of_another_process_that_is_longer_starts_with_its_parent() {
    tells(
        &[span(2, C, "Search", 10, 90), of_process(8, "querynode", span(3, 2, "A", 500, 700))],
        &[("A", 80), ("outside", 20)],
    );
}

#[test]
fn spans_without_length_are_in_nobodys_way() {
    tells(
        &[
            span(2, C, "Search", 0, 100),
            span(3, 2, "nothing", 20, 20),
            span(4, 2, "Task", 50, 100),
            span(5, 3, "beneath nothing", 30, 40),
        ],
        &[("Search before Task", 50), ("Task", 50)],
    );
}

#[test]
fn several_roots_of_the_server_share_the_request() {
    tells(
        &[span(2, C, "gateway", 10, 40), span(3, C, "Search", 30, 80)],
        &[("Search", 50), ("gateway", 20), ("outside", 30)],
    );
}

#[test]
fn of_equal_ids_one_counts_whatever_their_order() {
    let (first, second) = (span(3, 2, "first", 10, 30), span(3, 2, "second", 20, 90));
    let search = span(2, C, "Search", 0, 100);
    let expected = [("Search after last", 70), ("Search before first", 10), ("first", 20)];
    tells(&[search.clone(), first.clone(), second.clone()], &expected);
    tells(&[second, first.clone(), search, first], &expected);
}

#[test]
fn the_task_of_a_query_stands_beside_its_handler_and_belongs_to_it() {
    tells(
        &[
            span(2, C, "Query", 0, 100),
            span(3, 2, "Proxy-Query", 10, 90),
            span(4, 2, "AllocTimestamp", 20, 30),
            span(5, 2, "RetrieveTask", 40, 95),
            span(6, 5, "Segment", 50, 60),
            // It starts later, and that one is of another process: neither is taken.
            span(7, 2, "late", 90, 98),
            of_process(2, "datacoord", span(8, 2, "elsewhere", 80, 99)),
        ],
        &[
            ("AllocTimestamp", 10),
            ("Proxy-Query before AllocTimestamp", 10),
            ("Proxy-Query before RetrieveTask", 10),
            ("Query after last", 1),
            ("Query before Proxy-Query", 10),
            ("RetrieveTask after last", 20),
            ("RetrieveTask before Segment", 10),
            ("Segment", 10),
            ("elsewhere", 19),
        ],
    );
    // A handler with children of its own takes nothing.
    tells(
        &[
            span(2, C, "Search", 0, 100),
            span(3, 2, "Proxy-Search", 0, 90),
            span(4, 3, "Task", 0, 50),
            span(5, 2, "beside", 20, 80),
        ],
        // What is beside it ends sooner.
        &[("Proxy-Search after last", 40), ("Search after last", 10), ("Task", 50)],
    );
}

#[test]
fn what_a_tasks_phase_does_stands_beside_the_task_and_belongs_to_the_phase() {
    tells(
        &[
            span(2, C, "Proxy-Insert", 0, 100),
            span(3, 2, "AllocTimestamp", 5, 15),
            span(4, 2, "InsertTask", 20, 90),
            span(5, 4, "Proxy-Insert-PreExecute", 20, 30),
            span(6, 4, "Proxy-Insert-Execute", 30, 85),
            span(7, 2, "SendMsg", 70, 80),
        ],
        &[
            ("AllocTimestamp", 10),
            ("InsertTask after last", 5),
            ("Proxy-Insert after last", 10),
            ("Proxy-Insert before AllocTimestamp", 5),
            ("Proxy-Insert before InsertTask", 5),
            ("Proxy-Insert-Execute after last", 5),
            ("Proxy-Insert-Execute before SendMsg", 40),
            ("Proxy-Insert-PreExecute", 10),
            ("SendMsg", 10),
        ],
    );
}

#[test]
fn a_trace_that_is_not_whole_is_told_nothing_of() {
    let search = span(2, C, "Search", 0, 100);
    let reason = |spans: &[Span]| attribute(&request(), spans).unwrap_err();
    assert_eq!(reason(&[]), Incomplete::NoServerSpan);
    assert_eq!(reason(&[span(3, 2, "Task", 0, 50)]), Incomplete::NoServerSpan);
    let client = Span { kind: Kind::Client, ..span(2, C, "inner", 0, 50) };
    assert_eq!(reason(&[client]), Incomplete::NoServerSpan);
    assert_eq!(reason(&[search.clone(), span(3, 77, "Task", 0, 50)]), Incomplete::NotReached);
    let root = Span { parent: None, ..span(3, C, "another root", 0, 50) };
    assert_eq!(reason(&[search.clone(), root]), Incomplete::NotReached);
    // Rings.
    let ring = [span(3, 4, "A", 0, 50), span(4, 3, "B", 0, 50)];
    assert_eq!(reason(&[vec![search.clone()], ring.to_vec()].concat()), Incomplete::NotReached);
    assert_eq!(reason(&[search.clone(), span(3, 3, "its own parent", 0, 50)]), Incomplete::NotReached);
    let early = Request { sent: START + 101, ..request() };
    assert_eq!(attribute(&early, &[search]), Err(Incomplete::OutOfOrder));
}

/// A call of the set-up is a part of a larger trace, whose other calls are none of its own.
#[test]
fn what_hangs_beneath_the_requests_own_parent_is_another_request() {
    let client = |id, parent, start, end| Span {
        kind: Kind::Client,
        ..of_process(9, "client", span(id, parent, "call", start, end))
    };
    let setup = Span { parent: None, ..client(50, 0, 0, 900) };
    let spans = [
        client(C, 50, 0, 100),
        span(2, C, "Count", 10, 90),
        client(60, 50, 200, 300),
        span(61, 60, "Flush", 210, 290),
    ];
    tells(&spans, &[("Count", 80), ("outside", 20)]);
    tells(&[&spans[..], &[setup]].concat(), &[("Count", 80), ("outside", 20)]);
    let orphan = span(70, 69, "orphan", 0, 10);
    let with_orphan = [&spans[..], &[orphan]].concat();
    assert_eq!(attribute(&request(), &with_orphan), Err(Incomplete::NotReached));
}

#[test]
fn spans_of_other_traces_are_passed_over() {
    let foreign = Span { trace_id: 1, ..span(3, 2, "foreign", 0, 100) };
    tells(&[span(2, C, "Search", 0, 100), foreign], &[("Search", 100)]);
}

#[test]
fn the_path_is_the_whole_request_in_order() {
    let spans = [span(3, 2, "Task", 20, 70), span(2, C, "Search", 10, 90), span(4, 2, "none", 15, 15)];
    let path: Vec<_> = attribute(&request(), &spans)
        .unwrap()
        .path
        .into_iter()
        .map(|Piece { span, start, end }| (span, start - START, end - START))
        .collect();
    assert_eq!(
        path,
        [(None, 0, 10), (Some(1), 10, 20), (Some(0), 20, 70), (Some(1), 70, 90), (None, 90, 100)]
    );
}

#[test]
fn a_search_that_another_trace_holds_is_told_as_such() {
    let execute = [
        span(2, C, "Search", 0, 100),
        span(3, 2, "Execute", 10, 90),
        span(4, 3, "Delegator-waitTSafe", 20, 30),
    ];
    let told = attribute(&request(), &execute).unwrap();
    assert!(told.lacks_segments(1));
    let merged = told.searched_with_another();
    let row = |wanted: &Row| merged.rows.iter().find(|(row, _)| row == wanted).map(|(_, nanos)| *nanos);
    assert_eq!((row(&Row::WithAnother), row(&Row::Lag)), (Some(60), Some(5)));
    assert_eq!(merged.rows.iter().map(|(_, nanos)| nanos).sum::<u64>(), 105);
    assert_eq!(merged.rows.len(), 6, "of Execute only what lies before the wait is left: {:?}", merged.rows);

    let segment = of_process(3, SEGCORE, span(5, 3, "SegCoreSearch", 40, 80));
    assert!(!attribute(&request(), &[&execute[..], &[segment]].concat()).unwrap().lacks_segments(1));
}

#[test]
fn a_shard_that_another_trace_holds_is_missed_among_several_segments_of_each() {
    let with = |segments: u64| {
        let mut spans = vec![
            span(2, C, "Search", 0, 100),
            span(3, 2, "Execute", 10, 90),
            span(4, 3, "Delegator-waitTSafe", 20, 30),
            span(5, 3, "Delegator-waitTSafe", 20, 30),
        ];
        let segment = |id| of_process(3, SEGCORE, span(6 + id, 3, "SegCoreSearch", 40, 80));
        spans.extend((0..segments).map(segment));
        attribute(&request(), &spans).unwrap()
    };
    // Two shards of four segments: one short of all is no shard's.
    for (segments, lacks) in [(0, true), (4, true), (5, false), (7, false), (8, false), (9, false)] {
        assert_eq!(with(segments).lacks_segments(8), lacks, "{segments}");
    }
}

#[test]
fn moments_at_the_ends_of_time_are_no_trouble() {
    let odd = [
        span(2, C, "Search", 0, 100),
        Span { start: 0, end: u64::MAX, ..of_process(2, "a", span(3, 2, "A", 0, 0)) },
        Span { start: u64::MAX, end: u64::MAX, ..of_process(3, "b", span(4, 3, "B", 0, 0)) },
        Span { start: u64::MAX - 5, end: u64::MAX, ..of_process(4, "c", span(5, 2, "C", 0, 0)) },
    ];
    // A is longer and starts with its parent; C is put at its end.
    tells(&odd, &[("A", 95), ("C", 5)]);
}

/// Deep and wide as no server makes them: no recursion, nothing squared.
#[test]
fn a_hundred_thousand_spans_below_and_beside_each_other_are_told() {
    let count = 50_000;
    let deep = (0..count).map(|i| span(2 + i, if i == 0 { C } else { 1 + i }, "deep", 0, 100));
    let wide = (0..count).map(|i| span(1_000_000 + i, 2, "wide", i % 100, 100));
    let spans: Vec<Span> = deep.chain(wide).collect();
    let told = attribute(&request(), &spans).unwrap();
    assert_eq!(told.rows.iter().map(|(_, nanos)| nanos).sum::<u64>(), 105);
}
