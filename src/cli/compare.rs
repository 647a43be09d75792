//! What can be typed for comparing runs.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What to compare, the baseline first.
    #[arg(
        value_name = "REPORT",
        required = true,
        help = "What to compare, the baseline first: each a report (a run's directory, a report.json, latest, latest~1) or a \
                directory of several runs of one kind; alone: an experiment of run --repeat --against"
    )]
    pub reports: Vec<String>,
    /// Directory that holds the reports, for `latest`
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
    /// The number that decides, such as search.response.p99 or search.succeeded_per_s [default: response p50]
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Exit 3 where that number is worse by more than this, such as 5%
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub fail_above: Option<f64>,
    /// Let --fail-above decide on one run of each, as if runs did not differ from each other
    #[arg(long, requires = "fail_above")]
    pub single_run: bool,
    /// Let --fail-above decide where all runs of one side came after those of the other
    #[arg(long, requires = "fail_above")]
    pub allow_drift: bool,
    /// Compare although workload or server differ: in anything, or in these keys alone
    #[arg(
        long,
        value_name = "KEY,...",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "",
    )]
    pub allow_differences: Option<Vec<String>>,
    /// What to print
    #[arg(long, value_enum, default_value_t = ComparisonFormat::Text, conflicts_with = "json")]
    pub format: ComparisonFormat,
    /// Print the comparison as JSON, the same as --format json
    #[arg(long)]
    pub json: bool,
    /// Exit 0 even where runs cannot be trusted or are too noisy to say
    #[arg(long)]
    pub allow_untrusted: bool,
}

/// The forms that a comparison is printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ComparisonFormat {
    /// For a terminal
    Text,
    /// For the summary of a CI job
    Markdown,
    /// A page to look at, in one file that needs no network
    Html,
    /// experiment.json
    Json,
}

/// What of `run` is about several runs.
#[derive(Debug, Args)]
pub struct RepeatArgs {
    /// Carry out N runs, and tell how far they lie apart; with --against N of each, in pairs of random order, and compare them
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<u32>::new().range(2..=1_000),
        conflicts_with_all = ["shard", "prepare_only", "dry_run", "calibrate", "junit", "abort_early"]
    )]
    pub repeat: Option<u32>,
    /// Another workload file to compare with
    #[arg(long, value_name = "B.toml", requires = "repeat")]
    pub against: Option<PathBuf>,
    /// The same workload with another setting to compare with; can be repeated
    #[arg(long = "against-set", value_name = "KEY=VALUE", requires = "repeat")]
    pub against_set: Vec<String>,
    /// Seed of the order of runs, to have it again
    #[arg(long, value_name = "N", requires = "repeat")]
    pub seed: Option<u64>,
    /// With --against: the number that decides, such as search.response.p99 [default: response p50]
    #[arg(long, value_name = "METRIC", requires = "repeat")]
    pub metric: Option<String>,
    /// With --against: exit 3 where that number is worse by more than this, such as 5%
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "repeat")]
    pub fail_above: Option<f64>,
}

impl RepeatArgs {
    /// Whether there is something to compare with.
    pub const fn is_comparison(&self) -> bool {
        self.against.is_some() || !self.against_set.is_empty()
    }
}

/// `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let number =
        |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text).filter(|share| *share < 1.0),
    }
    .ok_or_else(|| "write a share such as 5% or 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn compare(arguments: &[&str]) -> Result<CompareArgs, clap::Error> {
        match Cli::try_parse_from([&["milvus-load", "compare"], arguments].concat())?.command {
            Command::Compare(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_share_is_percent_or_less_than_one() {
        assert_eq!((share("5%"), share("5 %"), share("0.05")), (Ok(0.05), Ok(0.05), Ok(0.05)));
        for text in ["5", "-1%", "x", "", "%", "inf"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn differences_are_allowed_all_or_by_name() {
        assert_eq!(compare(&["a", "b"]).unwrap().allow_differences, None);
        let all = compare(&["--allow-differences", "a", "b"]).unwrap();
        assert_eq!((all.allow_differences, all.reports.len()), (Some(vec![String::new()]), 2));
        let named = compare(&["a", "b", "--allow-differences=server.version,load"]).unwrap();
        assert_eq!(named.allow_differences.unwrap(), ["server.version", "load"]);
        assert!(compare(&[]).is_err() && compare(&["a", "b", "--single-run"]).is_err());
    }

    #[test]
    fn what_is_about_several_runs_needs_several() {
        let run = |arguments: &[&str]| {
            Cli::try_parse_from([&["milvus-load", "run", "w.toml"], arguments].concat()).map(drop)
        };
        assert!(run(&["--against", "b.toml"]).is_err() && run(&["--repeat", "1"]).is_err());
        assert!(run(&["--repeat", "5", "--against", "b.toml", "--seed", "7", "--fail-above", "5%"]).is_ok());
        assert!(run(&["--repeat", "5", "--dry-run"]).is_err());
    }
}
