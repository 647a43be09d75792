//! Runs that follow each other on what is set up once: several of one workload, or of two in pairs.

use std::time::{Duration, Instant};

use crate::engine::{Stop, StopReason};
use crate::report::RunReport;
use crate::report::experiment::RunReference;
use crate::report::model::State;
use crate::report::store::RunDirectory;
use crate::run::{Identity, RunError, Server, Settings};
use crate::workload::Access;

use super::follow::Follow;
use super::site::{Held, Site, whole};

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
    /// The experiment's own.
    pub identity: &'a Identity,
    /// Ends it.
    pub stop: &'a Stop,
}

/// A run that was carried out to its end.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its arm.
    pub arm: usize,
    /// Its report.
    pub report: RunReport,
    /// Where that is.
    pub reference: RunReference,
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

impl Repeat<'_> {
    /// Carries the runs out, one after the other, until the last or until a signal comes. All that came to their end are returned;
    /// `complete` sees after each run what there is so far. Of what is measured, nobody is told anything before the end.
    pub fn carry_out(
        &self,
        follow: &mut dyn Follow,
        complete: &mut dyn FnMut(&[Done]),
    ) -> (Vec<Done>, Ended) {
        let mut done = Vec::new();
        let mut held: Vec<Option<Held<'_>>> = self.arms.iter().map(|_| None).collect();
        let mut pace = Pace::new(self);
        for index in 0..self.order.len() {
            let title = self.title(index);
            follow.say(&format!("{title}, about {} left", in_whole_seconds(pace.left(self, index))));
            let begun = Instant::now();
            let run = self.one(index, &title, &mut held, follow).and_then(|run| match self.stop.reason() {
                Some(reason) if run.report.run.state != State::Complete => Err(RunError::Stopped(reason)),
                _ => whole(&run.report).map(|()| run).map_err(RunError::Failed),
            });
            match run {
                Ok(run) => done.push(run),
                Err(RunError::Stopped(reason)) => return (done, Ended::Stopped(reason)),
                Err(RunError::Failed(error)) => return (done, Ended::Failed(error)),
            }
            pace.took(begun.elapsed());
            complete(&done);
        }
        (done, Ended::Complete)
    }

    /// `run 3 of 10 (B)`.
    fn title(&self, index: usize) -> String {
        let title = format!("run {} of {}", index + 1, self.order.len());
        match self.arms {
            [_, _] => format!("{title} ({})", self.arms[self.order[index]].label),
            _ => title,
        }
    }

    fn one<'s>(
        &'s self,
        index: usize,
        title: &str,
        held: &mut [Option<Held<'s>>],
        follow: &mut dyn Follow,
    ) -> Result<Done, RunError> {
        let arm = self.order[index];
        let Arm { settings, server, label, .. } = &self.arms[arm];
        let Self { directory, identity, stop, .. } = self;
        let site = Site { server, directory, identity, stop };
        let place = self.place(arm);
        // What was written to must be prepared anew, and is so on a session of its own.
        if self.writes() {
            held.iter_mut().for_each(|held| *held = None);
        }
        let held = match &mut held[place] {
            Some(held) => held,
            empty => {
                // What the first set-up of each kind says holds for all that follow.
                let quiet = (index >= self.arms.len()).then_some(title);
                empty.insert(site.prepare(settings, quiet, follow)?)
            }
        };
        let (report, reference) = site.run(held, settings, (title, label), follow)?;
        Ok(Done { arm, report, reference })
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
    is_alike(a, b, &["target.", "collection.", "data."])
}

/// Whether both are traced in the same way.
pub fn is_traced_alike(a: &Settings, b: &Settings) -> bool {
    is_alike(a, b, &["trace."])
}

fn is_alike(a: &Settings, b: &Settings, tables: &[&str]) -> bool {
    let of = |settings: &Settings| {
        let of_tables = |key: &str| tables.iter().any(|table| key.starts_with(table));
        let set = settings.workload.settings.iter().filter(|setting| of_tables(&setting.key));
        set.map(|setting| (setting.key.clone(), setting.value.clone())).collect::<Vec<_>>()
    };
    of(a) == of(b)
}

/// How long a run takes: the shortest so far, as the first of each kind are set up too; before any, what the workloads say.
struct Pace {
    planned: Duration,
    shortest: Option<Duration>,
}

impl Pace {
    fn new(repeat: &Repeat<'_>) -> Self {
        let planned = repeat.arms.iter().map(|arm| {
            let load = &arm.settings.workload.load;
            load.warmup + load.duration
        });
        Self { planned: planned.max().unwrap_or_default(), shortest: None }
    }

    fn took(&mut self, time: Duration) {
        self.shortest = Some(self.shortest.map_or(time, |shortest| shortest.min(time)));
    }

    fn left(&self, repeat: &Repeat<'_>, done: usize) -> Duration {
        let runs = u32::try_from(repeat.order.len() - done).unwrap_or(u32::MAX);
        self.shortest.unwrap_or(self.planned).saturating_mul(runs)
    }
}

/// `45 s`, `3 min 20 s`, `2 h 5 min`.
fn in_whole_seconds(span: Duration) -> String {
    let seconds = span.as_secs_f64().ceil() as u64;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_whole_seconds() {
        let told = |millis| in_whole_seconds(Duration::from_millis(millis));
        assert_eq!(
            [400, 60_000, 199_001, 7_500_000].map(told),
            ["1 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]
        );
    }
}
