//! Waiting for the moment a request is due, without tokio's whole milliseconds.
//!
//! On Linux: a timerfd set to the absolute moment, so that no rounding and no delay adds up. Elsewhere tokio's timer,
//! which is up to a millisecond late; the lag that is measured tells.

use std::io;
use std::time::Instant;

#[cfg(target_os = "linux")]
mod platform {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // SAFETY: the descriptor is open, owned by the AsyncFd from here on, and neither replaced nor closed before it.
            let timer = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
            Ok(Self(timer?))
        }

        /// Sleeps until `moment`, which lies ahead.
        pub async fn sleep_until(&mut self, moment: Instant) -> io::Result<()> {
            // `Instant` does not tell its reading, so the kernel gets the rest of the wait. It is computed right before,
            // and against the absolute moment each time, so its error is that of one clock call and never adds up.
            let wait = moment.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) },
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut guard = self.0.readable().await?;
                let mut expirations = [0u8; 8];
                match guard.try_io(|fd| Ok(rustix::io::read(fd, &mut expirations)?)) {
                    Ok(read) => return read.map(drop),
                    Err(_not_yet) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::io;
    use std::time::Instant;

    pub struct Timer;

    impl Timer {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn sleep_until(&mut self, moment: Instant) -> io::Result<()> {
            tokio::time::sleep_until(moment.into()).await;
            Ok(())
        }
    }
}

/// Wakes its task at given moments.
pub struct Pacer(platform::Timer);

impl Pacer {
    /// Must be called inside a tokio runtime with its I/O driver on.
    ///
    /// # Errors
    /// Where the system gives no timer.
    pub fn new() -> io::Result<Self> {
        platform::Timer::new().map(Self)
    }

    /// Returns at `moment` or as soon as possible after; at once where it has passed.
    ///
    /// # Errors
    /// Where the timer fails.
    pub async fn sleep_until(&mut self, moment: Instant) -> io::Result<()> {
        self.0.sleep_until(moment).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(flavor = "current_thread")]
    async fn it_never_wakes_early() {
        let mut pacer = Pacer::new().unwrap();
        for wait in [0, 10, 300, 1_500, 20_000] {
            let moment = Instant::now() + Duration::from_micros(wait);
            pacer.sleep_until(moment).await.unwrap();
            assert!(Instant::now() >= moment, "woke before {wait} us were over");
        }
    }
}
