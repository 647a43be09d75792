//! One wake-up at an absolute moment, without tokio's whole milliseconds.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

/// A turn of a busy-wait in which no other task runs takes one look at the poller, less than this; a task that sends or
/// receives takes several calls to the system.
const IDLE_TURN: Duration = Duration::from_micros(4);

/// For how long a thread has busy-waited with nothing else to do. Tasks of one thread that do so at the same time share it, and
/// the time counts once.
#[derive(Debug, Default)]
pub struct IdleTime {
    total: Cell<Duration>,
    /// The end of what has been counted.
    counted: Cell<Option<Instant>>,
}

impl IdleTime {
    /// All of it so far.
    pub const fn total(&self) -> Duration {
        self.total.get()
    }

    fn add(&self, from: Instant, to: Instant) {
        let from = self.counted.get().map_or(from, |counted| counted.max(from));
        self.total.set(self.total.get() + to.saturating_duration_since(from));
        self.counted.set(Some(to));
    }
}

/// One pending wake-up of one task.
///
/// On Linux a timerfd with an absolute deadline, so that neither rounding nor the delay of setting it adds to the lateness.
/// Elsewhere tokio's timer, up to a millisecond late.
#[derive(Debug)]
pub struct Alarm(platform::Timer);

impl Alarm {
    /// To be called within a tokio runtime with its I/O driver on.
    ///
    /// # Errors
    /// Where the system gives no timer.
    pub fn new() -> io::Result<Self> {
        platform::Timer::new().map(Self)
    }

    /// Replaces the pending wake-up; a moment that is over wakes at once.
    pub fn set(&self, moment: Instant) {
        self.0.set(moment);
    }

    /// Until the wake-up that is set. May return early where an earlier one was replaced.
    ///
    /// # Errors
    /// Where the timer fails.
    pub async fn wait(&self) -> io::Result<()> {
        self.0.wait().await
    }

    /// Sleeps until `spin` before `moment`, then lets other tasks run, and looks at the clock again and again until it is
    /// `moment`: some microseconds less late than a sleep, for a core that is not idle meanwhile. Never early. `idle` is told for how
    /// long there was nothing else to do.
    ///
    /// # Errors
    /// Where the timer fails.
    pub async fn spin_until(&self, moment: Instant, spin: Duration, idle: &IdleTime) -> io::Result<()> {
        self.sleep_until(moment.checked_sub(spin).unwrap_or(moment)).await?;
        let mut now = Instant::now();
        while now < moment {
            tokio::task::yield_now().await;
            let before = std::mem::replace(&mut now, Instant::now());
            if now - before < IDLE_TURN {
                idle.add(before, now);
            }
        }
        Ok(())
    }

