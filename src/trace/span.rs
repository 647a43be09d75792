//! The client's span of a request: what a worker notes, and what OpenTelemetry makes of it.
//!
//! A worker makes a [`ClientSpan`], plain numbers that cost nothing to copy. Everything with text in it is built on the
//! exporter's thread: by [`SpanTemplates`] as the SDK has it, or straight as bytes by
//! [`RequestEncoder`](super::exporter::RequestEncoder). Names of attributes: semantic conventions 1.42 (`SCHEMA_URL`).
//!
//! Invariant: a span goes from *sent* to *done*, so Jaeger shows service time; lag stands in an attribute. No vector, no
//! filter value and no secret is ever an attribute. What a span says is listed once: what all of an operation say in
//! [`SpanTemplates`], the rest in `ClientSpan::attributes`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute};

use super::TraceRef;
use super::attributes::{AttributeValue, Text};
use super::exporter::encoded_bytes;
use crate::grpc;

/// How a traced request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOutcome {
    /// The server did what was asked.
    Ok,
    /// gRPC said no: status code 1 to 16.
    Grpc(u8),
    /// gRPC was fine, Milvus said no: its code, not 0.
    Milvus(i32),
    TimedOut,
}

/// A finished, sampled request that was sent. Times are nanoseconds since the Unix epoch, from the run's one anchor.
#[derive(Clone, Copy, Debug)]
pub struct ClientSpan {
    pub trace: TraceRef,
    /// Index into the [`OperationAttributes`] that the exporter was started with.
    pub operation: usize,
    /// `warmup` or `measure`.
    pub phase: &'static str,
    /// When it was due.
    pub intended: u64,
    /// When it went out: the span's start.
    pub sent: u64,
    /// When it was over: the span's end.
    pub done: u64,
    pub outcome: SpanOutcome,
    pub peer: Option<SocketAddr>,
    /// Rows of a write; 0 where there are none.
    pub rows: u32,
}

/// What all spans of one operation have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationAttributes {
    /// The workload's name of the operation.
    pub operation: String,
    /// `db.operation.name` and the last part of `rpc.method`: `Search`, `Insert`, ...
    pub rpc: String,
    pub collection: String,
    /// The database; empty for the server's default one.
    pub database: String,
    /// The server's host as configured.
    pub server_address: String,
    /// The server's port as configured.
    pub server_port: u16,
}

/// Makes OpenTelemetry spans of [`ClientSpan`]s and set-up spans, all of one run.
#[derive(Clone, Debug)]
pub struct SpanTemplates {
    scope: InstrumentationScope,
    operations: Vec<Template>,
}

#[derive(Clone, Debug)]
struct Template {
    name: String,
    attributes: Vec<KeyValue>,
    /// An upper bound of a span's encoded size.
    bytes: usize,
}

impl SpanTemplates {
    /// `run_id` goes into every client span, so that a run's spans can be searched for in Jaeger.
    pub fn new(operations: &[OperationAttributes], run_id: &str) -> Self {
        let run_id: Arc<str> = run_id.into();
        let operations = operations.iter().map(|one| Template::new(one, &run_id)).collect();
        let mut templates = Self { scope: scope(), operations };
        for operation in 0..templates.operations.len() {
            let largest = templates.client_span(&ClientSpan::largest(operation));
            templates.operations[operation].bytes = largest.as_ref().map_or(0, encoded_bytes);
        }
        templates
    }

    /// The span of one request; `None` where its operation is unknown.
    pub fn client_span(&self, span: &ClientSpan) -> Option<SpanData> {
        let mut data = self.common(span.operation)?;
        data.span_context = context(span.trace);
        (data.start_time, data.end_time) = (at(span.sent), at(ends(span.sent, span.done)));
        span.attributes(|key, value| data.attributes.push(KeyValue::new(key, value)));
        data.status = match span.outcome.failure() {
            None => Status::Unset,
            Some(words) => Status::error(words.as_str().to_owned()),
        };
        Some(data)
    }

    /// What all spans of an operation say, without IDs and at time 0; `None` where it is unknown.
    pub(super) fn common(&self, operation: usize) -> Option<SpanData> {
        let template = self.operations.get(operation)?;
        let mut data =
            SpanData { name: template.name.clone().into(), span_kind: SpanKind::Client, ..self.nothing() };
        data.attributes = Vec::with_capacity(template.attributes.len() + ClientSpan::MOST_OWN_ATTRIBUTES);
        data.attributes.extend_from_slice(&template.attributes);
        Some(data)
    }

    /// A span that says nothing but whose it is.
    pub(super) fn nothing(&self) -> SpanData {
        let nobody = TraceRef { trace_id: 0, span_id: 0, sampled: true };
        self.bare(nobody, 0, SpanKind::Internal, String::new(), 0, 0)
    }

    pub(super) fn operations(&self) -> usize {
        self.operations.len()
    }

    /// No span of this operation takes more bytes than this when encoded; 0 where the operation is unknown.
    pub(super) fn most_bytes(&self, operation: usize) -> usize {
        self.operations.get(operation).map_or(0, |template| template.bytes)
    }

