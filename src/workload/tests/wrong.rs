//! What is refused, where it points, and what it says.

use super::*;
use crate::workload::Origin;

/// A wrong file, and of its only problem: key, line, column, a phrase of message or fix.
struct Row(&'static str, &'static str, usize, usize, &'static str);

const SEARCH: &str = "[[operations]]\nkind = \"search\"\n";

/// Rows that begin with `+` have a search appended; those with `++` a rate as well.
const ROWS: &[Row] = &[
    // keys
    Row("++[load]\nwarmpu = \"5s\"", "load.warmpu", 2, 1, "did you mean warmup?"),
    Row("++[colection]\nrows = 1", "colection", 1, 2, "did you mean collection?"),
    Row("++timeout = \"1s\"", "timeout", 1, 1, "did you mean target.timeout?"),
    Row("++[target]\nbanana = 1", "target.banana", 2, 1, "this table takes uri, database"),
    Row("++\"load.rate\" = 5", "load.rate", 1, 1, "no such key"),
    Row("+[load]\nrate = 5\nrate = 6", "", 3, 1, "duplicate key"),
    Row("+[load]\nduration = 5s", "", 2, 12, "not TOML"),
    Row("++target = 5", "target", 1, 10, "expected a table"),
    // types and ranges
    Row("++[load]\nduration = 30", "load.duration", 2, 12, "write \"30s\""),
    Row("++[load]\nduration = \"30\"", "load.duration", 2, 12, "no unit"),
    Row("++[load]\nduration = \"0s\"", "load.duration", 2, 12, "above 0"),
    Row("++[load]\nwarmup = \"-1s\"", "load.warmup", 2, 10, "0 to 365 days"),
    Row("+[load]\nrate = -5", "load.rate", 2, 8, "a number above 0"),
    Row("+[load]\nrate = nan", "load.rate", 2, 8, "a number above 0"),
    Row("+[load]\nrate = \"200\"", "load.rate", 2, 8, "found the text \"200\""),
    Row("+[load]\nconcurrency = 0", "load.concurrency", 2, 15, "from 1 to"),
    Row("++[collection]\nvector = { dim = 0 }", "collection.vector.dim", 2, 18, "from 1 to 32768"),
    Row("++[collection.vector]\ndim = 1e2", "collection.vector.dim", 2, 7, "whole number"),
    Row("++[collection]\nrows = 99999999999999999999999", "collection.rows", 2, 8, "out of range"),
    Row("++[collection]\nname = \"1st\"", "collection.name", 2, 8, "not starting with a digit"),
    Row(
        "++[collection]\nconsistency = \"stron\"",
        "collection.consistency",
        2,
        15,
        "did you mean \"strong\"?",
    ),
    Row("++[collection]\nkeep_writes = \"yes\"", "collection.keep_writes", 2, 15, "true or false"),
    Row("++[trace]\nsample_fraction = 1.5", "trace.sample_fraction", 2, 19, "from 0 to 1"),
    Row("++[trace]\nslow = \"p101\"", "trace.slow", 2, 8, "below 100"),
    Row("++[trace]\nlink = \"http://j/trace/\"", "trace.link", 2, 8, "{trace_id}"),
    Row("++[trace]\notlp_endpoint = \"localhost:4317\"", "trace.otlp_endpoint", 2, 17, "http://"),
    Row("++[trace.resource]\napplication = 5", "trace.resource.application", 2, 15, "in quotes"),
    Row(
        "++[trace.resource]\n\"service.name\" = \"x\"",
        "trace.resource.service.name",
        2,
        1,
        "trace.service_name",
    ),
    Row("++[collection]\nindex.params.M = inf", "collection.index.params.M", 2, 18, "sent as JSON"),
    Row("++[target]\nmetrics = [\"http://a/m\", \"b\"]", "target.metrics", 2, 26, "not a URL"),
    Row("++[target]\nuri = \"http://host:99999\"", "target.uri", 2, 7, "1 to 65535"),
    // vector types
    Row(
        "++[collection]\nvector = { type = \"binary\", metric = \"cosine\" }",
        "collection.vector.metric",
        2,
        38,
        "write \"hamming\" or \"jaccard\"",
    ),
    Row(
        "++[collection]\nvector.metric = \"jaccard\"",
        "collection.vector.metric",
        2,
        17,
        "\"cosine\", \"l2\" or \"ip\"",
    ),
    Row(
        "++[collection]\nvector = { type = \"binary\", dim = 100 }",
        "collection.vector.dim",
        2,
        35,
        "write 104",
    ),
    Row(
        "++[collection]\nvector.type = \"binary\"\nindex.type = \"hnsw\"",
        "collection.index.type",
        3,
        14,
        "write \"BIN_FLAT\" or \"BIN_IVF_FLAT\"",
    ),
    Row(
        "++[collection]\nindex.type = \"BIN_FLAT\"",
        "collection.index.type",
        2,
        14,
        "no index of float vectors",
    ),
    Row("++[collection]\nvector.type = \"int8\"", "collection.vector.type", 2, 15, "not built yet"),
    // contradictions
    Row("+[load]\nrate = 5\nconcurrency = 3", "load.concurrency", 3, 1, "contradicts load.rate"),
    Row(
        "+[load]\nconcurrency = 3\narrival = \"poisson\"",
        "load.arrival",
        3,
        11,
        "closed loop has no arrivals",
    ),
    Row("+[load]\nduration = \"3s\"", "load.rate", 1, 1, "none of load.rate, load.stages and"),
    Row("++[load]\nconnections = 2\nworkers = 3", "load.workers", 3, 11, "more workers than connections (2)"),
    Row(
        "++[target]\nuri = \"https://h\"\ncert_file = \"c\"",
        "target.cert_file",
        3,
        13,
        "target.key_file is missing",
    ),
    Row("++[target]\nuri = \"http://h\"\nca_file = \"c\"", "target.ca_file", 3, 11, "plain one"),
    Row("++[target]\nuri = \"http://h/a\"\ndatabase = \"b\"", "target.database", 3, 12, "the database \"a\""),
    Row("++[collection]\nowner = \"a\\nb\"", "collection.owner", 2, 9, "control character"),
    Row("++[target]\ntoken_file = \"no/such/file\"", "target.token_file", 2, 14, "cannot read"),
    Row(
        "++[trace]\njaeger_ui = \"http://j\"\nlink = \"http://j/{trace_id}\"",
        "trace.link",
        3,
        1,
        "contradicts",
    ),
    // stages
    Row("+[load]\nstages = 5", "load.stages", 2, 10, "expected a list of stages, found the number 5"),
    Row("+[load]\nstages = []", "load.stages", 2, 10, "there is no stage in it"),
    Row("+[load]\nstages = [\n  5\n]", "load.stages[0]", 3, 3, "write it in braces"),
    Row(
        "+[load]\nstages = [{ rate = 5, duration = \"1s\" }, { rat = 5, duration = \"1s\" }]",
        "load.stages[1].rat",
        2,
        44,
        "did you mean rate?",
    ),
    Row(
        "+[load]\nstages = [{ concurrency = 5, duration = \"1s\" }]",
        "load.stages[0].concurrency",
        2,
        13,
        "the concurrency of a closed loop stays as it is",
    ),
    Row(
        "+[load]\nstages = [{ rate = -5, duration = \"1s\" }]",
        "load.stages[0].rate",
        2,
        20,
        "from 0 to 10000000",
    ),
    Row("+[load]\nstages = [{ rate = 5, duration = 30 }]", "load.stages[0].duration", 2, 34, "write \"30s\""),
    Row("+[load]\nstages = [{ rate = 5, duration = \"0s\" }]", "load.stages[0].duration", 2, 34, "above 0"),
    Row("+[load]\nstages = [{ rate = 5 }]", "load.stages[0]", 2, 11, "add duration = \"30s\""),
    Row("+[load]\nstages = [{ duration = \"1s\" }]", "load.stages[0]", 2, 11, "neither rate nor ramp_to"),
    Row(
        "+[load]\nstages = [{ ramp_to = 5, duration = \"1s\" }]",
        "load.stages[0]",
        2,
        11,
        "add the rate that it starts from",
    ),
    Row(
        "+[load]\nstages = [{ rate = 0, duration = \"1s\" }, { rate = 0, duration = \"1s\" }]",
        "load.stages",
        2,
        10,
        "no stage has a rate above 0",
    ),
    Row(
        "+[load]\nrate = 5\nstages = [{ rate = 5, duration = \"1s\" }]",
        "load.stages",
        3,
        1,
        "contradicts load.rate",
    ),
    Row(
        "+[load]\nconcurrency = 5\nstages = [{ rate = 5, duration = \"1s\" }]",
        "load.stages",
        3,
        1,
        "contradicts load.concurrency",
    ),
    Row(
        "+[load]\nstages = [{ rate = 5, duration = \"1s\" }]\nduration = \"1s\"",
        "load.duration",
        3,
        1,
        "remove duration: the window is as long as its stages",
    ),
    Row(
        "[[operations]]\nkind = \"search\"\nstages = [{ rate = 5, duration = \"20s\" }]",
        "operations.search.stages",
        3,
        10,
        "the stages last 20.0 s together, and the window 30.0 s",
    ),
    Row(
        "[[operations]]\nkind = \"search\"\nweight = 2\nstages = [{ rate = 5, duration = \"30s\" }]",
        "operations.search.stages",
        4,
        1,
        "contradicts operations.search.weight",
    ),
    // operations
    Row("[load]\nrate = 1", "operations", 1, 1, "nothing to do"),
    Row("operations = []", "operations", 1, 1, "nothing to do"),
    Row("[operations.search]\nkind = \"search\"", "operations", 1, 2, "[[operations]], with two brackets"),
    Row("++[[operations]]\ntop_k = 1", "operations[0].kind", 1, 1, "add kind"),
    Row(
        "++[[operations]]\nkind = \"serach\"\ntop_k = 5",
        "operations.serach.kind",
        2,
        8,
        "did you mean \"search\"?",
    ),
    Row("++[[operations]]\nkind = \"upsert\"\nbatch = 5", "operations.upsert.kind", 2, 8, "not built yet"),
    Row("++[[operations]]\nkind = \"query\"", "operations.query.limit", 1, 1, "neither a filter nor a limit"),
    Row(
        "++[[operations]]\nkind = \"query\"\nfilter = \"{x} > 1\"",
        "operations.query.filter",
        3,
        10,
        "no scalar \"x\"",
    ),
    Row("++[[operations]]\nkind = \"query\"\nlimit = 0", "operations.query.limit", 3, 9, "from 1 to 16384"),
    Row(
        "++[[operations]]\nkind = \"query\"\nlimit = 16_000\noffset = 385",
        "operations.query.offset",
        4,
        10,
        "write offset = 384 or less",
    ),
    Row(
        "++[[operations]]\nkind = \"query\"\nfilter = \"id > 1\"\noffset = 5",
        "operations.query.offset",
        4,
        10,
        "add limit",
    ),
    Row(
        "++[[operations]]\nkind = \"query\"\noutput_fields = [\"count(*)\"]\nlimit = 5",
        "operations.query.limit",
        4,
        9,
        "no limit or offset with it",
    ),
    Row(
        "++[[operations]]\nkind = \"query\"\noutput_fields = [\"count(*)\", \"id\"]",
        "operations.query.output_fields",
        3,
        17,
        "beside which there are no fields",
    ),
    Row(
        "++[[operations]]\nkind = \"query\"\nlimit = 5\ntop_k = 5",
        "operations.query.top_k",
        4,
        1,
        "query does not take this key",
    ),
    Row("++[[operations]]\nkind = \"get\"\nkeys = 0", "operations.get.keys", 3, 8, "from 1 to 16384"),
    Row(
        "++[collection]\nrows = 10\n[[operations]]\nkind = \"get\"\nkeys = 11",
        "operations.get.keys",
        5,
        8,
        "raise collection.rows to 11",
    ),
    Row("++[[operations]]\nkind = \"get\"\nlimit = 5", "operations.get.limit", 3, 1, "it is one of query"),
    Row(
        "++[[operations]]\nkind = \"get\"\noutput_fields = [\"count(*)\"]",
        "operations.get.output_fields",
        3,
        17,
        "there is no field \"count(*)\"",
    ),
    Row(
        "++[[operations]]\nkind = \"search\"",
        "operations.search.name",
        4,
        8,
        "already an operation called \"search\"",
    ),
    Row("++[[operations]]\nname = \"A b\"\nkind = \"search\"", "operations.A b.name", 2, 8, "lower-case"),
    Row("++[[operations]]\nname = \"load\"\nkind = \"search\"", "operations.load.name", 2, 8, "another name"),
    Row("++[[operations]]\nkind = \"insert\"\nweight = 0", "operations.insert.weight", 3, 10, "above 0"),
    Row("++[[operations]]\nkind = \"insert\"\nweight = -1.5", "operations.insert.weight", 3, 10, "above 0"),
    Row(
        "++[[operations]]\nkind = \"insert\"\nweight = 1\nrate = 5",
        "operations.insert.rate",
        4,
        1,
        "contradicts",
    ),
    Row(
        "++[[operations]]\nkind = \"insert\"\nrate = 1\nconcurrency = 5",
        "operations.insert.concurrency",
        4,
        1,
        "keep weight",
    ),
    Row("++[[operations]]\nkind = \"insert\"\nbatch = 0", "operations.insert.batch", 3, 9, "from 1 to"),
    Row("++[[operations]]\nkind = \"insert\"\nbatch = 200000", "operations.insert.batch", 3, 9, "64 MiB"),
    Row(
        "++[[operations]]\nkind = \"insert\"\ntop_k = 5",
        "operations.insert.top_k",
        3,
        1,
        "insert does not take this key",
    ),
    Row("++[[operations]]\nname = \"b\"\nkind = \"search\"\ntop_k = 0", "operations.b.top_k", 4, 9, "from 1"),
    Row("++[[operations]]\nname = \"b\"\nkind = \"search\"\nnq = 0", "operations.b.nq", 4, 6, "from 1"),
    Row(
        "++[[operations]]\nname = \"b\"\nkind = \"search\"\nparams.ef = 5",
        "operations.b.params.ef",
        4,
        13,
        "below top_k = 10",
    ),
    Row(
        "++[[operations]]\nname = \"b\"\nkind = \"search\"\nfilter = \"{x} > 1\"",
        "operations.b.filter",
        4,
        10,
        "no scalar \"x\"",
    ),
    Row(
        "++[[operations]]\nname = \"b\"\nkind = \"search\"\noutput_fields = [\"vectr\"]",
        "operations.b.output_fields",
        4,
        17,
        "did you mean \"vector\"?",
    ),
    Row(
        "[load]\nrate = 5\n[[operations]]\nkind = \"search\"\nrate = 1",
        "load.rate",
        2,
        8,
        "no operation takes part in [load]",
    ),
    Row(
        "++[collection]\nprepare = \"never\"\n[[operations]]\nkind = \"insert\"",
        "operations.insert.kind",
        4,
        8,
        "allow_writes = true",
    ),
    // scalars
    Row(
        "++[collection]\nscalars = [{ name = \"id\", type = \"int64\" }]",
        "collection.scalars.id.name",
        2,
        21,
        "primary key",
    ),
    Row("++[collection]\nvector.name = \"id\"", "collection.vector.name", 2, 15, "primary key"),
    Row("++[collection]\nscalars = [{ name = \"a\" }]", "collection.scalars.a.type", 2, 12, "add type"),
    Row(
        "++[collection]\nscalars = [{ name = \"a\", type = \"bool\", distinct = 3 }]",
        "collection.scalars.a.distinct",
        2,
        52,
        "2 different values",
    ),
    Row("++[collection]\nscalars = [3]", "collection.scalars[0]", 2, 12, "expected a table"),
    // thresholds
    Row(
        "++[thresholds]\n\"serach.response.p99\" = \"< 5ms\"",
        "thresholds.serach.response.p99",
        2,
        1,
        "did you mean \"search\"?",
    ),
    Row(
        "++[thresholds]\n\"search.response.p101\" = \"< 5ms\"",
        "thresholds.search.response.p101",
        2,
        1,
        "below 100",
    ),
    Row(
        "++[thresholds]\n\"search.response.p99\" = \"< 5\"",
        "thresholds.search.response.p99",
        2,
        25,
        "duration with its unit",
    ),
    Row("++[thresholds]\n\"errors\" = \"5%\"", "thresholds.errors", 2, 12, "does not begin with"),
    Row("++[thresholds]\nsearch.response.p99 = \"< 5ms\"", "thresholds.search", 2, 1, "dots in it in quotes"),
    // known and not built
    Row(
        "+[load]\nrate = 1\n[trace]\nkeep = \"slow\"\nsample_fraction = 0.5",
        "trace.sample_fraction",
        5,
        1,
        "keep all that it samples",
    ),
    Row(
        "++[trace]\ncollector_listen = \"localhost:4316\"",
        "trace.collector_listen",
        2,
        20,
        "127.0.0.1:4316",
    ),
    Row("++[data]\npath = \"sift.hdf5\"", "data.path", 2, 1, "not built yet"),
    Row("++[collection]\nvector.type = \"sparse\"", "collection.vector.type", 2, 15, "not built yet"),
    Row("++[collection]\npartitions = 4", "collection.partitions", 2, 1, "not built yet"),
    Row("++[collection]\nready.index = false", "collection.ready.index", 2, 7, "not built yet"),
    Row(
        "++[[operations]]\nname = \"b\"\nkind = \"search\"\nrecall = true",
        "operations.b.recall",
        4,
        1,
        "not built yet",
    ),
    Row("++[thresholds]\n\"search.recall\" = \">= 0.9\"", "thresholds.search.recall", 2, 1, "not built yet"),
];

/// The row's file: what the plus signs stand for comes last, so that lines keep their numbers.
fn file_of(row: &Row) -> String {
    if let Some(head) = row.0.strip_prefix("++") {
        // A second [load] would not be TOML: the operation has its own rate where the row says something of [load].
        let (rate, own) = match (head.contains("[load]"), head.contains("kind = \"insert\"")) {
            (true, _) => ("", "rate = 5\n"),
            (false, _) => ("[load]\nrate = 5\n", ""),
        };
        return format!("{head}\n{SEARCH}{own}{rate}");
    }
    match row.0.strip_prefix('+') {
        Some(head) => format!("{head}\n{SEARCH}"),
        None => row.0.to_owned(),
    }
}

#[test]
fn wrong_files_are_refused_with_place_key_and_remedy() {
    let failures: Vec<String> = ROWS.iter().filter_map(judge).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What is not as the row says.
fn judge(row: &Row) -> Option<String> {
    let Row(_, key, line, column, phrase) = *row;
    let text = file_of(row);
    let found = problems(&text, &[]);
    let shown = found.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    let place = found.iter().map(|problem| (problem.key.as_str(), &problem.at)).collect::<Vec<_>>();
    let right = place == [(key, &Origin::File { line, column })]
        && shown.contains(phrase)
        && shown.starts_with(&format!("w.toml:{line}:{column}: "))
        && !found[0].fix.is_empty();
    (!right)
        .then(|| format!("expected {key:?} at {line}:{column} with {phrase:?} in\n{text}\nfound\n{shown}"))
}

#[test]
fn all_problems_are_told_at_once_in_file_order() {
    let text =
        "[load]\nrate = 0\nconections = 3\n[[operations]]\nkind = \"search\"\ntop_k = 0\n[trace]\nslow = 3\n";
    let keys: Vec<_> = problems(text, &[]).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["load.rate", "load.conections", "operations.search.top_k", "trace.slow"]);
}

#[test]
fn wrong_overrides_name_the_flag_or_variable() {
    let rows = [
        (Override::flag("--rate", "load.rate", "fast"), "--rate: load.rate: expected"),
        (
            Override::flag("--duration", "load.duration", "30"),
            "--duration: load.duration: \"30\" has no unit",
        ),
        (
            Override::environment("MILVUS_URI", "target.uri", "ftp://h"),
            "MILVUS_URI: target.uri: not an address",
        ),
        (set("load.raet=5"), "--set: load.raet: there is no such key"),
        (set("operations.serach.top_k=5"), "it has search"),
        (set("operations.search=5"), "operations.NAME.KEY"),
        (set("operations[].rate=5"), "there is no such key"),
        (set("operations..rate=5"), "there is no \"\" in operations"),
        (set("collection.scalars.a.distinct=5"), "add \"a\" to the file"),
        (set("operations.search.recall=true"), "not built yet"),
        (set("operations.search.params=5"), "expected a table of parameters"),
        (set("collection.vector=5"), "expected a table"),
        (set("load.workers=9"), "more workers than connections (4)"),
    ];
    for (said, phrase) in rows {
        let shown = problems(LEAST, std::slice::from_ref(&said))[0].to_string();
        assert!(shown.contains(phrase), "{said:?}: {phrase:?} is not in {shown}");
    }
}

#[test]
fn two_models_in_the_flags_are_a_contradiction() {
    let flags = [
        Override::flag("--rate", "load.rate", "5"),
        Override::flag("--concurrency", "load.concurrency", "5"),
    ];
    assert!(problems(LEAST, &flags)[0].to_string().contains("contradicts load.rate, said at --rate"));
}

#[test]
fn a_duration_by_flag_does_not_stretch_stages() {
    let text = "[load]\nstages = [{ rate = 5, duration = \"1s\" }]\n[[operations]]\nkind = \"search\"\n";
    let shown = problems(text, &[Override::flag("--duration", "load.duration", "10s")])[0].to_string();
    assert!(shown.starts_with("--duration: load.duration: the window is as long as its stages"), "{shown}");
}

/// 64 of each stream's own are fine, 65 are not, and two streams share the 64 parts of one window.
#[test]
fn more_stages_than_are_told_apart_are_refused() {
    let stages = |count: usize, millis: usize| {
        let one = format!("{{ rate = 1, duration = \"{millis}ms\" }}");
        format!("stages = [{}]\n", vec![one; count].join(", "))
    };
    let load = |count| format!("[load]\n{}[[operations]]\nkind = \"search\"\n", stages(count, 900));
    loaded(&load(64), &[]);
    let shown = problems(&load(65), &[])[0].to_string();
    assert!(shown.contains("65 stages are more than the 64"), "{shown}");
    // 40 of 900 ms and 60 of 600 ms: 36 s; they begin together every 1.8 s.
    let both = format!("{}[[operations]]\nkind = \"insert\"\n{}", load(40), stages(60, 600));
    let shown = problems(&both, &[])[0].to_string();
    assert!(
        shown.contains("operations.insert.stages: the stages of all streams cut the window into 80 parts"),
        "{shown}"
    );
}

#[test]
fn a_rate_that_no_operation_would_use_is_refused_by_flag_too() {
    let text = "[[operations]]\nkind = \"search\"\nrate = 1\n";
    loaded(text, &[]);
    let shown = problems(text, &[Override::flag("--rate", "load.rate", "5")])[0].to_string();
    assert!(shown.starts_with("--rate: load.rate: no operation takes part in [load]"), "{shown}");
}

#[test]
fn no_secret_is_repeated() {
    for said in [
        "[target]\ntoken = \"hunter2\"\n",
        "[target]\ntokn = \"hunter2\"\n",
        "[target]\nuri = \"http://root:hunter2@host:19530\"\n",
        "[target]\nuri = \"http://root:hunter2/x@host\"\n",
        "[target]\ntoken = \"hunter2\n",
        "[target]\ntoken_file = \"root:hunter2\"\n",
        "[trace]\nlink = \"http://t/?api_key=hunter2\"\n",
    ] {
        let error = load_text("w", &format!("{said}{LEAST}"), &[]).expect_err(said);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    for said in [
        set("target.token=hunter2"),
        Override::flag("--uri", "target.uri", "http://root:hunter2@host"),
        Override::environment("MILVUS_URI", "target.uri", "root:hunter2@host:1"),
    ] {
        let error = load_text("w", LEAST, &[said]).expect_err("is refused");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let shown = problems(&format!("[target]\ntoken = \"x\"\n{LEAST}"), &[])[0].to_string();
    assert!(shown.contains("target.token_file") && shown.contains("MILVUS_TOKEN"), "{shown}");
}

#[test]
fn an_operation_that_is_not_built_brings_no_other_complaint() {
    let text = "[[operations]]\nkind = \"delete\"\nname = \"q\"\nrate = 1\nlimit = 5\n[thresholds]\n\"q.errors\" = \"< 1%\"\n";
    let keys: Vec<_> = problems(text, &[]).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["operations.q.kind"]);
}
