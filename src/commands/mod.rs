//! One file per subcommand, each reading like the sentence that describes it. Only `main` exits; everything here returns.

mod assemble;
mod dry_run;
pub mod embedded;
mod evidence;
mod exit;
pub mod init;
mod machine;
mod measuring;
mod planning;
pub mod progress;
pub mod run;
mod run_progress;
mod scrape;
mod settings;
mod signals;
mod target;
mod tracing;

pub use exit::{Exit, Failure};

use crate::cli::Command;

/// Carries out a subcommand.
///
/// # Errors
/// Where it could not do what it was asked; see [`Failure::code`].
pub fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Embedded { action } => Ok(match embedded::run(&action, None, &mut progress::Bars::default(), &mut std::io::stdout())? {
            embedded::Found::Done => Exit::Done,
            embedded::Found::NoServer => Exit::Absent,
        }),
        Command::Init(args) => {
            init::run(args.kind, args.output.as_deref(), &mut std::io::stdout())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            use clap::CommandFactory as _;
            clap_complete::generate(shell, &mut crate::cli::Cli::command(), "milvus-load", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::Slow(_) | Command::Report(_) | Command::Schema { .. } => Err(Failure::usage(anyhow::anyhow!("not built yet"))),
    }
}
