//! `kind = "get"`: rows by their keys.

use super::checks::fields_are_known;
use super::{Access, OperationFacts};
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{Collection, Prepare};

const KEYS: &str = "operations[].keys";

/// A get of rows by keys that are drawn from the base rows.
#[derive(Clone, Debug)]
pub struct Get {
    /// Keys per request, all different; 1 or more.
    pub keys: u32,
    /// Fields to return of each row; the key always is.
    pub output_fields: Vec<String>,
}

impl OperationFacts for Get {
    fn name(&self) -> &'static str {
        "get"
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn query_vectors(&self) -> Option<u32> {
        None
    }

    fn summary(&self) -> String {
        format!("{} key(s) each", self.keys)
    }
}

pub(super) fn build(section: &Section, collection: &Collection, problems: &mut Problems<'_>) -> Option<Get> {
    let get =
        Get { keys: section.integer(KEYS)?, output_fields: section.texts("operations[].output_fields")? };
    fields_are_known(section, &get.output_fields, &[], collection, problems);
    // Under `never` the server knows how many rows there are.
    if collection.prepare != Prepare::Never && u64::from(get.keys) > collection.rows {
        let (keys, rows) = (get.keys, collection.rows);
        let message = format!("there are {rows} base rows to draw {keys} different keys from");
        let fix = format!("raise collection.rows to {keys} or more, or ask for fewer keys");
        problems.add(section.shown(KEYS), section.place(KEYS), message, fix);
    }
    Some(get)
}
