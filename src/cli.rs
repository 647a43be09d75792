//! The command line: definitions only.

use std::path::PathBuf;

use crate::commands::embedded::EmbeddedCommand;
use crate::units::{Nanos, parse_duration};
use crate::workload::TemplateKind;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Load generator and latency benchmark for the Milvus vector database, every request traced.
#[derive(Debug, Parser)]
#[command(name = "milvus-load", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Start here:\n  milvus-load init search > search.toml\n  milvus-load run search.toml\n\n\
    Exit codes: 0 done; 1 could not run; 2 usage or workload file; 3 a threshold not met;\n\
    4 the numbers cannot be trusted; 130 interrupted, 143 terminated (partial report written)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a workload and report its latency; with no target named, on an embedded Milvus
    #[command(
        after_help = "Environment: MILVUS_URI, MILVUS_TOKEN (user:password or an API key), and the standard OTEL_*\n\
        variables. A flag or --set beats the environment, which beats the workload file. --dry-run shows\n\
        which of them each setting comes from."
    )]
    Run(RunArgs),
    /// List the slowest requests of a report with their trace IDs and Jaeger links
    Slow(SlowArgs),
    /// Prove the measurement on this machine, against a built-in server whose delays are known
    #[command(
        after_help = "Compares measured percentiles with true ones, beside this machine's own noise, and tells what the\n\
        machine can do: smallest service time, pacing, highest rate, CPU per request. Takes under 3 minutes,\n\
        --quick under 30 s; longer where a scenario has to be repeated.\n\n\
        Exit codes: 0 proved; 4 wrong, or the machine is too noisy to say."
    )]
    Calibrate(CalibrateArgs),
    /// Render a report in another format
    Report(ReportArgs),
    /// Manage the local Milvus that runs use when no target is named
    Embedded {
        /// What to do with it.
        #[command(subcommand)]
        action: EmbeddedCommand,
    },
    /// Print a commented workload file to start from
    Init(InitArgs),
    /// Print the JSON Schema of a file format
    Schema {
        /// Which format.
        what: SchemaKind,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workload file (TOML); `milvus-load init` writes one
    #[arg(value_name = "WORKLOAD.toml")]
    pub workload: PathBuf,
    /// Set any key of the workload file, such as --set load.rate=200; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where Milvus is.
    // Help texts of their own: brackets mean something else in documentation.
    #[arg(long, value_name = "URI", help = "Where Milvus is: http(s)://host[:port][/database] or host:port")]
    pub uri: Option<String>,
    /// Open loop: requests per second
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<String>,
    /// Closed loop: requests under way at once
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    pub concurrency: Option<String>,
    /// Length of the measured window, such as 30s
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Share of requests that are traced, 0 to 1
    #[arg(long, value_name = "FRACTION")]
    pub sample_fraction: Option<String>,
    /// Directory for reports.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "reports",
        help = "Directory for reports: the run writes to DIR/<name>/<time>-<id>"
    )]
    pub out: PathBuf,
    /// Print the report as JSON on standard output instead of the summary
    #[arg(long)]
    pub json: bool,
    /// Show what would be done and where each setting comes from; touches no server
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the embedded Milvus of this run running, for `milvus-load embedded`
    #[arg(long)]
    pub keep: bool,
    /// Exit 0 even where the verdict says that the numbers cannot be trusted
    #[arg(long)]
    pub allow_untrusted: bool,
    /// Prove the measurement on this machine first (some 20 s), as `milvus-load calibrate --quick` does
    #[arg(long)]
    pub calibrate: bool,
}

/// `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Shorter windows: less is proved of the tail
    #[arg(long, conflicts_with = "duration")]
    pub quick: bool,
    /// Length of each scenario's window.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = calibration_window,
        help = "Length of each scenario's window, 3s to 10m; from 100s on p99.9 is judged too [default: 15s, stalls 50s]"
    )]
    pub duration: Option<Nanos>,
    /// Print the calibration as JSON on standard output instead of the table
    #[arg(long)]
    pub json: bool,
    /// Write the JSON to this file too
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Where a report is.
#[derive(Debug, Args)]
pub struct ReportPath {
    /// A run's directory, a report.json, `latest`, or `latest~1` for the one before
    #[arg(value_name = "REPORT", default_value = "latest")]
    pub report: String,
    /// Directory that holds the reports, for `latest`
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
}

/// `slow`.
#[derive(Debug, Args)]
pub struct SlowArgs {
    /// Which report.
    #[command(flatten)]
    pub report: ReportPath,
    /// How many requests to list
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub number: usize,
    /// Ask Jaeger for each trace and show what is in it
    #[arg(long)]
    pub fetch: bool,
    /// Jaeger's address; default: the one the run was made with
    #[arg(long, value_name = "URL")]
    pub jaeger: Option<String>,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which report.
    #[command(flatten)]
    pub report: ReportPath,
    /// What to render it as
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
}

/// The forms that a report can be had in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// report.json itself
    Json,
    /// One row per operation and interval, and one per operation for the whole run
    Csv,
    /// HdrHistogram interval log, for HdrHistogram's own tools
    Hlog,
    /// Not built yet
    #[value(hide = true)]
    Html,
    /// Not built yet
    #[value(hide = true)]
    Markdown,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What the workload does
    #[arg(default_value = "search", value_parser = PossibleValuesParser::new(TemplateKind::ALL.map(TemplateKind::name)).try_map(template_kind))]
    pub kind: TemplateKind,
    /// Write to this new file instead of standard output; an existing one is never overwritten
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Formats with a published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// report.json
    Report,
    /// The workload file
    Workload,
    /// What calibrate --json prints
    Calibration,
}

/// A window in which every percentile up to p99 has enough samples.
fn calibration_window(text: &str) -> Result<Nanos, String> {
    let window = Nanos::from(parse_duration(text).map_err(|error| error.to_string())?);
    if window < Nanos::from_secs(3) || window > Nanos::from_secs(600) {
        return Err("a window is 3s to 10m: in a shorter one p99 has too few samples".to_owned());
    }
    Ok(window)
}

fn template_kind(name: String) -> Result<TemplateKind, String> {
    TemplateKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_list_of_nothing_is_refused() {
        let slow = |number| Cli::try_parse_from(["milvus-load", "slow", "latest", "-n", number]);
        assert!(slow("0").is_err() && slow("1").is_ok());
    }

    #[test]
    fn rate_and_concurrency_exclude_each_other() {
        assert!(
            Cli::try_parse_from(["milvus-load", "run", "w.toml", "--rate", "1", "--concurrency", "1"])
                .is_err()
        );
    }
}
