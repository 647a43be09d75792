//! `capacity`.

use clap::Args;

use super::experiment::ExperimentArgs;
use crate::units::Nanos;

/// `capacity`.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// The workload.
    #[command(flatten)]
    pub common: ExperimentArgs,
    /// What must hold, as in the workload's thresholds; default: those.
    #[arg(
        long,
        value_name = "CONDITIONS",
        help = "What must hold, as in the workload's thresholds, which it replaces: 'search.response.p99 < 20ms, errors < 0.1%'"
    )]
    pub slo: Option<String>,
    /// The rate of the first probe, per second; default: that of the workload
    #[arg(long, value_name = "PER_SECOND")]
    pub start_rate: Option<String>,
    /// Length of each probe's window; what is found is the rate at which half of such windows hold
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = window)]
    pub window: Nanos,
    /// What all probes take together at most
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = time)]
    pub budget: Nanos,
}

fn time(text: &str) -> Result<Nanos, String> {
    crate::units::parse_duration(text).map(Nanos::from).map_err(|error| error.to_string())
}

fn window(text: &str) -> Result<Nanos, String> {
    let window = time(text)?;
    match window >= Nanos::from_millis(500) && window <= Nanos::from_secs(3_600) {
        true => Ok(window),
        false => Err("a window is 500ms to 1h; 20s is what the result is defined by elsewhere".to_owned()),
    }
}
