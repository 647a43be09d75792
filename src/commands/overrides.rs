//! From the flags of a run to settings over the workload file.

use crate::cli::RunArgs;
use crate::workload::Override;

use super::Failure;

/// What flags say over the workload file: the shortcuts, then every `--set`.
///
/// # Errors
/// A usage failure where a `--set` is not `key=value`.
pub fn of(args: &RunArgs) -> Result<Vec<Override>, Failure> {
    let shortcuts = [
        ("--uri", "target.uri", &args.uri),
        ("--rate", "load.rate", &args.rate),
        ("--concurrency", "load.concurrency", &args.concurrency),
        ("--duration", "load.duration", &args.duration),
        ("--sample-fraction", "trace.sample_fraction", &args.sample_fraction),
    ];
    let mut all: Vec<_> = shortcuts
        .into_iter()
        .filter_map(|(flag, key, value)| Some(Override::flag(flag, key, value.as_ref()?)))
        .collect();
    for argument in &args.set {
        all.push(Override::set(argument).map_err(Failure::usage)?);
    }
    Ok(all)
}
