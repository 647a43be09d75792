//! Queries and gets through the whole engine, against a server whose answers hold as many rows as it is told.

use milvus_load::data::{VectorType, Vectors};
use milvus_load::engine::{Plan, PlannedOperation, Requests};
use milvus_load::measure::{Hits, OperationEvidence};
use milvus_load::milvus::ops::{self, KnownRows};
use milvus_load::milvus::transport::Route;
use milvus_load::milvus::{CallHeaders, RowLayout};
use milvus_load::truth::{Delay, Existing, Rpc, Script, TruthServer};
use milvus_load::workload::{Consistency, Metric, load_text};

use crate::support::*;

/// A server with 1,000 rows, whose answers hold so many.
fn server(rows: Option<u32>) -> TruthServer {
    let existing = Some(Existing { dim: 8, rows: 1_000 });
    start(Script { rows, existing, query: Delay::Constant(ms(2)), ..Script::default() })
}

/// One operation, as its keys in a workload describe it, 200 times in a second.
fn lookups(server: &TruthServer, operation: &str) -> Plan {
    let text = format!("[load]\nrate = 1\n[[operations]]\n{operation}\n");
    let workload = load_text("w", &text, &[]).unwrap();
    let layout = RowLayout {
        key: Some("id".to_owned()),
        vector: "vector".to_owned(),
        vectors: Vectors::clustered(VectorType::Float, 1, 8, 2, 0.1),
        scalars: vec![],
    };
    let known = KnownRows::new(&layout, 1_000);
    let context = ops::Context {
        collection: "c",
        layout: &layout,
        metric: Metric::L2,
        consistency: Consistency::Bounded,
        queries: 50,
        rows: 1_000,
        known: Some(&known),
        seed: 7,
        operation: 0,
    };
    let mut plan = plan(&server.uri(), constant(200.0));
    let op = ops::of(&workload.operations[0].kind);
    let route = Route::new(&plan.dialer, op.rpc(), op.scan(), &CallHeaders::default()).unwrap();
    let requests = Requests::Ready(ops::frames(op, &context, 50));
    plan.operations = vec![PlannedOperation { name: "lookup".to_owned(), route, requests }];
    plan
}

#[track_caller]
fn hits(rows: Option<u32>, operation: &str) -> Hits {
    let server = server(rows);
    let run = execute(lookups(&server, operation));
    let record = &run.recorded.operations[0];
    let counters = record.counters;
    assert_eq!((counters.offered(), counters.succeeded), (200, 200), "{counters:?}");
    assert_eq!(server.log().count(Rpc::Query), 200);
    assert_eq!(OperationEvidence::of("lookup", record, 1).hits, record.hits);
    record.hits
}

#[test]
fn complete_answers_hold_what_was_expected_of_each() {
    let complete = |each: u64| Hits { expected: 200 * each, returned: 200 * each, ..Hits::default() };
    assert_eq!(hits(None, "kind = \"get\"\nkeys = 7"), complete(7));
    assert_eq!(hits(None, "kind = \"query\"\nlimit = 9"), complete(9));
    assert_eq!(hits(None, "kind = \"query\"\noutput_fields = [\"count(*)\"]"), complete(1));
}

#[test]
fn answers_that_lack_rows_are_counted_and_empty_ones_apart() {
    let short = Hits { expected: 1_400, returned: 600, short: 200, ..Hits::default() };
    assert_eq!(hits(Some(3), "kind = \"get\"\nkeys = 7"), short);
    let empty = Hits { expected: 1_800, returned: 0, empty: 200, short: 200, unknown: 0 };
    assert_eq!(hits(Some(0), "kind = \"query\"\nlimit = 9"), empty);
}

/// The whole binary: a get that misses rows shows up where a search that misses hits does.
#[test]
fn the_report_tells_that_answers_lack_rows_and_the_verdict_warns() {
    let server = server(Some(3));
    let text = "[collection]\nname = \"c\"\nprepare = \"never\"\n[load]\nrate = 50\nwarmup = \"0s\"\nduration = \"1s\"\n\
                [trace]\nenabled = false\n[[operations]]\nkind = \"get\"\nkeys = 7\n";
    let report = run_workload(&server.uri(), text, &[]).done();
    let get = &report.operations["get"];
    let hits = get.hits;
    assert!(get.succeeded > 0 && get.succeeded == get.offered);
    assert_eq!(
        (hits.expected, hits.returned, hits.short),
        (7 * get.succeeded, 3 * get.succeeded, get.succeeded)
    );
    let finding = report.verdict.findings.iter().find(|finding| finding.code == "few_hits");
    let message = &finding.unwrap_or_else(|| panic!("{:?}", codes(&report))).message;
    assert!(message.starts_with(&format!("get: {} answers held less", get.succeeded)), "{message}");
}

#[test]
fn more_keys_than_rows_are_refused_before_the_load() {
    let server = server(None);
    let text = "[collection]\nname = \"c\"\nprepare = \"never\"\n[load]\nrate = 50\n[[operations]]\nkind = \"get\"\nkeys = 1001\n";
    let ended = run_workload(&server.uri(), text, &[]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("c has 1000 rows, and each get asks for 1001 different keys"),
        "{}",
        ended.stderr
    );
}

#[test]
fn of_a_filter_without_a_law_nothing_is_expected_and_what_came_is_told() {
    let unknown = Hits { returned: 800, unknown: 200, ..Hits::default() };
    assert_eq!(hits(Some(4), "kind = \"query\"\nfilter = \"id > 5\""), unknown);
}
