//! The server and the collection of a stored run.

use serde::{Deserialize, Serialize};

use crate::measure::{CollectionState, ProcessMetrics};
use crate::milvus::DescribedIndex;
use crate::report::model::ServerTracing;

use super::super::observed::{CollectionLook, VectorRecord};
use super::super::record::{CollectionRecord, ServerRecord};

#[derive(Serialize, Deserialize)]
pub(super) struct ServerLine {
    uri: String,
    embedded: bool,
    on_this_machine: bool,
    tracing: Option<ServerTracing>,
    version_start: String,
    version_end: Option<String>,
    process: Option<(ProcessLine, ProcessLine)>,
}

#[derive(Serialize, Deserialize)]
struct ProcessLine {
    cpu_seconds: Option<f64>,
    rss_bytes: Option<u64>,
    started_seconds: Option<f64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CollectionLine {
    extra_rows: u64,
    inserted_by_setup: bool,
    vector: VectorLine,
    start: StateLine,
    end: Option<StateLine>,
}

#[derive(Serialize, Deserialize)]
struct VectorLine {
    name: String,
    dim: u64,
    metric: String,
}

#[derive(Serialize, Deserialize)]
struct IndexLine {
    kind: Option<String>,
    metric: Option<String>,
    params: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct StateLine {
    rows: Option<u64>,
    indexed_rows: Option<u64>,
    sealed: Option<u64>,
    growing: Option<u64>,
    index: Option<IndexLine>,
}

impl ServerLine {
    pub(super) fn of(server: &ServerRecord) -> Self {
        let line = |process: &ProcessMetrics| ProcessLine {
            cpu_seconds: process.cpu_seconds,
            rss_bytes: process.rss_bytes,
            started_seconds: process.started_seconds,
        };
        Self {
            uri: server.uri.clone(),
            embedded: server.embedded,
            on_this_machine: server.on_this_machine,
            tracing: server.tracing.clone(),
            version_start: server.version.0.clone(),
            version_end: server.version.1.clone(),
            process: server.process.as_ref().map(|(before, after)| (line(before), line(after))),
        }
    }

    pub(super) fn record(self) -> ServerRecord {
        let metrics = |line: ProcessLine| ProcessMetrics {
            cpu_seconds: line.cpu_seconds,
            rss_bytes: line.rss_bytes,
            started_seconds: line.started_seconds,
        };
        ServerRecord {
            uri: self.uri,
            embedded: self.embedded,
            on_this_machine: self.on_this_machine,
            tracing: self.tracing,
            version: (self.version_start, self.version_end),
            process: self.process.map(|(before, after)| (metrics(before), metrics(after))),
        }
    }
}

impl CollectionLine {
    pub(super) fn of(collection: &CollectionRecord) -> Self {
        let index = |index: &DescribedIndex| IndexLine {
            kind: index.kind.clone(),
            metric: index.metric.clone(),
            params: index.params.clone(),
        };
        let line = |look: &CollectionLook| {
            let CollectionState { rows, indexed_rows, sealed, growing } = look.state;
            StateLine { rows, indexed_rows, sealed, growing, index: look.index.as_ref().map(index) }
        };
        let VectorRecord { name, dim, metric } = collection.vector.clone();
        Self {
            extra_rows: collection.extra_rows,
            inserted_by_setup: collection.inserted_by_setup,
            vector: VectorLine { name, dim, metric },
            start: line(&collection.start),
            end: collection.end.as_ref().map(line),
        }
    }

    pub(super) fn record(self, first_free_row: u64) -> CollectionRecord {
        let look = |line: StateLine| {
            let StateLine { rows, indexed_rows, sealed, growing, index } = line;
            let described = |index: IndexLine| DescribedIndex {
                kind: index.kind,
                metric: index.metric,
                params: index.params,
            };
            let state = CollectionState { rows, indexed_rows, sealed, growing };
            CollectionLook { state, index: index.map(described) }
        };
        let VectorLine { name, dim, metric } = self.vector;
        CollectionRecord {
            extra_rows: self.extra_rows,
            first_free_row,
            inserted_by_setup: self.inserted_by_setup,
            vector: VectorRecord { name, dim, metric },
            start: look(self.start),
            end: self.end.map(look),
        }
    }
}
