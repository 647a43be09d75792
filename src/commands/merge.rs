//! `merge`: read the records of a run's shards, see that they belong together, report on all of them as one run.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use crate::cli::MergeArgs;
use crate::record::RECORD_FILE;
use crate::report::store::{self, RunDirectory};
use crate::report::traces::named_in;
use crate::run::{self, Record};
use crate::trace::kept::KeptTrace;

use super::{Exit, Failure, publish};

/// Carries out `merge`.
///
/// # Errors
/// Where a record cannot be read, records are not of one run, or one is missing and that is not allowed.
pub fn run(args: &MergeArgs) -> Result<Exit, Failure> {
    let records = args.reports.iter().map(|report| read(report, &args.out)).collect::<Result<Vec<_>, _>>()?;
    let finished = finished(records);
    let missing = run::missing(&finished)?;
    tell_missing(&missing, finished.len(), args.allow_missing)?;
    let report = run::report(&finished, &missing)?;
    let directory =
        RunDirectory::create(&args.out, &report.run.name, report.run.started_unix_us, &report.run.id)?;
    let kept: Vec<KeptTrace> = finished.iter().flat_map(|record| record.kept.iter().cloned()).collect();
    let traces = publish::traces(&kept, named_in(&report), &directory);
    let published = publish::report(&report, args.json, &directory, (&kept, traces.as_deref()));
    directory.discard_if_empty();
    published?;
    Ok(publish::exit(&report, args.allow_untrusted))
}

fn read(reference: &str, base: &Path) -> Result<Record, Failure> {
    let path = record_of(reference, base)?;
    let mut record = Record::read(&path)?;
    record.kept = super::kept::beside(&path);
    if record.identity.part.is_none() {
        bail_usage(&path)?;
    }
    Ok(record)
}

fn bail_usage(path: &Path) -> Result<(), Failure> {
    Err(Failure::usage(anyhow!(
        "{} is a whole run and no shard of one: only runs made with --shard K/N can be merged",
        path.display()
    )))
}

/// The record beside the report that is meant.
fn record_of(reference: &str, base: &Path) -> anyhow::Result<PathBuf> {
    let path = Path::new(reference);
    if path.file_name().is_some_and(|name| name == RECORD_FILE) && path.is_file() {
        return Ok(path.to_owned());
    }
    let directory = match path.is_dir() {
        true => path.to_owned(),
        false => store::resolve(reference, base)?.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let record = directory.join(RECORD_FILE);
    if !record.is_file() {
        bail!(
            "{} has no {RECORD_FILE}: its run did not end in order, or is of a version that wrote none; leave it out \
             (--allow-missing)",
            directory.display()
        );
    }
    Ok(record)
}

/// Those that were carried out to their end; of the others, only that is said.
fn finished(records: Vec<Record>) -> Vec<Record> {
    let (finished, unfinished): (Vec<_>, Vec<_>) = records
        .into_iter()
        .partition(|record| record.load.stopped.is_none() && record.load.failure.is_none());
    for record in unfinished {
        let measured = record.measured();
        super::say(&format!(
            "note: {} ended early, after {measured} of measuring, and is left out",
            record.source
        ));
    }
    finished
}

fn tell_missing(missing: &[u32], found: usize, is_allowed: bool) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let named = missing.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let told = format!("of {} shards, {} missing: {named}", found + missing.len(), missing.len());
    match is_allowed {
        true => super::say(&format!("warning: {told}")),
        false => bail!("{told}; name their reports too, or merge without them (--allow-missing)"),
    }
    Ok(())
}
