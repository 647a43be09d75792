//! `overhead`: read the workload, get a server and a collector, alternate arms within one load, tell what tracing costs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::cli::overhead::OverheadArgs;
use crate::engine::Stop;
use crate::experiment::overhead::{self, Design, Done, OwnSampling, Place, Plan, SLOT, WASHOUT};
use crate::experiment::store_run;
use crate::report::experiment::overhead::{Mode, Overhead};
use crate::report::experiment::{
    About, EXPERIMENT_FILE, EXPERIMENT_SCHEMA, Experiment, Outcome, RunReference,
};
use crate::report::from_run;
use crate::report::model::Severity;
use crate::report::store::{self, RunDirectory};
use crate::report::{RunReport, rfc3339};
use crate::run::{Identity, RunError, Server, Settings, Sharing};
use crate::stats::blocks::{self, Timing};
use crate::trace::collector::{ANYWHERE, CollectorProcess};
use crate::trace::endpoint::Protocol;
use crate::units::{Fraction, Nanos};
use crate::workload::{Origin, Override};

use super::overhead_progress::SlotProgress;
use super::publish::Pages;
use super::{Exit, Failure, command_line, experiment, own_fraction, run};

/// Keys that the experiment decides on itself.
const OWN_KEYS: [&str; 4] = ["load.duration", "trace.enabled", "trace.sample_fraction", "trace.unsampled"];

/// Carries out `overhead`.
///
/// # Errors
/// Usage failures before anything is touched; whatever keeps the load from being measured, or the result from being stored.
pub fn run(args: &OverheadArgs) -> Result<Exit, Failure> {
    let flags = experiment::overrides(&args.common)?;
    if let Some(fraction) = args.server_fraction {
        return own_fraction::run(args, fraction, flags);
    }
    ensure_own_keys(&flags).map_err(Failure::usage)?;
    let base = Settings::resolve(&args.common.workload, flags.clone()).map_err(Failure::usage)?;
    experiment::say_notices(&base);
    overhead::check(&base).map_err(Failure::usage)?;
    let earlier =
        args.resume.as_deref().map(|path| resumed(path, &base)).transpose().map_err(Failure::usage)?;
    let seed = experiment::seed(&args.common)?;
    let design = design(args, &base, seed, earlier.as_ref()).map_err(Failure::usage)?;
    let mut collector = own_collector(args, &base).map_err(Failure::usage)?;
    let endpoint = collector.as_ref().map(CollectorProcess::endpoint);
    let settings = Settings::resolve(&args.common.workload, design.overrides(flags, endpoint.as_deref()))
        .map_err(Failure::usage)?;
    say_what_comes(&settings, &design, earlier.is_some());

    let (identity, stop) = experiment::begin()?;
    let name = format!("{}-overhead", settings.workload.name);
    let directory =
        RunDirectory::create(&args.common.out, &name, identity.started_unix_us, &identity.run_id)?;
    let earlier_result = earlier.as_ref().map(|(_, overhead)| overhead);
    let done = run::with_server(&settings, &stop, |server| {
        refuse_other_server(server, earlier.as_ref())?;
        let sampling = own_sampling(args, server, &settings, collector.as_mut(), &stop)?;
        let _kept_to_this_run = server.lock(&settings.workload, &identity, Sharing::Alone)?;
        let mut progress = SlotProgress::new(&settings, &design);
        let plan = Plan { settings: &settings, design: &design, earlier: earlier_result };
        let ready = server.prepare(&settings, &stop, &mut progress);
        let done = ready.and_then(|mut ready| {
            let place =
                Place { server, collector: collector.as_mut(), sampling, identity: &identity, stop: &stop };
            let known_to = progress.known_to();
            overhead::carry_out(
                &plan,
                place,
                &mut ready,
                &mut |share| known_to.set(Some(share)),
                &mut progress,
            )
        });
        progress.clear();
        done
    });
    let stored =
        done.and_then(|done| stored(done, &settings, &design, &identity, &directory, earlier.as_ref()));
    let pages = Pages::store(&directory);
    directory.clone().discard_if_empty();
    let experiment = stored?;
    let resume = stop.is_raised().then(|| resume_with(args, &directory));
    experiment::show(&experiment, args.common.json, (&directory, &pages), resume)?;
    Ok(match stop.reason() {
        Some(reason) => Exit::Stopped(reason),
        None if !args.allow_untrusted && is_doubtful(&experiment) => Exit::Untrusted,
        None => Exit::Done,
    })
}

