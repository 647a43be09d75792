//! `run`: read the workload, get a server, make the collection ready, drive it, report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::cli::RunArgs;
use crate::engine::prepare::{Prepared, Setup, SetupLog, StepRecord};
use crate::engine::{Execution, Finished, Plan, Stop};
use crate::milvus::{CallHeaders, Dialer, MilvusError, Readiness, Session};
use crate::trace::setup::SetupSpan;
use crate::units::Fraction;
use crate::workload::Workload;

use super::progress::RunProgress;
use super::settings::Settings;
use super::target::ChosenTarget;
use super::tracing::RunTracing;
use super::{Exit, Failure, assemble, dry_run, planning, signals};

/// Between two looks at a run under way, for the progress line.
const TICK: Duration = Duration::from_millis(200);

/// Carries out `run`.
///
/// # Errors
/// Usage failures before anything is touched; anything else that keeps the run from being measured.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args)?;
    settings.notices.iter().for_each(|notice| eprintln!("note: {notice}"));
    if args.dry_run {
        dry_run::print(&settings, &mut std::io::stdout().lock())?;
        return Ok(Exit::Done);
    }
    let directory = RunDirectory::create(&args.out, &settings.workload.name, SystemTime::now())?;
    let stop = Stop::default();
    signals::listen(stop.clone())?;
    let mut progress = RunProgress::new();
    let measured = measure(&settings, &directory, &stop, &mut progress);
    progress.clear();
    let Measured { report, target } = match measured {
        Ok(measured) => measured,
        Err(failure) => {
            // Nothing was measured, so an empty directory would only mislead `latest`.
            directory.discard();
            return Err(failure);
        }
    };
    directory.write(&report)?;
    target.finish(args.keep)?;
    show(args, &report, &directory)?;
    Ok(verdict_of(&report, &stop, args.allow_untrusted))
}
