//! Who is told how a run goes on.

use crate::engine::LiveTotals;
use crate::engine::prepare::SetupProgress;
use crate::units::Nanos;

/// Follows a run from its set-up to its last span.
pub trait RunProgress: SetupProgress {
    /// Something worth keeping on the screen.
    fn say(&self, line: &str);
    /// The load goes on: where it is, when it ends, how long it warms up, and the counts so far.
    fn running(&mut self, now: Nanos, end: Nanos, warmup: Nanos, totals: LiveTotals);
    /// The load is over; the last spans are exported and the server is looked at again.
    fn ending(&mut self);
    /// The embedded server is given time to export what it still holds.
    fn server_spans(&mut self);
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
    fn running(&mut self, _: Nanos, _: Nanos, _: Nanos, _: LiveTotals) {}
    fn ending(&mut self) {}
    fn server_spans(&mut self) {}
}
