//! All keys of the workload file: path, type, range, default and sentence, once. Errors, the JSON Schema, the reference
//! in `init`'s file and the list of settings draw on this table; nothing else knows a default.
//!
//! `operations[].rate` is a key of each table of the list `operations`.

use super::kind::{Kind, TOML_MAX};

/// A key of the workload file.
#[derive(Debug)]
pub(super) struct Key {
    /// Dotted path.
    pub path: &'static str,
    pub kind: Kind,
    pub default: Fallback,
    /// The operation kinds that know it; empty: all, or no operation's key.
    pub only_for: &'static [&'static str],
    /// Whether it works; what does not is known, and refused.
    pub built: bool,
    /// One sentence, without its full stop.
    pub doc: &'static str,
}

/// What holds where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fallback {
    /// This value, as TOML.
    Toml(&'static str),
    /// No value of its own; in words.
    Words(&'static str),
    Required,
}

use Fallback::{Required, Toml, Words};

const fn key(path: &'static str, kind: Kind, default: Fallback, doc: &'static str) -> Key {
    Key { path, kind, default, only_for: &[], built: true, doc }
}

const fn later(path: &'static str, doc: &'static str) -> Key {
    Key { path, kind: Kind::Text { empty: false }, default: Words("none"), only_for: &[], built: false, doc }
}

/// A key of operations of these kinds.
const fn only(
    only_for: &'static [&'static str],
    path: &'static str,
    kind: Kind,
    default: Fallback,
    doc: &'static str,
) -> Key {
    Key { path, kind, default, only_for, built: true, doc }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

const fn choice(built: &'static [&'static str]) -> Kind {
    Kind::Choice { built, later: &[] }
}

const TEXT: Kind = Kind::Text { empty: false };

