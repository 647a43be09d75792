//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod abort_early;
mod calibrate;
mod capacity;
mod command_line;
mod compare;
mod doctor;
mod dry_run;
pub mod embedded;
mod exit;
mod experiment;
mod index;
pub mod init;
mod kept;
mod live;
pub mod merge;
mod output;
mod overhead;
mod overhead_progress;
mod overrides;
mod own_fraction;
pub mod progress;
mod publish;
mod repeat;
pub mod report;
pub mod run;
mod run_progress;
pub mod schema;
mod signals;
mod slow;
mod style;
mod sweep;

pub use exit::{Exit, Failure};
use output::Output;
pub use output::say;

use crate::cli::{Command, ReportPath, SchemaKind};
use crate::engine::Stop;
use crate::milvus::embedded::EmbeddedError;

/// Carries out a subcommand.
///
/// # Errors
/// Where it could not do what it was asked; see [`Failure::code`].
pub fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Embedded { action } => embedded(&action),
        Command::Init(args) => {
            init::run(args.kind, args.output.as_deref(), &mut Output::stdout())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            use clap::CommandFactory as _;
            clap_complete::generate(
                shell,
                &mut crate::cli::Cli::command(),
                "milvus-load",
                &mut Output::stdout(),
            );
            Ok(Exit::Done)
        }
        Command::Doctor(args) => doctor::run(&args),
        Command::Slow(args) => slow::run(&args, &mut Output::stdout()),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Capacity(args) => capacity::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Overhead(args) => overhead::run(&args),
        Command::Report(args) => {
            let ReportPath { report, out } = &args.report;
            if let Some(directory) = &args.index {
                index::run(directory.as_deref().unwrap_or(out), &mut Output::stdout())?;
                return Ok(Exit::Done);
            }
            report::run(report, out, args.format, &mut Output::stdout())?;
            Ok(Exit::Done)
        }
        Command::Schema { what } => {
            let schema = match what {
                SchemaKind::Report => crate::report::schema(),
                SchemaKind::Workload => crate::workload::schema(),
                SchemaKind::Calibration => crate::report::calibration_schema(),
                SchemaKind::Diagnosis => crate::report::diagnosis_schema(),
                SchemaKind::Experiment => crate::report::experiment::experiment_schema(),
            };
            schema::run(&schema, &mut Output::stdout())?;
            Ok(Exit::Done)
        }
    }
}

fn embedded(action: &embedded::EmbeddedCommand) -> Result<Exit, Failure> {
    let stop = Stop::default();
    // Fetching and starting may take minutes, and what was begun must be ended in order.
    if matches!(action, embedded::EmbeddedCommand::Start { .. }) {
        signals::listen(stop.clone())?;
    }
    let found = embedded::run(action, None, &mut progress::Bars::new(&stop), &mut Output::stdout());
    match (found, stop.reason()) {
        (Ok(embedded::Found::Done), _) => Ok(Exit::Done),
        (Ok(embedded::Found::NoServer), _) => Ok(Exit::Absent),
        (Err(embedded::Error::Embedded(EmbeddedError::Stopped)), Some(reason)) => {
            Err(Failure::Stopped(reason))
        }
        (Err(error), _) => Err(error.into()),
    }
}
