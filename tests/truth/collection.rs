//! What a run says of its collection is what the server says, and set-up waits for no longer than it may.

use milvus_load::report::model::NoDataHash;
use milvus_load::truth::{Delay, Effect, Existing, Rpc, Script, When};
use serde_json::json;

use crate::support::*;

/// 100 searches within a second.
const LOAD: &str = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"1s\"\nconnections = 1\n\
                    workers = 1\n[trace]\nenabled = false\n";
const SEARCH: &str = "[[operations]]\nkind = \"search\"\n";

/// A collection of 100 rows to be made.
fn made(rows: u64, more: &str) -> String {
    let vector = "vector = { name = \"vector\", type = \"float\", dim = 8, metric = \"l2\" }";
    format!("[collection]\nname = \"c\"\nrows = {rows}\n{vector}\n{more}\n{LOAD}{SEARCH}")
}

/// Set-up counts the rows first, the load's own look is the second count.
#[test]
fn rows_that_are_gone_when_the_load_starts_are_an_error() {
    let whole = run_workload(&start(Script::default()).uri(), &made(100, ""), &[]);
    assert!(!codes(&whole.done()).contains(&"rows_missing"));
    let server = start(Script::default().fault(Rpc::Query, When::From(1), Effect::Count(90)));
    let ended = run_workload(&server.uri(), &made(100, ""), &[]);
    let report = ended.report();
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let finding = report.verdict.findings.iter().find(|finding| finding.code == "rows_missing");
    let message = &finding.unwrap_or_else(|| panic!("{:?}", codes(&report))).message;
    assert!(message.contains("90 rows") && message.contains("100 were expected"), "{message}");
    assert_eq!(report.collection.unwrap().start.rows, Some(90));
}

#[test]
fn a_collection_that_is_taken_as_it_is_is_told_as_the_server_describes_it() {
    let server = start(Script { existing: Some(Existing { dim: 24, rows: 700 }), ..Script::default() });
    // All of it wrong, and none of it about this collection.
    let collection = "[collection]\nname = \"c\"\nprepare = \"never\"\nrows = 5\nvector.metric = \"ip\"\n\
                      index = { type = \"IVF_FLAT\", params = { nlist = 7 } }\n";
    let ended = run_workload(&server.uri(), &format!("{collection}{LOAD}{SEARCH}"), &[]);
    let report = ended.done();
    let told = report.collection.as_ref().unwrap();
    let vector = told.vector.as_ref().unwrap();
    assert_eq!((vector.name.as_str(), vector.dim, vector.metric.as_str()), ("vector", 24, "COSINE"));
    for state in [Some(&told.start), told.end.as_ref()] {
        let state = state.unwrap();
        assert_eq!(state.rows, Some(700));
        let index = json!({ "type": "HNSW", "metric": "COSINE", "params": { "M": 16 }, "indexed_rows": 700 });
        assert_eq!(state.index, Some(index));
        assert_eq!((&state.data_hash, state.data_hash_reason), (&None, Some(NoDataHash::NotInsertedBySetup)));
    }
    let text = serde_json::to_string(&(&report.settings, &report.workload)).unwrap();
    assert!(!text.contains("IVF_FLAT") && !text.contains("collection.rows"), "not in force: {text}");
    for said in ["collection.rows", "collection.vector.metric", "collection.index.type", "taken as it is"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

#[test]
fn what_set_up_made_is_told_as_the_server_describes_it_with_the_hash_of_its_data() {
    let server = start(Script::default());
    let report = run_workload(&server.uri(), &made(100, ""), &[]).done();
    let told = report.collection.unwrap();
    let params = json!({ "M": 16, "efConstruction": 200 });
    let index = json!({ "type": "HNSW", "metric": "L2", "params": params, "indexed_rows": 100 });
    assert_eq!((told.start.rows, told.start.index), (Some(100), Some(index)));
    assert!(told.start.data_hash.is_some() && told.start.data_hash_reason.is_none());
}

/// The largest and smallest counts that a reply can hold. Where rows are to be written, their keys go on from there.
#[test]
fn counts_that_no_collection_has_break_nothing() {
    let insert = "[[operations]]\nkind = \"insert\"\nbatch = 2\n";
    let run = |rows, operations: &str| {
        let server = start(script(Delay::None).fault(Rpc::Query, When::Always, Effect::Count(rows)));
        let taken = "[collection]\nname = \"c\"\nprepare = \"never\"\nallow_writes = true\n";
        let ended = run_workload(&server.uri(), &format!("{taken}{LOAD}{operations}"), &[]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    };
    let rows = |ended: Ended| ended.report().collection.unwrap().start.rows;
    assert_eq!(rows(run(i64::MAX, SEARCH)), Some(i64::MAX as u64));
    for few in [i64::MIN, -1] {
        assert_eq!(rows(run(few, &format!("{SEARCH}{insert}"))), Some(0));
    }
    let full = run(i64::MAX, insert);
    assert_eq!(full.code, 1);
    assert!(full.stderr.contains("up to the largest key that there is"), "{}", full.stderr);
}

/// 12 inserts, 4 at once, of 1 s each take 3 s at least.
#[test]
fn the_limit_of_waiting_leaves_out_the_time_that_inserting_takes() {
    let server = start(Script { insert: Delay::Constant(ms(1_000)), ..Script::default() });
    let ended = run_workload(&server.uri(), &made(60_000, "ready.timeout = \"2s\""), &[]);
    let report = ended.done();
    assert_eq!(server.log().count(Rpc::Insert), 12);
    let insert = report.setup.iter().find(|step| step.step == "insert").unwrap();
    assert!(insert.seconds >= 3.0, "{insert:?}");
}

#[test]
fn a_collection_that_is_never_ready_is_given_up_after_the_limit() {
    let server = start(Script::default().fault(
        Rpc::GetFlushState,
        When::Always,
        Effect::Milvus { code: 8, reason: "not yet".to_owned() },
    ));
    let ended = run_workload(&server.uri(), &made(100, "ready.timeout = \"1s\""), &[]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("was not ready within 1s"), "{}", ended.stderr);
}
