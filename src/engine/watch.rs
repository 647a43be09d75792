//! A worker's look at itself: what the kernel gave it while it measured, and whether it was stopped.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{IdleTime, RunClock};
use crate::measure::{ThreadTime, WorkerTime};
use crate::units::Nanos;

/// How often a worker looks whether time has passed it by. Seldom, for each look is a wake-up.
const TICK: Duration = Duration::from_millis(100);

/// Watches the thread that it is started on. Must be used where local tasks can be spawned.
///
/// A task that sleeps beside those that send: where it comes late, so did they.
pub(super) struct Watch {
    clock: RunClock,
    seen: Rc<Seen>,
    task: JoinHandle<()>,
}

/// What there was to read at one moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Nanos,
    cpu: Option<ThreadTime>,
    spun: Duration,
}

#[derive(Default)]
struct Seen {
    start: Cell<Option<Reading>>,
    end: Cell<Option<Reading>>,
    /// When the next look is due.
    due: Cell<Option<Nanos>>,
    latest: Cell<Nanos>,
    spun: Rc<IdleTime>,
}

impl Watch {
    /// Watches from the first of the two moments of the run to the other, and for stops until [`Watch::end`]; `spun` is
    /// how long the thread has busy-waited so far.
    pub fn start(clock: RunClock, (start, end): (Nanos, Nanos), spun: Rc<IdleTime>) -> Self {
        let seen = Rc::new(Seen { spun, ..Seen::default() });
        let task = tokio::task::spawn_local(watch(clock, Rc::clone(&seen), start, end));
        Self { clock, seen, task }
    }

    /// Nothing is sent any more: where that is before the planned end, the time watched ends now.
    pub fn sent_all(&self) {
        if self.seen.start.get().is_some() && self.seen.end.get().is_none() {
            self.seen.end.set(Some(self.seen.reading(self.clock.now())));
        }
    }

    /// What was seen; nothing where the run ended before `start`.
    pub fn end(self) -> WorkerTime {
        self.task.abort();
        let now = self.clock.now();
        self.seen.arrive(now);
        let Some(start) = self.seen.start.get() else { return WorkerTime::default() };
        let end = self.seen.end.get().unwrap_or_else(|| self.seen.reading(now));
        WorkerTime {
            over: end.at - start.at,
            cpu: start.cpu.zip(end.cpu).map(|(start, end)| end.since(&start)),
            spun: end.spun.saturating_sub(start.spun).into(),
            stalled: self.seen.latest.get(),
        }
    }
}

impl Seen {
    fn reading(&self, at: Nanos) -> Reading {
        Reading { at, cpu: ThreadTime::of_this_thread(), spun: self.spun.total() }
    }

    /// Notes by how much this look is late.
    fn arrive(&self, now: Nanos) {
        if let Some(due) = self.due.take() {
            self.latest.set(self.latest.get().max(now - due));
        }
    }
}

async fn watch(clock: RunClock, seen: Rc<Seen>, start: Nanos, end: Nanos) {
    let mut due = start;
    loop {
        seen.due.set(Some(due));
        tokio::time::sleep_until(clock.instant(due).into()).await;
        let now = clock.now();
        seen.arrive(now);
        if seen.start.get().is_none() {
            seen.start.set(Some(seen.reading(now)));
        } else if now >= end && seen.end.get().is_none() {
            seen.end.set(Some(seen.reading(now)));
        }
        due = now + TICK.into();
        if now < end {
            due = due.min(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A thread that sleeps for 300 ms between looks, in place of one that is stopped.
    #[test]
    fn a_worker_that_did_not_run_comes_late_by_as_much() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begun = Instant::now();
        let (seen, stopped, watched) = tokio::task::LocalSet::new().block_on(&runtime, async {
            let clock = RunClock::starting_in(Duration::ZERO);
            let window = (Nanos::from_millis(10), Nanos::from_secs(3_600));
            let watch = Watch::start(clock, window, Rc::default());
            while watch.seen.start.get().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let start = Instant::now();
            std::thread::sleep(Duration::from_millis(300));
            let stopped = start.elapsed();
            tokio::time::sleep(Duration::from_millis(50)).await;
            let watched = start.elapsed();
            (watch.end(), stopped, watched)
        });
        // Had the thread run, the next look would have been at most a tick after the stop began.
        assert!(seen.stalled >= Nanos::from(stopped - TICK), "{seen:?} in {stopped:?}");
        assert!(
            seen.over >= watched.into() && seen.over <= begun.elapsed().into(),
            "{seen:?} in {watched:?}"
        );
    }

    #[test]
    fn a_run_that_ended_before_the_window_tells_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = tokio::task::LocalSet::new().block_on(&runtime, async {
            let clock = RunClock::starting_in(Duration::ZERO);
            Watch::start(clock, (Nanos::from_secs(100), Nanos::from_secs(200)), Rc::default()).end()
        });
        assert_eq!(seen, WorkerTime::default());
    }
}
