//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod calibrate;
mod command_line;
mod dry_run;
pub mod embedded;
mod exit;
pub mod init;
pub mod merge;
mod output;
mod overrides;
pub mod progress;
mod publish;
pub mod report;
pub mod run;
mod run_progress;
pub mod schema;
mod signals;
mod slow;
mod style;

pub use exit::{Exit, Failure};
use output::Output;
pub use output::say;

use crate::cli::{Command, ReportPath, SchemaKind};

/// Carries out a subcommand.
///
/// # Errors
/// Where it could not do what it was asked; see [`Failure::code`].
pub fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Embedded { action } => {
            Ok(match embedded::run(&action, None, &mut progress::Bars::default(), &mut Output::stdout())? {
                embedded::Found::Done => Exit::Done,
                embedded::Found::NoServer => Exit::Absent,
            })
        }
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
        Command::Slow(args) => slow::run(&args, &mut Output::stdout()),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Report(args) => {
            let ReportPath { report, out } = &args.report;
            report::run(report, out, args.format, &mut Output::stdout())?;
            Ok(Exit::Done)
        }
        Command::Schema { what } => {
            let schema = match what {
                SchemaKind::Report => crate::report::schema(),
                SchemaKind::Workload => crate::workload::schema(),
                SchemaKind::Calibration => crate::report::calibration_schema(),
            };
            schema::run(&schema, &mut Output::stdout())?;
            Ok(Exit::Done)
        }
    }
}