    /// A span without attributes; `parent` 0 makes it a root.
    pub(super) fn bare(
        &self,
        trace: TraceRef,
        parent: u64,
        span_kind: SpanKind,
        name: String,
        start: u64,
        end: u64,
    ) -> SpanData {
        SpanData {
            span_context: context(trace),
            parent_span_id: SpanId::from_bytes(parent.to_be_bytes()),
            parent_span_is_remote: false,
            span_kind,
            name: name.into(),
            start_time: at(start),
            end_time: at(ends(start, end)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl Template {
    fn new(operation: &OperationAttributes, run_id: &Arc<str>) -> Self {
        let method = format!("milvus.proto.milvus.MilvusService/{}", operation.rpc);
        let mut attributes = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, "milvus"),
            KeyValue::new(attribute::DB_COLLECTION_NAME, shared(&operation.collection)),
            KeyValue::new(attribute::DB_OPERATION_NAME, shared(&operation.rpc)),
            KeyValue::new(attribute::SERVER_ADDRESS, shared(&operation.server_address)),
            KeyValue::new(attribute::SERVER_PORT, i64::from(operation.server_port)),
            KeyValue::new(attribute::RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(attribute::RPC_METHOD, shared(&method)),
            KeyValue::new("milvus_load.run_id", StringValue::from(run_id.clone())),
            KeyValue::new("milvus_load.operation", shared(&operation.operation)),
        ];
        if !operation.database.is_empty() {
            attributes.push(KeyValue::new(attribute::DB_NAMESPACE, shared(&operation.database)));
        }
        Self { name: format!("{} {}", operation.rpc, operation.collection), attributes, bytes: 0 }
    }
}

impl ClientSpan {
    /// No span tells more attributes than this.
    const MOST_OWN_ATTRIBUTES: usize = 9;

    /// Visits the attributes that this span has beyond those which all of its operation have, in the order in which they
    /// are sent. Whatever shows a span asks here, so that all say the same.
    pub(super) fn attributes(&self, mut visit: impl FnMut(&'static str, AttributeValue)) {
        let text = |text: &'static str| AttributeValue::Text(Text::Fixed(text));
        visit("milvus_load.phase", text(self.phase));
        visit("milvus_load.lag_us", micros(self.sent.saturating_sub(self.intended)));
        visit("milvus_load.intended_unix_us", micros(self.intended));
        visit(attribute::RPC_RESPONSE_STATUS_CODE, AttributeValue::Text(self.outcome.grpc_name()));
        if self.rows > 0 {
            visit("milvus_load.rows", AttributeValue::Number(self.rows.into()));
        }
        if let Some(peer) = self.peer {
            visit(attribute::NETWORK_PEER_ADDRESS, AttributeValue::Text(Text::made(peer.ip())));
            visit(attribute::NETWORK_PEER_PORT, AttributeValue::Number(peer.port().into()));
        }
        if let Some(error) = self.outcome.error_type() {
            visit(attribute::ERROR_TYPE, AttributeValue::Text(error));
        }
        if let SpanOutcome::Milvus(code) = self.outcome {
            visit(attribute::DB_RESPONSE_STATUS_CODE, AttributeValue::Text(Text::made(code)));
        }
    }

    /// The one with the most to say, to bound what the others take.
    fn largest(operation: usize) -> Self {
        Self {
            trace: TraceRef { trace_id: u128::MAX, span_id: u64::MAX, sampled: true },
            operation,
            phase: "measure",
            intended: u64::MAX,
            sent: u64::MAX,
            done: u64::MAX,
            outcome: SpanOutcome::Milvus(i32::MIN),
            peer: Some(SocketAddr::from(([0xffff; 8], u16::MAX))),
            rows: u32::MAX,
        }
    }
}

impl SpanOutcome {
    /// `rpc.response.status_code`. A time limit of ours is what gRPC calls DEADLINE_EXCEEDED.
    fn grpc_name(self) -> Text {
        match self {
            Self::Ok | Self::Milvus(_) => Text::Fixed("OK"),
            Self::TimedOut => Text::Fixed("DEADLINE_EXCEEDED"),
            Self::Grpc(code) => grpc_name(code),
        }
    }

    /// `error.type`, on failure alone.
    fn error_type(self) -> Option<Text> {
        match self {
            Self::Ok => None,
            Self::TimedOut => Some(Text::Fixed("timeout")),
            Self::Milvus(code) => Some(Text::made(code)),
            Self::Grpc(code) => Some(grpc_name(code)),
        }
    }

    /// What the status says of a failure. A success leaves the status unset, as the conventions ask of a client.
    pub(super) fn failure(self) -> Option<Text> {
        match self {
            Self::Ok => None,
            Self::TimedOut => Some(Text::Fixed("no complete answer in time")),
            Self::Milvus(code) => Some(Text::made(format_args!("Milvus code {code}"))),
            Self::Grpc(code) => Some(grpc_name(code)),
        }
    }
}

/// The status code's name, or the bare number of one that gRPC does not define.
fn grpc_name(code: u8) -> Text {
    grpc::name(code).map_or_else(|| Text::made(code), Text::Fixed)
}

fn context(trace: TraceRef) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace.trace_id.to_be_bytes()),
        SpanId::from_bytes(trace.span_id.to_be_bytes()),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}

/// When a span ends: one that ends before it starts is refused or drawn nonsensically by most tools.
pub(super) fn ends(start: u64, end: u64) -> u64 {
    end.max(start)
}

/// Who made the spans.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("milvus-load")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

/// A text that is copied by counting references.
fn shared(text: &str) -> StringValue {
    StringValue::from(Arc::<str>::from(text))
}

/// Whole microseconds.
fn micros(nanos: u64) -> AttributeValue {
    // At most 2^64 / 1000, which fits.
    AttributeValue::Number((nanos / 1_000) as i64)
}

fn at(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
