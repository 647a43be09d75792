//! The `milvus-load` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use milvus_load::commands::embedded::{self, EmbeddedCommand, Found};
use milvus_load::commands::progress::Bars;
use milvus_load::milvus::embedded::{SUPERVISE, supervise};

#[derive(Parser)]
#[command(name = "milvus-load", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The local Milvus, for use by hand.
    #[command(subcommand)]
    Embedded(EmbeddedCommand),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == SUPERVISE) {
        return supervise(args);
    }
    let Command::Embedded(command) = Cli::parse().command;
    match embedded::run(&command, None, &mut Bars::default(), &mut std::io::stdout().lock()) {
        Ok(Found::Done) => ExitCode::SUCCESS,
        Ok(Found::NoServer) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
