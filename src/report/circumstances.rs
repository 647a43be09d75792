//! What should be the same in runs whose numbers are held against each other: settings, server, collection, machine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::RunReport;
use super::experiment::Weight;
use super::model::{Collection, Machine, Server, Setting, State};

/// Keys, and all beneath them, that say nothing of what was measured: names, paths, and what is said of it elsewhere.
const OF_NO_ACCOUNT: [&str; 16] = [
    "collection.keep_writes",
    "collection.name",
    "collection.owner",
    "collection.prepare",
    "collection.ready",
    "description",
    "target.ca_file",
    "target.cert_file",
    "target.database",
    "target.key_file",
    "target.metrics",
    "target.server_name",
    "target.token_file",
    "target.uri",
    "thresholds",
    "trace",
];

/// Of `trace`, what changes the requests.
const OF_TRACING: [&str; 5] =
    ["trace.enabled", "trace.keep", "trace.sample_fraction", "trace.unsampled", "trace.resource"];

/// What may explain a change without being another workload or another server. `data.seed` draws other vectors and arrivals of the same
/// kind.
const TOLD_ALONE: [&str; 4] = ["collection.rows_at_start", "data.seed", "machine", "milvus-load.version"];

/// Under which a run was made.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// In force.
    pub settings: &'a [Setting],
    /// Under load.
    pub server: Option<&'a Server>,
    /// Searched or written to.
    pub collection: Option<&'a Collection>,
    /// That generated the load.
    pub machine: &'a Machine,
    /// Of milvus-load.
    pub version: &'a str,
    /// How the run ended.
    pub state: State,
    /// Processes that it was divided over; 0 and 1: one.
    pub shards: usize,
}

impl<'a> From<&'a RunReport> for Circumstances<'a> {
    fn from(report: &'a RunReport) -> Self {
        Self {
            settings: &report.settings,
            server: report.server.as_ref(),
            collection: report.collection.as_ref(),
            machine: &report.machine,
            version: &report.run.version,
            state: report.run.state,
            shards: report.shards.len(),
        }
    }
}

impl Circumstances<'_> {
    /// Each by its key.
    pub fn facts(&self) -> BTreeMap<String, Value> {
        let settings = self.settings.iter().filter(|setting| is_of_account(&setting.key));
        let mut facts: BTreeMap<String, Value> =
            settings.map(|setting| (setting.key.clone(), setting.value.clone())).collect();
        let mut add = |key: &str, value: Value| facts.insert(key.to_owned(), value);
        if let Some(server) = self.server {
            // One that was started for a run has whatever port was free.
            let uri = if server.embedded { "embedded".into() } else { json!(server.uri) };
            add("server.uri", uri);
            add("server.version", json!(server.version));
            add("server.database", json!(server.database));
            let fraction = server.tracing.as_ref().and_then(|tracing| tracing.sample_fraction);
            add("server.sample_fraction", json!(fraction));
        }
        if let Some(collection) = self.collection {
            // How many rows are in the index is a matter of rows.
            let index = collection.start.index.as_ref().map(|index| json!([index["type"], index["params"]]));
            add("collection.index_at_start", json!(index));
            add("collection.rows_at_start", json!(collection.start.rows));
        }
        add("machine.cpu", json!(self.machine.cpu));
        add("machine.cores", json!(self.machine.cores));
        add("machine.os", json!(self.machine.os));
        add("milvus-load.version", json!(self.version));
        add("run.shards", json!(self.shards.max(1)));
        add("run.state", json!(self.state.name()));
        facts
    }
}

fn is_of_account(key: &str) -> bool {
    OF_TRACING.iter().any(|prefix| is_beneath(key, prefix))
        || !OF_NO_ACCOUNT.iter().any(|prefix| is_beneath(key, prefix))
}

/// What a difference in this key means.
pub fn weight(key: &str) -> Weight {
    match TOLD_ALONE.iter().any(|prefix| is_beneath(key, prefix)) {
        true => Weight::Told,
        false => Weight::Decides,
    }
}

/// Whether `key` is `prefix` or lies in that table.
pub fn is_beneath(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
