use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;

use super::super::hand_made::{export, resource, root, span};
use super::super::store::{Limits, Store};
use super::*;
use crate::trace::TraceRef;
use crate::trace::closed_port::ClosedPort;
use crate::trace::env::OtelEnv;
use crate::trace::exporter::fake::{self, Behaviour, FakeCollector};
use crate::trace::spans::Kind;

/// Generous: what is bounded by it ends by itself long before.
const LONG: Duration = Duration::from_secs(300);

fn settings(endpoint: &str) -> ExportSettings {
    let mut settings = ExportSettings::new(endpoint, "milvus-client", &[], &OtelEnv::default()).unwrap();
    settings.limits.delay = Duration::from_millis(10);
    (settings.transport.timeout, settings.limits.export_timeout) = (LONG, LONG);
    settings
}

fn exporter(settings: &ExportSettings) -> Exporter {
    Exporter::start(settings, &[], "").unwrap()
}

fn listening(onward: Option<Exporter>) -> Collector {
    Collector::start(TcpListener::bind("127.0.0.1:0").unwrap(), onward).unwrap()
}

fn begin(collector: &Collector, onward: Onward) -> Keeping {
    collector.begin(&settings("http://localhost:4317"), &[operation()], "run-7", onward).unwrap()
}

fn operation() -> OperationAttributes {
    OperationAttributes {
        operation: "search".into(),
        rpc: "Search".into(),
        collection: "books".into(),
        database: String::new(),
        server_address: "localhost".into(),
        server_port: 19530,
    }
}

fn request(trace_id: u128) -> ClientSpan {
    ClientSpan {
        trace: TraceRef { trace_id, span_id: 1, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1_000,
        sent: 1_500,
        done: 9_000,
        outcome: SpanOutcome::Ok,
        peer: None,
        rows: 0,
    }
}

/// A server's root span beneath the client's, and one beneath that.
fn of_server(trace_id: u128) -> PassedOn {
    let bytes = export(vec![resource("standalone", vec![root(trace_id, 2, 1), span(trace_id, 3, 2)])]);
    PassedOn { bytes: bytes.into(), spans: 2, trace_id }
}

/// Keeps the traces with odd IDs.
struct Odd;

impl Chooser for Odd {
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128)) {
        if span.trace.trace_id.is_multiple_of(2) {
            let_go(span.trace.trace_id);
        }
    }
}

fn ten_requests(collector: &Collector, onward: Onward, gzip: bool) -> Collected {
    ten_requests_from(0, collector, onward, gzip)
}

/// Ten requests of a run with the IDs after `first`, half of whose spans come from the server before they are over and half after.
fn ten_requests_from(first: u128, collector: &Collector, onward: Onward, gzip: bool) -> Collected {
    let mut to_it = settings(&format!("http://{}", collector.address()));
    to_it.transport.gzip = gzip;
    let server = exporter(&to_it);
    (1..=5).for_each(|id| server.sink().pass_on(of_server(first + id)));
    server.flush();
    wait_until(|| server.counts().exported == 10);
    let keeping = begin(collector, onward);
    keeping.choose_by(Box::new(Odd));
    let sink = keeping.sink();
    (1..=10).for_each(|id| sink.offer(request(first + id)));
    wait_until(|| keeping.queue.counts().queued == 0);
    (6..=10).for_each(|id| server.sink().pass_on(of_server(first + id)));
    server.sink().pass_on(of_server(first + 77));
    assert_eq!(server.finish(LONG).counts.failed, 0);
    keeping.finish(true, LONG)
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "waited in vain");
        std::thread::sleep(POLL);
    }
}

#[track_caller]
fn check_ten(collected: &Collected) {
    check_ten_from(0, collected);
}

