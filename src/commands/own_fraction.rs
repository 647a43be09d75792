//! `overhead --server-fraction`: pairs of starts of the embedded server, at its own fraction 0 and at another one.

use anyhow::ensure;

use crate::cli::overhead::OverheadArgs;
use crate::engine::Stop;
use crate::experiment::overhead::{FollowStarts, OwnFraction};
use crate::milvus::embedded::Progress;
use crate::report::RunReport;
use crate::report::experiment::RunReference;
use crate::report::store::RunDirectory;
use crate::run::{Identity, RunProgress, Server, Settings};
use crate::trace::collector::CollectorProcess;
use crate::units::{Fraction, Nanos};
use crate::workload::Override;

use super::overhead::{is_doubtful, store_experiment, store_run};
use super::progress::Bars;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, experiment};

/// Beside the load itself, what a start takes: the server, the set-up, the last spans.
const AROUND: Nanos = Nanos::from_secs(30);

pub(super) fn run(args: &OverheadArgs, fraction: Fraction, flags: Vec<Override>) -> Result<Exit, Failure> {
    ensure_untraced(&flags).map_err(Failure::usage)?;
    let settings =
        Settings::resolve(&args.common.workload, OwnFraction::overrides(flags)).map_err(Failure::usage)?;
    experiment::say_notices(&settings);
    ensure_embedded(&settings, fraction).map_err(Failure::usage)?;
    let design = OwnFraction { fraction, starts: args.starts.into(), seed: experiment::seed(&args.common)? };
    let load = Nanos::from(settings.workload.load.warmup + settings.workload.load.duration) + AROUND;
    super::say(&format!(
        "the server's own sampleFraction in {}: {} pairs of starts at 0 and at {fraction} in random order (seed {}), some {}",
        settings.workload.name,
        design.starts,
        design.seed,
        Nanos::new(load.get() * 2 * design.starts as u64)
    ));
    let (identity, stop) = experiment::begin()?;
    let name = format!("{}-overhead", settings.workload.name);
    let directory =
        RunDirectory::create(&args.common.out, &name, identity.started_unix_us, &identity.run_id)?;
    let tool = std::env::current_exe()?;
    let mut collector = CollectorProcess::start(&tool, &settings.workload.trace.service_name)?;
    let mut starts = Starts::new(&directory, &stop);
    let done = design.carry_out(&settings, &mut collector, &identity.command, &stop, &mut starts);
    starts.progress.clear();
    let runs = starts.runs;
    directory.clone().discard_if_empty();
    let (overhead, last) = done?;
    let experiment =
        store_experiment(&directory, &settings, &identity, design.seed, (overhead, &last), runs)?;
    experiment::show(&experiment, args.common.json, &directory, None)?;
    Ok(match stop.reason() {
        Some(reason) => Exit::Stopped(reason),
        None if !args.allow_untrusted && is_doubtful(&experiment) => Exit::Untrusted,
        None => Exit::Done,
    })
}

fn ensure_untraced(flags: &[Override]) -> anyhow::Result<()> {
    let own = flags.iter().find(|flag| flag.key.starts_with("trace."));
    ensure!(
        own.is_none(),
        "--set {}: no header is sent and the client does not trace, so that the server's fraction decides; leave it out",
        own.map_or("", |flag| flag.key.as_str())
    );
    Ok(())
}

/// Only a server that this tool starts can be started at another fraction by it.
fn ensure_embedded(settings: &Settings, fraction: Fraction) -> anyhow::Result<()> {
    ensure!(fraction > Fraction::ZERO, "--server-fraction 0 is what it is compared with: name one above 0");
    ensure!(
        Server::existing(settings)?.is_none(),
        "--server-fraction starts embedded servers of its own: name none, and end the kept one with `milvus-load embedded stop`; for a \
         server elsewhere, set its trace.sampleFraction, start it anew, run the workload with --set trace.enabled=false, at least 5 times at \
         either fraction in random order, and compare the reports"
    );
    Ok(())
}

struct Starts<'a> {
    directory: &'a RunDirectory,
    bars: Bars,
    progress: TerminalProgress,
    place: String,
    runs: Vec<RunReference>,
}

impl<'a> Starts<'a> {
    fn new(directory: &'a RunDirectory, stop: &Stop) -> Self {
        let (bars, progress) = (Bars::new(stop), TerminalProgress::new());
        Self { directory, bars, progress, place: String::new(), runs: Vec::new() }
    }
}

impl FollowStarts for Starts<'_> {
    fn starting(&mut self, pair: usize, of: usize, fraction: f64) -> &mut dyn Progress {
        self.place = format!("pair {} of {of}, at {fraction}", pair + 1);
        super::say(&self.place);
        &mut self.bars
    }

    fn running(&mut self) -> &mut dyn RunProgress {
        self.progress = TerminalProgress::titled(&self.place);
        &mut self.progress
    }

    fn made(&mut self, report: &RunReport, identity: &Identity) -> anyhow::Result<()> {
        self.progress.clear();
        self.runs.push(store_run(self.directory, report, identity, &self.place)?);
        Ok(())
    }
}
