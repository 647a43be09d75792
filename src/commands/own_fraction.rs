//! `overhead --server-fraction`: pairs of starts of a server, at its own fraction 0 and at another one.

use anyhow::ensure;

use crate::cli::overhead::OverheadArgs;
use crate::engine::Stop;
use crate::experiment::overhead::{FollowStarts, OwnFraction, Servers, Wait};
use crate::experiment::store_run;
use crate::milvus::embedded::Progress;
use crate::report::RunReport;
use crate::report::experiment::RunReference;
use crate::report::store::RunDirectory;
use crate::run::{Identity, RunProgress, Server, ServerKind, Settings};
use crate::trace::collector::{ANYWHERE, CollectorProcess};
use crate::units::{Fraction, Nanos};
use crate::workload::Override;

use super::overhead::{is_doubtful, store_experiment};
use super::progress::Bars;
use super::publish::Pages;
use super::run_progress::TerminalProgress;
use super::{Exit, Failure, experiment};

/// Beside the load itself, what a start takes: the server, the set-up, the last spans.
const AROUND: Nanos = Nanos::from_secs(30);

pub(super) fn run(args: &OverheadArgs, fraction: Fraction, flags: Vec<Override>) -> Result<Exit, Failure> {
    ensure_untraced(&flags).map_err(Failure::usage)?;
    let settings =
        Settings::resolve(&args.common.workload, OwnFraction::overrides(flags)).map_err(Failure::usage)?;
    experiment::say_notices(&settings);
    let named = named(args, &settings, fraction).map_err(Failure::usage)?;
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
    let listen = args.collector_listen.unwrap_or(ANYWHERE);
    let mut collector = CollectorProcess::start(&tool, &settings.workload.trace.service_name, listen)?;
    let mut starts = Starts::new(&directory, &stop);
    let export_to = listen.to_string();
    let servers =
        named.as_ref().map_or(Servers::Embedded, |server| Servers::Named { server, export_to: &export_to });
    let done = design.carry_out(&settings, &servers, &mut collector, &identity.command, &stop, &mut starts);
    starts.progress.clear();
    let runs = starts.runs;
    directory.clone().discard_if_empty();
    let (overhead, last) = done?;
    let experiment =
        store_experiment(&directory, &settings, &identity, design.seed, (overhead, &last), runs)?;
    let pages = Pages::store(&directory);
    experiment::show(&experiment, args.common.json, (&directory, &pages), None)?;
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

/// The server that was named; `None`: embedded ones are started.
fn named(args: &OverheadArgs, settings: &Settings, fraction: Fraction) -> anyhow::Result<Option<Server>> {
    ensure!(fraction > Fraction::ZERO, "--server-fraction 0 is what it is compared with: name one above 0");
    let Some(server) = Server::existing(settings)? else {
        return Ok(None);
    };
    ensure!(
        matches!(server.kind, ServerKind::Named),
        "--server-fraction starts embedded servers of its own: end the kept one with `milvus-load embedded stop`"
    );
    ensure!(
        args.collector_listen.is_some_and(|listen| listen.port() != 0),
        "{} is started by you, and only its spans tell at which fraction: name with --collector-listen IP:PORT where it can export to, \
         such as {}",
        server.uri,
        if server.is_on_this_machine() { "127.0.0.1:4317" } else { "0.0.0.0:4317" }
    );
    Ok(Some(server))
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

    fn waiting(&mut self, wait: &Wait<'_>) {
        super::say(&asked(wait));
    }

    fn running(&mut self) -> &mut dyn RunProgress {
        self.progress = TerminalProgress::titled(&self.place);
        &mut self.progress
    }

    fn made(&mut self, report: &RunReport, identity: &Identity) -> anyhow::Result<()> {
        self.progress.clear();
        self.runs.push(store_run(self.directory, (report, &[]), identity, &self.place, &mut super::say)?);
        Ok(())
    }
}

/// What whoever runs the server is told.
fn asked(wait: &Wait<'_>) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    match wait {
        Wait::Change { fraction, export_to } => format!(
            "  now set trace.sampleFraction to {fraction} in the server's configuration (with trace.exporter: otlp, trace.otlp.secure: false \
             and, as it reaches this machine, trace.otlp.endpoint: {export_to}), and start it anew; this waits (Ctrl-C ends the experiment)"
        ),
        Wait::Down => "  it does not answer; waiting until it does".to_owned(),
        Wait::NotRestarted => {
            "  it answers, but has not been away: each start is to be a process of its own, so start it anew"
                .to_owned()
        }
        Wait::NotExporting { export_to } => format!(
            "  it answers, but none of its spans comes, though asked for: check trace.exporter, trace.otlp.endpoint ({export_to} as it \
             reaches this machine) and trace.otlp.secure (false), and start it anew"
        ),
        Wait::OtherFraction { seen } => {
            format!(
                "  it answers, and traces {} of calls without a header: not yet what was asked for",
                percent(*seen)
            )
        }
        Wait::InEffect { seen } => {
            format!("  in effect: it traces {} of calls without a header", percent(*seen))
        }
    }
}
