//! `run`: read the workload, get a server, make the collection ready, drive it, report.

use crate::cli::RunArgs;
use crate::engine::{Shard, Stop, StopReason};
use crate::milvus::embedded::{EXPOSED, EmbeddedError};
use crate::record::JOURNAL_FILE;
use crate::report::model::State;
use crate::report::store::RunDirectory;
use crate::report::traces::named_in;
use crate::report::{RunReport, junit};
use crate::run::{self, Hopeless, Identity, Observed, Part, Record, RunError, Server, Settings, Sharing};

use super::abort_early::AbortEarly;
use super::output::Output;
use super::progress::Bars;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, calibrate, command_line, dry_run, overrides, publish, repeat, signals};

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
    if let Some(repeats) = args.repeat.repeat {
        return repeat::run(args, repeats, &settings);
    }
    if args.prepare_only {
        return prepare_only(args, &settings);
    }
    if let Some(path) = &args.junit {
        publish::junit(path, |out| junit::unfinished(&settings.workload.name, out))?;
    }
    let identity = identity(args)?;
    let directory = RunDirectory::create(
        &args.out,
        &settings.workload.name,
        identity.started_unix_us,
        &directory_id(&identity),
    )?;
    let done = measured(args, &settings, identity, &directory);
    // Where nothing was measured, an empty directory would only be in the way.
    directory.discard_if_empty();
    done
}

/// Makes the collection ready for shards to come.
fn prepare_only(args: &RunArgs, settings: &Settings) -> Result<Exit, Failure> {
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    let server = existing(settings)?;
    let _kept_to_this_run = server.lock(&settings.workload, &identity(args)?, Sharing::Alone)?;
    let mut progress = TerminalProgress::new();
    let ready = server.prepare(settings, &stop, &mut progress).map(drop);
    progress.clear();
    ready?;
    Ok(Exit::Done)
}

/// The server that is there: what is prepared or shared by several processes must outlive each of them.
fn existing(settings: &Settings) -> Result<Server, Failure> {
    let none = || {
        Failure::usage(anyhow::anyhow!(
            "--shard and --prepare-only need a server that is there before and after: name one with --uri, or start one \
             with `milvus-load embedded start`"
        ))
    };
    Server::existing(settings)?.ok_or_else(none)
}

fn identity(args: &RunArgs) -> Result<Identity, Failure> {
    let identity = Identity::new(command_line::as_typed(std::env::args()))?;
    let Some(part) = args.part() else { return Ok(identity) };
    let shard = Shard::new(part.index, part.of).map_err(Failure::usage)?;
    Ok(Identity {
        run_id: part.run_id.to_owned(),
        part: Some(Part { shard, start_at_unix_ns: part.start_at_unix_ns }),
        ..identity
    })
}

/// Shards of one run may write to one directory, and at the same moment.
fn directory_id(identity: &Identity) -> String {
    match identity.part {
        Some(part) => format!("{}-{}of{}", identity.run_id, part.shard.index(), part.shard.of()),
        None => identity.run_id.clone(),
    }
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
    let mut server = match identity.part {
        Some(_) => existing(settings)?,
        None => choose_to_keep(settings, &stop)?,
    };
    server.collect(settings, &|line| super::say(line))?;
    let hopeless = args.abort_early.then(|| Hopeless::of(&settings.workload)).flatten();
    let observed = drive(settings, &server, &identity, directory, &stop, hopeless)?;
    let hopeless = stop.reason() == Some(StopReason::Hopeless);
    let record = Record { calibration, hopeless, ..Record::new(settings, &server, identity, observed) };
    let record = [record];
    let report = run::report(&record, &[])?;
    let traces = publish::traces(&record[0].kept, named_in(&report), directory);
    let published = publish::report(&report, args.json, directory, (&record[0].kept, traces.as_deref()));
    let recorded = publish::record(&record[0], directory);
    let for_ci = args
        .junit
        .as_ref()
        .map_or(Ok(()), |path| publish::junit(path, |out| junit::render(&report, args.allow_untrusted, out)));
    let ended = end(server, args.keep);
    published?;
    match recorded {
        Err(error) if args.part().is_some() => {
            return Err(error.context("it cannot be merged without its record").into());
        }
        Err(error) => super::say(&format!("warning: the run's record is not stored: {error:#}")),
        Ok(()) => {}
    }
    ended?;
    for_ci?;
    Ok(exit(args, &report, &stop))
}

/// Does its work with the server that is there, or with an embedded one that is ended after it.
///
/// # Errors
/// Where there is no server to be had, and those of the work.
pub(super) fn with_server<T>(
    settings: &Settings,
    stop: &Stop,
    work: impl FnOnce(&Server) -> Result<T, RunError>,
) -> Result<T, Failure> {
    let server = choose(settings, stop)?;
    let done = work(&server);
    let ended = end(server, false);
    let done = done?;
    ended?;
    Ok(done)
}

/// Chooses the server, and says what is to be known of one that is started for this run.
pub(super) fn choose(settings: &Settings, stop: &Stop) -> Result<Server, Failure> {
    chosen(Server::choose(settings, &mut Bars::new(stop)), stop)
}

/// The same, for runs whose traces are kept.
pub(super) fn choose_to_keep(settings: &Settings, stop: &Stop) -> Result<Server, Failure> {
    chosen(Server::choose_to_keep(settings, &mut Bars::new(stop)), stop)
}

fn chosen(server: anyhow::Result<Server>, stop: &Stop) -> Result<Server, Failure> {
    let server = server.map_err(|error| match (error.downcast_ref(), stop.reason()) {
        (Some(EmbeddedError::Stopped), Some(reason)) => Failure::Stopped(reason),
        _ => Failure::from(error),
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
    directory: &RunDirectory,
    stop: &Stop,
    hopeless: Option<Hopeless>,
) -> Result<Observed, RunError> {
    let sharing = if identity.part.is_some() { Sharing::WithinRun } else { Sharing::Alone };
    let _kept_to_this_run = server.lock(&settings.workload, identity, sharing)?;
    let mut progress = TerminalProgress::new();
    let ready = match identity.part {
        Some(part) => server.join(settings, part.shard, stop, &mut progress),
        None => server.prepare(settings, stop, &mut progress),
    };
    let driven = ready.and_then(|mut ready| {
        ready.keep_journal(directory.path().join(JOURNAL_FILE));
        let requests = ready.requests(settings)?;
        let mut progress = AbortEarly { progress: &mut progress, hopeless, stop };
        ready.drive(settings, &requests, identity, stop, &mut progress)
    });
    progress.clear();
    driven
}

/// Ends the server of the run. That it leaves something behind is told and changes nothing; that it cannot be kept as asked is a
/// failure.
pub(super) fn end(server: Server, keep: bool) -> Result<(), Failure> {
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

/// A generator that could not go on prevails, then a signal. Beyond these a shard decides nothing: its numbers are judged with those
/// of the others.
fn exit(args: &RunArgs, report: &RunReport, stop: &Stop) -> Exit {
    match stop.reason() {
        _ if report.run.state == State::Failed => Exit::BrokenOff,
        Some(reason @ (StopReason::Interrupted | StopReason::Terminated)) => Exit::Stopped(reason),
        _ if args.part().is_some() => Exit::Done,
        // What was hopeless shows as a threshold that is not met.
        Some(StopReason::Hopeless) | None => publish::exit(report, args.allow_untrusted),
    }
}
