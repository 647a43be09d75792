//! The workload: valid by construction, every value with its unit in its type.
//!
//! Made by the loader alone; nothing that reads it has to check it again.

use std::path::PathBuf;
use std::time::Duration;

use super::{Access, Load, Operation};
use crate::data::VectorType;
use crate::units::Fraction;

/// A whole workload: the file with overrides, environment and defaults laid over and under it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The file's name without its ending; names the run's directory.
    pub name: String,
    /// Free text from the file.
    pub description: String,
    /// Where Milvus is; `None` in [`Target::uri`] means the embedded one.
    pub target: Target,
    pub collection: Collection,
    /// The vectors.
    pub data: Data,
    /// When to send, on how many connections and threads.
    pub load: Load,
    /// At least one; names are unique.
    pub operations: Vec<Operation>,
    /// What is traced and where spans go.
    pub trace: Trace,
    /// Pass or fail conditions, in file order.
    pub thresholds: Vec<Threshold>,
    /// Every setting that is in force, with where it came from; secrets are left out.
    pub settings: Vec<Setting>,
    /// Environment variables that beat the file, one sentence each, for standard error.
    pub notices: Vec<String>,
}

impl Workload {
    /// Whether any operation does that to the collection.
    pub fn has(&self, access: Access) -> bool {
        self.operations.iter().any(|operation| operation.kind.facts().access() == access)
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted path, as `--set` takes it: `load.rate`, `operations.search.top_k`.
    pub key: String,
    pub value: serde_json::Value,
    pub from: Origin,
}

impl Setting {
    /// The value as `--set` and the file take it.
    pub fn as_toml(&self) -> String {
        // A setting was read from TOML, or is the table's default: whatever it is, TOML can say it.
        toml::Value::try_from(&self.value).map_or_else(|_| self.value.to_string(), |value| value.to_string())
    }
}

/// Where a setting came from. Precedence: flag and `--set`, then environment, then file, then default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A shortcut such as `--rate` (with its dashes).
    Flag(String),
    /// `--set key=value`.
    Set,
    /// An environment variable, by name.
    Environment(String),
    /// The workload file: line and column, from 1.
    File {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Nobody said anything.
    Default,
}

/// A text that is never shown: its `Debug` and `Display` print a placeholder, and it is not serializable.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the wire alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a Milvus listens: `http(s)://host[:port]`, `tcp://host[:port]` or `host:port`. A `/database` that was written
/// behind it is no part of it: which database is used is [`Target::database`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilvusUri {
    /// TLS (https).
    pub tls: bool,
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// Port; 443 for https, else 19530, where none was given.
    pub port: u16,
}

/// `[target]`.
#[derive(Clone, Debug)]
pub struct Target {
    /// `None`: the embedded Milvus.
    pub uri: Option<MilvusUri>,
    /// The database that every call names, whether `target.database` or the URI's path said so; empty is the server's
    /// default one.
    pub database: String,
    /// `user:password` or an API key, from MILVUS_TOKEN or `token_file`.
    pub token: Option<Secret>,
    /// PEM file of the authorities to trust, beside or instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM client certificate, together with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// The name to check the server's certificate for, where it is not the host.
    pub server_name: Option<String>,
    /// How long a request may take, counted from *sent*.
    pub timeout: Duration,
    /// The server's own metrics endpoints.
    pub metrics: Vec<String>,
}

/// `[collection]`.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its name on the server.
    pub name: String,
    /// Base rows: keys 0 to rows-1.
    pub rows: u64,
    pub prepare: Prepare,
    /// Whose it is where this run makes it, and whose collections `auto` may build anew.
    pub owner: String,
    pub consistency: Consistency,
    pub vector: VectorField,
    /// The vector field's index.
    pub index: Index,
    /// Other fields.
    pub scalars: Vec<Scalar>,
    /// Shards (virtual channels) at creation.
    pub shards: u32,
    /// Replicas when loaded.
    pub replicas: u32,
    /// Under `auto`, keep what earlier runs have written.
    pub keep_writes: bool,
    /// Under `never`, allow operations that write.
    pub allow_writes: bool,
    /// How long set-up may wait for the collection to be really ready, retries included. Inserting is no waiting.
    pub ready_timeout: Duration,
    /// Whether anybody named the vector field; else `never` takes the first that the server describes.
    pub vector_name_given: bool,
    /// Whether anybody said what its vectors consist of; else `never` takes them as they are.
    pub vector_type_given: bool,
    /// Whether anybody said its dimensions; else `never` takes those that the server describes.
    pub dim_given: bool,
}

/// What may be done to the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// Create what is missing, reuse what fits, build anew what differs and has the same owner, refuse what this tool did
    /// not make.
    Auto,
    /// Drop and build anew, only what this tool made.
    Always,
    /// Take it as it is.
    Never,
}

/// Consistency of a read; decides `consistency_level` and `guarantee_timestamp` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Sees every write before it.
    Strong,
    /// Sees this client's own writes.
    Session,
    /// Up to a bounded staleness behind.
    Bounded,
    /// Whatever is there.
    Eventually,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VectorField {
    pub name: String,
    pub kind: VectorType,
    /// Dimensions, 1 to 32,768.
    pub dim: u32,
    pub metric: Metric,
}

