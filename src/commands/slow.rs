//! `slow`: the slowest requests of a report, with their trace IDs and links.

use std::io::Write;

use crate::cli::SlowArgs;

use super::{Exit, Failure};

/// Carries out `slow`.
///
/// # Errors
/// Where the report cannot be found or read, or `out` fails.
pub fn run(_args: &SlowArgs, _out: &mut dyn Write) -> Result<Exit, Failure> {
    Err(Failure::usage(anyhow::anyhow!("slow is not built yet")))
}
