//! What `run` and `merge` do with a report: show it, store it, and end as it says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::record::{JOURNAL_FILE, RECORD_FILE};
use crate::report::experiment::{EXPERIMENT_FILE, Experiment};
use crate::report::store::{RunDirectory, StoreError};
use crate::report::terminal::{self, Footer};
use crate::report::{RunReport, html, json, traces};
use crate::trace::kept::KeptTrace;

use super::output::Output;
use super::{Exit, Failure, style};

/// Shows the results, and where the traces that were kept are stored, if they are; then stores them: a full disk takes the file, not the numbers, which go to standard output whole.
///
/// # Errors
/// Where the report is not stored, or standard output fails.
pub fn report(
    report: &RunReport,
    as_json: bool,
    directory: &RunDirectory,
    (kept, traces): (&[KeptTrace], Option<&Path>),
) -> Result<(), Failure> {
    let (mut out, style) = (Output::stdout(), style::of_stdout());
    let shown =
        if as_json { json::render(report, &mut out) } else { terminal::render(report, style, &mut out) };
    let stored = directory.write_report(report);
    if stored.is_err() && !as_json {
        json::render(report, &mut out)?;
    }
    let path = stored.context("the report is not stored; it is on standard output, as JSON")?;
    // The report holds more than it; that it stays would do no harm.
    let _ = std::fs::remove_file(directory.path().join(JOURNAL_FILE));
    let page = page(report, kept, directory);
    let index = super::index::after(directory);
    shown?;
    if !as_json {
        let footer = Footer {
            paths: paths([
                ("report", Some(&*path)),
                ("page", page.as_deref()),
                ("traces", traces),
                ("index", index.as_deref()),
            ]),
            next: Some(format!("milvus-load slow {}", directory.path().display())),
        };
        terminal::footer(&footer, style, &mut out)?;
    }
    Ok(())
}

/// Stores the page beside the report, and says where. That it cannot be stored is told and changes nothing.
fn page(report: &RunReport, kept: &[KeptTrace], directory: &RunDirectory) -> Option<PathBuf> {
    told(html::store(report, kept, directory))
}

/// The page of an experiment, and the index of the reports that lie where it does. Of what is stored of it, whatever its end was; that a
/// page cannot be stored is told and changes nothing.
pub struct Pages {
    page: Option<PathBuf>,
    index: Option<PathBuf>,
}

impl Pages {
    /// Stores them; without an experiment in the directory there are none.
    pub fn store(directory: &RunDirectory) -> Self {
        let file = directory.path().join(EXPERIMENT_FILE);
        if !file.is_file() {
            return Self { page: None, index: None };
        }
        let page = match Experiment::read(&file) {
            Ok(experiment) if experiment.runs.is_empty() => None,
            Ok(experiment) => told(html::store_experiment(&experiment, directory)),
            Err(error) => told(Err(error)),
        };
        Self { page, index: super::index::after(directory) }
    }

    /// Where an error is all that would be told.
    pub fn say_what_is_kept(&self) {
        if let Some(page) = &self.page {
            super::say(&format!("note: what was complete before is kept, and shown in {}", page.display()));
        }
    }

    /// What a footer names: the result first.
    pub fn paths(&self, result: &Path) -> Vec<(String, String)> {
        paths([("result", Some(result)), ("page", self.page.as_deref()), ("index", self.index.as_deref())])
    }
}

fn told(stored: Result<PathBuf, StoreError>) -> Option<PathBuf> {
    if let Err(error) = &stored {
        super::say(&format!("warning: the page is not stored: {error}"));
    }
    stored.ok()
}

/// Those that are there, for a footer.
fn paths<const N: usize>(all: [(&str, Option<&Path>); N]) -> Vec<(String, String)> {
    all.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path?.display().to_string()))).collect()
}

/// Stores what merging needs beside the report.
///
/// # Errors
/// Where the disk is full, or the directory is gone.
pub fn record(record: &crate::run::Record, directory: &RunDirectory) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    record.write(&mut lines)?;
    directory.write_file(RECORD_FILE, &lines)?;
    Ok(())
}

/// Stores the traces that were kept beside the report, if there are any, and says where those for people are. That they cannot be
/// stored is told and changes nothing.
///
/// `for_people` are those that a page of Jaeger's is to list; all are for programs.
pub fn traces(
    kept: &[KeptTrace],
    for_people: impl Fn(&KeptTrace) -> bool,
    directory: &RunDirectory,
) -> Option<PathBuf> {
    let stored = traces::store(kept, for_people, directory);
    if let Err(error) = &stored {
        super::say(&format!("warning: the traces that were kept are not stored: {error}"));
    }
    stored.ok().flatten()
}

/// Writes a file for CI, whole or not at all as far as the system goes.
///
/// # Errors
/// Where it cannot be written.
pub fn junit(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    render(&mut text)
        .and_then(|()| std::fs::write(path, &text))
        .with_context(|| format!("cannot write {} (--junit)", path.display()))
}

/// Numbers that cannot be trusted decide no threshold.
pub fn exit(report: &RunReport, allow_untrusted: bool) -> Exit {
    let not_met = report.thresholds.iter().any(|threshold| threshold.met == Some(false));
    match report.verdict.trusted || allow_untrusted {
        false => Exit::Untrusted,
        true if not_met => Exit::NotMet,
        true => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_page_that_cannot_be_stored_takes_nothing_with_it() {
        let base = tempfile::tempdir().unwrap();
        let report = samples::full();
        let directory = RunDirectory::create(base.path(), "search", report.run.started_unix_us, "1").unwrap();
        let stored = page(&report, &[], &directory).unwrap();
        assert!(std::fs::read_to_string(&stored).unwrap().starts_with("<!DOCTYPE html>"));
        // A directory with something in it is not replaced by a file.
        std::fs::remove_file(&stored).unwrap();
        std::fs::create_dir_all(stored.join("something")).unwrap();
        assert_eq!(page(&report, &[], &directory), None);
        let report_path = directory.write_report(&report).unwrap();
        assert_eq!(crate::report::store::read(&report_path).unwrap(), report);
    }
}
