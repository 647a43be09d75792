//! `run`: read the workload, get a server, make the collection ready, drive it, report.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::RunArgs;
use crate::engine::Stop;
use crate::report::store::RunDirectory;
use crate::report::terminal::{self, Footer};
use crate::report::{RunReport, json};
use crate::run::{self, ChosenTarget, Identity, Observed, Settings, measure};
use crate::trace::ids::RunEntropy;

use super::output::Output;
use super::progress::Bars;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, calibrate, dry_run, overrides, signals, style};

/// Carries out `run`.
///
/// # Errors
/// Usage failures before anything is touched; anything else that keeps the run from being measured.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(&args.workload, overrides::of(args)?).map_err(Failure::usage)?;
    settings.notices.iter().for_each(|notice| super::say(&format!("note: {notice}")));
    if args.dry_run {
        dry_run::print(&settings, &mut Output::stdout())?;
        return Ok(Exit::Done);
    }
    let identity = identity()?;
    let directory =
        RunDirectory::create(&args.out, &settings.workload.name, identity.started_unix_us, &identity.run_id)?;
    let done = measured(args, &settings, &identity, &directory);
    // Where nothing was measured, an empty directory would only be in the way.
    directory.discard_if_empty();
    done
}

fn measured(
    args: &RunArgs,
    settings: &Settings,
    identity: &Identity,
    directory: &RunDirectory,
) -> Result<Exit, Failure> {
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    // Before a server is started that would share the cores.
    let calibration = args.calibrate.then(|| calibrate::before_a_run(&stop)).transpose()?;
    let target = ChosenTarget::choose(settings, &mut Bars::default())?;
    let mut progress = TerminalProgress::new();
    let observed = measure(settings, &target, identity, &stop, &mut progress);
    progress.clear();
    let observed = Observed { calibration, ..observed? };
    let report = run::report(settings, &target, &observed)?;
    let path = directory.write_report(&report)?;
    if let Some(kept) = target.finish(args.keep)? {
        super::say(&format!(
            "the embedded Milvus goes on at {}; end it with `milvus-load embedded stop`",
            kept.uri
        ));
    }
    show(args, &report, &path)?;
    Ok(exit(&report, &stop, args.allow_untrusted))
}

fn identity() -> Result<Identity, Failure> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = RunEntropy::from_os()?.generator(0).span_id();
    let started_unix_us = u64::try_from(started.as_micros()).unwrap_or(u64::MAX);
    Ok(Identity { run_id: format!("{:08x}", random >> 32), started_unix_us })
}

fn show(args: &RunArgs, report: &RunReport, path: &std::path::Path) -> std::io::Result<()> {
    let mut out = Output::stdout();
    if args.json {
        return json::render(report, &mut out);
    }
    let directory = path.parent().unwrap_or(path).display();
    let footer = Footer {
        paths: vec![("report".to_owned(), path.display().to_string())],
        next: Some(format!("milvus-load slow {directory}")),
    };
    terminal::render(report, style::of_stdout(), &footer, &mut out)
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
