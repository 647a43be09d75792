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
    /// SIGTERM, or SIGHUP.
    Terminated,
    /// A threshold can no longer be met, whatever comes.
    Hopeless,
}

impl StopReason {
    /// The exit code that shells expect of a signal; that of a threshold that is not met.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Hopeless => 3,
        }
    }
}

/// Beside the exit code of a hopeless run: somebody has asked for its end meanwhile. No exit code has this bit.
const HURRIED: u8 = 0x40;

/// A flag that is raised once and seen by every worker; the first reason stands.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Raises the flag; false where it was up already. Of a hopeless run somebody may then still ask the end.
    pub fn raise(&self, reason: StopReason) -> bool {
        let swap = |from, to| self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let hopeless = StopReason::Hopeless.exit_code();
        swap(0, reason.exit_code()) || reason != StopReason::Hopeless && swap(hopeless, hopeless | HURRIED)
    }

    /// Why the run is to end; `None` while it is to go on.
    pub fn reason(&self) -> Option<StopReason> {
        [StopReason::Interrupted, StopReason::Terminated, StopReason::Hopeless]
            .into_iter()
            .find(|reason| reason.exit_code() == self.0.load(Ordering::Relaxed) & !HURRIED)
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether somebody waits for the end: a run that is only hopeless may take its time.
    pub fn is_hurried(&self) -> bool {
        ![0, StopReason::Hopeless.exit_code()].contains(&self.0.load(Ordering::Relaxed))
    }
}

/// The end of a run's schedule: as planned, or the moment at which a stop, or a worker's failure, was first noticed. The same
/// for all workers, so that each offers exactly its arrivals before it, and the shortened window holds all that was due in it.
#[derive(Debug)]
pub(super) struct RunEnd {
    stop: Stop,
    /// A worker cannot go on.
    failed: AtomicBool,
    /// When the schedule ends by itself: its own end, or that of the slot after which it was told to end.
    planned: AtomicU64,
    at: AtomicU64,
}

/// How long before its moment an end must be told, so that no worker can have sent anything that is due after it.
const NOTICE: Nanos = Nanos::from_millis(5);

impl RunEnd {
    pub fn new(stop: Stop, planned: Nanos) -> Self {
        let (planned, at) = (AtomicU64::new(planned.get()), AtomicU64::new(planned.get()));
        Self { stop, failed: AtomicBool::new(false), planned, at }
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

    /// Lets the schedule end at `end`, as if that had been planned; false where it is too late for that: the schedule goes on.
    /// To be called by one thread alone.
    pub fn end_at(&self, end: Nanos, clock: &RunClock) -> bool {
        if clock.now() + NOTICE > end {
            return false;
        }
        self.planned.fetch_min(end.get(), Ordering::SeqCst);
        self.at.fetch_min(end.get(), Ordering::SeqCst);
        true
    }

    /// When the schedule ends by itself.
    pub fn planned(&self) -> Nanos {
        Nanos::new(self.planned.load(Ordering::Relaxed))
    }

    /// When the schedule was cut short; `None` where it was carried out to its end.
    pub fn stopped(&self) -> Option<Nanos> {
        let at = Nanos::new(self.at.load(Ordering::Relaxed));
        (at < self.planned()).then_some(at)
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
        let ending = RunEnd::new(stop.clone(), planned);
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
        let ending = RunEnd::new(stop.clone(), planned);
        stop.raise(StopReason::Terminated);
        assert_eq!((ending.at(&clock), ending.stopped()), (planned, None));
    }

    #[test]
    fn a_failure_ends_the_schedule_for_everybody_and_is_no_stop() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (stop, planned) = (Stop::default(), Nanos::from_secs(3_600));
        let ending = RunEnd::new(stop.clone(), planned);
        let before = clock.now();
        ending.fail();
        let at = ending.at(&clock);
        assert!((before..=clock.now()).contains(&at));
        assert_eq!((ending.at(&clock), ending.stopped(), stop.reason()), (at, Some(at), None));
    }

    #[test]
    fn an_end_that_is_told_in_time_is_as_good_as_planned_and_a_later_stop_still_cuts() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (stop, hour) = (Stop::default(), Nanos::from_secs(3_600));
        let ending = RunEnd::new(stop.clone(), hour);
        assert!(!ending.end_at(clock.now(), &clock), "it is over by now");
        assert_eq!((ending.at(&clock), ending.planned()), (hour, hour));
        let end = Nanos::from_secs(600);
        assert!(ending.end_at(end, &clock));
        assert_eq!((ending.at(&clock), ending.planned(), ending.stopped()), (end, end, None));
        assert!(ending.end_at(Nanos::from_secs(900), &clock), "an earlier one stands");
        assert_eq!(ending.at(&clock), end);
        stop.raise(StopReason::Interrupted);
        let at = ending.at(&clock);
        assert!(at < end && ending.stopped() == Some(at));
    }

    #[test]
    fn the_first_reason_stands() {
        let stop = Stop::default();
        assert_eq!(stop.reason(), None);
        assert!(stop.raise(StopReason::Terminated));
        assert!(!stop.clone().raise(StopReason::Interrupted));
        assert_eq!(stop.reason(), Some(StopReason::Terminated));
    }

    #[test]
    fn a_hopeless_run_takes_its_time_until_somebody_asks_for_its_end() {
        let stop = Stop::default();
        assert!(stop.raise(StopReason::Hopeless));
        assert!(stop.is_raised() && !stop.is_hurried());
        assert!(stop.raise(StopReason::Interrupted) && stop.is_hurried());
        assert_eq!(stop.reason(), Some(StopReason::Hopeless), "the first reason stands");
        assert!(!stop.raise(StopReason::Interrupted), "the second time nobody waits");
        let stop = Stop::default();
        assert!(!stop.is_hurried() && stop.raise(StopReason::Terminated) && stop.is_hurried());
        assert!(!stop.raise(StopReason::Hopeless));
    }
}
