use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::hand_made::{export, resource, root, span};
use super::*;
use crate::trace::TraceRef;
use crate::trace::span::SpanOutcome;

fn request(trace_id: u128) -> ClientSpan {
    ClientSpan {
        trace: TraceRef { trace_id, span_id: 1, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1,
        sent: 2,
        done: 3,
        outcome: SpanOutcome::Ok,
        peer: None,
        rows: 0,
    }
}

/// A server's root span and one beneath it.
fn of_server(trace_id: u128) -> Vec<u8> {
    export(vec![resource("standalone", vec![root(trace_id, 2, 1), span(trace_id, 3, 2)])])
}

struct Test {
    store: Store,
    now: Instant,
}

impl Test {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let mut store = Store::new(limits, now);
        store.begin();
        Self { store, now }
    }

    #[track_caller]
    fn take(&mut self, export: &[u8]) {
        self.store.take(export, self.now).unwrap();
    }

    fn waiting(&self) -> u64 {
        self.store.waiting.traces.values().map(|(_, trace)| trace.count()).sum()
    }

    /// IDs with the numbers of their spans, and the rest of what the end tells.
    fn end(mut self) -> (BTreeMap<u128, u64>, Books, Option<u64>) {
        let (kept, books, lost) = self.store.end(self.now);
        assert_eq!(books.received, books.kept + books.let_go + books.evicted + books.foreign, "{books:?}");
        (kept.into_iter().map(|(id, trace)| (id, trace.count())).collect(), books, lost)
    }
}

#[test]
fn spans_find_their_trace_whether_they_come_before_or_after_its_request_is_decided_on() {
    let mut test = Test::new(Limits::default());
    test.take(&of_server(1));
    test.store.hold(request(1), true);
    test.store.hold(request(2), true);
    test.take(&of_server(2));
    test.take(&of_server(3));
    test.store.pass(&request(3), true, test.now);
    test.store.pass(&request(4), true, test.now);
    test.take(&of_server(4));
    test.store.hold(request(5), true);
    test.take(&of_server(5));
    test.store.let_go(5, test.now);
    // A second export of a trace that was held once.
    test.take(&of_server(5));
    test.take(&of_server(99));
    let (kept, books, lost) = test.end();
    assert_eq!(kept, BTreeMap::from([(1, 3), (2, 3)]));
    let expected = Books { received: 19, kept: 6, let_go: 11, evicted: 0, foreign: 2, refused: 0 };
    assert_eq!((books, lost), (expected, Some(0)));
}

#[test]
fn what_the_server_answered_and_exported_no_root_span_of_is_lost_there() {
    let mut test = Test::new(Limits::default());
    let inner = |id| export(vec![resource("standalone", vec![span(id, 3, 2)])]);
    for id in 1..=4 {
        match id % 2 {
            0 => test.store.hold(request(id), true),
            _ => test.store.pass(&request(id), true, test.now),
        }
        test.take(&inner(id));
    }
    // Those two have all; these were never answered.
    (3..=4).for_each(|id| test.take(&of_server(id)));
    test.store.pass(&request(5), false, test.now);
    test.store.hold(request(6), false);
    assert_eq!(test.end().2, Some(2));
}

#[test]
fn the_oldest_undecided_are_evicted_and_counted_where_the_ring_is_full() {
    let of_one = {
        let mut test = Test::new(Limits::default());
        test.take(&of_server(1));
        test.store.waiting.bytes
    };
    let mut test = Test::new(Limits { waiting: 3 * of_one, ..Limits::default() });
    (1..=5).for_each(|id| test.take(&of_server(id)));
    assert!(test.store.waiting.bytes <= 3 * of_one);
    assert_eq!((test.waiting(), test.store.books.evicted), (6, 4));
    (1..=5).for_each(|id| test.store.hold(request(id), true));
    let (kept, books, lost) = test.end();
    assert_eq!(kept, BTreeMap::from([(1, 1), (2, 1), (3, 3), (4, 3), (5, 3)]));
    assert_eq!((books.kept, books.evicted, books.foreign), (11, 4, 0));
    assert_eq!(lost, Some(0), "evicted here is not lost there");
}

