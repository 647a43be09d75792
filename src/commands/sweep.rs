//! `sweep`: read the workload at every point, get a server, run what is missing, show the table.

use std::path::Path;

use crate::cli::sweep::SweepArgs;
use crate::engine::Stop;
use crate::experiment::Site;
use crate::experiment::sweep::{self, Axis, Design, Grid, Sweeping, in_minutes};
use crate::report::experiment::{EXPERIMENT_FILE, Experiment};
use crate::report::store::RunDirectory;
use crate::run::Settings;
use crate::workload::Override;

use super::experiment::{self, Following};
use super::publish::Pages;
use super::{Exit, Failure, command_line, run};

/// Carries out `sweep`.
///
/// # Errors
/// Usage failures before anything is touched; whatever keeps a run from being carried out.
pub fn run(args: &SweepArgs) -> Result<Exit, Failure> {
    let stored = args.resume.as_deref().map(read).transpose()?;
    let design = design(args, stored.as_ref())?;
    let Some(base) = design.grid.points.first().map(|point| &point.settings) else { return Ok(Exit::Done) };
    experiment::say_notices(base);
    let (identity, stop) = experiment::begin()?;
    let (mut sweeping, directory) = match (stored, &args.resume) {
        (Some(stored), Some(path)) => {
            let sweeping = Sweeping::resume(stored, &design, path).map_err(Failure::usage)?;
            (sweeping, RunDirectory::existing(path)?)
        }
        _ => {
            let (name, started) = (format!("{}-sweep", base.workload.name), identity.started_unix_us);
            let directory = RunDirectory::create(&args.common.out, &name, started, &identity.run_id)?;
            (Sweeping::begin(&design, &identity), directory)
        }
    };
    say_what_comes(&design, &sweeping);
    let done = run::with_server(base, &stop, |server| {
        let site = Site { server, directory: &directory, identity: &identity, stop: &stop };
        sweep::carry_out(&site, &design, &mut sweeping, &mut Following::default())
    });
    let pages = Pages::store(&directory);
    directory.clone().discard_if_empty();
    let is_begun = sweeping.sweep.points.iter().any(|point| !point.runs.is_empty());
    if is_begun {
        let next = (!sweeping.sweep.missing().is_empty()).then(|| resume_command(args, &directory));
        experiment::show(&sweeping.experiment, args.common.json, (&directory, &pages), next)?;
    }
    match done {
        // Between two runs, with something to show.
        Err(Failure::Stopped(_)) if is_begun => {}
        done => done?,
    }
    Ok(exit(&sweeping, args.allow_untrusted, &stop))
}

fn read(directory: &Path) -> Result<Experiment, Failure> {
    Experiment::read(&directory.join(EXPERIMENT_FILE)).map_err(Failure::usage)
}

/// What is to be run: as typed, or as a stored sweep has it.
fn design(args: &SweepArgs, stored: Option<&Experiment>) -> Result<Design, Failure> {
    let (axes, seed) = match (stored, &args.resume) {
        (Some(stored), Some(directory)) => (
            sweep::axes(stored, &args.vary, directory).map_err(Failure::usage)?,
            sweep::seed(stored).map_err(Failure::usage)?,
        ),
        _ => (args.vary.clone(), experiment::seed(&args.common)?),
    };
    Ok(Design::new(grid(args, axes)?, seed))
}

/// The workload at every point, all of them read before anything is run.
fn grid(args: &SweepArgs, axes: Vec<Axis>) -> Result<Grid, Failure> {
    let mut said = experiment::overrides(&args.common)?;
    if let Some(duration) = &args.duration {
        said.push(Override::flag("--duration", "load.duration", duration.clone()));
    }
    if let Some(both) = axes.iter().find(|axis| said.iter().any(|said| said.key == axis.key)) {
        return Err(Failure::usage(anyhow::anyhow!(
            "{} is both set and varied: leave out the one or the other",
            both.key
        )));
    }
    let resolve = |varied: Vec<Override>| {
        Settings::resolve(&args.common.workload, said.iter().cloned().chain(varied).collect())
    };
    Grid::resolve(axes, resolve).map_err(Failure::usage)
}

fn say_what_comes(design: &Design, sweeping: &Sweeping) {
    super::say(&design.describe().join("\n"));
    let (all, missing) = (design.order.len(), sweeping.sweep.missing());
    if missing.len() < all {
        let (complete, left) = (all - missing.len(), missing.len());
        let time = in_minutes(design.load_time(missing.into_iter().map(|(_, point)| point)).into());
        super::say(&format!(
            "       {complete} runs are complete already; the {left} that are not take {time}"
        ));
    }
}

/// The command that goes on with it.
fn resume_command(args: &SweepArgs, directory: &RunDirectory) -> String {
    let mut words = vec!["milvus-load".to_owned(), "sweep".to_owned()];
    words.push(args.common.workload.display().to_string());
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    args.common.set.iter().for_each(|set| flag("--set", set));
    args.common.uri.iter().for_each(|uri| flag("--uri", uri));
    args.duration.iter().for_each(|duration| flag("--duration", duration));
    flag("--resume", &directory.path().display().to_string());
    command_line::as_typed(words)
}

fn exit(sweeping: &Sweeping, allow_untrusted: bool, stop: &Stop) -> Exit {
    match stop.reason() {
        Some(reason) => Exit::Stopped(reason),
        None if !allow_untrusted && sweeping.sweep.points.iter().any(|point| !point.trusted) => {
            Exit::Untrusted
        }
        None => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_command_that_goes_on_is_one_that_a_shell_takes() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("it's here");
        std::fs::create_dir(&directory).unwrap();
        let typed = ["milvus-load", "sweep", "my load.toml", "--vary", "load.rate=1,2", "--set", "a.b=it's"];
        let Command::Sweep(args) = Cli::parse_from(typed).command else { panic!("another command") };
        let command = resume_command(&args, &RunDirectory::existing(&directory).unwrap());
        let place = place.path().display();
        let expected =
            format!(r"milvus-load sweep 'my load.toml' --set 'a.b=it'\''s' --resume '{place}/it'\''s here'");
        assert_eq!(command, expected);
    }
}
