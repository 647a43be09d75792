//! Who wins, and how it is said.

use super::*;
use crate::units::Nanos;
use crate::workload::{Arrival, LoadModel, Origin, Rates, Stage};

fn setting(workload: &Workload, key: &str) -> Option<(String, Origin)> {
    let found = workload.settings.iter().find(|setting| setting.key == key)?;
    Some((found.value.to_string(), found.from.clone()))
}

#[test]
fn flag_then_environment_then_file_then_default_whatever_the_order() {
    let key = "trace.sample_fraction";
    let flag = || Override::flag("--sample-fraction", key, "0.4");
    let set = || set("trace.sample_fraction=0.3");
    let environment = || Override::environment("OTEL_TRACES_SAMPLER_ARG", key, "0.2");
    let file = "[trace]\nsample_fraction = 0.1\n";
    let rows = [
        ("", vec![], 1.0, Origin::Default),
        (file, vec![], 0.1, Origin::File { line: 2, column: 1 }),
        ("", vec![environment()], 0.2, Origin::Environment("OTEL_TRACES_SAMPLER_ARG".into())),
        (file, vec![environment()], 0.2, Origin::Environment("OTEL_TRACES_SAMPLER_ARG".into())),
        (file, vec![set(), environment()], 0.3, Origin::Set),
        (file, vec![environment(), set()], 0.3, Origin::Set),
        (file, vec![flag(), environment()], 0.4, Origin::Flag("--sample-fraction".into())),
        (file, vec![flag(), set()], 0.3, Origin::Set),
        (file, vec![set(), flag()], 0.4, Origin::Flag("--sample-fraction".into())),
    ];
    for (file, overrides, fraction, from) in rows {
        let workload = loaded(&format!("{file}{LEAST}"), &overrides);
        assert_eq!(workload.trace.sample_fraction.get(), fraction, "{overrides:?}");
        assert_eq!(setting(&workload, key), Some((format!("{fraction:?}"), from)));
    }
}

#[test]
fn a_variable_that_beats_the_file_is_told_and_no_other() {
    let file = format!("[target]\nuri = \"http://a\"\n{LEAST}");
    let variable = Override::environment("MILVUS_URI", "target.uri", "http://b");
    let workload = loaded(&file, std::slice::from_ref(&variable));
    assert_eq!(workload.target.uri.expect("is given").host, "b");
    assert_eq!(
        workload.notices,
        ["the environment's MILVUS_URI overrides target.uri of w.toml, line 2, column 1"]
    );
    assert!(loaded(LEAST, std::slice::from_ref(&variable)).notices.is_empty());
    let flag = Override::flag("--uri", "target.uri", "http://c");
    assert!(loaded(&file, &[variable, flag]).notices.is_empty());
}

#[test]
fn a_flag_replaces_the_load_model_of_the_file() {
    let open = "[load]\nrate = 5\narrival = \"constant\"\n[[operations]]\nkind = \"search\"\n";
    let closed = loaded(open, &[Override::flag("--concurrency", "load.concurrency", "3")]);
    assert_eq!(closed.load.streams[0].model, LoadModel::Closed { concurrency: 3 });
    assert_eq!(setting(&closed, "load.rate"), None);
    let file = "[load]\nconcurrency = 3\n[[operations]]\nkind = \"search\"\n";
    let open = loaded(file, &[Override::flag("--rate", "load.rate", "7.5")]);
    let rate = crate::units::Rate::per_second(7.5).expect("is a rate");
    assert_eq!(open.load.streams[0].model, LoadModel::Open { rate: rate.into(), arrival: Arrival::Poisson });
    assert_eq!(setting(&open, "load.concurrency"), None);
}

const STAGED: &str = "[load]\nstages = [{ rate = 5, duration = \"20s\" }, { ramp_to = 9, duration = \"40s\" }]\n\
                      [[operations]]\nkind = \"search\"\n";

#[test]
fn stages_decide_rate_and_duration() {
    let workload = loaded(STAGED, &[]);
    assert_eq!(workload.load.duration.as_secs(), 60);
    assert_eq!(setting(&workload, "load.duration"), None, "no default is in force beside them");
    let stage = |from, to, seconds| Stage::new(from, to, Nanos::from_secs(seconds)).expect("can be");
    let rate =
        Rates::Staged { warmup: Nanos::from_secs(5), stages: vec![stage(5.0, 5.0, 20), stage(5.0, 9.0, 40)] };
    assert_eq!(workload.load.streams[0].model, LoadModel::Open { rate, arrival: Arrival::Poisson });
}

