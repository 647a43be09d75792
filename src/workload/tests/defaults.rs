//! What holds where nothing is said, by hand and not by the table of keys.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::workload::*;

#[test]
fn the_least_file_has_the_documented_defaults() {
    let w = load_text("my-work load", LEAST, &[]).expect("loads");
    let seconds = Duration::from_secs;
    assert_eq!((w.name.as_str(), w.description.as_str()), ("my-work load", ""));
    assert_eq!((w.target.uri, w.target.database.as_str(), w.target.timeout), (None, "", seconds(10)));
    let c = &w.collection;
    assert_eq!((c.name.as_str(), c.rows, c.prepare), ("milvus_load_my_work_load", 20_000, Prepare::Auto));
    assert_eq!(c.consistency, Consistency::Bounded);
    assert_eq!(
        c.vector,
        VectorField { name: "vector".into(), kind: VectorType::Float, dim: 128, metric: Metric::Cosine }
    );
    assert_eq!(c.index.kind, "HNSW");
    assert_eq!(serde_json::Value::Object(c.index.params.clone()), json!({ "M": 16, "efConstruction": 200 }));
    assert_eq!((c.scalars.len(), c.shards, c.replicas, c.ready_timeout), (0, 1, 1, seconds(300)));
    assert_eq!(
        (c.keep_writes, c.allow_writes, c.vector_name_given, c.dim_given),
        (false, false, false, false)
    );
    assert_eq!(w.data, Data { seed: 42, clusters: 100, spread: 1.0, queries: 10_000 });
    assert_eq!((w.load.max_in_flight, w.load.connections, w.load.workers), (256, 4, None));
    assert_eq!((w.load.warmup, w.load.duration, w.load.drain), (seconds(5), seconds(30), seconds(10)));
    let OperationKind::Search(search) = &w.operations[0].kind else { panic!("a search") };
    assert_eq!((search.nq, search.top_k, search.params.len(), &search.filter), (1, 10, 0, &None));
    assert_eq!((search.output_fields.len(), search.ignore_growing), (0, false));
    let t = &w.trace;
    assert_eq!((t.enabled, t.sample_fraction.get(), t.unsampled), (true, 1.0, Unsampled::Propagate));
    assert_eq!((t.otlp_endpoint.as_str(), t.otlp_asked), ("http://localhost:4317", false));
    assert_eq!((t.service_name.as_str(), t.slow, t.slowest), ("milvus-client", Slow::Quantile(0.99), 50));
    assert!(t.resource.is_empty() && w.thresholds.is_empty() && w.notices.is_empty());
}

/// Of each setting the name, value and origin, as `--dry-run` prints them.
#[test]
fn settings_are_complete_and_in_the_order_of_the_file() {
    let text = format!(
        "{LEAST}[[operations]]\nkind = \"insert\"\nrate = 2\n[trace.resource]\napplication = \"x\"\n"
    );
    let workload = loaded(&text, &[]);
    let shown: Vec<String> =
        workload.settings.iter().map(|s| format!("{} = {} ({})", s.key, s.value, s.from)).collect();
    let owner = format!("collection.owner = {:?} (default)", workload.collection.owner);
    let expected = [
        "description = \"\" (default)",
        "target.timeout = \"10s\" (default)",
        "collection.name = \"milvus_load_w\" (default)",
        "collection.rows = 20000 (default)",
        "collection.prepare = \"auto\" (default)",
        &owner,
        "collection.consistency = \"bounded\" (default)",
        "collection.shards = 1 (default)",
        "collection.replicas = 1 (default)",
        "collection.keep_writes = false (default)",
        "collection.allow_writes = false (default)",
        "collection.vector.name = \"vector\" (default)",
        "collection.vector.type = \"float\" (default)",
        "collection.vector.dim = 128 (default)",
        "collection.vector.metric = \"cosine\" (default)",
        "collection.index.type = \"HNSW\" (default)",
        "collection.index.params.M = 16 (default)",
        "collection.index.params.efConstruction = 200 (default)",
        "collection.ready.timeout = \"5m\" (default)",
        "data.source = \"synthetic\" (default)",
        "data.seed = 42 (default)",
        "data.clusters = 100 (default)",
        "data.spread = 1.0 (default)",
        "data.queries = 10000 (default)",
        "load.rate = 5.0 (line 2, column 1)",
        "load.arrival = \"poisson\" (default)",
        "load.max_in_flight = 256 (default)",
        "load.connections = 4 (default)",
        "load.spin = \"auto\" (default)",
        "load.warmup = \"5s\" (default)",
        "load.duration = \"30s\" (default)",
        "load.drain = \"10s\" (default)",
        "operations.search.kind = \"search\" (line 4, column 1)",
        "operations.search.name = \"search\" (default)",
        "operations.search.weight = 1.0 (default)",
        "operations.search.top_k = 10 (default)",
        "operations.search.nq = 1 (default)",
        "operations.search.output_fields = [] (default)",
        "operations.search.ignore_growing = false (default)",
        "operations.insert.kind = \"insert\" (line 6, column 1)",
        "operations.insert.name = \"insert\" (default)",
        "operations.insert.rate = 2.0 (line 7, column 1)",
        "operations.insert.batch = 100 (default)",
        "trace.enabled = true (default)",
        "trace.sample_fraction = 1.0 (default)",
        "trace.unsampled = \"propagate\" (default)",
        "trace.keep = \"all\" (default)",
        "trace.otlp_endpoint = \"http://localhost:4317\" (default)",
        "trace.service_name = \"milvus-client\" (default)",
        "trace.jaeger_ui = \"http://localhost:16686\" (default)",
        "trace.slow = \"p99\" (default)",
        "trace.slowest = 50 (default)",
        "trace.resource.application = \"x\" (line 9, column 1)",
    ];
    assert_eq!(shown, expected);
}

