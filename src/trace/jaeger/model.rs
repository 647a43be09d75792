//! A trace as Jaeger's query API tells it, read with indulgence: whatever a version leaves out is empty.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

/// One trace. IDs are lower-case hex without zeros added or taken away, as Jaeger writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JaegerTrace {
    /// 32 hex digits, or 16 for a short one.
    pub trace_id: String,
    /// Its spans in the order told, each ID once.
    pub spans: Vec<JaegerSpan>,
    /// Who did it, by the names that its spans use.
    pub processes: BTreeMap<String, JaegerProcess>,
}

/// The last of a key counts.
pub type Tags = BTreeMap<String, Value>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JaegerProcess {
    pub service: String,
    pub tags: Tags,
}

/// One span. Times are microseconds, Jaeger's own unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JaegerSpan {
    /// 16 hex digits.
    pub span_id: String,
    pub operation: String,
    /// Who did it; empty where Jaeger does not know.
    pub service: String,
    /// Which of the trace's processes that is.
    pub process: String,
    /// Since the Unix epoch.
    pub start_us: u64,
    pub duration_us: u64,
    /// The span it is a CHILD_OF, of the same trace.
    pub parent: Option<String>,
    pub tags: Tags,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSpan {
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(default)]
    operation_name: String,
    #[serde(default)]
    references: Option<Vec<WireReference>>,
    #[serde(default)]
    start_time: u64,
    #[serde(default)]
    duration: u64,
    #[serde(default)]
    tags: Option<Vec<WireTag>>,
    #[serde(default, rename = "processID")]
    process_id: String,
}

#[derive(Deserialize)]
struct WireReference {
    #[serde(default, rename = "refType")]
    kind: String,
    #[serde(default, rename = "traceID")]
    trace_id: String,
    #[serde(default, rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct WireTag {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct WireTrace {
    #[serde(default, rename = "traceID")]
    trace_id: String,
    #[serde(default)]
    spans: Option<Vec<WireSpan>>,
    #[serde(default)]
    processes: Option<BTreeMap<String, WireProcess>>,
}

#[derive(Deserialize)]
struct WireProcess {
    #[serde(default, rename = "serviceName")]
    service_name: String,
    #[serde(default)]
    tags: Option<Vec<WireTag>>,
}

#[derive(Deserialize)]
struct WireReply {
    #[serde(default)]
    data: Option<Vec<WireTrace>>,
}

/// Reads the body of a reply: its first trace, or `None` where it holds none with a span.
///
/// # Errors
/// Where it is no JSON, or JSON of another shape.
pub fn parse(body: &[u8]) -> Result<Option<JaegerTrace>, serde_json::Error> {
    let reply: WireReply = serde_json::from_slice(body)?;
    let first = reply.data.unwrap_or_default().into_iter().next().map(JaegerTrace::from);
    Ok(first.filter(|trace| !trace.spans.is_empty()))
}

impl From<WireTrace> for JaegerTrace {
    fn from(wire: WireTrace) -> Self {
        let processes = wire.processes.unwrap_or_default().into_iter();
        let processes = processes.map(|(name, process)| (name, process.known())).collect();
        let mut seen = HashSet::new();
        let spans = wire.spans.unwrap_or_default().into_iter();
        // A span that was exported twice is one span.
        let spans = spans.filter(|span| seen.insert(span.span_id.clone()));
        let spans = spans.map(|span| span.known(&wire.trace_id, &processes)).collect();
        Self { trace_id: wire.trace_id, spans, processes }
    }
}

impl WireProcess {
    fn known(self) -> JaegerProcess {
        JaegerProcess { service: self.service_name, tags: known(self.tags) }
    }
}

fn known(tags: Option<Vec<WireTag>>) -> Tags {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

impl WireSpan {
    fn known(self, trace_id: &str, processes: &BTreeMap<String, JaegerProcess>) -> JaegerSpan {
        let is_parent = |one: &WireReference| {
            one.kind == "CHILD_OF" && (one.trace_id.is_empty() || one.trace_id == trace_id)
        };
        let parent = self.references.unwrap_or_default().into_iter().find(is_parent).map(|one| one.span_id);
        JaegerSpan {
            span_id: self.span_id,
            operation: self.operation_name,
            service: processes.get(&self.process_id).map(|one| one.service.clone()).unwrap_or_default(),
            process: self.process_id,
            start_us: self.start_time,
            duration_us: self.duration,
            parent,
            tags: known(self.tags),
        }
    }
}
