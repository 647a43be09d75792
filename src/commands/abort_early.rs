//! `run --abort-early`: ends a run that can no longer meet a threshold.

use crate::engine::prepare::SetupProgress;
use crate::engine::{Stop, StopReason};
use crate::measure::LiveWorkers;
use crate::run::{Hopeless, Outline, RunProgress};
use crate::units::Nanos;

/// Follows a run on behalf of another, and stops it where it is hopeless.
pub struct AbortEarly<'a, P> {
    pub progress: &'a mut P,
    /// `None`: never.
    pub hopeless: Option<Hopeless>,
    pub stop: &'a Stop,
}

impl<P: RunProgress> RunProgress for AbortEarly<'_, P> {
    fn say(&self, line: &str) {
        self.progress.say(line);
    }

    fn starting(&mut self, outline: &Outline) {
        self.progress.starting(outline);
    }

    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, live: &LiveWorkers) {
        self.progress.running(now, end, warmup, live);
        if let Some(missed) = self.hopeless.as_mut().and_then(|hopeless| hopeless.look(now, live.totals()))
            && self.stop.raise(StopReason::Hopeless)
        {
            self.progress.say(&format!("stopping: {missed} can no longer be met (--abort-early)"));
        }
    }

    fn ending(&mut self) {
        self.progress.ending();
    }

    fn server_spans(&mut self) {
        self.progress.server_spans();
    }
}

impl<P: RunProgress> SetupProgress for AbortEarly<'_, P> {
    fn step(&mut self, name: &'static str) {
        self.progress.step(name);
    }

    fn rows(&mut self, done: u64, total: u64) {
        self.progress.rows(done, total);
    }

    fn waiting(&mut self, missing: &str) {
        self.progress.waiting(missing);
    }
}
