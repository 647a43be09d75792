//! A bare timerfd, and the kernel's clock that it goes by.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::units::Nanos;

/// CLOCK_MONOTONIC now.
pub(super) fn monotonic() -> Nanos {
    let now = clock_gettime(ClockId::Monotonic);
    Nanos::from_secs(now.tv_sec.unsigned_abs()) + Nanos::new(now.tv_nsec.unsigned_abs())
}

/// One timer with an absolute deadline; readable once that has passed.
pub(super) struct Timer(OwnedFd);

impl Timer {
    /// Not set yet.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?))
    }

    /// Goes off at `moment` of CLOCK_MONOTONIC, at once where that is over.
    pub(super) fn set(&self, moment: Nanos) -> io::Result<()> {
        // All zero would switch it off.
        let at = moment.get().max(1);
        let value = Timespec {
            tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (at % 1_000_000_000) as _, // below 10^9: fits every width
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    pub(super) fn wait(&self) -> io::Result<()> {
        let mut count = [0; 8];
        rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut count))?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