#[test]
fn a_flag_for_another_load_takes_the_stages_away_and_stages_by_set_the_rate_and_duration() {
    let flat = loaded(STAGED, &[Override::flag("--rate", "load.rate", "7")]);
    assert_eq!((flat.load.stage_starts().len(), flat.load.duration.as_secs()), (1, 30));
    assert_eq!(setting(&flat, "load.stages"), None);
    let closed = Override::flag("--concurrency", "load.concurrency", "3");
    let closed = loaded(STAGED, &[closed, Override::flag("--duration", "load.duration", "10s")]);
    assert_eq!(closed.load.streams[0].model, LoadModel::Closed { concurrency: 3 });
    assert_eq!(closed.load.duration.as_secs(), 10);
    let file = "[load]\nrate = 5\nduration = \"7s\"\n[[operations]]\nkind = \"search\"\n";
    let staged = loaded(file, &[set("load.stages=[{ rate = 1, duration = \"3s\" }]")]);
    assert_eq!((setting(&staged, "load.rate"), staged.load.duration.as_secs()), (None, 3));
}

#[test]
fn stages_of_an_operation_are_a_stream_of_its_own_on_the_same_timeline() {
    let own = "stages = [{ rate = 2, duration = \"30s\" }, { rate = 0, duration = \"30s\" }]";
    let text = format!("{STAGED}[[operations]]\nkind = \"insert\"\n{own}\n");
    let load = loaded(&text, &[]).load;
    assert_eq!((load.streams[1].name.as_str(), &load.streams[1].shares), ("insert", &vec![(1, 1.0)]));
    let seconds: Vec<u64> = load.stage_starts().iter().map(|start| start.get() / 1_000_000_000).collect();
    assert_eq!(seconds, [0, 20, 30], "wherever a stage of any stream begins");
}

#[test]
fn a_rate_of_its_own_given_by_set_replaces_the_weight_of_the_file() {
    let file = format!("{LEAST}[[operations]]\nkind = \"insert\"\nweight = 2\n");
    let workload = loaded(&file, &[set("operations.insert.rate=3")]);
    let names: Vec<_> = workload.load.streams.iter().map(|s| (s.name.as_str(), s.shares.clone())).collect();
    assert_eq!(names, [("load", vec![(0, 1.0)]), ("insert", vec![(1, 1.0)])]);
}

#[test]
fn single_keys_of_operations_scalars_and_free_tables_can_be_set() {
    let file = format!(
        "[collection]\nscalars = [{{ name = \"c\", type = \"int64\" }}]\n{LEAST}params = {{ ef = 64, x = 1 }}\n\
         [thresholds]\n\"errors\" = \"< 1%\"\n"
    );
    let overrides = [
        set("operations.search.params.ef=128"),
        set("operations.search.filter=c == {c}"),
        set("operations.search.output_fields=[\"c\"]"),
        set("collection.scalars.c.distinct=7"),
        set("collection.vector={ dim = 8, metric = \"L2\" }"),
        set("trace.resource.deployment.environment.name=test"),
        set("thresholds.search.response.p99=< 5ms"),
        set("collection.name=123abc_no").clone(),
    ];
    let workload = loaded(&file, &overrides[..7]);
    let crate::workload::OperationKind::Search(search) = &workload.operations[0].kind else {
        panic!("a search")
    };
    assert_eq!(serde_json::Value::Object(search.params.clone()), serde_json::json!({ "ef": 128, "x": 1 }));
    assert_eq!(search.filter.as_ref().map(|filter| filter.text.as_str()), Some("c == {c}"));
    assert_eq!(search.output_fields, ["c"]);
    assert_eq!(workload.collection.scalars[0].distinct, 7);
    assert_eq!(workload.collection.vector.dim, 8);
    assert_eq!(workload.collection.vector.metric, crate::workload::Metric::L2);
    assert_eq!(workload.trace.resource, [("deployment.environment.name".to_owned(), "test".to_owned())]);
    let expressions: Vec<_> = workload.thresholds.iter().map(|t| t.expression.as_str()).collect();
    assert_eq!(expressions, ["errors < 1%", "search.response.p99 < 5ms"]);
    assert_eq!(problems(&file, &overrides).len(), 1);
}

#[test]
fn the_token_is_no_setting_and_comes_from_the_environment_or_a_file() {
    let token = Override::environment("MILVUS_TOKEN", "target.token", "root:hunter2");
    let workload = loaded(LEAST, std::slice::from_ref(&token));
    assert_eq!(workload.target.token.as_ref().map(|token| token.reveal()), Some("root:hunter2"));
    assert!(!format!("{workload:?}").contains("hunter2"));

    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("token"), "from file\n").expect("is written");
    let path = directory.path().join("w.toml");
    std::fs::write(&path, format!("[target]\ntoken_file = \"token\"\n{LEAST}")).expect("is written");
    let of_file = crate::workload::load(&path, &[]).expect("loads");
    assert_eq!(of_file.target.token.as_ref().map(|token| token.reveal()), Some("from file"));
    let both = crate::workload::load(&path, &[token]).expect("loads");
    assert_eq!(both.target.token.as_ref().map(|token| token.reveal()), Some("root:hunter2"));
    assert!(both.notices[0].contains("MILVUS_TOKEN overrides target.token_file"), "{:?}", both.notices);
}

