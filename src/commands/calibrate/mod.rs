//! `calibrate`: drive servers of known delays as `run` would, and compare what comes out with the truth.

mod drive;
mod figures;
mod scenario;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::calibrate::{Scenario, Set, proof};
use crate::cli::CalibrateArgs;
use crate::engine::Stop;
use crate::report::model::{CALIBRATION_SCHEMA, Calibration, Proof};
use crate::report::{json, rfc3339, terminal};
use crate::run::machine;

use super::output::Output;
use super::{Exit, Failure, signals, style};
use drive::Driver;

/// Carries out `calibrate`.
///
/// # Errors
/// Where the system gives no socket, timer or thread, or the file cannot be written.
pub fn run(args: &CalibrateArgs) -> Result<Exit, Failure> {
    args.out.as_deref().map_or(Ok(()), try_to_write)?;
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    let set = if args.quick { Set::Quick } else { Set::Full(args.duration) };
    let mut driver = Driver::new(&stop);
    let mut calibration = scenarios(set, &mut driver)?;
    calibration.figures = Some(figures::all(set, &mut driver)?);
    if let Some(path) = &args.out {
        let written = File::create(path).and_then(|mut file| json::render(&calibration, &mut file));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = Output::stdout();
    if args.json {
        json::render(&calibration, &mut out)?;
    } else {
        terminal::calibration::render(&calibration, style::of_stdout(), &mut out)?;
    }
    Ok(match calibration.proof {
        Proof::Proved => Exit::Done,
        Proof::TooNoisy | Proof::Wrong => Exit::Untrusted,
    })
}

/// The short one of `run --calibrate`: all scenarios, no figures.
///
/// # Errors
/// As [`run`].
pub fn before_a_run(stop: &Stop) -> Result<Calibration, Failure> {
    let calibration = scenarios(Set::Quick, &mut Driver::new(stop))?;
    super::say(&terminal::calibration::sentence(&calibration));
    Ok(calibration)
}

fn scenarios(set: Set, driver: &mut Driver<'_>) -> Result<Calibration, Failure> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let scenarios = Scenario::all(set)
        .iter()
        .map(|scenario| scenario::measure(scenario, &scenario.script(scenario::SEED), driver))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: rfc3339(u64::try_from(started.as_micros()).unwrap_or(u64::MAX)),
        machine: machine::describe(),
        proof: proof(scenarios.iter().flat_map(|scenario| &scenario.rows)),
        scenarios,
        figures: None,
    })
}

/// Before anything is measured, so that a bad path costs no three minutes. What is there stays as it is until there
/// is something to put in its place.
fn try_to_write(path: &Path) -> Result<(), Failure> {
    let was_there = path.exists();
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.with_context(|| format!("cannot write {}; name another --out", path.display()))?;
    if !was_there {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
