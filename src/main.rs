//! The `milvus-load` command: parse, dispatch, exit.

use std::process::ExitCode;

use clap::Parser as _;
use milvus_load::cli::Cli;
use milvus_load::commands;
use milvus_load::milvus::embedded::{SUPERVISE, supervise};

fn main() -> ExitCode {
    // Before anything else: the supervisor of an embedded server is this binary, started again.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == SUPERVISE) {
        return supervise(args);
    }
    match commands::dispatch(Cli::parse().command) {
        Ok(exit) => exit.code().into(),
        Err(failure) => {
            commands::say(&format!("error: {failure}"));
            failure.code().into()
        }
    }
}
