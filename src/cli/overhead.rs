//! `overhead`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::experiment::ExperimentArgs;
use crate::report::experiment::overhead::Mode;
use crate::units::{Fraction, Nanos, parse_duration};

/// `overhead`.
#[derive(Debug, Args)]
pub struct OverheadArgs {
    /// The workload.
    #[command(flatten)]
    pub common: ExperimentArgs,
    /// Sample fractions to compare with off [default: 1 and 0.1; in less than 15 minutes 1 alone]
    #[arg(long, value_name = "F,F", value_delimiter = ',', value_parser = fraction)]
    pub fractions: Vec<Fraction>,
    /// Who traces: the client, the server, or both as in production
    #[arg(long, value_enum, default_value_t = ModeArg::Both)]
    pub mode: ModeArg,
    /// What all slots take together, warm-up included
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = time)]
    pub budget: Nanos,
    /// What is measured of each slot [default: 5s, one tick of the server's exporters]
    #[arg(long, value_name = "TIME", value_parser = slot)]
    pub slot: Option<Nanos>,
    /// What is discarded at the start of each slot [default: 5.5s, until the last one's spans are exported]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub washout: Option<Nanos>,
    /// Go on with the experiment in this directory: its slots count as so many more blocks
    #[arg(long, value_name = "DIR", conflicts_with_all = ["fractions", "mode", "slot", "washout", "seed"])]
    pub resume: Option<PathBuf>,
    /// The other experiment: the server's own sampleFraction, with no header sent, in pairs of starts. The embedded server is started anew
    /// by the experiment; one that is named, by you, when you are asked to
    #[arg(long, value_name = "F", value_parser = fraction, conflicts_with_all = ["fractions", "mode", "slot", "washout", "resume", "budget"])]
    pub server_fraction: Option<Fraction>,
    /// Starts of the server at either fraction, for --server-fraction; the window of each is load.duration
    #[arg(long, value_name = "N", default_value_t = 5, requires = "server_fraction", value_parser = clap::value_parser!(u16).range(5..=1_000))]
    pub starts: u16,
    /// Where the experiment's collector listens, for a server that is named to export to, so that its spans can be counted [default: a free
    /// port of 127.0.0.1]
    #[arg(long, value_name = "IP:PORT")]
    pub collector_listen: Option<SocketAddr>,
    /// Exit 0 even where something speaks against the numbers
    #[arg(long)]
    pub allow_untrusted: bool,
}

/// [`Mode`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// The client builds and exports spans; the server is told not to trace
    Client,
    /// The server is told to trace; the client builds no spans
    Server,
    /// Both
    Both,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Client => Self::Client,
            ModeArg::Server => Self::Server,
            ModeArg::Both => Self::Both,
        }
    }
}

fn fraction(text: &str) -> Result<Fraction, String> {
    text.trim()
        .parse::<f64>()
        .map_err(|error| error.to_string())
        .and_then(|number| Fraction::new(number).map_err(|error| error.to_string()))
}

/// In a shorter one no request or two would be all that there is.
fn slot(text: &str) -> Result<Nanos, String> {
    time(text).and_then(|slot| match slot >= Nanos::from_millis(100) {
        true => Ok(slot),
        false => Err("a slot takes 100ms or more".to_owned()),
    })
}

fn time(text: &str) -> Result<Nanos, String> {
    let time = parse_duration(text).map(Nanos::from).map_err(|error| error.to_string())?;
    match time > Nanos::from_secs(7 * 24 * 3_600) {
        true => Err("that is more than a week".to_owned()),
        false => Ok(time),
    }
}
