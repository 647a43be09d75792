//! `run --repeat N [--against ...]`: runs in random order, and what they say together.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};

use crate::cli::{RepeatArgs, RunArgs};
use crate::engine::Stop;
use crate::experiment::compare::{self, About, Asked, FailAbove, MetricKey, Question, Runs};
use crate::experiment::order;
use crate::experiment::repeat::{Arm, Done, Ended, Repeat, is_set_up_alike, is_traced_alike};
use crate::report::experiment::Experiment;
use crate::report::store::RunDirectory;
use crate::run::{Identity, Server, Settings};
use crate::stats::compare::FEWEST_RUNS;
use crate::workload::{Override, Prepare};

use super::compare::{exit, failure};
use super::experiment::Following;
use super::publish::Pages;
use super::{Exit, Failure, experiment, overrides, run};

/// Carries out `run --repeat`.
///
/// # Errors
/// As `run`; what was complete by then is stored.
pub fn run(args: &RunArgs, repeats: u32, a: &Settings) -> Result<Exit, Failure> {
    let b = args.repeat.is_comparison().then(|| other(args, a)).transpose()?;
    check(args, repeats, a, b.as_ref())?;
    let (identity, stop) = experiment::begin()?;
    let seed = experiment::seed_or_new(args.repeat.seed)?;
    let name = format!("{}-{}", a.workload.name, if b.is_some() { "compare" } else { "repeat" });
    let directory = RunDirectory::create(&args.out, &name, identity.started_unix_us, &identity.run_id)?;
    let ended = prepared(args, repeats, (a, b.as_ref()), &Drawn { identity, seed }, &directory, &stop);
    // Where nothing was measured, an empty directory would only be in the way.
    directory.discard_if_empty();
    ended
}

/// What tells this experiment from others.
struct Drawn {
    identity: Identity,
    seed: u64,
}

/// The workload to compare with. Where it asks for another collection under the same name, it is given one of its own, so that neither
/// has to be built anew for each run.
fn other(args: &RunArgs, a: &Settings) -> Result<Settings, Failure> {
    let file = args.repeat.against.as_ref().unwrap_or(&args.workload);
    let resolve = |name: Option<&str>| {
        let mut all = overrides::of(args)?;
        for argument in &args.repeat.against_set {
            let set = Override::set(argument).map_err(Failure::usage)?;
            // The later of two would not prevail otherwise.
            all.retain(|earlier| earlier.key != set.key);
            all.push(set);
        }
        all.extend(name.map(|name| Override::flag("--against", "collection.name", name)));
        Settings::resolve(file, all).map_err(Failure::usage)
    };
    let b = resolve(None)?;
    b.notices
        .iter()
        .filter(|notice| !a.notices.contains(notice))
        .for_each(|n| super::say(&format!("note: {n}")));
    let (of_a, of_b) = (&a.workload, &b.workload);
    let is_same_place = of_a.target.uri == of_b.target.uri
        && of_a.target.database == of_b.target.database
        && of_a.collection.name == of_b.collection.name;
    if !is_same_place || is_set_up_alike(a, &b) || of_b.collection.prepare == Prepare::Never {
        return Ok(b);
    }
    let name = format!("{}_b", of_b.collection.name);
    super::say(&format!("note: B has a collection of its own, {name}: it differs from A's"));
    resolve(Some(&name))
}

/// Sees before anything is measured that there will be an answer.
fn check(args: &RunArgs, repeats: u32, a: &Settings, b: Option<&Settings>) -> Result<(), Failure> {
    let RepeatArgs { metric, fail_above, .. } = &args.repeat;
    let has = |settings: &Settings, operation: &str| {
        settings.workload.operations.iter().any(|known| known.name == operation)
    };
    if let Some(b) = b
        && !a.workload.operations.iter().any(|operation| has(b, &operation.name))
    {
        return Err(Failure::usage(anyhow!(
            "A and B have no operation in common to compare: A has {}, B {}",
            operations(a),
            operations(b)
        )));
    }
    let tells = |settings: &Settings, name: &str| {
        let key = MetricKey::parse(name).filter(MetricKey::can_decide);
        key.is_some_and(|key| key.operation().is_none_or(|operation| has(settings, operation)))
    };
    if let Some(name) = metric
        && let Some(which) = match b {
            _ if !tells(a, name) => Some("this workload"),
            Some(b) if !tells(b, name) => Some("B"),
            _ => None,
        }
    {
        return Err(Failure::usage(anyhow!(
            "--metric {name:?} is no number of {which} to compare; there are NAME.response.p99 and other percentiles, \
             NAME.service.p50, NAME.succeeded_per_s (NAME an operation), generator.cpu_us_per_request and \
             server.cpu_us_per_request"
        )));
    }
    match fail_above {
        Some(_) if !args.repeat.is_comparison() => Err(Failure::usage(anyhow!(
            "--fail-above needs something to compare with: --against B.toml or --against-set KEY=VALUE"
        ))),
        Some(_) if (repeats as usize) < FEWEST_RUNS => Err(Failure::usage(anyhow!(
            "--fail-above cannot decide on {repeats} runs of each: --repeat {FEWEST_RUNS}"
        ))),
        _ => Ok(()),
    }
}