#[test]
fn a_trace_has_room_for_so_much_and_all_that_are_held_for_so_much_together() {
    let large = |id: u128, own: u64| {
        let text = "x".repeat(600);
        export(vec![resource(
            "standalone",
            vec![opentelemetry_proto::tonic::trace::v1::Span { name: text, ..span(id, own, 2) }],
        )])
    };
    // Of some 890 bytes each, one trace has room for two and all for five.
    for is_held_first in [true, false] {
        let mut test = Test::new(Limits { trace: 2_000, held: 4_600, ..Limits::default() });
        let hold = |test: &mut Test| (1..=4).for_each(|id| test.store.hold(request(id), true));
        if is_held_first {
            hold(&mut test);
        }
        for id in 1..=4 {
            (1..=3).for_each(|own| test.take(&large(id, own)));
        }
        if !is_held_first {
            hold(&mut test);
        }
        assert!(test.store.held_bytes <= 4_600);
        let (kept, books, _) = test.end();
        assert_eq!(kept, BTreeMap::from([(1, 3), (2, 3), (3, 2), (4, 1)]), "held first: {is_held_first}");
        assert_eq!(books.evicted, 7);
    }
}

/// Of which traces spans are known to be missing.
fn cut(mut test: Test) -> Vec<u128> {
    let (kept, ..) = test.store.end(test.now);
    kept.into_iter().filter(|(_, trace)| trace.is_cut).map(|(id, _)| id).collect()
}

fn long_span(id: u128, own: u64) -> Vec<u8> {
    let name = "x".repeat(600);
    export(vec![resource(
        "standalone",
        vec![opentelemetry_proto::tonic::trace::v1::Span { name, ..span(id, own, 2) }],
    )])
}

#[test]
fn a_trace_that_had_no_room_is_known_to_be_cut() {
    // Of some 890 bytes each, one trace has room for two and all for five.
    let limits = Limits { trace: 2_000, held: 4_600, ..Limits::default() };
    for is_held_first in [true, false] {
        let mut test = Test::new(limits);
        let hold = |test: &mut Test| (1..=4).for_each(|id| test.store.hold(request(id), true));
        if is_held_first {
            hold(&mut test);
        }
        for (id, spans) in [(1, 2), (2, 3), (3, 1), (4, 1)] {
            (1..=spans).for_each(|own| test.take(&long_span(id, own)));
        }
        if !is_held_first {
            hold(&mut test);
        }
        assert_eq!(cut(test), [2, 4], "2 is too large, and 4 comes when there is no room: {is_held_first}");
    }
    // One span that alone is too large.
    for is_held_first in [true, false] {
        let mut test = Test::new(Limits { trace: 800, ..Limits::default() });
        if is_held_first {
            test.store.hold(request(1), true);
        }
        test.take(&long_span(1, 1));
        if !is_held_first {
            test.store.hold(request(1), true);
        }
        assert_eq!(cut(test), [1]);
    }
}

#[test]
fn what_comes_of_a_trace_that_was_evicted_is_evicted_too_and_the_trace_is_cut() {
    let of_one = {
        let mut test = Test::new(Limits::default());
        test.take(&of_server(1));
        test.store.waiting.bytes
    };
    let mut test = Test::new(Limits { waiting: of_one, ..Limits::default() });
    test.take(&of_server(1));
    test.take(&of_server(2));
    test.take(&of_server(1));
    assert_eq!((test.store.books.evicted, test.store.books.let_go), (4, 0));
    test.store.hold(request(1), true);
    test.store.hold(request(2), true);
    // What comes after the decision is kept, and the trace is cut all the same.
    test.take(&of_server(1));
    assert_eq!(test.store.held[&1].spans.len(), 2);
    assert_eq!(cut(test), [1]);
    // Where it is decided that it is not kept, later ones are let go.
    let mut test = Test::new(Limits { waiting: of_one, ..Limits::default() });
    test.take(&of_server(1));
    test.take(&of_server(2));
    test.store.pass(&request(1), true, test.now);
    test.take(&of_server(1));
    assert_eq!((test.store.books.evicted, test.store.books.let_go), (2, 3));
}

#[test]
fn a_large_head_is_not_remembered() {
    let mut test = Test::new(Limits::default());
    for length in [LARGEST_HEAD / 2, LARGEST_HEAD] {
        test.take(&export(vec![resource(&"x".repeat(length), vec![span(1, 2, 3)])]));
    }
    let heads: usize = test.store.heads.iter().map(|head| head.bytes()).sum();
    assert!(test.store.heads.len() == 1 && heads < LARGEST_HEAD, "{heads}");
}

#[test]
fn a_request_has_its_servers_root_where_a_call_of_milvus_was_taken_and_not_by_any_server_beneath() {
    let mut test = Test::new(Limits::default());
    let inner = opentelemetry_proto::tonic::trace::v1::Span {
        name: "milvus.proto.query.QueryNode/Search".to_owned(),
        ..root(1, 9, 3)
    };
    test.take(&export(vec![resource("standalone", vec![inner])]));
    test.take(&of_server(2));
    (1..=2).for_each(|id| test.store.hold(request(id), true));
    assert_eq!(test.end().2, Some(1));
}