    /// Sleeps until `moment`; returns at once where it is over, and never early.
    ///
    /// # Errors
    /// Where the timer fails.
    pub async fn sleep_until(&self, moment: Instant) -> io::Result<()> {
        while Instant::now() < moment {
            self.set(moment);
            self.wait().await?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::units::Nanos;

    #[derive(Debug)]
    pub struct Timer {
        timer: AsyncFd<OwnedFd>,
        /// One moment on both clocks: `Instant` does not tell its reading of CLOCK_MONOTONIC.
        anchor: (Instant, Nanos),
    }

    impl Timer {
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // SAFETY: an `OwnedFd` is open as long as it lives, always gives the same descriptor, and is not lent out
            // mutably here.
            let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?;
            let monotonic = clock_gettime(ClockId::Monotonic);
            let monotonic = Nanos::from_secs(monotonic.tv_sec.unsigned_abs())
                + Nanos::new(monotonic.tv_nsec.unsigned_abs());
            // Read second, so that an interruption in between makes deadlines early, never late.
            Ok(Self { timer, anchor: (Instant::now(), monotonic) })
        }

        pub fn set(&self, moment: Instant) {
            let (instant, monotonic) = self.anchor;
            let ahead = Nanos::from(moment.saturating_duration_since(instant));
            let behind = Nanos::from(instant.saturating_duration_since(moment));
            // All zero would switch the timer off, so at least 1.
            let at = (monotonic + ahead - behind).get().max(1);
            let value = Timespec {
                tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: (at % 1_000_000_000) as _, // below 10^9: fits every width
            };
            let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
            // Refused are only a closed descriptor and times that are no times: neither can be here.
            let _ = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once);
        }

        pub async fn wait(&self) -> io::Result<()> {
            // Not read, which would cost another call: setting it anew takes the expiry back, and epoll reports each
            // expiry once.
            self.timer.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::io;
    use std::time::Instant;

    use tokio::sync::watch;

    #[derive(Debug)]
    pub struct Timer(watch::Sender<Option<Instant>>);

    impl Timer {
        pub fn new() -> io::Result<Self> {
            Ok(Self(watch::Sender::new(None)))
        }

        pub fn set(&self, moment: Instant) {
            self.0.send_replace(Some(moment));
        }

        pub async fn wait(&self) -> io::Result<()> {
            let mut changes = self.0.subscribe();
            loop {
                let at = *changes.borrow_and_update();
                let over = async {
                    match at {
                        Some(at) => tokio::time::sleep_until(at.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = over => {
                        self.0.send_replace(None);
                        return Ok(());
                    }
                    _ = changes.changed() => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn it_never_wakes_early() {
        let alarm = Alarm::new().unwrap();
        for wait in [0, 10, 300, 1_500, 20_000] {
            let moment = Instant::now() + Duration::from_micros(wait);
            alarm.sleep_until(moment).await.unwrap();
            assert!(Instant::now() >= moment, "woke before {wait} us were over");
            let moment = Instant::now() + Duration::from_micros(wait);
            alarm.spin_until(moment, Duration::from_micros(100), &IdleTime::default()).await.unwrap();
            assert!(Instant::now() >= moment, "spun for less than {wait} us");
        }
    }

    /// The moment is so far away that only a spin that lets nobody else run would reach it.
    #[tokio::test(flavor = "current_thread")]
    async fn spinning_keeps_no_other_task_waiting() {
        let moment = Instant::now() + Duration::from_secs(60);
        let other = tokio::spawn(async {
            Alarm::new()?.sleep_until(Instant::now() + Duration::from_millis(1)).await
        });
        let (alarm, idle) = (Alarm::new().unwrap(), IdleTime::default());
        tokio::select! {
            biased;
            over = other => over.unwrap().unwrap(),
            _ = alarm.spin_until(moment, Duration::from_secs(120), &idle) => panic!("the other's timer was not looked at"),
        }
    }

    #[test]
    fn time_in_which_two_tasks_spin_counts_once() {
        let (idle, start) = (IdleTime::default(), Instant::now());
        let at = |micros| start + Duration::from_micros(micros);
        // One task's turns, and amid them another's: 0 to 7 and 9 to 12 are covered.
        for (from, to) in [(0, 3), (1, 4), (3, 6), (4, 7), (9, 11), (9, 12)] {
            idle.add(at(from), at(to));
        }
        assert_eq!(idle.total(), Duration::from_micros(10));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_spin_tells_of_idle_time_is_no_more_than_passed() {
        // Nothing is told where every turn was interrupted; so it goes on until one was not.
        let (idle, begun) = (IdleTime::default(), Instant::now());
        let alarm = Alarm::new().unwrap();
        while idle.total() == Duration::ZERO && begun.elapsed() < Duration::from_secs(60) {
            let moment = Instant::now() + Duration::from_millis(10);
            let spin = || alarm.spin_until(moment, Duration::from_secs(1), &idle);
            let (one, other) = tokio::join!(spin(), spin());
            one.and(other).unwrap();
        }
        assert!(idle.total() > Duration::ZERO && idle.total() <= begun.elapsed(), "{:?}", idle.total());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_moment_that_is_over_wakes_at_once() {
        let past = Instant::now();
        let alarm = Alarm::new().unwrap();
        alarm.set(past);
        alarm.wait().await.unwrap();
        alarm.set(past.checked_sub(Duration::from_secs(3600)).unwrap_or(past));
        alarm.wait().await.unwrap();
    }
}
