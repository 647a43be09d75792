//! Runs that follow each other on what is set up once: several of one workload, or of two in pairs.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::engine::{Stop, StopReason};
use crate::report::RunReport;
use crate::report::model::State;
use crate::report::store::{REPORT_FILE, RunDirectory};
use crate::run::{self, Identity, Ready, Record, RunError, RunProgress, Server, Settings};
use crate::workload::Access;

/// The directory within the experiment's that holds its runs.
const RUNS: &str = "runs";

/// What runs of one kind are.
pub struct Arm<'a> {
    /// `A` or `B`.
    pub label: String,
    /// The workload, with what was set over it.
    pub source: String,
    /// What they do.
    pub settings: &'a Settings,
    /// On which server.
    pub server: &'a Server,
}

/// An experiment that is to be carried out.
pub struct Repeat<'a> {
    /// One or two kinds of runs.
    pub arms: &'a [Arm<'a>],
    /// The arm of each run.
    pub order: &'a [usize],
    /// Where it is stored.
    pub directory: &'a RunDirectory,
    /// As typed.
    pub command: &'a str,
}

/// A run that was carried out to its end.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its arm.
    pub arm: usize,
    /// Its report.
    pub report: RunReport,
    /// Where that is, from the experiment's directory.
    pub path: String,
}

/// How an experiment ended.
#[derive(Debug)]
pub enum Ended {
    /// All runs were carried out.
    Complete,
    /// A signal came.
    Stopped(StopReason),
    /// A run could not be carried out.
    Failed(anyhow::Error),
}

/// Who is told how it goes on. Of what is measured, nothing is told before the end.
pub trait Follow {
    /// A run begins: its number from 1, of how many, its arm's label, and about how long all that is left takes.
    fn begin(&mut self, run: usize, of: usize, label: &str, left: Duration) -> Box<dyn RunProgress>;
    /// So many runs are complete.
    fn complete(&mut self, done: &[Done]);
}

impl Repeat<'_> {
    /// Carries the runs out, one after the other, until the last or until a signal comes. All that came to their end are returned.
    pub fn carry_out(&self, stop: &Stop, follow: &mut dyn Follow) -> (Vec<Done>, Ended) {
        let mut done = Vec::new();
        let mut readies: Vec<Option<Ready<'_>>> = self.arms.iter().map(|_| None).collect();
        let mut pace = Pace::new(self);
        for (index, &arm) in self.order.iter().enumerate() {
            let mut progress =
                follow.begin(index + 1, self.order.len(), &self.arms[arm].label, pace.left(self, index));
            let begun = Instant::now();
            match self.one(arm, &mut readies, stop, progress.as_mut()) {
                Ok(run) if run.report.run.state == State::Complete => done.push(run),
                Ok(run) => return (done, ended_within(&run, stop)),
                Err(RunError::Stopped(reason)) => return (done, Ended::Stopped(reason)),
                Err(RunError::Failed(error)) => return (done, Ended::Failed(error)),
            }
            drop(progress);
            pace.took(begun.elapsed());
            follow.complete(&done);
        }
        (done, Ended::Complete)
    }

    fn one<'s>(
        &'s self,
        arm: usize,
        readies: &mut [Option<Ready<'s>>],
        stop: &Stop,
        progress: &mut dyn RunProgress,
    ) -> Result<Done, RunError> {
        let Arm { settings, server, .. } = &self.arms[arm];
        let place = self.place(arm);
        // What was written to must be prepared anew, and is so on a session of its own.
        if self.writes() || readies[place].as_ref().is_some_and(Ready::is_dirty) {
            readies.iter_mut().for_each(|ready| *ready = None);
        }
        let ready = match &mut readies[place] {
            Some(ready) => ready,
            empty => empty.insert(server.prepare(settings, stop, progress)?),
        };
        let identity = Identity::new(self.command.to_owned())?;
        let directory =
            RunDirectory::create(self.directory.path(), RUNS, identity.started_unix_us, &identity.run_id)?;
        let requests = ready.requests(settings)?;
        let observed = ready.drive(settings, &requests, &identity, stop, progress);
        let report = observed.and_then(|observed| {
            let record = Record::new(settings, server, identity, observed);
            Ok(run::report(&[record], &[])?)
        });
        let name = directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stored = report.and_then(|report| {
            directory.write_report(&report)?;
            Ok(report)
        });
        directory.discard_if_empty();
        Ok(Done { arm, report: stored?, path: format!("{RUNS}/{name}/{REPORT_FILE}") })
    }

    /// Where the collection of an arm is kept ready: both have one where both are set up alike.
    fn place(&self, arm: usize) -> usize {
        match self.arms {
            [a, b]
                if arm == 1
                    && std::ptr::eq(a.server, b.server)
                    && is_set_up_alike(a.settings, b.settings) =>
            {
                0
            }
            _ => arm,
        }
    }

    fn writes(&self) -> bool {
        self.arms.iter().any(|arm| arm.settings.workload.has(Access::Writes))
    }
}

/// Whether what is made ready for the one will do for the other: they differ in load, operations and tracing alone.
pub fn is_set_up_alike(a: &Settings, b: &Settings) -> bool {
    let of = |settings: &Settings| {
        let made = settings.workload.settings.iter().filter(|setting| {
            ["target.", "collection.", "data."].iter().any(|table| setting.key.starts_with(table))
        });
        made.map(|setting| (setting.key.clone(), setting.value.clone())).collect::<Vec<_>>()
    };
    of(a) == of(b)
}

fn ended_within(run: &Done, stop: &Stop) -> Ended {
    match stop.reason() {
        Some(reason) => Ended::Stopped(reason),
        None => Ended::Failed(anyhow!(
            "run {} could not go on ({}); the experiment holds those that were complete",
            run.report.run.id,
            run.report.run.state.name()
        )),
    }
}

/// How long runs take, set-up and end included: the longest so far, or before the first what the workloads say.
struct Pace {
    longest: Duration,
    planned: bool,
}

impl Pace {
    fn new(repeat: &Repeat<'_>) -> Self {
        let planned = repeat.arms.iter().map(|arm| {
            let load = &arm.settings.workload.load;
            load.warmup + load.duration
        });
        Self { longest: planned.max().unwrap_or_default(), planned: true }
    }

    fn took(&mut self, time: Duration) {
        // The first one is set up, which others need not be.
        self.longest = if self.planned { self.longest } else { self.longest.max(time) };
        self.planned = false;
    }

    fn left(&self, repeat: &Repeat<'_>, done: usize) -> Duration {
        let runs = u32::try_from(repeat.order.len() - done).unwrap_or(u32::MAX);
        self.longest.saturating_mul(runs)
    }
}
