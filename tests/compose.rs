//! docker-compose.yaml and the files beneath deploy/ hold together. No Docker is needed for this, and none is used.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use milvus_load::trace::endpoint::Protocol;
use serde_yaml_ng::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(file: &str) -> Value {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn service(name: &str) -> Value {
    yaml("docker-compose.yaml")["services"][name].clone()
}

#[track_caller]
fn texts(value: &Value) -> Vec<&str> {
    value.as_sequence().expect("a list").iter().map(|item| item.as_str().expect("a text")).collect()
}

#[track_caller]
fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_mapping().expect("a mapping").keys().map(|key| key.as_str().expect("a text")).collect()
}

#[test]
fn there_is_a_milvus_and_a_jaeger_of_the_versions_that_were_read() {
    let compose = yaml("docker-compose.yaml");
    // Compose knows "services", in lower case; a "Services" would be refused.
    assert_eq!(keys(&compose), BTreeSet::from(["services", "volumes"]));
    assert_eq!(keys(&compose["services"]), BTreeSet::from(["jaeger", "milvus"]));
    assert_eq!(service("milvus")["image"], "milvusdb/milvus:v2.5.11");
    assert_eq!(service("jaeger")["image"], "jaegertracing/all-in-one:1.46.0");
    assert_eq!(texts(&service("milvus")["command"]), ["milvus", "run", "standalone"]);
    assert_eq!(texts(&service("milvus")["security_opt"]), ["seccomp:unconfined"]);
}

#[test]
fn ports_are_the_customary_ones_and_open_to_this_machine_alone() {
    let local =
        |ports: &[u16]| ports.iter().map(|port| format!("127.0.0.1:{port}:{port}")).collect::<Vec<_>>();
    assert_eq!(texts(&service("jaeger")["ports"]), local(&[16686, 4317, 4318]));
    assert_eq!(texts(&service("milvus")["ports"]), local(&[19530, 9091]));
    // What milvus-load exports to when it is told nothing is this Jaeger.
    assert_eq!(Protocol::Grpc.default_endpoint(), "http://localhost:4317");
    assert_eq!(Protocol::HttpProtobuf.default_endpoint(), "http://localhost:4318");
}

#[test]
fn every_mounted_file_is_committed_and_none_hides_milvuss_own_settings() {
    let milvus = service("milvus");
    let (mut files, mut volumes) = (Vec::new(), Vec::new());
    for mount in texts(&milvus["volumes"]) {
        let (source, target) = mount.split_once(':').unwrap();
        match source.strip_prefix("./") {
            Some(file) => {
                files.push((file, target.strip_suffix(":ro").expect("files are mounted read-only")))
            }
            None => volumes.push((source, target)),
        }
    }
    let targets = [
        ("deploy/embedEtcd.yaml", "/milvus/configs/embedEtcd.yaml"),
        ("deploy/user.yaml", "/milvus/configs/user.yaml"),
    ];
    assert_eq!(files, targets);
    assert_eq!(volumes, [("milvus", "/var/lib/milvus")]);
    assert_eq!(keys(&yaml("docker-compose.yaml")["volumes"]), BTreeSet::from(["milvus"]));
    assert_eq!(service("jaeger")["volumes"], Value::Null);
    for (file, _) in files {
        // Docker makes a directory of a source that is missing, and Milvus then dies of it.
        assert!(root().join(file).is_file(), "{file} is missing");
        assert!(is_committed(file), "{file} is not committed");
    }
}

/// Whether git knows the file; true where git cannot tell, as in an unpacked package.
fn is_committed(file: &str) -> bool {
    let git = Command::new("git").args(["ls-files", "--", file]).current_dir(root()).output();
    git.map_or(true, |output| !output.status.success() || !output.stdout.is_empty())
}