#[track_caller]
fn check_ten_from(first: u128, collected: &Collected) {
    let ids: Vec<_> = collected.kept.iter().map(|trace| trace.trace_id - first).collect();
    assert_eq!(ids, [1, 3, 5, 7, 9]);
    for trace in &collected.kept {
        let spans: BTreeMap<u64, _> = trace.spans().into_iter().map(|span| (span.span_id, span)).collect();
        assert_eq!(spans.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(spans.values().all(|span| span.trace_id == trace.trace_id));
        let [client, root, task] = [1, 2, 3].map(|id| &spans[&id]);
        assert_eq!(
            (&*client.service, &*client.name, client.kind),
            ("milvus-client", "Search books", Kind::Client)
        );
        assert_eq!((client.start, client.end, client.parent), (1_500, 9_000, None));
        assert_eq!((&*root.service, root.kind, root.parent), ("standalone", Kind::Server, Some(1)));
        assert_eq!((&*task.name, task.parent), ("SearchTask", Some(2)));
    }
    let books = Books { received: 32, kept: 15, let_go: 15, evicted: 0, foreign: 2, refused: 0 };
    assert_eq!((collected.books, collected.lost_at_server), (books, Some(0)));
}

#[test]
fn spans_of_client_and_server_meet_and_what_is_not_chosen_is_let_go() {
    for gzip in [false, true] {
        let collector = listening(None);
        let collected = ten_requests(&collector, Onward::Nowhere, gzip);
        check_ten(&collected);
        assert_eq!((collected.export.counts.recorded, collected.export.counts.exported), (10, 10));
    }
}

#[test]
fn everything_goes_on_where_that_is_asked_for_over_either_protocol() {
    type Start = fn() -> FakeCollector;
    for (start, protocol) in [
        ((|| FakeCollector::grpc(Behaviour::Accept)) as Start, crate::trace::endpoint::Protocol::Grpc),
        (|| fake::http(200, None), crate::trace::endpoint::Protocol::HttpProtobuf),
    ] {
        let there = start();
        let mut onward = settings(&there.endpoint);
        onward.transport.protocol = protocol;
        let collector = listening(Some(exporter(&onward)));
        let client = Exporter::start(&onward, &[operation()], "run-7").unwrap();
        let collected = ten_requests(&collector, Onward::All(client), false);
        check_ten(&collected);
        assert_eq!((collected.export.counts.recorded, collected.export.counts.exported), (10, 10));
        assert!((1..=10).all(|id| collected.export.fate(id) == Fate::Exported));
        collector.drain(LONG);
        let passed_on = collector.passed_on().unwrap();
        assert_eq!((passed_on.recorded, passed_on.exported), (22, 22), "{passed_on:?}");
        let spans: usize = there.received().iter().map(|one| one.spans().count()).sum();
        assert_eq!(spans, 32);
        assert_eq!(there.trace_ids(), (1..=10).chain([77]).collect());
    }
}

#[test]
fn only_what_is_kept_goes_on_where_that_is_asked_for() {
    let there = FakeCollector::grpc(Behaviour::Accept);
    let collector = listening(None);
    let collected = ten_requests(&collector, Onward::Kept(Box::new(settings(&there.endpoint))), false);
    check_ten(&collected);
    assert_eq!(there.trace_ids(), [1, 3, 5, 7, 9].into());
    let spans: usize = there.received().iter().map(|one| one.spans().count()).sum();
    assert_eq!(spans, 15);
    let arrived: BTreeSet<u128> =
        (1..=10).filter(|id| collected.export.fate(*id) == Fate::Exported).collect();
    assert_eq!(arrived, [1, 3, 5, 7, 9].into());
    let counts = collected.export.counts;
    assert_eq!((counts.recorded, counts.exported, counts.failed), (10, 10, 0), "all have arrived here");
}

#[test]
fn what_is_kept_and_does_not_arrive_is_told_and_kept_all_the_same() {
    let closed = ClosedPort::new();
    let collector = listening(None);
    let onward = settings(&format!("http://{}", closed.address()));
    let collected = ten_requests(&collector, Onward::Kept(Box::new(onward)), false);
    check_ten(&collected);
    let counts = collected.export.counts;
    assert_eq!((counts.recorded, counts.exported, counts.failed), (10, 5, 5));
    assert!((1..=10).all(|id| collected.export.fate(id) == Fate::NotExported));
    assert!(collected.export.last_error.is_some());
}

#[test]
fn exports_that_are_malformed_or_too_large_are_refused_and_counted() {
    let collector = listening(None);
    let keeping = begin(&collector, Onward::Nowhere);
    let sound = of_server(1);
    let cut_off = PassedOn { bytes: sound.bytes.slice(..sound.bytes.len() - 1), ..sound.clone() };
    // 17 MB: it packs well.
    let large = span(2, 3, 4);
    let large = opentelemetry_proto::tonic::trace::v1::Span { name: "x".repeat(17 << 20), ..large };
    let large = PassedOn { bytes: export(vec![resource("s", vec![large])]).into(), spans: 1, trace_id: 2 };
    for (gzip, refused) in [(false, &cut_off), (true, &cut_off), (false, &large), (true, &large)] {
        let mut to_it = settings(&format!("http://{}", collector.address()));
        to_it.transport.gzip = gzip;
        let server = exporter(&to_it);
        server.sink().pass_on(refused.clone());
        let counts = server.finish(LONG).counts;
        assert_eq!((counts.exported, counts.failed), (0, refused.spans as u64), "gzip {gzip}");
    }
    let server = exporter(&settings(&format!("http://{}", collector.address())));
    server.sink().pass_on(sound);
    assert_eq!(server.finish(LONG).counts.exported, 2, "it goes on");
    let books = keeping.finish(true, LONG).books;
    assert_eq!(books, Books { received: 2, foreign: 2, refused: 4, ..Books::default() });
}

#[test]
fn runs_follow_each_other_on_one_collector() {
    let collector = listening(None);
    for first in [0, 100, 200] {
        check_ten_from(first, &ten_requests_from(first, &collector, Onward::Nowhere, false));
    }
}

#[test]
fn a_run_that_ends_early_does_not_claim_to_know_what_the_server_lost() {
    let collector = listening(None);
    let keeping = begin(&collector, Onward::Nowhere);
    keeping.choose_by(Box::new(Odd));
    keeping.sink().offer(request(1));
    let collected = keeping.finish(false, LONG);
    assert_eq!((collected.kept.len(), collected.lost_at_server), (1, None));
}

#[test]
fn what_ended_before_its_last_spans_can_have_come_counts_as_cut_unless_they_were_waited_for() {
    let now = u64::try_from(unix_now().as_nanos()).unwrap();
    for is_complete in [false, true] {
        let collector = listening(None);
        let keeping = begin(&collector, Onward::Nowhere);
        keeping.choose_by(Box::new(Odd));
        // Done just now, and an hour ago.
        for (id, done) in [(1, now), (3, now - 3_600_000_000_000)] {
            keeping.sink().offer(ClientSpan { done, ..request(id) });
        }
        let kept = keeping.finish(is_complete, LONG).kept;
        let cut: Vec<_> = kept.iter().map(|trace| (trace.trace_id, trace.is_cut)).collect();
        assert_eq!(cut, [(1, !is_complete), (3, false)]);
    }
}

#[test]
fn spans_that_come_again_are_kept_once_and_those_that_cannot_be_read_cut_their_trace() {
    let collector = listening(None);
    let keeping = begin(&collector, Onward::Nowhere);
    keeping.choose_by(Box::new(Odd));
    let server = exporter(&settings(&format!("http://{}", collector.address())));
    for id in [1, 1, 3] {
        server.sink().pass_on(of_server(id));
    }
    // Its name is no text, which the scan does not look at.
    let mut unreadable = export(vec![resource("standalone", vec![span(3, 4, 2)])]);
    let name = unreadable.windows(10).position(|bytes| bytes == b"SearchTask").unwrap();
    unreadable[name] = 0xff;
    server.sink().pass_on(PassedOn { bytes: unreadable.into(), spans: 1, trace_id: 3 });
    assert_eq!(server.finish(LONG).counts.exported, 7);
    [1, 3].into_iter().for_each(|id| keeping.sink().offer(request(id)));
    let Collected { kept, books, .. } = keeping.finish(true, LONG);
    let told: Vec<_> = kept.iter().map(|trace| (trace.trace_id, trace.spans().len(), trace.is_cut)).collect();
    assert_eq!(told, [(1, 3, false), (3, 3, true)]);
    assert_eq!(books, Books { received: 7, kept: 6, evicted: 1, ..Books::default() });
}

/// Keeps the latest.
struct Latest(Option<u128>);

impl Chooser for Latest {
    fn over(&mut self, span: &ClientSpan, let_go: &mut dyn FnMut(u128)) {
        self.0.replace(span.trace.trace_id).into_iter().for_each(let_go);
    }
}

#[test]
fn a_trace_has_the_room_of_the_one_whose_place_it_takes() {
    let of_one = {
        let mut store = Store::new(Limits::default(), Instant::now());
        store.hold(request(1), true);
        store.take(&of_server(1).bytes, Instant::now()).unwrap();
        store.held_bytes()
    };
    let shared = Shared::new(Limits { held: of_one, ..Limits::default() }, None);
    let (_, spans, queue) = SpanSink::new(QUEUE);
    let work = Work { shared: Arc::clone(&shared), queue, spans, onward: None };
    let mut latest = Latest(None);
    for id in 1..=3 {
        shared.store().take(&of_server(id).bytes, Instant::now()).unwrap();
        work.decide(&request(id), Some(&mut latest));
    }
    let (kept, books, _) = shared.store().end(Instant::now());
    assert!(kept.len() == 1 && !kept[0].1.is_cut);
    assert_eq!((books.kept, books.evicted), (3, 0));
}

#[test]
fn a_stand_in_takes_what_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stand_in = super::super::stand_in(listener).unwrap();
    let server = exporter(&settings(&format!("http://{address}")));
    server.sink().pass_on(of_server(1));
    assert_eq!(server.finish(LONG).counts.exported, 2);
    drop(stand_in);
    assert!(std::net::TcpStream::connect(address).is_err());
}
