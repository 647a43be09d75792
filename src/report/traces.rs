//! The traces that a run has kept, stored beside its report.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use super::model::RunReport;
use super::store::{RunDirectory, StoreError};
use crate::trace::kept::{KeptTrace, TRACES_FILE, TRACES_OTLP_FILE, write_jaeger, write_packed};

/// Stores them, if there are any, and says where those for people are: what a page of Jaeger's is to list, which is what `for_people`
/// holds for. All are stored for programs.
///
/// # Errors
/// Where the disk is full, or the directory is gone.
pub fn store(
    kept: &[KeptTrace],
    for_people: impl Fn(&KeptTrace) -> bool,
    directory: &RunDirectory,
) -> Result<Option<PathBuf>, StoreError> {
    if kept.is_empty() {
        return Ok(None);
    }
    let people: Vec<KeptTrace> = kept.iter().filter(|trace| for_people(trace)).cloned().collect();
    let path = write(directory, TRACES_FILE, |out| write_jaeger(&people, out))?;
    write(directory, TRACES_OTLP_FILE, |out| write_packed(kept, out))?;
    Ok(Some(path))
}

fn write(
    directory: &RunDirectory,
    name: &str,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, StoreError> {
    let mut bytes = Vec::new();
    render(&mut bytes).map_err(|source| StoreError::Write { path: directory.path().join(name), source })?;
    directory.write_file(name, &bytes)
}

/// Whether a report names the request or the set-up that a trace is of.
pub fn named_in(report: &RunReport) -> impl Fn(&KeptTrace) -> bool {
    let requests = report.slowest.iter().chain(&report.slowest_sampled).chain(&report.typical);
    let ids = requests.map(|request| &request.trace_id).chain(report.setup.iter().map(|step| &step.trace_id));
    let number = |id: &Option<String>| u128::from_str_radix(id.as_deref()?, 16).ok();
    let named: HashSet<u128> = ids.filter_map(number).collect();
    move |trace| named.contains(&trace.trace_id)
}
