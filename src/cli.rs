//! The command line: definitions only.

pub mod capacity;
mod compare;
mod doctor;
pub mod experiment;
pub mod overhead;
pub mod sweep;

use std::path::PathBuf;

use crate::commands::embedded::EmbeddedCommand;
use crate::units::{Nanos, parse_duration, parse_rfc3339};
use crate::workload::TemplateKind;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use compare::{CompareArgs, ComparisonFormat, RepeatArgs};
pub use doctor::DoctorArgs;

/// More processes than anybody starts for one run.
const MOST_SHARDS: u32 = 10_000;

/// Load generator and latency benchmark for the Milvus vector database, every request traced.
#[derive(Debug, Parser)]
#[command(name = "milvus-load", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Start here:\n  milvus-load init search > search.toml\n  milvus-load run search.toml\n\n\
    Exit codes: 0 done; 1 could not run; 2 usage or workload file; 3 a threshold not met, or a regression;\n\
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
    Run(Box<RunArgs>),
    /// List the slowest requests of a report, and show where the time of each went
    #[command(
        after_help = "A run keeps traces beside its report: traces.otlp.json.gz, which this command reads, and \
        traces.json, which Jaeger's page opens (Upload). --fetch asks Jaeger instead.\n\n  \
        milvus-load slow latest\n  \
        milvus-load slow latest --trace 1\n\n\
        Environment: MILVUS_LOAD_JAEGER_HEADERS, for a Jaeger behind a login: name=value,name=value,\n\
        percent-encoded, such as authorization=Bearer%20TOKEN."
    )]
    Slow(SlowArgs),
    /// Prove the measurement on this machine, against a built-in server whose delays are known
    #[command(
        after_help = "Compares measured percentiles with true ones, beside this machine's own noise, and tells what the\n\
        machine can do: smallest service time, pacing, highest rate, CPU per request. Takes under 3 minutes,\n\
        --quick under 30 s; longer where a scenario has to be repeated.\n\n\
        Exit codes: 0 proved; 4 wrong, or the machine is too noisy to say."
    )]
    Calibrate(CalibrateArgs),
    /// Compare runs: what changed, how sure that is, and an exit code for CI
    #[command(
        after_help = "One run of each tells of these runs alone: how far runs differ from each other is unknown. At least 5 of\n\
        each, mixed in time, tell of the two; run --repeat 5 --against makes them and compares them.\n\n\
        Exit codes: 0 compared, or a change for the worse beyond --fail-above is excluded; 2 workload or server\n\
        differ, or too few runs for --fail-above; 3 worse by more than --fail-above; 4 too noisy to say, or runs\n\
        that cannot be trusted."
    )]
    Compare(CompareArgs),
    /// Render a report in another format, or list all reports in a page
    Report(ReportArgs),
    /// Make one report out of those of a run's shards, exactly
    #[command(
        after_help = "Shards are runs of one workload with the same --run-id and --start-at. Once, beforehand:\n\n  \
        milvus-load run W.toml --uri URI --prepare-only\n\n\
        On one machine, and with --shard 1/2 on another:\n\n  \
        milvus-load run W.toml --uri URI --shard 0/2 --run-id a1 --start-at 2026-01-31T12:00:00Z\n\n\
        Then:\n\n  \
        milvus-load merge reports/W/*-a1-*of2\n\n\
        Exit codes as those of run."
    )]
    Merge(MergeArgs),
    /// Run a workload at every combination of some settings: a table, a curve
    #[command(
        after_help = "The whole grid, in random order, every point twice and the first one throughout, so that\n\
        drift shows. Every run's report is kept. A sweep that was stopped goes on with\n\n  \
        milvus-load sweep W.toml --resume DIR\n\n\
        Exit codes: 4 a point has no run that can be trusted; else those of run. Thresholds decide nothing."
    )]
    Sweep(sweep::SweepArgs),
    /// Find the highest rate that holds a service level
    #[command(
        after_help = "One window after the other, each at a rate that those before ask for, until it is known at\n\
        which rate half of all windows hold. Every probe's report is kept.\n\n\
        Exit codes: 0 found; 3 it holds at no rate; 4 the generator gave up first, the budget was too\n\
        short, or the probes cannot be trusted; else those of run."
    )]
    Capacity(capacity::CapacityArgs),
    /// Measure what tracing costs at each sample fraction
    #[command(
        after_help = "One load without a pause, cut into slots that are traced or not in random order: off, off again, and\n\
        each fraction, in every block. The number of blocks is what the budget holds, and nothing is decided\n\
        before the last one. Ctrl-C leaves a report of the complete blocks, to go on from with --resume.\n\n\
        Exit codes: 0 done; 4 the numbers cannot be trusted; else those of run."
    )]
    Overhead(overhead::OverheadArgs),
    /// Find out why no trace shows up: checks Milvus, the collector and Jaeger, one fix per failure
    #[command(
        after_help = "Sends some 300 GetVersion calls with and without a traceparent header and looks for their spans: in Jaeger, \
        or in a collector of its own where the embedded Milvus, or --collector-listen, lets Milvus export to it.\n\
        Endpoint and Jaeger are those of a run: trace.otlp_endpoint, trace.jaeger_ui, the OTEL_* variables.\n\n\
        Exit codes: 0 nothing is broken; 1 something is, or it could not be examined."
    )]
    Doctor(DoctorArgs),
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
    /// Write JUnit XML to this file, with a test case for each threshold and one for the verdict
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "prepare_only", "shard"])]
    pub junit: Option<PathBuf>,
    /// End the run once so many requests did not succeed that a threshold can no longer be met (open loop)
    #[arg(long, conflicts_with_all = ["dry_run", "prepare_only", "shard"])]
    pub abort_early: bool,
    /// Make the collection ready and end, before the shards of a run are started
    #[arg(long, conflicts_with_all = ["dry_run", "json", "calibrate", "keep"])]
    pub prepare_only: bool,
    /// Carry out one part of a run of several processes: number K, from 0, of N
    #[arg(long, env = "MILVUS_LOAD_SHARD", value_name = "K/N", value_parser = shard, requires_all = ["run_id", "start_at"])]
    pub shard: Option<(u32, u32)>,
    /// What all shards of a run are called, in letters, digits, - and _
    #[arg(long, env = "MILVUS_LOAD_RUN_ID", value_name = "ID", value_parser = run_id, requires = "shard")]
    pub run_id: Option<String>,
    /// When all shards start to warm up, such as 2026-01-31T12:00:00Z; one that is not ready by then sends nothing
    #[arg(long, env = "MILVUS_LOAD_START_AT", value_name = "RFC3339", value_parser = parse_rfc3339, requires = "shard")]
    pub start_at: Option<Nanos>,
    /// Prove the measurement on this machine first (some 20 s), as `milvus-load calibrate --quick` does
    #[arg(long)]
    pub calibrate: bool,
    /// Several runs instead of one.
    #[command(flatten)]
    pub repeat: RepeatArgs,
}