/// Every setting in force, said again by `--set`, gives the same workload.
#[test]
fn what_is_listed_can_be_said() {
    let text = format!(
        "{LEAST}[[operations]]\nkind = \"insert\"\nconcurrency = 2\n[[operations]]\nkind = \"insert\"\nname = \"staged\"\n\
         stages = [{{ rate = 0, ramp_to = 3, duration = \"10s\" }}, {{ ramp_to = 1.5, duration = \"20s\" }}]\n"
    );
    let first = loaded(&text, &[]);
    let said: Vec<_> = first.settings.iter().map(|s| set(&format!("{}={}", s.key, s.as_toml()))).collect();
    let again = loaded(&text, &said);
    assert!(again.settings.iter().all(|setting| setting.from == Origin::Set));
    let plain = |workload: &Workload| -> Vec<_> {
        workload.settings.iter().map(|s| (s.key.clone(), s.value.clone())).collect()
    };
    assert_eq!(plain(&first), plain(&again));
    assert_eq!(first.load.streams, again.load.streams);
    assert_eq!(format!("{:?}", first.operations), format!("{:?}", again.operations));
}

#[test]
fn index_parameters_default_where_the_index_needs_some() {
    let params =
        |index: &str| loaded(&format!("[collection]\nindex = {index}\n{LEAST}"), &[]).collection.index.params;
    assert_eq!(params("{ type = \"hnsw\" }").len(), 2);
    assert_eq!(params("{ type = \"FLAT\" }").len(), 0);
    let text = format!("[collection]\nvector.type = \"binary\"\nindex.type = \"BIN_IVF_FLAT\"\n{LEAST}");
    let binary = loaded(&text, &[]).collection.index.params;
    assert_eq!(serde_json::Value::Object(binary), json!({ "nlist": 128 }));
    assert_eq!(serde_json::Value::Object(params("{ params = { M = 8 } }")), json!({ "M": 8 }));
}

#[test]
fn metric_and_index_default_by_the_type_of_the_vectors() {
    let of = |vector: &str| loaded(&format!("[collection]\nvector = {vector}\n{LEAST}"), &[]).collection;
    let binary = of("{ type = \"binary\", dim = 512 }");
    assert_eq!((binary.vector.kind, binary.vector.metric), (VectorType::Binary, Metric::Hamming));
    assert_eq!(
        (binary.vector.bytes(), binary.index.kind.as_str(), binary.index.params.len()),
        (64, "BIN_FLAT", 0)
    );
    let float = of("{ dim = 512 }");
    assert_eq!(
        (float.vector.metric, float.vector.bytes(), float.index.kind.as_str()),
        (Metric::Cosine, 2_048, "HNSW")
    );
    assert_eq!(of("{ type = \"Binary\", metric = \"Jaccard\" }").vector.metric, Metric::Jaccard);
}

/// They are the server's then, and so are type and dimensions where the file says nothing of them.
#[test]
fn metric_and_index_are_not_held_against_the_type_of_a_collection_that_is_taken_as_it_is() {
    let never = "prepare = \"never\"\nvector.metric = \"hamming\"\nindex.type = \"BIN_FLAT\"";
    let collection = loaded(&format!("[collection]\n{never}\n{LEAST}"), &[]).collection;
    assert_eq!((collection.vector_type_given, collection.vector.metric), (false, Metric::Hamming));
}

#[test]
fn shares_of_the_shared_stream_are_the_weights() {
    let text = "[load]\nconcurrency = 4\n[[operations]]\nkind = \"search\"\nweight = 9\n[[operations]]\nkind = \"insert\"\n\
                [[operations]]\nkind = \"search\"\nname = \"probe\"\nrate = 2\n";
    let streams = loaded(text, &[]).load.streams;
    let shared = Stream {
        name: "load".into(),
        model: LoadModel::Closed { concurrency: 4 },
        shares: vec![(0, 9.0), (1, 1.0)],
    };
    assert_eq!(streams[0], shared);
    assert_eq!((streams[1].name.as_str(), &streams[1].shares), ("probe", &vec![(2, 1.0)]));
    assert_eq!(streams.len(), 2);
}
