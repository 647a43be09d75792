//! Whose a collection is decides what may be done to it.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::collections::{create_foreign, description, exists, indexes, keys_from, on_server, rows};
use crate::support::{SMALL, Sandbox, findings, server, steps, wait_until};

/// One second is enough to see what set-up does.
const BRIEF: [&str; 4] = ["--duration", "1s", "--set", "load.warmup=0s"];

/// Inserts of 10 rows, 20 per second. One worker, so that the rows that are built ahead and never sent are the last ones.
const WRITER: &str = r#"
[collection]
name = "run_writer"
rows = 1_500
vector = { name = "vector", type = "float", dim = 16, metric = "l2" }
index = { type = "HNSW", params = { M = 8, efConstruction = 64 } }

[load]
rate = 20
arrival = "constant"
workers = 1
warmup = "0s"
duration = "1s"

[[operations]]
kind = "insert"
batch = 10
"#;

#[test]
fn a_collection_of_somebody_else_is_neither_dropped_nor_rebuilt() {
    let sandbox = Sandbox::new();
    create_foreign("run_foreign", "the products of our shop");
    for prepare in ["auto", "always"] {
        let prepare = format!("collection.prepare={prepare}");
        let set = ["small.toml", "--set", "collection.name=run_foreign", "--set", &prepare];
        let run = sandbox.run(&[&set[..], &BRIEF].concat());
        run.ended_with(1);
        run.said(&["run_foreign", "not made by milvus-load", "prepare = \"never\""]);
        assert_eq!(sandbox.runs(), Vec::<std::path::PathBuf>::new());
        assert_eq!(description("run_foreign"), "the products of our shop");
        assert_eq!(rows("run_foreign"), 0);
    }
}

#[test]
fn a_collection_of_somebody_else_is_read_as_it_is_and_written_only_by_leave() {
    let sandbox = Sandbox::new();
    create_foreign("run_shop", "the products of our shop");
    let load = "[load]\nrate = 20\narrival = \"constant\"\nworkers = 1\nwarmup = \"0s\"\nduration = \"1s\"\n";
    let collection = "[collection]\nname = \"run_shop\"\nprepare = \"never\"\n";
    let operation = |kind: &str| format!("[[operations]]\nkind = \"{kind}\"\n");
    sandbox.write("read.toml", &format!("{collection}{load}{}", operation("search")));
    sandbox.write("write.toml", &format!("{collection}{load}{}batch = 10\n", operation("insert")));

    let empty = sandbox.run(&["read.toml"]);
    let report = empty.report(0);
    assert_eq!(report["operations"]["search"]["succeeded"], 20);
    assert_eq!(report["operations"]["search"]["hits"]["returned"], 0, "it holds nothing yet");
    // As the server describes it, and not as the file's defaults would have it; of two indexes, the vector's.
    let told = &report["collection"];
    assert_eq!(told["vector"], json!({ "name": "embedding", "dim": 16, "metric": "L2" }));
    let params = json!({ "M": 8, "efConstruction": 64 });
    let index = json!({ "type": "HNSW", "metric": "L2", "params": params, "indexed_rows": 0 });
    assert_eq!((&told["start"]["index"], &told["end"]["index"]), (&index, &index));
    assert_eq!(told["start"]["data_hash"], Value::Null);
    assert_eq!(told["start"]["data_hash_reason"], "not_inserted_by_setup");
    assert_eq!(steps(report).iter().filter(|s| ["create", "insert", "flush", "drop"].contains(s)).count(), 0);

    let refused = sandbox.run(&["write.toml"]);
    refused.ended_with(2);
    refused.said(&["allow_writes"]);
    assert_eq!(rows("run_shop"), 0);

    let allowed = sandbox.run(&["write.toml", "--set", "collection.allow_writes=true"]);
    assert_eq!(allowed.report(0)["operations"]["insert"]["succeeded"], 20);
    assert_eq!(rows("run_shop"), 200);
    // Written a second time, rows get keys above those that are there.
    let again = sandbox.run(&["write.toml", "--set", "collection.allow_writes=true"]);
    // Nobody has sealed or indexed those of the first time, and it is not for us to do it; inserts do not mind.
    assert!(findings(again.report(0)).contains(&"not_indexed"));
    assert_eq!(keys_from("run_shop", "doc", 0), (0..400).collect::<Vec<_>>());
    assert_eq!(description("run_shop"), "the products of our shop");

    let full = sandbox.run(&["read.toml", "--set", "collection.consistency=strong"]);
    assert_eq!(full.report(4)["operations"]["search"]["hits"]["returned"], 20 * 10);
}