#[test]
fn the_database_of_the_uri_and_of_the_key_go_by_precedence() {
    let flag = Override::flag("--uri", "target.uri", "http://h/flag");
    let environment = Override::environment("MILVUS_URI", "target.uri", "http://h/environment/");
    let keyed = "[target]\ndatabase = \"key\"\n";
    let pathed = "[target]\nuri = \"http://h/path\"\n";
    let file = || Origin::File { line: 2, column: 1 };
    let of_environment = || Origin::Environment("MILVUS_URI".to_owned());
    let table = [
        (keyed, vec![], "key", file()),
        (pathed, vec![], "path", file()),
        (keyed, vec![environment.clone()], "environment", of_environment()),
        (keyed, vec![flag.clone()], "flag", Origin::Flag("--uri".to_owned())),
        (keyed, vec![environment.clone(), flag], "flag", Origin::Flag("--uri".to_owned())),
        (pathed, vec![environment.clone()], "environment", of_environment()),
        (pathed, vec![set("target.database=set")], "set", Origin::Set),
        (keyed, vec![environment.clone(), set("target.database=set")], "set", Origin::Set),
        ("", vec![environment, set("target.database=set")], "set", Origin::Set),
    ];
    for (head, overrides, database, origin) in table {
        let workload = loaded(&format!("{head}{LEAST}"), &overrides);
        assert_eq!(workload.target.database, database, "{overrides:?}");
        // The list of settings names this database and no other.
        assert_eq!(setting(&workload, "target.database"), Some((format!("{database:?}"), origin)));
        if let Some((uri, _)) = setting(&workload, "target.uri") {
            assert_eq!(uri, "\"http://h\"");
        }
    }
}

#[test]
fn of_a_collection_that_is_taken_as_it_is_only_what_counts_is_a_setting() {
    let file = format!(
        "[collection]\nprepare = \"never\"\nrows = 5\nvector = {{ dim = 8, metric = \"l2\" }}\nindex.type = \"FLAT\"\n{LEAST}"
    );
    let workload = loaded(&file, &[]);
    let told: Vec<_> = workload.settings.iter().map(|setting| setting.key.as_str()).collect();
    let collection: Vec<_> = told.into_iter().filter(|key| key.starts_with("collection.")).collect();
    let expected = ["name", "prepare", "consistency", "allow_writes", "vector.dim", "ready.timeout"];
    assert_eq!(collection, expected.map(|key| format!("collection.{key}")));
    let note = workload.notices.join("\n");
    assert!(
        note.contains(
            "not what was said of collection.rows, collection.vector.metric, collection.index.type"
        ),
        "{note}"
    );
    assert_eq!(loaded(&format!("[collection]\nprepare = \"never\"\n{LEAST}"), &[]).notices, [""; 0]);
}

#[test]
fn a_variable_whose_path_beats_the_files_database_is_said() {
    let file = format!("[target]\ndatabase = \"a\"\n{LEAST}");
    let notices =
        |uri| loaded(&file, &[Override::environment("MILVUS_URI", "target.uri", uri)]).notices.join("\n");
    assert!(
        notices("http://h/b").contains("MILVUS_URI overrides target.database"),
        "{}",
        notices("http://h/b")
    );
    assert_eq!(notices("http://h/"), "");
}

#[test]
fn link_and_jaeger_ui_are_one_setting() {
    let link = |text: &str, overrides: &[Override]| {
        let trace = loaded(&format!("{text}{LEAST}"), overrides).trace;
        (trace.link, trace.jaeger_ui)
    };
    let jaeger = |ui: &str| (format!("{ui}/trace/{{trace_id}}"), Some(ui.to_owned()));
    assert_eq!(link("", &[]), jaeger("http://localhost:16686"));
    assert_eq!(link("[trace]\njaeger_ui = \"http://j/\"\n", &[]), jaeger("http://j"));
    assert_eq!(link("[trace]\nlink = \"http://j/trace/{trace_id}\"\n", &[]), jaeger("http://j"));
    let other = "http://tempo/?id={trace_id}".to_owned();
    assert_eq!(
        link("[trace]\njaeger_ui = \"http://j\"\n", &[set(&format!("trace.link={other}"))]),
        (other, None)
    );
}

#[test]
fn a_plain_uri_by_flag_takes_the_tls_files_of_the_file_away() {
    let file = format!("[target]\nuri = \"https://h\"\nca_file = \"ca.pem\"\nserver_name = \"x\"\n{LEAST}");
    let secure = loaded(&file, &[]).target;
    assert_eq!((secure.ca_file, secure.server_name), (Some("ca.pem".into()), Some("x".to_owned())));
    let plain = loaded(&file, &[Override::flag("--uri", "target.uri", "http://localhost")]);
    assert_eq!((plain.target.ca_file.clone(), plain.target.server_name.clone()), (None, None));
    assert_eq!(setting(&plain, "target.ca_file"), None);
}
