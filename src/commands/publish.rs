//! What `run` and `merge` do with a report: show it, store it, and end as it says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::record::{JOURNAL_FILE, RECORD_FILE};
use crate::report::store::RunDirectory;
use crate::report::terminal::{self, Footer};
use crate::report::{RunReport, json};
use crate::trace::kept::{KeptTrace, TRACES_FILE, TRACES_OTLP_FILE, write_jaeger, write_otlp};

use super::output::Output;
use super::{Exit, Failure, style};

/// Shows the results, and where the traces that were kept are; then stores them: a full disk takes the file, not the numbers, which go to standard output whole.
///
/// # Errors
/// Where the report is not stored, or standard output fails.
pub fn report(
    report: &RunReport,
    as_json: bool,
    directory: &RunDirectory,
    traces: Option<&Path>,
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
    shown?;
    if !as_json {
        let footer = Footer {
            paths: [("report", Some(&*path)), ("traces", traces)]
                .into_iter()
                .filter_map(|(name, path)| Some((name.to_owned(), path?.display().to_string())))
                .collect(),
            next: Some(format!("milvus-load slow {}", directory.path().display())),
        };
        terminal::footer(&footer, style, &mut out)?;
    }
    Ok(())
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
pub fn traces(kept: &[KeptTrace], directory: &RunDirectory) -> Option<PathBuf> {
    if kept.is_empty() {
        return None;
    }
    let stored = store_traces(kept, directory);
    if let Err(error) = &stored {
        super::say(&format!("warning: the traces that were kept are not stored: {error:#}"));
    }
    stored.ok()
}

fn store_traces(kept: &[KeptTrace], directory: &RunDirectory) -> anyhow::Result<PathBuf> {
    let (mut for_people, mut for_programs) = (Vec::new(), Vec::new());
    write_jaeger(kept, &mut for_people)?;
    let path = directory.write_file(TRACES_FILE, &for_people)?;
    write_otlp(kept, &mut for_programs)?;
    directory.write_file(TRACES_OTLP_FILE, &for_programs)?;
    Ok(path)
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