#[test]
fn a_collection_of_ours_is_reused_where_it_fits_and_rebuilt_where_it_does_not() {
    let sandbox = Sandbox::new();
    let run = |settings: &[&str]| {
        let set = settings.iter().flat_map(|setting| ["--set", *setting]);
        let args = ["small.toml", "--set", "collection.name=run_ours"].into_iter().chain(BRIEF).chain(set);
        let run = sandbox.run(&args.collect::<Vec<_>>());
        (run.report(0).clone(), run.stderr)
    };
    let inserted = |report: &Value| steps(report).contains(&"insert");

    let (report, said) = run(&[]);
    assert!(inserted(&report) && said.contains("(created)"), "{said}");
    let (report, said) = run(&[]);
    assert!(!inserted(&report) && said.contains("(reused)"), "{said}");
    // What is asked of it, and how, changes nothing in it.
    let (report, _) = run(&["operations.search.top_k=3", "collection.consistency=strong", "load.rate=30"]);
    assert!(!inserted(&report));

    let (report, said) = run(&["collection.rows=1500"]);
    assert!(inserted(&report) && said.contains("rebuilt"), "{said}");
    assert_eq!(rows("run_ours"), 1_500);
    let (report, said) = run(&["collection.rows=1500", "collection.index.params.M=4"]);
    assert!(inserted(&report) && said.contains("rebuilt"), "{said}");
    let (report, _) = run(&["collection.rows=1500", "collection.index.params.M=4"]);
    assert!(!inserted(&report));
}

#[test]
fn a_collection_of_another_owner_is_read_where_it_fits_and_never_changed() {
    let sandbox = Sandbox::new();
    sandbox.write("writes.toml", &format!("{SMALL}[[operations]]\nkind = \"insert\"\nbatch = 1\n"));
    let run = |owner: &str, file: &str, settings: &[&str]| {
        let owner = format!("collection.owner={owner}");
        let set = [&["collection.name=run_owned", owner.as_str()], settings].concat();
        let set = set.into_iter().flat_map(|setting| ["--set", setting]);
        sandbox.run(&[file].into_iter().chain(BRIEF).chain(set).collect::<Vec<_>>())
    };
    run("ann", "small.toml", &[]).ended_with(0);
    let mark = description("run_owned");
    assert!(mark.starts_with("made by milvus-load ") && mark.contains("\"owner\":\"ann\""), "{mark}");

    let read = run("ben", "small.toml", &[]);
    assert_eq!(steps(read.report(0)), ["inspect", "count", "wait"], "nothing is created, loaded or flushed");
    read.said(&["ann's, read as it is"]);

    for (file, setting, differs) in [
        ("small.toml", "collection.rows=1500", "number of rows (2000, not 1500)"),
        ("small.toml", "collection.index.params.M=4", "index (type, parameters or metric) differs"),
        ("small.toml", "data.seed=7", "data ([data], or the values of scalars) differs"),
        ("small.toml", "collection.shards=2", "schema (fields, dimensions or shards) differs"),
        ("writes.toml", "collection.rows=2000", "the operation insert writes to it"),
    ] {
        let refused = run("ben", file, &[setting]);
        refused.ended_with(1);
        refused.said(&[
            "run_owned belongs to \"ann\"",
            "\"ben\"",
            differs,
            "prepare=always",
            "collection.owner",
        ]);
    }
    assert_eq!((rows("run_owned"), description("run_owned")), (2_000, mark));

    let taken = run("ben", "small.toml", &["collection.prepare=always"]);
    assert!(steps(taken.report(0)).contains(&"drop"));
    taken.said(&["it was ann's"]);
    assert!(description("run_owned").contains("\"owner\":\"ben\""));
    run("ann", "small.toml", &["collection.rows=1500"]).ended_with(1);
}