#[test]
fn milvus_is_told_where_its_etcd_and_its_data_are_and_what_to_sample() {
    let milvus = service("milvus");
    let expected = [
        ("COMMON_STORAGETYPE", "local"),
        ("DEPLOY_MODE", "STANDALONE"),
        ("ETCD_CONFIG_PATH", "/milvus/configs/embedEtcd.yaml"),
        ("ETCD_DATA_DIR", "/var/lib/milvus/etcd"),
        ("ETCD_USE_EMBED", "true"),
        ("METRICS_PORT", "9091"),
        ("TRACE_SAMPLEFRACTION", "${MILVUS_SAMPLE_FRACTION:-0}"),
    ];
    assert_eq!(keys(&milvus["environment"]), expected.iter().map(|(key, _)| *key).collect());
    for (key, value) in expected {
        assert_eq!(milvus["environment"][key], value, "{key}");
    }
    // The variable has to point at what is mounted, and the data into the volume.
    let etcd = milvus["environment"]["ETCD_CONFIG_PATH"].as_str().unwrap();
    assert!(texts(&milvus["volumes"]).iter().any(|mount| mount.contains(etcd)));
}

#[test]
fn jaeger_takes_otlp_and_does_not_grow_without_end() {
    let environment = &service("jaeger")["environment"];
    assert_eq!(keys(environment), BTreeSet::from(["COLLECTOR_OTLP_ENABLED", "MEMORY_MAX_TRACES"]));
    assert_eq!(environment["COLLECTOR_OTLP_ENABLED"], "true");
    assert_eq!(environment["MEMORY_MAX_TRACES"], "50000");
}

#[test]
fn both_are_asked_how_they_are_and_milvus_waits_for_jaeger() {
    let (jaeger, milvus) = (service("jaeger"), service("milvus"));
    let asks = ["CMD", "wget", "-q", "-O", "/dev/null", "http://localhost:14269/"];
    assert_eq!(texts(&jaeger["healthcheck"]["test"]), asks);
    assert_eq!(texts(&milvus["healthcheck"]["test"]), ["CMD", "curl", "-f", "http://localhost:9091/healthz"]);
    assert_eq!(milvus["healthcheck"]["start_period"], "90s");
    assert_eq!(keys(&milvus["depends_on"]), BTreeSet::from(["jaeger"]));
    assert_eq!(milvus["depends_on"]["jaeger"]["condition"], "service_healthy");
    for service in [jaeger, milvus] {
        for key in ["interval", "timeout", "retries"] {
            assert!(!service["healthcheck"][key].is_null(), "{key}");
        }
    }
}

#[test]
fn milvuss_spans_go_to_the_jaeger_next_door_over_plain_grpc() {
    let user = yaml("deploy/user.yaml");
    assert_eq!(keys(&user), BTreeSet::from(["trace"]));
    let trace = &user["trace"];
    // The fraction stands in docker-compose.yaml alone: the environment would hide another one here.
    assert_eq!(keys(trace), BTreeSet::from(["exporter", "initTimeoutSeconds", "otlp"]));
    assert_eq!(trace["exporter"], "otlp");
    assert_eq!(trace["initTimeoutSeconds"], 10);
    assert_eq!(keys(&trace["otlp"]), BTreeSet::from(["endpoint", "method", "secure"]));
    assert_eq!(trace["otlp"]["method"], "grpc");
    assert_eq!(trace["otlp"]["secure"], false);
    let (host, port) = trace["otlp"]["endpoint"].as_str().unwrap().split_once(':').unwrap();
    assert!(!service(host).is_null(), "the endpoint's host is one of the services");
    assert!(texts(&service(host)["ports"]).iter().any(|mapping| mapping.ends_with(&format!(":{port}"))));
}

#[test]
fn the_embedded_etcd_has_its_five_settings() {
    let etcd = yaml("deploy/embedEtcd.yaml");
    for (key, value) in [
        ("listen-client-urls", Value::from("http://0.0.0.0:2379")),
        ("advertise-client-urls", Value::from("http://0.0.0.0:2379")),
        ("quota-backend-bytes", Value::from(4_294_967_296_u64)),
        ("auto-compaction-mode", Value::from("revision")),
        // A text, not a number: so etcd's own configuration has it.
        ("auto-compaction-retention", Value::from("1000")),
    ] {
        assert_eq!(etcd[key], value, "{key}");
    }
    assert_eq!(keys(&etcd).len(), 5);
}
