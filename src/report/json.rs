//! The report as JSON: the very file.

use std::io::{self, Write};

use super::model::RunReport;

/// Writes it, indented, with a line's end after it.
///
/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::from)?;
    writeln!(out)
}