/// What `--shard`, `--run-id` and `--start-at` say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartArgs<'a> {
    /// K, from 0.
    pub index: u32,
    /// N.
    pub of: u32,
    /// Of the run.
    pub run_id: &'a str,
    /// Nanoseconds since 1970.
    pub start_at_unix_ns: u64,
}

impl RunArgs {
    /// The part of a run that is asked for; `None`: a whole run.
    pub fn part(&self) -> Option<PartArgs<'_>> {
        let ((index, of), run_id, start_at) = (self.shard?, self.run_id.as_deref()?, self.start_at?);
        Some(PartArgs { index, of, run_id, start_at_unix_ns: start_at.get() })
    }
}

/// `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The shards' reports: their directories, or a report.json in each
    #[arg(value_name = "REPORT", required = true)]
    pub reports: Vec<String>,
    /// Directory for reports.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "reports",
        help = "Directory for reports: the merged one goes to DIR/<name>/<time>-<run ID>"
    )]
    pub out: PathBuf,
    /// Print the report as JSON on standard output instead of the summary
    #[arg(long)]
    pub json: bool,
    /// Merge what is there where shards are missing; the verdict names them
    #[arg(long)]
    pub allow_missing: bool,
    /// Exit 0 even where the verdict says that the numbers cannot be trusted
    #[arg(long)]
    pub allow_untrusted: bool,
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
    /// Draw one request's trace, with its critical path marked
    #[arg(
        long,
        value_name = "ID",
        help = "Draw one request's trace, with its critical path marked: its number in the list, or the beginning of its trace ID"
    )]
    pub trace: Option<String>,
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
    /// Write index.html, a page that lists all reports.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        conflicts_with_all = ["report", "format"],
        help = "Write DIR/index.html, a page that lists all reports in DIR and how their numbers changed [default: that of --out]; a run \
                brings it up to date by itself"
    )]
    pub index: Option<Option<PathBuf>>,
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
    /// A summary for CI jobs; of an experiment, all that it found
    Markdown,
    /// A page to look at, in one file that needs no network
    Html,
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
    /// experiment.json
    Experiment,
    /// What doctor --json prints
    Diagnosis,
}

