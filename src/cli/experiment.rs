//! What experiments of runs have in common on the command line.

use std::path::PathBuf;

use clap::Args;

/// A workload, what is said over it, and where the results go.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// The workload file (TOML)
    #[arg(value_name = "WORKLOAD.toml")]
    pub workload: PathBuf,
    /// Set any key of the workload file, such as --set load.connections=8; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where Milvus is.
    #[arg(long, value_name = "URI", help = "Where Milvus is: http(s)://host[:port][/database] or host:port")]
    pub uri: Option<String>,
    /// Directory for reports.
    #[arg(long, value_name = "DIR", default_value = "reports", help = "Directory for reports")]
    pub out: PathBuf,
    /// Decides everything that is drawn; by default a new one, which is told
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print the result as JSON on standard output instead of the tables
    #[arg(long)]
    pub json: bool,
}