/// What to type to go on from there.
fn resume_with(args: &OverheadArgs, directory: &RunDirectory) -> String {
    let mut words: Vec<String> =
        vec!["milvus-load".into(), "overhead".into(), args.common.workload.display().to_string()];
    words.extend(args.common.uri.iter().flat_map(|uri| ["--uri".to_owned(), uri.clone()]));
    words.extend(args.common.set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    words.extend(["--resume".to_owned(), directory.path().display().to_string()]);
    command_line::as_typed(words)
}

fn ensure_own_keys(flags: &[Override]) -> anyhow::Result<()> {
    let own = flags.iter().find(|flag| OWN_KEYS.contains(&flag.key.as_str()));
    ensure!(
        own.is_none(),
        "--set {}: the experiment decides on that itself; its length is --budget, its fractions are --fractions",
        own.map_or("", |flag| flag.key.as_str())
    );
    Ok(())
}

/// An experiment to go on with.
fn resumed(path: &Path, settings: &Settings) -> anyhow::Result<(Experiment, Overhead)> {
    let file = if path.is_dir() { path.join(EXPERIMENT_FILE) } else { path.to_owned() };
    let mut experiment = Experiment::read(&file)?;
    let directory = file.parent().unwrap_or(Path::new("."));
    for run in &mut experiment.runs {
        // The new experiment lies elsewhere.
        run.report = directory.join(&run.report).display().to_string();
    }
    refuse_other_load(&experiment, settings)?;
    match &experiment.outcome {
        Outcome::Overhead(overhead) => {
            ensure!(
                overhead.mode != Mode::OwnFraction,
                "{} is of starts, not of slots of one load: it cannot be gone on with",
                file.display()
            );
            let overhead = (**overhead).clone();
            Ok((experiment, overhead))
        }
        Outcome::Compare(_) | Outcome::Capacity(_) | Outcome::Sweep(_) => anyhow::bail!(
            "{} is another kind of experiment: name the directory of an overhead one",
            file.display()
        ),
    }
}

/// Slots of different loads are no slots of one experiment.
fn refuse_other_load(experiment: &Experiment, settings: &Settings) -> anyhow::Result<()> {
    let Some(run) = experiment.runs.first() else { return Ok(()) };
    let before = store::read(Path::new(&run.report))?.settings;
    let is_own = |key: &str| OWN_KEYS.contains(&key) || ["trace.otlp_endpoint", "target.uri"].contains(&key);
    let now = from_run::settings(&settings.workload.settings);
    let differing: Vec<&str> = now
        .iter()
        .filter(|setting| !is_own(&setting.key))
        .filter(|setting| {
            before.iter().find(|before| before.key == setting.key).map(|before| &before.value)
                != Some(&setting.value)
        })
        .map(|setting| setting.key.as_str())
        .collect();
    ensure!(
        differing.is_empty(),
        "the experiment to go on with had other settings: {}; say them as they were, or begin a new one",
        differing.join(", ")
    );
    Ok(())
}

fn refuse_other_server(server: &Server, earlier: Option<&(Experiment, Overhead)>) -> anyhow::Result<()> {
    let Some(before) = earlier.and_then(|(experiment, _)| experiment.server.as_ref()) else { return Ok(()) };
    // Each embedded one has an address of its own.
    let is_same = match before.embedded {
        true => server.kind.is_embedded(),
        false => !server.kind.is_embedded() && server.uri.to_string() == before.uri,
    };
    ensure!(
        is_same,
        "the experiment to go on with was on {}, and this is {}: name that server with --uri",
        before.uri,
        server.uri
    );
    Ok(())
}

fn design(
    args: &OverheadArgs,
    base: &Settings,
    seed: u64,
    earlier: Option<&(Experiment, Overhead)>,
) -> anyhow::Result<Design> {
    let warm_up = base.workload.load.warmup;
    let budget = args.budget.as_duration();
    let Some((experiment, overhead)) = earlier else {
        let timing = Timing {
            warm_up,
            washout: args.washout.map_or(WASHOUT, Nanos::as_duration),
            slot: args.slot.map_or(SLOT, Nanos::as_duration),
        };
        return Design::within(budget, fractions(args)?, args.mode.into(), timing, seed);
    };
    ensure!(
        experiment.experiment.name == base.workload.name,
        "the experiment to go on with is of workload {}, and this is {}",
        experiment.experiment.name,
        base.workload.name
    );
    let timing = Timing {
        warm_up,
        washout: Duration::try_from_secs_f64(overhead.timing.washout_s)?,
        slot: Duration::try_from_secs_f64(overhead.timing.slot_s)?,
    };
    let fractions =
        overhead.fractions.iter().map(|f| Ok(Fraction::new(*f)?)).collect::<anyhow::Result<_>>()?;
    let seed = experiment.experiment.seed.parse().context("the experiment to go on with has no seed")?;
    Design::within(budget, fractions, overhead.mode, timing, seed)
}

fn fractions(args: &OverheadArgs) -> anyhow::Result<Vec<Fraction>> {
    if !args.fractions.is_empty() {
        return Ok(args.fractions.clone());
    }
    let default = blocks::default_fractions(args.budget.as_duration());
    if default.len() == 1 {
        super::say(
            "note: below 15 minutes 0.1 is left out, for it could not be told from off; ask for it with --fractions 0.1,1",
        );
    }
    default.iter().map(|fraction| Ok(Fraction::new(*fraction)?)).collect()
}

/// A collector of the experiment's own, unless one was named: then spans go there, and are not counted.
fn own_collector(args: &OverheadArgs, settings: &Settings) -> anyhow::Result<Option<CollectorProcess>> {
    if !matches!(settings.origin("trace.otlp_endpoint"), Some(Origin::Default) | None) {
        ensure!(
            args.collector_listen.is_none(),
            "--collector-listen is where this experiment's collector listens, but spans go to {}: leave one of them out",
            settings.workload.trace.otlp_endpoint
        );
        super::say(&format!(
            "note: spans go to {}, where this experiment cannot count them, so no arm can prove that it took effect",
            settings.workload.trace.otlp_endpoint
        ));
        return Ok(None);
    }
    ensure!(
        settings.otel.transport.protocol == Protocol::Grpc,
        "the experiment's own collector takes OTLP over gRPC alone: unset OTEL_EXPORTER_OTLP_PROTOCOL, or name a collector with \
         OTEL_EXPORTER_OTLP_ENDPOINT"
    );
    let tool = std::env::current_exe().context("where this program lies is not known")?;
    let listen = args.collector_listen.unwrap_or(ANYWHERE);
    Ok(Some(CollectorProcess::start(&tool, &settings.workload.trace.service_name, listen)?))
}

fn say_what_comes(settings: &Settings, design: &Design, is_resumed: bool) {
    let [calm, stealing] = overhead::expected_half_width(design.blocks).map(|share| share * 100.0);
    let fractions: Vec<String> = design.fractions.iter().map(ToString::to_string).collect();
    let more = if is_resumed { " more" } else { "" };
    super::say(&format!(
        "overhead of tracing in {}: {}{more} blocks of off, off again and {} in random order (seed {}), {} in all",
        settings.workload.name,
        design.blocks,
        fractions.join(", "),
        design.seed,
        Nanos::from(settings.workload.load.warmup + design.window())
    ));
    super::say(&format!(
        "so many blocks tell the median response time to about \u{b1}{calm:.1} % on a calm machine, as slots varied on one, and to \
         about \u{b1}{stealing:.0} % where a hypervisor steals time"
    ));
}

/// What has no header must not be traced. Of a server that somebody else has started it is asked, where its spans may come here.
fn own_sampling(
    args: &OverheadArgs,
    server: &Server,
    settings: &Settings,
    collector: Option<&mut CollectorProcess>,
    stop: &Stop,
) -> Result<Option<OwnSampling>, RunError> {
    let asked = match (collector, args.collector_listen) {
        (Some(collector), Some(_)) if !server.kind.is_embedded() => {
            super::say("asking the server what it traces by itself");
            Some(OwnSampling::ask_until_exported(server, settings, collector, stop)?)
        }
        _ => None,
    };
    let told = server.tracing().and_then(|tracing| tracing.sample_fraction);
    let fraction = asked.map(OwnSampling::seen).or(told).unwrap_or(0.0);
    let remedy = match server.kind.is_embedded() {
        true => "milvus-load embedded stop, then milvus-load embedded start without --sample-fraction",
        false => "set its trace.sampleFraction to 0 and start it anew",
    };
    if fraction > 0.0 {
        return Err(anyhow::anyhow!(
            "this Milvus samples {:.1} % of the requests that have no header, so off would not be off: {remedy}",
            fraction * 100.0
        )
        .into());
    }
    Ok(asked)
}

/// Stores the load's report and the experiment.
fn stored(
    done: Done,
    settings: &Settings,
    design: &Design,
    identity: &Identity,
    directory: &RunDirectory,
    earlier: Option<&(Experiment, Overhead)>,
) -> Result<Experiment, Failure> {
    let Done { overhead, report } = done;
    let runs = earlier.iter().flat_map(|(experiment, _)| experiment.runs.iter().cloned());
    let this = store_run(directory, (&report, &[]), identity, "all arms", &mut super::say)?;
    let runs = runs.chain([this]).collect();
    Ok(store_experiment(directory, settings, identity, design.seed, (overhead, &report), runs)?)
}

/// Stores an experiment; `last` is the report of its last run.
pub(super) fn store_experiment(
    directory: &RunDirectory,
    settings: &Settings,
    identity: &Identity,
    seed: u64,
    (overhead, last): (Overhead, &RunReport),
    runs: Vec<RunReference>,
) -> anyhow::Result<Experiment> {
    let experiment = Experiment {
        schema: EXPERIMENT_SCHEMA.to_owned(),
        experiment: About {
            id: identity.run_id.clone(),
            name: settings.workload.name.clone(),
            command: identity.command.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(identity.started_unix_us),
            seed: seed.to_string(),
            complete: overhead.blocks.complete >= overhead.blocks.planned,
        },
        server: last.server.clone(),
        machine: Some(last.machine.clone()),
        runs,
        outcome: Outcome::Overhead(Box::new(overhead)),
    };
    experiment.write(directory)?;
    Ok(experiment)
}

/// Whether something speaks against the numbers.
pub(super) fn is_doubtful(experiment: &Experiment) -> bool {
    match &experiment.outcome {
        Outcome::Overhead(overhead) => {
            overhead.findings.iter().any(|finding| finding.severity == Severity::Error)
        }
        Outcome::Compare(_) | Outcome::Capacity(_) | Outcome::Sweep(_) => false,
    }
}