#[test]
fn where_no_server_exports_to_nobody_claims_to_know_what_it_lost() {
    let mut test = Test::new(Limits::default());
    test.store.hold(request(1), true);
    test.store.pass(&request(2), true, test.now);
    assert_eq!(test.store.end(test.now).2, None);
    // The next run on it has one.
    test.store.begin();
    test.take(&of_server(4));
    (3..=4).for_each(|id| test.store.hold(request(id), true));
    assert_eq!(test.end().2, Some(1));
}

#[test]
fn what_is_no_export_is_refused_as_a_whole() {
    let mut test = Test::new(Limits::default());
    let mut export = of_server(1);
    export.truncate(export.len() - 1);
    assert_eq!(test.store.take(&export, test.now), Err(Refusal::Malformed));
    test.store.refuse();
    assert_eq!(test.end().1, Books { refused: 1, ..Books::default() });
}

#[test]
fn spans_without_a_trace_are_foreign() {
    let mut test = Test::new(Limits::default());
    test.take(&of_server(0));
    assert_eq!(test.end().1.foreign, 2);
}

#[test]
fn places_of_traces_that_are_decided_on_do_not_pile_up_behind_one_that_never_is() {
    let mut test = Test::new(Limits::default());
    test.take(&of_server(u128::MAX));
    for id in 1..=50_000 {
        test.take(&of_server(id));
        test.store.pass(&request(id), true, test.now);
    }
    assert!(test.store.waiting.order.len() < 2_000, "{}", test.store.waiting.order.len());
}

#[test]
fn one_run_after_the_other_is_booked_for_itself() {
    let mut test = Test::new(Limits::default());
    test.store.hold(request(1), true);
    test.take(&of_server(1));
    let (kept, books, lost) = test.store.end(test.now);
    assert_eq!((kept.len(), books.kept, lost), (1, 3, Some(0)));
    // Between the two: a latecomer, and set-up of the next run.
    test.take(&of_server(1));
    test.take(&of_server(7));
    test.store.begin();
    let setup = SetupSpan {
        trace: TraceRef { trace_id: 7, span_id: 1, sampled: true },
        parent: None,
        is_call: false,
        name: "set-up".into(),
        start: 1,
        end: 2,
        attributes: vec![],
        error: None,
    };
    test.store.hold_setup(setup.clone());
    test.store.hold_setup(setup);
    let (kept, books, lost) = test.end();
    assert_eq!(kept, BTreeMap::from([(7, 4)]));
    assert_eq!((books.received, books.kept, lost), (4, 4, Some(0)));
}

#[derive(Clone, Debug)]
enum Event {
    Export(u128),
    Hold(u128),
    Pass(u128),
    LetGo(u128),
    Later,
}

fn event() -> impl Strategy<Value = Event> {
    let id = || 1..12u128;
    prop_oneof![
        4 => id().prop_map(Event::Export),
        2 => id().prop_map(Event::Hold),
        2 => id().prop_map(Event::Pass),
        1 => id().prop_map(Event::LetGo),
        1 => Just(Event::Later),
    ]
}

proptest! {
    #[test]
    fn every_span_is_booked_once_whatever_comes_in_whatever_order(
        events in prop::collection::vec(event(), 0..200),
        waiting in 200usize..6_000, trace in 200usize..4_000, held in 200usize..8_000, decided in 1usize..5,
    ) {
        let mut test = Test::new(Limits { waiting, trace, held, decided });
        let (mut sent, mut over) = (0, BTreeSet::new());
        for event in events {
            match event {
                Event::Export(id) => {
                    test.take(&of_server(id));
                    sent += 2;
                }
                // A request is over once.
                Event::Hold(id) if over.insert(id) => {
                    test.store.hold(request(id), true);
                    sent += 1;
                }
                Event::Pass(id) if over.insert(id) => {
                    test.store.pass(&request(id), true, test.now);
                    sent += 1;
                }
                Event::LetGo(id) => test.store.let_go(id, test.now),
                Event::Later => test.now += Duration::from_secs(4),
                Event::Hold(_) | Event::Pass(_) => {}
            }
            let books = test.store.books;
            let kept: u64 = test.store.held.values().map(Trace::count).sum();
            prop_assert_eq!(books.received, sent);
            prop_assert_eq!(sent, kept + books.let_go + books.evicted + books.foreign + test.waiting());
            prop_assert!(test.store.waiting.bytes <= waiting && test.store.held_bytes <= held);
            let bytes: usize = test.store.held.values().map(|trace| trace.bytes).sum();
            prop_assert_eq!(test.store.held_bytes, bytes);
        }
        prop_assert_eq!(test.end().1.received, sent);
    }
}
