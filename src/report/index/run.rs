//! Of a report.json, what a list of runs shows: histograms, requests and intervals are passed over unread.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::report::circumstances::{Circumstances, is_beneath, weight};
use crate::report::experiment::Weight;
use crate::report::model::{Collection, Machine, Run, SCHEMA, Server, Setting, Shard, State, UnknownReason};
use crate::report::store::{self, StoreError};

/// A run, as a list shows it.
#[derive(Clone, Debug)]
pub struct ListedRun {
    /// Which one it was.
    pub run: Run,
    /// The part of a divided run that it is; `None`: the whole.
    pub shard: Option<Shard>,
    /// The parts that it was merged from; 0: it was not.
    pub merged_from: usize,
    /// Whether its numbers can be trusted.
    pub trusted: bool,
    /// Thresholds, and how many of them were not met; numbers that cannot be trusted decide none.
    pub thresholds: usize,
    /// Of these.
    pub not_met: usize,
    /// Operations that anything was asked of.
    pub operations: BTreeMap<String, ListedOperation>,
    facts: BTreeMap<String, Value>,
}

/// An operation, as a list shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedOperation {
    offered: u64,
    /// Succeeded per second of the window; `None`: it has no length.
    pub succeeded_per_s: Option<f64>,
    /// From when the request was due.
    pub response: ListedTimes,
}

/// Two of the numbers of a distribution of times.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ListedTimes {
    /// Median, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 % are at most this.
    pub p99_us: Option<f64>,
    /// Why one of them is not known.
    #[serde(default)]
    pub unknown: BTreeMap<String, UnknownReason>,
}

/// What is the same in another run, or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Its key.
    pub key: String,
    /// In the earlier run.
    pub from: Value,
    /// In this one.
    pub to: Value,
    /// Whether numbers from before and after it are of two different things.
    pub separates: bool,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: String,
    run: Run,
    #[serde(default)]
    settings: Vec<Setting>,
    server: Option<Server>,
    #[serde(default)]
    machine: Machine,
    shard: Option<Shard>,
    #[serde(default)]
    shards: Vec<IgnoredAny>,
    collection: Option<Collection>,
    verdict: Verdict,
    operations: BTreeMap<String, ListedOperation>,
    #[serde(default)]
    thresholds: Vec<Threshold>,
}

#[derive(Deserialize)]
struct Verdict {
    trusted: bool,
}

#[derive(Deserialize)]
struct Threshold {
    met: Option<bool>,
}

impl ListedRun {
    /// Of the bytes of a report.json; `path` is what an error names.
    ///
    /// # Errors
    /// Where it is damaged, or not a report that this version reads.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, StoreError> {
        match serde_json::from_slice::<Head>(bytes) {
            Ok(head) if head.schema == SCHEMA => Ok(head.into()),
            Ok(_) => Err(store::why_not(bytes, path, SCHEMA, None)),
            Err(error) => Err(store::why_not(bytes, path, SCHEMA, Some(error))),
        }
    }

    /// Whether it came to its end, whole, with numbers to be trusted: only such runs are held against each other.
    pub fn is_sound(&self) -> bool {
        self.trusted && self.run.state == State::Complete && self.shard.is_none()
    }

    #[cfg(test)]
    pub(super) const fn facts(&self) -> &BTreeMap<String, Value> {
        &self.facts
    }

    /// What changed since `earlier`, that which separates them first.
    pub fn changed_since(&self, earlier: &Self) -> Vec<Changed> {
        let keys = self.facts.keys().chain(earlier.facts.keys().filter(|key| !self.facts.contains_key(*key)));
        let of = |run: &Self, key: &str| run.facts.get(key).cloned().unwrap_or(Value::Null);
        let mut changed: Vec<Changed> = keys
            // The verdict has said it already.
            .filter(|key| *key != "run.state")
            .map(|key| (key, of(earlier, key), of(self, key)))
            .filter(|(_, from, to)| from != to)
            .map(|(key, from, to)| Changed { key: key.clone(), from, to, separates: separates(key) })
            .collect();
        changed.sort_by(|a, b| (!a.separates, &a.key).cmp(&(!b.separates, &b.key)));
        changed
    }
}

/// Whatever may not differ in a comparison, and the machine and the rows as well: who looks at a line takes a step in it for the
/// server's.
fn separates(key: &str) -> bool {
    weight(key) == Weight::Decides || is_beneath(key, "machine") || key == "collection.rows_at_start"
}

impl From<Head> for ListedRun {
    fn from(head: Head) -> Self {
        let facts = Circumstances {
            settings: &head.settings,
            server: head.server.as_ref(),
            collection: head.collection.as_ref(),
            machine: &head.machine,
            version: &head.run.version,
            state: head.run.state,
            shards: head.shards.len(),
        }
        .facts();
        let mut operations = head.operations;
        operations.retain(|_, operation| operation.offered > 0);
        Self {
            shard: head.shard,
            merged_from: head.shards.len(),
            trusted: head.verdict.trusted,
            thresholds: head.thresholds.len(),
            not_met: head.thresholds.iter().filter(|threshold| threshold.met == Some(false)).count(),
            operations,
            facts,
            run: head.run,
        }
    }
}
