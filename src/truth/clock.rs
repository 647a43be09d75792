//! The server's clock, and the one alarm that wakes it at an absolute time.

use std::time::Instant;

use crate::units::Nanos;

/// Monotonic time since the server's anchor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    anchor: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { anchor: Instant::now() }
    }

    pub(super) fn anchor(self) -> Instant {
        self.anchor
    }

    pub(super) fn now(self) -> Nanos {
        Nanos::from(self.anchor.elapsed())
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Alarm;

/// A timerfd with absolute deadlines: tokio's own timers round up to the next millisecond.
#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::Clock;
    use crate::units::Nanos;

    /// One pending wake-up.
    #[derive(Debug)]
    pub(in super::super) struct Alarm {
        timer: AsyncFd<OwnedFd>,
        /// CLOCK_MONOTONIC at the anchor.
        anchor: Nanos,
    }

    impl Alarm {
        /// To be called within a tokio runtime.
        pub(in super::super) fn new(clock: Clock) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // SAFETY: an `OwnedFd` is open as long as it lives, always gives the same descriptor, and is not lent out
            // mutably here.
            let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?;
            let since_boot = clock_gettime(ClockId::Monotonic);
            let since_boot = Nanos::from_secs(since_boot.tv_sec.unsigned_abs())
                + Nanos::new(since_boot.tv_nsec.unsigned_abs());
            Ok(Self { timer, anchor: since_boot - clock.now() })
        }

        /// Replaces the pending wake-up; a moment that is over wakes at once.
        pub(in super::super) fn set(&self, at: Nanos) {
            // All zero would switch the timer off; the anchor is never at boot.
            let at = (self.anchor + at).get();
            let value = Timespec {
                tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: (at % 1_000_000_000) as _, // below 10^9: fits every width
            };
            let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
            // Refused are only a closed descriptor and times that are no times: neither can be here.
            let _ = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once);
        }

        /// Until the wake-up that is set. May return early once; never late but for the machine.
        pub(in super::super) async fn wait(&self) -> io::Result<()> {
            loop {
                let mut ready = self.timer.readable().await?;
                let mut count = [0; 8];
                match ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?)) {
                    Ok(read) => return read.map(|_| ()),
                    Err(_would_block) => {}
                }
            }
        }
    }
}

/// Where there is no timerfd: tokio's timer, up to a millisecond late. The server's log shows by how much.
#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io;
    use std::time::Instant;

    use tokio::sync::watch;

    use super::Clock;
    use crate::units::Nanos;

    /// One pending wake-up.
    #[derive(Debug)]
    pub(in super::super) struct Alarm {
        at: watch::Sender<Option<Instant>>,
        anchor: Instant,
    }

    impl Alarm {
        /// To be called within a tokio runtime.
        pub(in super::super) fn new(clock: Clock) -> io::Result<Self> {
            Ok(Self { at: watch::Sender::new(None), anchor: clock.anchor() })
        }

        /// Replaces the pending wake-up; a moment that is over wakes at once.
        pub(in super::super) fn set(&self, at: Nanos) {
            self.at.send_replace(self.anchor.checked_add(at.as_duration()));
        }

        /// Until the wake-up that is set.
        pub(in super::super) async fn wait(&self) -> io::Result<()> {
            let mut changes = self.at.subscribe();
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
                        self.at.send_replace(None);
                        return Ok(());
                    }
                    _ = changes.changed() => {}
                }
            }
        }
    }
}
