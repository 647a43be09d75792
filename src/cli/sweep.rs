//! `sweep`.

use std::path::PathBuf;

use clap::Args;

use super::experiment::ExperimentArgs;
use crate::experiment::sweep::Axis;

/// `sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// The workload.
    #[command(flatten)]
    pub common: ExperimentArgs,
    /// A key of the workload file and the values to give it, such as load.concurrency=1,4,16; can be repeated
    #[arg(long, value_name = "KEY=A,B,...", required_unless_present = "resume")]
    pub vary: Vec<Axis>,
    /// Length of each run's measured window, such as 30s
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Go on with a sweep that was stopped: the directory of its experiment.json
    #[arg(long, value_name = "DIR", conflicts_with = "seed")]
    pub resume: Option<PathBuf>,
    /// Exit 0 even where a point has no run that can be trusted
    #[arg(long)]
    pub allow_untrusted: bool,
}
