//! The `milvus-load` command: parse, dispatch, exit.

use std::process::ExitCode;

use clap::Parser as _;
use milvus_load::cli::Cli;
use milvus_load::commands;
use milvus_load::milvus::embedded::{SUPERVISE, supervise};
use milvus_load::trace::collector::{COLLECT, collect, stand_in};

fn main() -> ExitCode {
    // Before anything else: the supervisor of an embedded server is this binary, started again, and so is a collector.
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == SUPERVISE => return supervise(args, stand_in),
        Some(first) if first == COLLECT => return collect(args),
        _ => {}
    }
    match commands::dispatch(Cli::parse().command) {
        Ok(exit) => exit.code().into(),
        Err(failure) => {
            commands::say(&format!("error: {failure}"));
            failure.code().into()
        }
    }
}
