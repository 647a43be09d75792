//! `milvus-load report REPORT --format ...`: a stored report in another form.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::Format;
use crate::report::experiment::{EXPERIMENT_FILE, Experiment};
use crate::report::{csv, hlog, html, json, markdown};
use crate::run::read_report;

/// Why there is no rendering.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report cannot be found or read.
    #[error("{0:#}")]
    Unread(anyhow::Error),
    /// Standard output was closed, or its disk is full.
    #[error("cannot write the report: {0}")]
    Output(#[from] io::Error),
    /// A format that only runs have.
    #[error("an experiment has no --format {0}: use html, json or markdown, or name one of its runs")]
    OfRunsAlone(&'static str),
}

/// Finds `reference` (a directory, a file, `latest`, `latest~N` under `base`; an experiment's directory or file) and writes it to
/// `out` in `format`.
///
/// # Errors
/// Where the report cannot be found or read, or `out` fails.
pub fn run(reference: &str, base: &Path, format: Format, out: &mut dyn Write) -> Result<(), ReportError> {
    if let Some(file) = experiment_file(reference) {
        return experiment(&file, format, out);
    }
    let render = match format {
        Format::Json => json::render,
        Format::Csv => csv::render,
        Format::Hlog => hlog::render,
        Format::Html => {
            let (report, path) = read_report(reference, base).map_err(ReportError::Unread)?;
            return Ok(html::render(&report, &super::kept::beside(&path), out)?);
        }
        Format::Markdown => markdown::render,
    };
    let (report, _) = read_report(reference, base).map_err(ReportError::Unread)?;
    Ok(render(&report, out)?)
}

/// The file of the experiment that is meant; `None`: none is.
fn experiment_file(reference: &str) -> Option<PathBuf> {
    let path = Path::new(reference);
    let file = match path.file_name().is_some_and(|name| name == EXPERIMENT_FILE) {
        true => path.to_owned(),
        false => path.join(EXPERIMENT_FILE),
    };
    file.is_file().then_some(file)
}

fn experiment(file: &Path, format: Format, out: &mut dyn Write) -> Result<(), ReportError> {
    let read = || Experiment::read(file).map_err(|error| ReportError::Unread(error.into()));
    match format {
        Format::Json => json::render(&read()?, out)?,
        Format::Markdown => read()?.document().markdown(out)?,
        Format::Csv => return Err(ReportError::OfRunsAlone("csv")),
        Format::Hlog => return Err(ReportError::OfRunsAlone("hlog")),
        Format::Html => {
            let runs = file.parent().map_or_else(html::Runs::nowhere, html::Runs::beside);
            html::render_experiment(&read()?, &runs, out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{LoadKind, Run, State};
    use crate::report::{RunReport, store};

    #[test]
    fn the_latest_report_is_written_in_the_format_asked_for() {
        let base = tempfile::tempdir().unwrap();
        let run_info = Run {
            id: "1".into(),
            name: "search".into(),
            command: "run".into(),
            version: "0".into(),
            started: "2023-11-14T22:13:20.000Z".into(),
            started_unix_us: 1_700_000_000_000_000,
            measured_s: 1.0,
            load_model: LoadKind::Closed,
            state: State::Complete,
        };
        let directory =
            store::RunDirectory::create(base.path(), "search", run_info.started_unix_us, "1").unwrap();
        let path = directory.write_report(&RunReport::new(run_info)).unwrap();
        let written = |format| {
            let mut out = Vec::new();
            run("latest", base.path(), format, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Format::Json), std::fs::read_to_string(path).unwrap());
        assert!(written(Format::Markdown).starts_with("## search"));
        assert!(written(Format::Csv).starts_with("scope,start_s,length_s,operation,"));
        assert!(written(Format::Html).starts_with("<!DOCTYPE html>"));
        assert!(written(Format::Hlog).contains("#[Histogram log format version 1.3]"));
    }
}
