//! `kind = "search"`: the nearest rows to query vectors.

use super::checks::{fields_are_known, filter_of, message_fits};
use super::{Access, OperationFacts};
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Collection, Filter};

#[derive(Clone, Debug)]
pub struct Search {
    /// Query vectors per request.
    pub nq: u32,
    /// Hits wanted per query vector.
    pub top_k: u32,
    /// Search parameters, sent as one JSON text.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Filter expression, cut at its `{field}` places.
    pub filter: Option<Filter>,
    /// Fields to return with each hit.
    pub output_fields: Vec<String>,
    /// Leave out rows that are not in sealed segments yet.
    pub ignore_growing: bool,
}

impl OperationFacts for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn query_vectors(&self) -> Option<u32> {
        Some(self.nq)
    }

    fn summary(&self) -> String {
        format!("nq {}, top {}", self.nq, self.top_k)
    }
}

pub(super) fn build(
    section: &Section,
    collection: &Collection,
    problems: &mut Problems<'_>,
) -> Option<Search> {
    let nq = section.integer("operations[].nq")?;
    message_fits(section, "operations[].nq", u64::from(nq), collection, problems);
    let search = Search {
        nq,
        top_k: section.integer("operations[].top_k")?,
        params: section.json_map("operations[].params"),
        filter: filter_of(section, collection, problems),
        output_fields: section.texts("operations[].output_fields")?,
        ignore_growing: section.bool("operations[].ignore_growing")?,
    };
    ef_holds_top_k(section, &search, collection, problems);
    fields_are_known(section, &search.output_fields, &[], collection, problems);
    Some(search)
}

/// HNSW looks at `ef` candidates, and Milvus refuses to return more than it looked at.
fn ef_holds_top_k(section: &Section, search: &Search, collection: &Collection, problems: &mut Problems<'_>) {
    const KEY: &str = "operations[].params";
    let ef = search.params.get("ef").and_then(serde_json::Value::as_u64);
    let Some(ef) = ef.filter(|ef| collection.index.kind == "HNSW" && *ef < u64::from(search.top_k)) else {
        return;
    };
    let place = section.map(KEY).find(|(name, _, _)| *name == "ef").map(|(_, _, entry)| &entry.value_at);
    let message = format!("ef = {ef} is below top_k = {}: HNSW finds no more than it looks at", search.top_k);
    let fix = format!("write ef = {} or more", search.top_k);
    problems.add(format!("{}.ef", section.shown(KEY)), place.unwrap_or(&section.at), message, fix);
}