/// A window in which every percentile up to p99 has enough samples.
fn calibration_window(text: &str) -> Result<Nanos, String> {
    let window = Nanos::from(parse_duration(text).map_err(|error| error.to_string())?);
    if window < Nanos::from_secs(3) || window > Nanos::from_secs(600) {
        return Err("a window is 3s to 10m: in a shorter one p99 has too few samples".to_owned());
    }
    Ok(window)
}

/// `K/N`, with K from 0 and below N.
fn shard(text: &str) -> Result<(u32, u32), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((index, of)) if index < of && of <= MOST_SHARDS => Ok((index, of)),
        Some((_, of)) if of == 0 || of > MOST_SHARDS => Err(format!("there are 1 to {MOST_SHARDS} shards")),
        Some((_, of)) => Err(format!("shards are counted from 0: the last of {of} is {}/{of}", of - 1)),
        None => Err("write K/N, such as 0/4 for the first of four".to_owned()),
    }
}

/// What can be a part of a directory's name everywhere.
fn run_id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (1..=64).contains(&text.len()) && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("a run ID has 1 to 64 letters, digits, - and _".to_owned()),
    }
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
    fn a_shard_is_told_whole_or_not_at_all() {
        let run = |args: &[&str]| {
            Cli::try_parse_from([&["milvus-load", "run", "w.toml"], args].concat()).map_err(|e| e.to_string())
        };
        let (id, start) = (["--run-id", "a-1"], ["--start-at", "2026-01-31T12:00:00.5Z"]);
        let whole = run(&[&["--shard", "1/4"], &id[..], &start[..]].concat()).unwrap();
        let Command::Run(args) = whole.command else { panic!("{whole:?}") };
        let part = PartArgs { index: 1, of: 4, run_id: "a-1", start_at_unix_ns: 1_769_860_800_500_000_000 };
        assert_eq!(args.part(), Some(part));
        assert!(run(&["--shard", "1/4"]).is_err() && run(&id).is_err() && run(&start).is_err());
        let wrong = |shard: &str| run(&[&["--shard", shard], &id[..], &start[..]].concat()).unwrap_err();
        assert!(wrong("4/4").contains("3/4"), "{}", wrong("4/4"));
        for (shard, words) in [("1", "K/N"), ("0/0", "1 to"), ("0/99999", "1 to")] {
            assert!(wrong(shard).contains(words), "{}", wrong(shard));
        }
    }

    #[test]
    fn rate_and_concurrency_exclude_each_other() {
        assert!(
            Cli::try_parse_from(["milvus-load", "run", "w.toml", "--rate", "1", "--concurrency", "1"])
                .is_err()
        );
    }
}
