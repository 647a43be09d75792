//! `kind = "insert"`: rows that nobody has written before.

use super::checks::message_fits;
use super::{Access, OperationFacts};
use crate::workload::Collection;
use crate::workload::problem::Problems;
use crate::workload::section::Section;

#[derive(Clone, Debug)]
pub struct Insert {
    /// Rows per request, 1 or more.
    pub batch: u32,
}

impl OperationFacts for Insert {
    fn name(&self) -> &'static str {
        "insert"
    }

    fn access(&self) -> Access {
        Access::Writes
    }

    fn query_vectors(&self) -> Option<u32> {
        None
    }

    fn summary(&self) -> String {
        format!("{} rows each", self.batch)
    }
}

pub(super) fn build(
    section: &Section,
    collection: &Collection,
    problems: &mut Problems<'_>,
) -> Option<Insert> {
    let batch = section.integer("operations[].batch")?;
    message_fits(section, "operations[].batch", u64::from(batch), collection, problems);
    Some(Insert { batch })
}
