//! A worker's look at itself: what the kernel gave it while it measured, and whether it was stopped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{IdleTime, RunClock};
use crate::measure::{ThreadReading, ThreadTime, WorkerTime};
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

/// What the watch tells.
#[derive(Default)]
pub(super) struct Watched {
    /// How the thread fared from the start to the end.
    pub time: WorkerTime,
    /// What it read at each edge, and at the end where edges were left.
    pub readings: Vec<ThreadReading>,
}

#[derive(Default)]
struct Seen {
    start: Cell<Option<ThreadReading>>,
    end: Cell<Option<ThreadReading>>,
    /// The moments for which a reading is wanted.
    edges: Vec<Nanos>,
    /// At the edges so far; has room for all.
    readings: RefCell<Vec<ThreadReading>>,
    /// When the next look is due.
    due: Cell<Option<Nanos>>,
    latest: Cell<Nanos>,
    spun: Rc<IdleTime>,
}

impl Watch {
    /// Watches from the first of the two moments of the run to the other, and for stops until [`Watch::end`]; besides, it reads
    /// what there is to read at each of `edges`, which ascend. `spun` is how long the thread has busy-waited so far.
    pub fn start(
        clock: RunClock,
        (start, end): (Nanos, Nanos),
        edges: Vec<Nanos>,
        spun: Rc<IdleTime>,
    ) -> Self {
        let readings = RefCell::new(Vec::with_capacity(edges.len()));
        let seen = Rc::new(Seen { spun, edges, readings, ..Seen::default() });
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
    pub fn end(self) -> Watched {
        self.task.abort();
        let now = self.clock.now();
        self.seen.arrive(now);
        let Some(start) = self.seen.start.get() else { return Watched::default() };
        let end = self.seen.end.get().unwrap_or_else(|| self.seen.reading(now));
        let mut readings = self.seen.readings.take();
        if readings.len() < self.seen.edges.len() {
            readings.push(end);
        }
        let time = WorkerTime {
            over: end.at - start.at,
            cpu: start.cpu.zip(end.cpu).map(|(start, end)| end.since(&start)),
            spun: end.spun - start.spun,
            stalled: self.seen.latest.get(),
        };
        Watched { time, readings }
    }
}

impl Seen {
    fn reading(&self, at: Nanos) -> ThreadReading {
        ThreadReading { at, cpu: ThreadTime::of_this_thread(), spun: self.spun.total().into() }
    }

    /// The next moment for which a reading is wanted.
    fn next_edge(&self) -> Option<Nanos> {
        self.edges.get(self.readings.borrow().len()).copied()
    }

    /// Reads for every edge that is over: one reading for all of them where this look comes late.
    fn read_edges(&self, now: Nanos) {
        if self.end.get().is_some() || self.next_edge().is_none_or(|edge| edge > now) {
            return;
        }
        let reading = self.reading(now);
        while self.next_edge().is_some_and(|edge| edge <= now) {
            self.readings.borrow_mut().push(reading);
        }
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
        seen.read_edges(now);
        if seen.start.get().is_none() {
            seen.start.set(Some(seen.reading(now)));
        } else if now >= end && seen.end.get().is_none() {
            seen.end.set(Some(seen.reading(now)));
        }
        due = now + TICK.into();
        if now < end {
            due = seen.next_edge().map_or(due, |edge| due.min(edge)).min(end);
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
            let watch = Watch::start(clock, window, vec![], Rc::default());
            while watch.seen.start.get().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let start = Instant::now();
            std::thread::sleep(Duration::from_millis(300));
            let stopped = start.elapsed();
            tokio::time::sleep(Duration::from_millis(50)).await;
            let watched = start.elapsed();
            (watch.end().time, stopped, watched)
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
            let (window, edges) =
                ((Nanos::from_secs(100), Nanos::from_secs(200)), vec![Nanos::from_secs(100)]);
            Watch::start(clock, window, edges, Rc::default()).end()
        });
        assert_eq!((seen.time, seen.readings), (WorkerTime::default(), vec![]));
    }

    /// The last edge is never reached.
    #[test]
    fn there_is_a_reading_for_every_edge_and_one_for_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let edges: Vec<Nanos> = [20, 30, 30, 90, 3_600_000].map(Nanos::from_millis).to_vec();
        let seen = tokio::task::LocalSet::new().block_on(&runtime, async {
            let clock = RunClock::starting_in(Duration::ZERO);
            let window = (Nanos::from_millis(20), Nanos::from_secs(3_600));
            let watch = Watch::start(clock, window, edges.clone(), Rc::default());
            while watch.seen.readings.borrow().len() < 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            watch.end()
        });
        let at: Vec<Nanos> = seen.readings.iter().map(|reading| reading.at).collect();
        assert_eq!(at.len(), 5);
        assert!(at.iter().zip(&edges).take(4).all(|(at, edge)| at >= edge) && at.is_sorted(), "{at:?}");
        assert!(at[4] >= at[3] && at[4] < edges[4], "{at:?}");
    }
}
