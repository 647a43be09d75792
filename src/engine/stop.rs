//! How a run is told to end early, and the one moment at which it then ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::clock::RunClock;
use crate::units::Nanos;

/// Why a run was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl StopReason {
    /// The exit code that shells expect.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// A flag that is raised once and seen by every worker; the first reason stands.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Raises the flag; false where it was up already.
    pub fn raise(&self, reason: StopReason) -> bool {
        self.0.compare_exchange(0, reason.exit_code(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Why the run is to end; `None` while it is to go on.
    pub fn reason(&self) -> Option<StopReason> {
        [StopReason::Interrupted, StopReason::Terminated]
            .into_iter()
            .find(|reason| reason.exit_code() == self.0.load(Ordering::Relaxed))
    }

    /// Whether the run is to end.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// The end of a run's schedule: as planned, or the moment at which a stop, or a worker's failure, was first noticed. The same
/// for all workers, so that each offers exactly its arrivals before it, and the shortened window holds all that was due in it.
#[derive(Debug)]
pub(super) struct Ending {
    stop: Stop,
    /// A worker cannot go on.
    failed: AtomicBool,
    planned: Nanos,
    at: AtomicU64,
}

impl Ending {
    pub fn new(stop: Stop, planned: Nanos) -> Self {
        Self { stop, failed: AtomicBool::new(false), planned, at: AtomicU64::new(planned.get()) }
    }

    /// No request is intended at or after this moment. A worker must look at the clock *before* it asks: then whatever it
    /// found due was due before the stop was raised.
    pub fn at(&self, clock: &RunClock) -> Nanos {
        if !self.stop.is_raised() && !self.failed.load(Ordering::Relaxed) {
            return Nanos::new(self.at.load(Ordering::Relaxed));
        }
        let now = clock.now().get();
        Nanos::new(self.at.fetch_min(now, Ordering::Relaxed).min(now))
    }

    /// Ends the schedule for all: a worker cannot go on. Whoever looks next sets the moment.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// When the schedule was cut short; `None` where it was carried out to its end.
    pub fn stopped(&self) -> Option<Nanos> {
        let at = Nanos::new(self.at.load(Ordering::Relaxed));
        (at < self.planned).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_schedule_ends_at_the_first_notice_of_the_stop_for_everybody() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (stop, planned) = (Stop::default(), Nanos::from_secs(3_600));
        let ending = Ending::new(stop.clone(), planned);
        assert_eq!((ending.at(&clock), ending.stopped()), (planned, None));
        let before = clock.now();
        stop.raise(StopReason::Interrupted);
        let at = ending.at(&clock);
        assert!((before..=clock.now()).contains(&at));
        assert_eq!((ending.at(&clock), ending.stopped()), (at, Some(at)));
    }

    #[test]
    fn a_stop_after_the_end_cuts_nothing() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (stop, planned) = (Stop::default(), Nanos::ZERO);
        let ending = Ending::new(stop.clone(), planned);
        stop.raise(StopReason::Terminated);
        assert_eq!((ending.at(&clock), ending.stopped()), (planned, None));
    }

    #[test]
    fn a_failure_ends_the_schedule_for_everybody_and_is_no_stop() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (stop, planned) = (Stop::default(), Nanos::from_secs(3_600));
        let ending = Ending::new(stop.clone(), planned);
        let before = clock.now();
        ending.fail();
        let at = ending.at(&clock);
        assert!((before..=clock.now()).contains(&at));
        assert_eq!((ending.at(&clock), ending.stopped(), stop.reason()), (at, Some(at), None));
    }

    #[test]
    fn the_first_reason_stands() {
        let stop = Stop::default();
        assert_eq!(stop.reason(), None);
        assert!(stop.raise(StopReason::Terminated));
        assert!(!stop.clone().raise(StopReason::Interrupted));
        assert_eq!(stop.reason(), Some(StopReason::Terminated));
    }
}
