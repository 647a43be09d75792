//! A stored run looked at again, with traces that are at hand only now.

use std::collections::BTreeSet;
use std::path::Path;

use super::record::Record;
use super::report::report;
use crate::record::RECORD_FILE;
use crate::report::RunReport;
use crate::trace::kept::KeptTrace;

/// The record of a run that is over.
#[derive(Debug)]
pub struct Again {
    record: Record,
}

impl Again {
    /// That beside a report; `None`: there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn beside(report: &Path) -> anyhow::Result<Option<Self>> {
        let path = report.with_file_name(RECORD_FILE);
        match path.is_file() {
            true => Ok(Some(Self { record: Record::read(&path)? })),
            false => Ok(None),
        }
    }

    /// Trace IDs of the sampled requests that stand for all others.
    pub fn sampled(&self) -> BTreeSet<u128> {
        let operations = self.record.load.recorded.operations.iter();
        let lots = operations.flat_map(|operation| operation.exemplars.reservoirs());
        let sampled = lots.filter(|(_, is_sampled, _)| *is_sampled);
        sampled.flat_map(|(.., lot)| lot.kept).map(|exemplar| exemplar.trace.trace_id).collect()
    }

    /// The run's report, with these traces in place of those that it kept.
    ///
    /// # Errors
    /// As those of [`report`].
    pub fn report(self, kept: Vec<KeptTrace>) -> anyhow::Result<RunReport> {
        report(&[Record { kept, ..self.record }], &[])
    }
}