/// Every key, in the order of the file.
pub(super) const KEYS: &[Key] = &[
    key("description", Kind::Text { empty: true }, Toml("\"\""), "What this workload is for"),
    // [target]
    key(
        "target.uri",
        Kind::Uri,
        Words("the embedded Milvus"),
        "Where Milvus is: http(s)://host[:port][/database] or host:port; MILVUS_URI",
    ),
    key("target.database", Kind::Identifier, Words("the server's default database"), "Database to work in"),
    key(
        "target.token_file",
        Kind::Path,
        Words("MILVUS_TOKEN, or no authorization"),
        "File with `user:password` or an API key in it",
    ),
    key(
        "target.ca_file",
        Kind::Path,
        Words("the system's authorities"),
        "PEM file of the authorities to trust",
    ),
    key("target.cert_file", Kind::Path, Words("none"), "PEM client certificate, with key_file"),
    key("target.key_file", Kind::Path, Words("none"), "PEM key of the client certificate"),
    key(
        "target.server_name",
        TEXT,
        Words("the host of the URI"),
        "Name to check the server's certificate for",
    ),
    key(
        "target.timeout",
        Kind::Duration { zero: false },
        Toml("\"10s\""),
        "How long a request may take, counted from when it was sent",
    ),
    key(
        "target.metrics",
        Kind::Urls,
        Words("guessed on loopback only"),
        "The server's own metrics endpoints, for its CPU and memory",
    ),
    // [collection]
    key(
        "collection.name",
        Kind::Identifier,
        Words("milvus_load_ and the file's name"),
        "Collection under load",
    ),
    key("collection.rows", count(0, 10_000_000_000), Toml("20000"), "Base rows, with the keys 0 to rows - 1"),
    key(
        "collection.prepare",
        choice(&["auto", "always", "never"]),
        Toml("\"auto\""),
        "What may be done to the collection: auto creates or reuses, always builds anew, never takes it as it is",
    ),
    key(
        "collection.owner",
        TEXT,
        Words("user@host of whoever runs it"),
        "Whose the collection is where a run makes it; auto builds a collection anew only where it has the same owner",
    ),
    key(
        "collection.consistency",
        choice(&["strong", "session", "bounded", "eventually"]),
        Toml("\"bounded\""),
        "Consistency of reads",
    ),
    key("collection.shards", count(1, 64), Toml("1"), "Shards at creation"),
    key("collection.replicas", count(1, 64), Toml("1"), "Replicas when loaded"),
    key(
        "collection.keep_writes",
        Kind::Bool,
        Toml("false"),
        "Under auto: keep the rows that earlier runs have written instead of building anew",
    ),
    key("collection.allow_writes", Kind::Bool, Toml("false"), "Under never: allow operations that write"),
    key("collection.vector.name", Kind::Identifier, Toml("\"vector\""), "Name of the vector field"),
    key(
        "collection.vector.type",
        Kind::Choice { built: &["float", "binary"], later: &["float16", "bfloat16", "sparse", "int8"] },
        Toml("\"float\""),
        "Type of the vectors",
    ),
    key(
        "collection.vector.dim",
        count(1, 32_768),
        Toml("128"),
        "Dimensions; of binary vectors a multiple of 8",
    ),
    key(
        "collection.vector.metric",
        choice(&["cosine", "l2", "euclidean", "ip", "hamming", "jaccard"]),
        Words("cosine; hamming for binary vectors"),
        "How distance is measured: binary vectors by hamming or jaccard, float vectors by the others",
    ),
    key(
        "collection.index.type",
        Kind::IndexType,
        Words("HNSW; BIN_FLAT for binary vectors"),
        "Index of the vectors, as the server spells it; of binary vectors BIN_FLAT or BIN_IVF_FLAT",
    ),
    key(
        "collection.index.params",
        Kind::Params,
        Words("{ M = 16, efConstruction = 200 } for HNSW, { nlist = 128 } for BIN_IVF_FLAT"),
        "Parameters of the index, sent as JSON",
    ),
    key("collection.scalars", Kind::Tables, Words("none"), "Other fields"),
    key("collection.scalars[].name", Kind::Identifier, Required, "Name of the field"),
    key(
        "collection.scalars[].type",
        choice(&["bool", "int32", "int64", "float", "double", "varchar"]),
        Required,
        "Type of the field",
    ),
    key(
        "collection.scalars[].distinct",
        count(1, 2_000_000_000),
        Words("100; 2 for bool"),
        "How many different values it takes",
    ),
    key(
        "collection.ready.timeout",
        Kind::Duration { zero: false },
        Toml("\"5m\""),
        "How long set-up may wait for the collection to be really ready; the time that inserting takes does not count",
    ),
    later("collection.ready.flush", "Whether to wait for the flush"),
    later("collection.ready.index", "Whether to wait for the index"),
    later("collection.ready.compact", "Whether to wait for compaction"),
    later("collection.ready.segments", "Whether to wait for sealed segments"),
    later("collection.partitions", "Partitions at creation"),
    later("collection.partition_key", "Field that decides the partition"),
    // [data]
    key(
        "data.source",
        Kind::Choice { built: &["synthetic"], later: &["file", "hdf5"] },
        Toml("\"synthetic\""),
        "Where vectors come from: seeded clusters, of float vectors a Gaussian mixture",
    ),
    later("data.path", "File of vectors"),
    key("data.seed", count(0, TOML_MAX), Toml("42"), "Decides every vector, value, arrival and operation"),
    key("data.clusters", count(1, 1_000_000), Toml("100"), "Centres that vectors lie around"),
    key(
        "data.spread",
        Kind::Positive,
        Toml("1.0"),
        "Standard deviation around a centre, where the centres have 1 per dimension; of binary vectors, each bit of the centre is flipped with probability arctan(spread) / pi: at 1.0 one in four",
    ),
    key(
        "data.queries",
        count(1, 10_000_000),
        Toml("10000"),
        "Distinct query vectors, none of them a row; query and get have as many different requests",
    ),
    // [load]
    key(
        "load.rate",
        Kind::Rate,
        Words("none: say rate, stages or concurrency"),
        "Open loop: requests per second, whatever the server does",
    ),
    key(
        "load.concurrency",
        count(1, 100_000),
        Words("none: say rate, stages or concurrency"),
        "Closed loop: so many requests at once, the next when the last is done",
    ),
    key(
        "load.arrival",
        choice(&["poisson", "constant"]),
        Toml("\"poisson\""),
        "Open loop: how the gaps between requests are drawn",
    ),
    key(
        "load.max_in_flight",
        count(1, 1_000_000),
        Toml("256"),
        "Open loop: beyond so many requests in flight, one is counted as not sent",
    ),
    key("load.connections", count(1, 10_000), Toml("4"), "Connections in total"),
    key(
        "load.workers",
        count(1, 1_024),
        Words("what the machine can spare, at most connections"),
        "Worker threads",
    ),
    key(
        "load.spin",
        choice(&["auto", "on", "off"]),
        Toml("\"auto\""),
        "Open loop: whether a worker busy-waits for the last 40 us before a request is due; auto: where that costs little CPU or cores are to spare",
    ),
    key(
        "load.warmup",
        Kind::Duration { zero: true },
        Toml("\"5s\""),
        "Lead-in, measured apart and not counted",
    ),
    key("load.duration", Kind::Duration { zero: false }, Toml("\"30s\""), "The measured window"),
    key(
        "load.drain",
        Kind::Duration { zero: true },
        Toml("\"10s\""),
        "How long to wait for what is in flight at the end",
    ),
    key(
        "load.stages",
        Kind::Stages,
        Words("none: one rate for the whole duration"),
        "Open loop, in place of rate and duration: stages of a rate, or of a ramp from where the stage before ends; at most 64",
    ),
    // [[operations]]
    key("operations", Kind::Tables, Required, "What to do, at least one"),
    key(
        "operations[].kind",
        Kind::Choice {
            built: &["search", "insert", "query", "get"],
            later: &["hybrid_search", "upsert", "delete"],
        },
        Required,
        "What the operation does",
    ),
    key(
        "operations[].name",
        Kind::OperationName,
        Words("the kind"),
        "Name in reports, thresholds and --set; unique",
    ),
    key(
        "operations[].weight",
        Kind::Positive,
        Words("1 for operations of [load]'s stream"),
        "Share of [load]'s requests, against the other weights",
    ),
    key(
        "operations[].rate",
        Kind::Rate,
        Words("none: takes part in [load]"),
        "Open loop of its own: requests per second",
    ),
    key(
        "operations[].concurrency",
        count(1, 100_000),
        Words("none: takes part in [load]"),
        "Closed loop of its own: so many requests at once",
    ),
    key(
        "operations[].stages",
        Kind::Stages,
        Words("none: takes part in [load]"),
        "Open loop of its own, by stages that last as long together as the window",
    ),
    only(&["search"], "operations[].top_k", count(1, 16_384), Toml("10"), "Hits wanted per query vector"),
    only(&["search"], "operations[].nq", count(1, 16_384), Toml("1"), "Query vectors per request"),
    only(&["search"], "operations[].params", Kind::Params, Words("none"), "Search parameters, sent as JSON"),
    only(
        &["search", "query"],
        "operations[].filter",
        TEXT,
        Words("none"),
        "Filter expression; {field} draws one of that scalar's values",
    ),
    only(
        &["search", "query", "get"],
        "operations[].output_fields",
        Kind::Texts,
        Toml("[]"),
        "Fields to return of each hit or row, besides the key; of a query also \"count(*)\" alone",
    ),
    only(
        &["search", "query"],
        "operations[].ignore_growing",
        Kind::Bool,
        Toml("false"),
        "Leave out rows that are not in sealed segments yet",
    ),
    only(
        &["query"],
        "operations[].limit",
        count(1, 16_384),
        Words("none: all rows that match; needed where there is no filter"),
        "Rows wanted at most",
    ),
    only(
        &["query"],
        "operations[].offset",
        count(0, 16_383),
        Toml("0"),
        "Rows to pass over; with limit at most 16384 together",
    ),
    only(
        &["get"],
        "operations[].keys",
        count(1, 16_384),
        Toml("1"),
        "Keys per request, all different, drawn from the base rows",
    ),
    only(&["insert"], "operations[].batch", count(1, 1_000_000), Toml("100"), "Rows per request"),
    later("operations[].partitions", "Partitions to work in"),
    later("operations[].recall", "Measure recall on the very requests whose latency is reported"),
    // [trace]
    key("trace.enabled", Kind::Bool, Toml("true"), "Off: no spans and no header"),
    key(
        "trace.sample_fraction",
        Kind::Fraction,
        Toml("1.0"),
        "Share of requests sampled; 0.1 or less in production",
    ),
    key(
        "trace.unsampled",
        choice(&["propagate", "omit"]),
        Toml("\"propagate\""),
        "What an unsampled request tells the server: the client's no, or nothing, so that the server's own sampleFraction decides",
    ),
    key(
        "trace.keep",
        choice(&["all", "slow"]),
        Toml("\"all\""),
        "Which traces go to otlp_endpoint; slow: every request is sampled, and only slow, typical and failed ones go there (built-in collector)",
    ),
    key(
        "trace.otlp_endpoint",
        Kind::Url,
        Toml("\"http://localhost:4317\""),
        "OTLP endpoint of the collector",
    ),
    key(
        "trace.collector_listen",
        TEXT,
        Words("127.0.0.1 and a free port, with the embedded Milvus alone"),
        "Address and port where the built-in collector listens for a Milvus that exports there, such as 127.0.0.1:4316",
    ),
    key("trace.service_name", TEXT, Toml("\"milvus-client\""), "service.name of the client's spans"),
    key(
        "trace.jaeger_ui",
        Kind::Url,
        Toml("\"http://localhost:16686\""),
        "Jaeger's UI and query API; short for link = \"<jaeger_ui>/trace/{trace_id}\"",
    ),
    key("trace.link", Kind::Link, Words("made from jaeger_ui"), "Link of a trace, with the place {trace_id}"),
    key(
        "trace.slow",
        Kind::Slow,
        Toml("\"p99\""),
        "What counts as slow: a percentile or a duration of the response",
    ),
    key(
        "trace.slowest",
        count(1, 10_000),
        Toml("50"),
        "How many of the slowest requests are kept per operation",
    ),
    key("trace.resource", Kind::TextMap, Words("none"), "Other resource attributes, such as application"),
    // [thresholds]
    key(
        "thresholds",
        Kind::Thresholds,
        Words("none"),
        "Conditions to pass, such as \"search.response.p99\" = \"< 50ms\" or \"errors\" = \"< 0.1%\"",
    ),
];

pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether other keys begin with this path and a dot.
pub(super) fn is_table(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The names that may stand in the table with this path (`""`: the whole file), for suggestions.
pub(super) fn children(path: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let rest = match path {
            "" => Some(key.path),
            _ => key.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.map(|rest| rest.split(['.', '[']).next().unwrap_or(rest));
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Origin, raw};

    #[test]
    fn every_path_stands_once_and_says_a_sentence() {
        for (n, key) in KEYS.iter().enumerate() {
            assert!(KEYS[n + 1..].iter().all(|other| other.path != key.path), "{} stands twice", key.path);
            assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.path);
        }
    }

    #[test]
    fn every_default_is_taken_by_its_own_key() {
        for key in KEYS {
            if let Toml(text) = key.default {
                let node = raw::value(text, false, &Origin::Default);
                assert!(key.kind.read(&node).is_ok(), "{} = {text}", key.path);
            }
        }
    }

    #[test]
    fn children_are_the_next_names_alone() {
        assert!(children("").contains(&"operations"));
        assert!(children("collection").contains(&"vector"));
        assert_eq!(children("collection.vector"), ["name", "type", "dim", "metric"]);
        assert!(children("operations[]").contains(&"top_k"));
    }
}
