//! JSON: the very file.

use std::io::{self, Write};

use serde::Serialize;

/// Writes a report or a calibration, indented, with a line's end after it.
///
/// # Errors
/// Where the writer fails.
pub fn render(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}