impl VectorField {
    /// Bytes of each vector.
    pub const fn bytes(&self) -> usize {
        self.kind.bytes(self.dim)
    }
}

/// A distance measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// Inner product.
    Ip,
    Cosine,
    /// Bits that differ.
    Hamming,
    /// 1 minus bits set in both over bits set in either.
    Jaccard,
}

impl Metric {
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::Ip => "IP",
            Self::Cosine => "COSINE",
            Self::Hamming => "HAMMING",
            Self::Jaccard => "JACCARD",
        }
    }
}

/// The vector index.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Type as the server spells it: `HNSW`, `IVF_FLAT`, ...
    pub kind: String,
    /// Build parameters; sent as one JSON text.
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// A scalar field.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    pub name: String,
    pub kind: ScalarKind,
    /// How many different values it takes, at least 1.
    pub distinct: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    Bool,
    Int32,
    Int64,
    /// 32-bit float.
    Float,
    /// 64-bit float.
    Double,
    /// Text.
    Varchar,
}

impl ScalarKind {
    /// Whether its values are ordered as their indexes are.
    pub const fn is_number(self) -> bool {
        match self {
            Self::Int32 | Self::Int64 | Self::Float | Self::Double => true,
            Self::Bool | Self::Varchar => false,
        }
    }
}

/// `[data]`: seeded clusters of vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Decides every vector, value, arrival and trace ID.
    pub seed: u64,
    /// Centres that vectors lie around, at least 1.
    pub clusters: u32,
    /// How far vectors lie from their centre, as their type understands it: [`crate::data`].
    pub spread: f64,
    /// Distinct query vectors, and different requests of query and get.
    pub queries: u32,
}

/// A filter expression with places for drawn values.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// As written.
    pub text: String,
    /// The pieces in order.
    pub parts: Vec<FilterPart>,
}

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterPart {
    /// Sent as it is.
    Text(String),
    /// Replaced by one of this scalar's values; index into [`Collection::scalars`].
    Value(usize),
}

/// `[trace]`.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Off: no spans and no header.
    pub enabled: bool,
    /// Share of requests sampled.
    pub sample_fraction: Fraction,
    pub unsampled: Unsampled,
    /// What goes to `otlp_endpoint`.
    pub keep: Keep,
    /// Where the built-in collector listens; `None`: for the embedded Milvus alone, wherever there is room.
    pub collector_listen: Option<std::net::SocketAddr>,
    /// OTLP endpoint of the collector.
    pub otlp_endpoint: String,
    /// True where anybody named an endpoint (file, flag or environment).
    pub otlp_asked: bool,
    /// `service.name`.
    pub service_name: String,
    /// Other resource attributes.
    pub resource: Vec<(String, String)>,
    /// Link of a trace, with the place `{trace_id}`.
    pub link: String,
    /// Jaeger's UI and query API, where `link` follows its form.
    pub jaeger_ui: Option<String>,
    pub slow: Slow,
    /// How many of the slowest requests are kept per operation.
    pub slowest: usize,
}

/// Which traces go on to another collector. Which are kept beside the report does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All that are sampled.
    All,
    /// Every request is sampled, and only those go on that are kept: slow, typical and failed ones.
    Slow,
}

impl Keep {
    /// As the file spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Slow => "slow",
        }
    }
}

/// What an unsampled request tells the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsampled {
    /// `traceparent` with flag 00: the server samples neither.
    Propagate,
    /// No header: the server's own sampleFraction decides.
    Omit,
}

/// What counts as slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slow {
    /// At or above this quantile of the response time, 0 to 1.
    Quantile(f64),
    /// At or above this response time.
    Duration(Duration),
}

/// One pass or fail condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written: `search.response.p99 < 50ms`.
    pub expression: String,
    pub metric: ThresholdMetric,
    pub comparison: Comparison,
    /// The bound: nanoseconds for times, a share for errors, a plain number for rates.
    pub bound: f64,
}

/// Which number a threshold judges.
#[derive(Clone, Debug, PartialEq)]
pub enum ThresholdMetric {
    /// `errors`, of all operations (`None`) or of one: (offered - succeeded) / offered.
    Errors {
        /// The operation, by name.
        operation: Option<String>,
    },
    /// `<operation>.<clock>.<statistic>`.
    Time {
        /// The operation, by name.
        operation: String,
        /// Which of the three numbers.
        clock: Clock,
        /// Which of its statistics.
        statistic: Statistic,
    },
    /// `<operation>.succeeded_per_s` and the like: successful requests per second of the window.
    Rate {
        /// The operation, by name.
        operation: String,
    },
}

/// Which of a request's three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// done - intended.
    Response,
    /// done - sent.
    Service,
    /// sent - intended.
    Lag,
}

/// A statistic of a distribution of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// A quantile, above 0 and below 1.
    Quantile(f64),
    /// Arithmetic mean of the succeeded.
    Mean,
    /// Largest of the succeeded.
    Max,
}

/// `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}
