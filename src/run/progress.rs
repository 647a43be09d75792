//! Who is told how a run goes on.

use crate::engine::Plan;
use crate::engine::prepare::SetupProgress;
use crate::measure::LiveWorkers;
use crate::units::Nanos;

/// Follows a run from its set-up to its last span.
pub trait RunProgress: SetupProgress {
    /// Something worth keeping on the screen.
    fn say(&self, line: &str);
    /// The load is about to begin. From here to [`RunProgress::ending`] nobody may be kept waiting: whoever follows may take its time
    /// only before it returns from this.
    fn starting(&mut self, outline: &Outline);
    /// The load goes on: where it is, when it ends or has been ended, how long it warms up, and the counters so far.
    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, live: &LiveWorkers);
    /// The load is over; the last spans are exported and the server is looked at again.
    fn ending(&mut self);
    /// The embedded server is given time to export what it still holds.
    fn server_spans(&mut self);
}

/// What of a load does not change while it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Names, in the workload's order.
    pub operations: Vec<String>,
    /// When stages begin, from the start of the window; fewer than two where there are none.
    pub stages: Vec<Nanos>,
}

impl Outline {
    pub fn of(plan: &Plan) -> Self {
        let names = plan.operations.iter().map(|operation| operation.name.clone());
        Self { operations: names.collect(), stages: plan.recorder.stages.clone() }
    }
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl SetupProgress for Silent {
    fn step(&mut self, _: &'static str) {}
    fn rows(&mut self, _: u64, _: u64) {}
    fn waiting(&mut self, _: &str) {}
}

impl RunProgress for Silent {
    fn say(&self, _: &str) {}
    fn starting(&mut self, _: &Outline) {}
    fn running(&mut self, _: Nanos, _: Nanos, _: Nanos, _: &LiveWorkers) {}
    fn ending(&mut self) {}
    fn server_spans(&mut self) {}
}