/// `search, insert`.
fn operations(settings: &Settings) -> String {
    let names: Vec<&str> = settings.workload.operations.iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

fn prepared(
    args: &RunArgs,
    repeats: u32,
    (a, b): (&Settings, Option<&Settings>),
    drawn: &Drawn,
    directory: &RunDirectory,
    stop: &Stop,
) -> Result<Exit, Failure> {
    // Where the arms trace differently, that is what is compared, and a collector of ours would change it.
    let keep = b.is_none_or(|b| is_traced_alike(a, b));
    let server = server(a, keep, stop)?;
    let another = match b {
        Some(b) if b.workload.target.uri != a.workload.target.uri => Some(self::server(b, keep, stop)?),
        _ => None,
    };
    let mut arms = vec![Arm { label: "A".into(), source: source(args, false), settings: a, server: &server }];
    arms.extend(b.map(|b| Arm {
        label: "B".into(),
        source: source(args, true),
        settings: b,
        server: another.as_ref().unwrap_or(&server),
    }));
    let ended = carried_out(args, repeats, &arms, drawn, directory, stop);
    drop(arms);
    let over = another.map_or(Ok(()), |another| run::end(another, args.keep));
    let over = run::end(server, args.keep).and(over);
    let exit = ended?;
    over?;
    Ok(exit)
}

/// The server of an arm; where the traces of its runs are kept, with the collector that keeps them.
fn server(settings: &Settings, keep: bool, stop: &Stop) -> Result<Server, Failure> {
    if !keep {
        return run::choose(settings, stop);
    }
    let mut server = run::choose_to_keep(settings, stop)?;
    server.collect(settings, &|line| super::say(line))?;
    Ok(server)
}

/// `search.toml`, `search.toml with load.rate=200`.
fn source(args: &RunArgs, is_b: bool) -> String {
    let file = args.repeat.against.as_ref().filter(|_| is_b).unwrap_or(&args.workload).display().to_string();
    match args.repeat.against_set.as_slice() {
        sets @ [_, ..] if is_b => format!("{file} with {}", sets.join(", ")),
        _ => file,
    }
}

fn carried_out(
    args: &RunArgs,
    repeats: u32,
    arms: &[Arm<'_>],
    drawn: &Drawn,
    directory: &RunDirectory,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let order = if arms.len() == 2 { order::pairs(drawn.seed, repeats) } else { vec![0; repeats as usize] };
    let repeat = Repeat { arms, order: &order, directory, identity: &drawn.identity, stop };
    let assembly = Assembly { args, arms, drawn, directory };
    let (done, ended) = repeat.carry_out(&mut Following::default(), &mut |done| assembly.store_so_far(done));
    let experiment = assembly.experiment(&done, matches!(ended, Ended::Complete)).map_err(failure)?;
    let is_stored = !done.is_empty();
    if is_stored {
        experiment.write(directory)?;
        let pages = Pages::store(directory);
        let next = format!("milvus-load report {} --format markdown", directory.path().display());
        experiment::show(&experiment, args.json, (directory, &pages), Some(next))?;
    }
    match ended {
        Ended::Failed(error) => Err(error.into()),
        Ended::Stopped(reason) if !is_stored => Err(Failure::Stopped(reason)),
        Ended::Stopped(reason) => Ok(Exit::Stopped(reason)),
        Ended::Complete => {
            let found = experiment.comparison().map_or(Exit::Done, |found| exit(found, args.allow_untrusted));
            let is_missed = |done: &Done| done.report.thresholds.iter().any(|t| t.met == Some(false));
            Ok(found.min(if done.iter().any(is_missed) { Exit::NotMet } else { Exit::Done }))
        }
    }
}

/// Makes one experiment of the runs that there are.
struct Assembly<'a> {
    args: &'a RunArgs,
    arms: &'a [Arm<'a>],
    drawn: &'a Drawn,
    directory: &'a RunDirectory,
}

impl Assembly<'_> {
    /// Of complete pairs.
    fn experiment(&self, done: &[Done], complete: bool) -> Result<Experiment, compare::CompareError> {
        let whole = done.len() - done.len() % self.arms.len();
        let done = &done[..whole];
        let group = |(index, arm): (usize, &Arm<'_>)| Runs {
            label: arm.label.clone(),
            source: arm.source.clone(),
            reports: done.iter().filter(|done| done.arm == index).map(|done| done.report.clone()).collect(),
        };
        let groups: Vec<Runs> = self.arms.iter().enumerate().map(group).collect();
        let fail = |limit| FailAbove { limit, single_run: false, drift: false };
        let question = Question {
            paired: self.arms.len() == 2,
            stopped: !complete,
            allow_untrusted: self.args.allow_untrusted,
            metric: self.args.repeat.metric.as_deref(),
            asked: Asked { fail_above: self.args.repeat.fail_above.map(fail) },
        };
        let comparison = compare::analyse(&groups, question)?;
        let paths: BTreeMap<&str, &str> =
            done.iter().map(|done| (done.report.run.id.as_str(), done.reference.report.as_str())).collect();
        let about = About { identity: &self.drawn.identity, seed: Some(self.drawn.seed), complete };
        let path = |id: &str| paths.get(id).map_or_else(String::new, |path| (*path).to_owned());
        Ok(compare::experiment(about, &groups, path, comparison))
    }

    /// After each pair, so that nothing is lost where this process dies.
    fn store_so_far(&self, done: &[Done]) {
        let store = || -> anyhow::Result<()> {
            self.experiment(done, false)?.write(self.directory)?;
            Ok(())
        };
        if done.len().is_multiple_of(self.arms.len())
            && let Err(error) = store().context("what there is so far is not stored")
        {
            super::say(&format!("warning: {error:#}"));
        }
    }
}
