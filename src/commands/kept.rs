//! Traces that a run has kept.

use std::fs::File;
use std::path::Path;

use crate::trace::kept::{KeptTrace, TRACES_OTLP_FILE, read_otlp};

/// The traces that were kept beside a report or a record; none where there is no such file. One that cannot be read is told and left out.
pub(super) fn beside(file: &Path) -> Vec<KeptTrace> {
    let path = file.with_file_name(TRACES_OTLP_FILE);
    let Ok(file) = File::open(&path) else { return Vec::new() };
    read_otlp(file).unwrap_or_else(|error| {
        super::say(&format!("warning: {} is left out: {error}", path.display()));
        Vec::new()
    })
}
