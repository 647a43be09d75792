//! What the commands that make several runs have in common.

use crate::cli::experiment::ExperimentArgs;
use crate::engine::Stop;
use crate::experiment::Follow;
use crate::report::experiment::{EXPERIMENT_FILE, Experiment};
use crate::report::json;
use crate::report::store::RunDirectory;
use crate::report::terminal::{self, Footer};
use crate::run::{Identity, RunProgress, Settings};
use crate::trace::ids::RunEntropy;
use crate::workload::Override;

use super::output::Output;
use super::publish::Pages;
use super::run_progress::TerminalProgress;
use super::{Failure, command_line, signals, style};

/// What the common flags say over the workload file.
///
/// # Errors
/// A usage failure where a `--set` is not `key=value`.
pub(super) fn overrides(args: &ExperimentArgs) -> Result<Vec<Override>, Failure> {
    let uri = args.uri.iter().map(|uri| Ok(Override::flag("--uri", "target.uri", uri.clone())));
    let set = args.set.iter().map(|argument| Override::set(argument).map_err(Failure::usage));
    uri.chain(set).collect()
}

/// What is to be known before a workload is used.
pub(super) fn say_notices(settings: &Settings) {
    settings.notices.iter().for_each(|notice| super::say(&format!("note: {notice}")));
    settings.plaintext_secrets().iter().for_each(|warning| super::say(&format!("warning: {warning}")));
}

/// The seed that was given, or a new one.
///
/// # Errors
/// Where the system gives no random bytes.
pub(super) fn seed(args: &ExperimentArgs) -> Result<u64, Failure> {
    seed_or_new(args.seed)
}

/// The seed that was given, or a new one.
///
/// # Errors
/// Where the system gives no random bytes.
pub(super) fn seed_or_new(given: Option<u64>) -> Result<u64, Failure> {
    match given {
        Some(seed) => Ok(seed),
        // Short enough to be typed.
        None => Ok(u64::from(RunEntropy::from_os()?.generator(0).span_id() as u32)),
    }
}

/// The experiment, and what a signal stops.
///
/// # Errors
/// Where the system gives no random bytes or no signal handler.
pub(super) fn begin() -> Result<(Identity, Stop), Failure> {
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    Ok((Identity::new(command_line::as_typed(std::env::args()))?, stop))
}

/// Shows an experiment and where it and its pages are; they are stored already.
///
/// # Errors
/// Where standard output fails.
pub(super) fn show(
    experiment: &Experiment,
    as_json: bool,
    (directory, pages): (&RunDirectory, &Pages),
    next: Option<String>,
) -> Result<(), Failure> {
    let (mut out, style) = (Output::stdout(), style::of_stdout());
    if as_json {
        json::render(experiment, &mut out)?;
        return Ok(());
    }
    experiment.document().terminal(style, &mut out)?;
    let paths = pages.paths(&directory.path().join(EXPERIMENT_FILE));
    terminal::footer(&Footer { paths, next }, style, &mut out)?;
    Ok(())
}

/// On stderr: a line for each run that is over, and a moving one for that under way.
#[derive(Default)]
pub(super) struct Following {
    progress: TerminalProgress,
}

impl Follow for Following {
    fn say(&mut self, line: &str) {
        super::say(line);
    }

    fn begin(&mut self, title: Option<&str>) -> &mut dyn RunProgress {
        self.progress = match title {
            Some(title) => TerminalProgress::titled(title),
            None => TerminalProgress::new(),
        };
        &mut self.progress
    }

    fn end(&mut self) {
        self.progress.clear();
    }
}
