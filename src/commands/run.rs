//! `run`: read the workload, get a server, make the collection ready, drive it, report.

use anyhow::Context as _;

use crate::cli::RunArgs;
use crate::engine::Stop;
use crate::milvus::embedded::{EXPOSED, EmbeddedError};
use crate::report::store::RunDirectory;
use crate::report::terminal::{self, Footer};
use crate::report::{RunReport, json};
use crate::run::{self, Identity, Observed, Record, RunError, Server, Settings, Sharing};

use super::output::Output;
use super::progress::Bars;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, calibrate, command_line, dry_run, overrides, signals, style};

/// Carries out `run`.
///
/// # Errors
/// Usage failures before anything is touched; anything else that keeps the run from being measured, or its report from being
/// stored.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(&args.workload, overrides::of(args)?).map_err(Failure::usage)?;
    settings.notices.iter().for_each(|notice| super::say(&format!("note: {notice}")));
    settings.plaintext_secrets().iter().for_each(|warning| super::say(&format!("warning: {warning}")));
    if args.dry_run {
        dry_run::print(&settings, &mut Output::stdout())?;
        return Ok(Exit::Done);
    }
    let identity = Identity::new(command_line::as_typed(std::env::args()))?;
    let directory =
        RunDirectory::create(&args.out, &settings.workload.name, identity.started_unix_us, &identity.run_id)?;
    let done = measured(args, &settings, identity, &directory);
    // Where nothing was measured, an empty directory would only be in the way.
    directory.discard_if_empty();
    done
}

fn measured(
    args: &RunArgs,
    settings: &Settings,
    identity: Identity,
    directory: &RunDirectory,
) -> Result<Exit, Failure> {
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    // Before a server is started that would share the cores.
    let calibration = args.calibrate.then(|| calibrate::before_a_run(&stop)).transpose()?;
    let server = choose(settings, &stop)?;
    let observed = drive(settings, &server, &identity, &stop)?;
    let record = Record { calibration, ..Record::new(settings, &server, identity, observed) };
    let report = run::report(&[record])?;
    let published = publish(args, &report, directory);
    let ended = end(server, args.keep);
    published?;
    ended?;
    Ok(exit(&report, &stop, args.allow_untrusted))
}

/// Chooses the server, and says what is to be known of one that is started for this run.
fn choose(settings: &Settings, stop: &Stop) -> Result<Server, Failure> {
    let server = Server::choose(settings, &mut Bars::new(stop)).map_err(|error| {
        match (error.downcast_ref(), stop.reason()) {
            (Some(EmbeddedError::Stopped), Some(reason)) => Failure::Stopped(reason),
            _ => Failure::from(error),
        }
    })?;
    if server.kind.ends_with_run() {
        super::say(&format!("note: {EXPOSED}"));
    }
    Ok(server)
}

fn drive(
    settings: &Settings,
    server: &Server,
    identity: &Identity,
    stop: &Stop,
) -> Result<Observed, RunError> {
    let _kept_to_this_run = server.lock(&settings.workload, identity, Sharing::Alone)?;
    let mut progress = TerminalProgress::new();
    let driven = server.prepare(settings, stop, &mut progress).and_then(|mut ready| {
        let requests = ready.requests(settings)?;
        ready.drive(settings, &requests, identity, stop, &mut progress)
    });
    progress.clear();
    driven
}

/// Shows the results, then stores them: a full disk takes the file, not the numbers, which go to standard output whole.
fn publish(args: &RunArgs, report: &RunReport, directory: &RunDirectory) -> Result<(), Failure> {
    let (mut out, style) = (Output::stdout(), style::of_stdout());
    let shown =
        if args.json { json::render(report, &mut out) } else { terminal::render(report, style, &mut out) };
    let stored = directory.write_report(report);
    if stored.is_err() && !args.json {
        json::render(report, &mut out)?;
    }
    let path = stored.context("the report is not stored; it is on standard output, as JSON")?;
    shown?;
    if !args.json {
        let footer = Footer {
            paths: vec![("report".to_owned(), path.display().to_string())],
            next: Some(format!("milvus-load slow {}", directory.path().display())),
        };
        terminal::footer(&footer, style, &mut out)?;
    }
    Ok(())
}

/// Ends the server of the run. That it leaves something behind is told and changes nothing; that it cannot be kept as asked is a
/// failure.
fn end(server: Server, keep: bool) -> Result<(), Failure> {
    match server.finish(keep) {
        Ok(Some(kept)) => super::say(&format!(
            "the embedded Milvus goes on at {}; end it with `milvus-load embedded stop`",
            kept.uri
        )),
        Ok(None) => {}
        Err(error) if keep => return Err(error.into()),
        Err(error) => super::say(&format!("warning: the embedded Milvus was not ended cleanly: {error:#}")),
    }
    Ok(())
}

/// A signal prevails; numbers that cannot be trusted decide no threshold.
fn exit(report: &RunReport, stop: &Stop, allow_untrusted: bool) -> Exit {
    let not_met = report.thresholds.iter().any(|threshold| threshold.met == Some(false));
    match stop.reason() {
        Some(reason) => Exit::Stopped(reason),
        None if !report.verdict.trusted && !allow_untrusted => Exit::Untrusted,
        None if not_met => Exit::NotMet,
        None => Exit::Done,
    }
}
