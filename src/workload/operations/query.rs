//! `kind = "query"`: the rows that a filter lets through.

use super::checks::{fields_are_known, filter_of};
use super::{Access, OperationFacts};
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Collection, Filter};

/// What is asked for in place of fields to have the rows counted.
const COUNT: &str = "count(*)";
/// Milvus goes so far into a result and no further.
const MOST_ROWS: u32 = 16_384;

const FILTER: &str = "operations[].filter";
const FIELDS: &str = "operations[].output_fields";
const LIMIT: &str = "operations[].limit";
const OFFSET: &str = "operations[].offset";

/// A query by filter.
#[derive(Clone, Debug)]
pub struct Query {
    /// Filter expression, cut at its `{field}` places; `None`: all rows, up to `limit`.
    pub filter: Option<Filter>,
    /// Fields to return of each row, or `count(*)` alone.
    pub output_fields: Vec<String>,
    /// Rows wanted at most; `None`: all that match.
    pub limit: Option<u32>,
    /// Rows to pass over before; 0 where there is no limit.
    pub offset: u32,
    /// Leave out rows that are not in sealed segments yet.
    pub ignore_growing: bool,
}

impl Query {
    /// Whether the answer is one row that says how many match.
    pub fn counts(&self) -> bool {
        self.output_fields.iter().any(|field| field == COUNT)
    }
}

impl OperationFacts for Query {
    fn name(&self) -> &'static str {
        "query"
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn query_vectors(&self) -> Option<u32> {
        None
    }

    fn summary(&self) -> String {
        let filter = self.filter.as_ref().map_or("any row", |filter| filter.text.as_str());
        match (self.counts(), self.limit) {
            (true, _) => format!("count where {filter}"),
            (false, None) => format!("where {filter}"),
            (false, Some(limit)) => format!("where {filter}, at most {limit} rows"),
        }
    }
}

pub(super) fn build(
    section: &Section,
    collection: &Collection,
    problems: &mut Problems<'_>,
) -> Option<Query> {
    let query = Query {
        filter: filter_of(section, collection, problems),
        output_fields: section.texts(FIELDS)?,
        limit: section.integer(LIMIT),
        offset: section.integer(OFFSET)?,
        ignore_growing: section.bool("operations[].ignore_growing")?,
    };
    fields_are_known(section, &query.output_fields, &[COUNT], collection, problems);
    match query.counts() {
        true => count_stands_alone(section, &query, problems),
        false => rows_are_bounded(section, &query, problems),
    }
    Some(query)
}

fn count_stands_alone(section: &Section, query: &Query, problems: &mut Problems<'_>) {
    if query.output_fields.len() > 1 {
        let message = "count(*) is answered with one number, beside which there are no fields";
        let fix = "write output_fields = [\"count(*)\"], or name fields without it";
        problems.add(section.shown(FIELDS), section.place(FIELDS), message, fix);
    }
    for key in [LIMIT, OFFSET].into_iter().filter(|key| section.said(key)) {
        let message = "count(*) counts all rows that match, and Milvus takes no limit or offset with it";
        problems.add(section.shown(key), section.place(key), message, "remove it");
    }
}

fn rows_are_bounded(section: &Section, query: &Query, problems: &mut Problems<'_>) {
    let Some(limit) = query.limit else {
        if section.said(OFFSET) {
            let message = "Milvus ignores an offset where there is no limit";
            problems.add(
                section.shown(OFFSET),
                section.place(OFFSET),
                message,
                "add limit, such as limit = 100",
            );
        } else if !section.said(FILTER) && !section.said(LIMIT) {
            let message = "there is neither a filter nor a limit, and Milvus does not return all rows";
            let fix = "add filter = \"...\", or limit = 100, or output_fields = [\"count(*)\"]";
            problems.add(section.shown(LIMIT), &section.at, message, fix);
        }
        return;
    };
    if query.offset.saturating_add(limit) > MOST_ROWS {
        let offset = query.offset;
        let message =
            format!("offset {offset} and limit {limit} are more than the {MOST_ROWS} that Milvus allows");
        let fix = format!("write offset = {} or less", MOST_ROWS - limit);
        problems.add(section.shown(OFFSET), section.place(OFFSET), message, fix);
    }
}