/// Marks of the version before owners, of one to come, and one that names no owner.
#[test]
fn marks_that_name_no_owner_or_cannot_be_compared_are_refused_and_the_way_is_said() {
    let sandbox = Sandbox::new();
    let parts = "\"rows\":2000,\"schema\":\"a\",\"index\":\"b\",\"data\":\"c\"";
    for (name, mark, said) in [
        ("run_first", "made by milvus-load, fingerprint 0123456789abcdef".to_owned(), "an earlier version"),
        ("run_later", "made by milvus-load {\"mark\":3}".to_owned(), "a later version"),
        ("run_nobodys", format!("made by milvus-load {{\"mark\":2,{parts}}}"), "nobody that its mark names"),
    ] {
        create_foreign(name, &mark);
        let run = |settings: &[&str]| {
            let name = format!("collection.name={name}");
            let set = [&[name.as_str()], settings].concat();
            let set = set.into_iter().flat_map(|setting| ["--set", setting]);
            sandbox.run(&["small.toml"].into_iter().chain(BRIEF).chain(set).collect::<Vec<_>>())
        };
        let refused = run(&[]);
        refused.ended_with(1);
        refused.said(&[name, said, "left alone", "--set collection.prepare=always"]);
        assert_eq!((description(name), rows(name)), (mark, 0));
        if name == "run_first" {
            // Once; from then on it is ours.
            assert!(steps(run(&["collection.prepare=always"]).report(0)).contains(&"drop"));
            assert!(!steps(run(&[]).report(0)).contains(&"insert"));
        }
    }
}

/// Killed with 9 before its rows are in, and again between the index and the load.
#[test]
fn what_a_killed_set_up_left_is_built_anew_or_carried_on() {
    const ROWS: u64 = 100_000;
    let sandbox = Sandbox::new();
    let args = |owner: &'static str| {
        let rows = ["--set", "collection.rows=100_000", "--set", "collection.name=run_killed"];
        let owner = ["--set", if owner == "ann" { "collection.owner=ann" } else { "collection.owner=ben" }];
        [&["small.toml"][..], &BRIEF, &rows, &owner].concat()
    };
    let killed_once = |condition: &dyn Fn() -> bool| {
        let command = [&["run"][..], &args("ann"), &["--uri", &server().uri]].concat();
        let run = sandbox.start(&mut sandbox.tool(&command));
        wait_until("set-up is so far", condition);
        run.signal(Signal::KILL);
        assert_eq!(run.wait(&sandbox).code, None, "killed before it was done");
    };
    killed_once(&|| exists("run_killed"));
    assert!(indexes("run_killed").is_empty(), "killed before its rows were in");
    // Others do not take it for whole, and leave it alone.
    let others = sandbox.run(&args("ben"));
    others.ended_with(1);
    others.said(&["belongs to \"ann\"", "its set-up was never finished, or is still going on"]);

    let again = sandbox.run(&args("ann"));
    assert!(steps(again.report(0)).contains(&"insert"));
    again.said(&["rebuilt: its set-up was never finished"]);
    assert_eq!(rows("run_killed"), ROWS);

    on_server(async |session| session.drop_collection("run_killed").await);
    killed_once(&|| exists("run_killed") && !indexes("run_killed").is_empty());
    let carried_on = sandbox.run(&args("ann"));
    let report = carried_on.report(0);
    assert!(!steps(report).contains(&"insert"), "{:?}", steps(report));
    assert_eq!(
        (rows("run_killed"), report["collection"]["start"]["index"]["indexed_rows"].as_u64()),
        (ROWS, Some(ROWS))
    );
}

#[test]
fn rows_of_earlier_runs_are_removed_or_by_wish_kept_and_told() {
    let sandbox = Sandbox::new();
    sandbox.write("writer.toml", WRITER);
    let keep = ["writer.toml", "--set", "collection.keep_writes=true"];
    let run = |args: &[&str]| sandbox.run(args).report(0).clone();
    let extra = |report: &Value| report["collection"]["extra_rows"].as_u64();

    let first = run(&["writer.toml"]);
    assert_eq!((first["operations"]["insert"]["succeeded"].as_u64(), extra(&first)), (Some(20), Some(0)));
    assert_eq!(rows("run_writer"), 1_700);

    let again = run(&["writer.toml"]);
    assert!(steps(&again).contains(&"insert"), "built anew");
    assert_eq!(extra(&again), Some(0));
    assert_eq!(rows("run_writer"), 1_700);

    let kept = run(&keep);
    assert!(!steps(&kept).contains(&"insert"), "{:?}", steps(&kept));
    assert_eq!((extra(&kept), kept["collection"]["start"]["rows"].as_u64()), (Some(200), Some(1_700)));
    assert_eq!(rows("run_writer"), 1_900);
    // As many different keys as rows: none came twice, and none is one of the base's.
    let keys = keys_from("run_writer", "id", 1_500);
    assert_eq!(keys, (1_500..1_900).collect::<Vec<_>>());
}
