//! The shipped workloads and the schema, held against each other.

use serde_json::{Value, json};

use super::*;
use crate::workload::{LoadModel, Rates, TemplateKind, load, schema, template};

fn shipped() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/workloads");
    let files = std::fs::read_dir(directory).expect("workloads/ is there");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("is listed").path();
        (path.display().to_string(), std::fs::read_to_string(path).expect("is text"))
    };
    files.map(read).collect()
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).expect("is TOML")).expect("is JSON")
}

#[test]
fn every_shipped_workload_loads_and_ends_within_a_minute() {
    let mut collections = Vec::new();
    for (path, text) in shipped() {
        let workload = load(path.as_ref(), &[]).unwrap_or_else(|error| panic!("{error}"));
        let load = &workload.load;
        assert!((load.warmup + load.duration + load.drain).as_secs() <= 60, "{path}");
        assert!(workload.trace.resource.iter().any(|(name, _)| name == "application"), "{path}");
        assert!(workload.target.uri.is_none() && !workload.description.is_empty(), "{path}");
        assert!(!collections.contains(&workload.collection.name), "{path} shares its collection");
        collections.push(workload.collection.name);
        assert!(text.starts_with('#'), "{path} begins with a comment");
    }
    assert!(collections.len() >= 7);
}

#[test]
fn the_search_offers_enough_requests_for_its_p99() {
    let (path, _) =
        shipped().into_iter().find(|(path, _)| path.ends_with("/search.toml")).expect("is shipped");
    let workload = load(path.as_ref(), &[]).expect("loads");
    let LoadModel::Open { rate: Rates::Constant(rate), .. } = workload.load.streams[0].model else {
        panic!("an open loop at one rate")
    };
    let beyond = rate.get() * workload.load.duration.as_secs_f64() * 0.01;
    assert!(beyond >= 20.0, "10 are needed, and Poisson arrivals vary: {beyond}");
}

#[test]
fn what_init_writes_loads_and_tells_all_keys() {
    for kind in TemplateKind::ALL {
        let text = template(kind);
        loaded(&text, &[]);
        for key in crate::workload::keys::KEYS.iter().filter(|key| key.built) {
            let name = key.path.rsplit('.').next().expect("splits into one at least");
            assert!(text.contains(name), "{} is missing", key.path);
        }
    }
}

#[test]
fn the_schema_takes_what_the_loader_takes() {
    let schema = schema();
    jsonschema::meta::validate(&schema).expect("is a schema");
    let validator = jsonschema::validator_for(&schema).expect("is a schema");
    let rich = "[target]\nuri = \"https://h/db\"\nmetrics = [\"http://h/m\"]\n[collection]\nvector.metric = \"L2\"\n\
                scalars = [{ name = \"c\", type = \"VarChar\" }]\n[trace]\nslow = \"p99.9\"\nlink = \"http://j/{trace_id}\"\n\
                [thresholds]\n\"errors\" = \"< 1%\"\n[load]\nconcurrency = 2\nwarmup = \"0s\"\nduration = \"2s\"\n\
                [[operations]]\nkind = \"insert\"\n[[operations]]\nkind = \"search\"\n\
                stages = [{ rate = 0, ramp_to = 2.5, duration = \"1s\" }, { rate = 0, duration = \"1s\" }]\n";
    let files = shipped().into_iter().map(|(_, text)| text).chain([rich.to_owned(), LEAST.to_owned()]);
    for text in files.chain(TemplateKind::ALL.map(template)) {
        loaded(&text, &[]);
        if let Err(error) = validator.validate(&as_json(&text)) {
            panic!("{error} at {} in\n{text}", error.instance_path());
        }
    }
}

#[test]
fn the_schema_refuses_wrong_files() {
    let validator = jsonschema::validator_for(&schema()).expect("is a schema");
    let good = json!({ "load": { "rate": 5 }, "operations": [{ "kind": "search" }] });
    assert!(validator.is_valid(&good));
    let wrong = [
        ("/load/raet", json!(5)),
        ("/load/rate", json!("5")),
        ("/load/rate", json!(0)),
        ("/load/concurrency", json!(5)),
        ("/load/duration", json!(30)),
        ("/load/duration", json!("30")),
        ("/load/stages", json!([{ "rate": 5, "duration": "1s" }])),
        ("/operations/0/stages", json!([])),
        ("/operations/0/stages", json!([{ "duration": "1s" }])),
        ("/operations/0/stages", json!([{ "rate": 5 }])),
        ("/operations/0/stages", json!([{ "rate": -5, "duration": "1s" }])),
        ("/operations/0/stages", json!([{ "concurrency": 5, "duration": "1s" }])),
        ("/operations", json!([])),
        ("/operations", json!([{ "kind": "delete" }])),
        ("/operations", json!([{ "kind": "insert", "top_k": 5 }])),
        ("/operations", json!([{ "kind": "query", "limit": 0 }])),
        ("/operations", json!([{ "kind": "get", "limit": 5 }])),
        ("/operations", json!([{ "kind": "search", "weight": 1, "rate": 5 }])),
        ("/operations", json!([{ "top_k": 5 }])),
        ("/collection", json!({ "vector": { "dim": 0 } })),
        ("/collection", json!({ "name": "a-b" })),
        ("/collection", json!({ "scalars": [{ "name": "a" }] })),
        ("/trace", json!({ "sample_fraction": 2 })),
        ("/trace", json!({ "jaeger_ui": "http://j", "link": "http://j/{trace_id}" })),
        ("/target", json!({ "token": "x" })),
        ("/thresholds", json!({ "errors": "1%" })),
        ("/nonsense", json!(1)),
    ];
    for (place, value) in wrong {
        let mut file = good.clone();
        let (parent, name) = place.rsplit_once('/').expect("begins with a slash");
        file.pointer_mut(parent).expect("is there")[name] = value;
        assert!(!validator.is_valid(&file), "taken: {file}");
    }
}

#[test]
fn the_ramp_goes_from_50_to_300_per_second_and_back_within_40_s() {
    let (path, _) = shipped().into_iter().find(|(path, _)| path.ends_with("/ramp.toml")).expect("is shipped");
    let load = load(path.as_ref(), &[]).expect("loads").load;
    assert_eq!(load.duration.as_secs(), 40);
    let LoadModel::Open { rate: rates, .. } = &load.streams[0].model else { panic!("an open loop") };
    let at = crate::units::Nanos::from_secs;
    assert_eq!(load.stage_starts(), [at(0), at(10), at(20), at(30)]);
    let over = [(0, 10), (10, 20), (20, 30), (30, 40)].map(|(start, end)| rates.over(at(start), at(end)));
    assert_eq!(over, [(50.0, 50.0), (50.0, 300.0), (300.0, 300.0), (50.0, 50.0)]);
}
