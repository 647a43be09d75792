//! Time: the clock of a run, the alarm that wakes at a moment of it, and how soon a thread runs then.

mod alarm;
mod slice;

pub use alarm::{Alarm, IdleTime};
pub use slice::ask_for_short_slices;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::units::{Nanos, SignedNanos};

/// Converts between moments of the monotonic clock, nanoseconds since the start of the run, and wall time.
///
/// All wall times of a run come from this one pair, so that a step of the system clock during the run moves nothing.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    anchor: Instant,
    /// Wall time of the anchor, nanoseconds since 1970.
    anchor_unix: u64,
}

impl RunClock {
    /// A clock whose zero lies `ahead` from now, so that every worker can be ready when it strikes.
    pub fn starting_in(ahead: Duration) -> Self {
        let (anchor, wall) = (Instant::now() + ahead, SystemTime::now() + ahead);
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor, anchor_unix: Nanos::from(since).get() }
    }

    /// A clock whose zero is that wall time, as the system clock has it now.
    pub fn starting_at(wall: SystemTime) -> Self {
        let (moment, now) = (Instant::now(), SystemTime::now());
        let anchor = match wall.duration_since(now) {
            Ok(ahead) => moment + ahead,
            Err(passed) => moment.checked_sub(passed.duration()).unwrap_or(moment),
        };
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor, anchor_unix: Nanos::from(since).get() }
    }

    /// By how much the system clock has gained on the monotonic one since the clock was made: near 0 but where it was set,
    /// or where the machine slept, which the monotonic clock does not count.
    pub fn gained(&self) -> SignedNanos {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.gained_at(Instant::now(), wall.into())
    }

    fn gained_at(&self, moment: Instant, wall: Nanos) -> SignedNanos {
        SignedNanos::difference(wall, Nanos::new(self.unix_nanos(self.at(moment))))
    }

    /// The moment that counts as zero.
    pub const fn anchor(&self) -> Instant {
        self.anchor
    }

    /// Nanoseconds from the start of the run to `moment`; zero where it lies before.
    pub fn at(&self, moment: Instant) -> Nanos {
        Nanos::from(moment.saturating_duration_since(self.anchor))
    }

    pub fn now(&self) -> Nanos {
        self.at(Instant::now())
    }

    /// Whether zero has passed.
    pub fn has_started(&self) -> bool {
        Instant::now() >= self.anchor
    }

    /// The moment of the monotonic clock at `since` after the start.
    pub fn instant(&self, since: Nanos) -> Instant {
        self.anchor + since.as_duration()
    }

    /// Wall time at `since` after the start, in nanoseconds since 1970.
    pub const fn unix_nanos(&self, since: Nanos) -> u64 {
        self.anchor_unix.saturating_add(since.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_starts_at_a_wall_time_has_it_as_its_zero() {
        let wall = SystemTime::now() + Duration::from_secs(100);
        let clock = RunClock::starting_at(wall);
        assert_eq!(
            u128::from(clock.unix_nanos(Nanos::ZERO)),
            wall.duration_since(UNIX_EPOCH).unwrap().as_nanos()
        );
        let left = clock.anchor().saturating_duration_since(Instant::now());
        assert!(left <= Duration::from_secs(100) && left > Duration::from_secs(50), "{left:?}");
        assert!(!clock.has_started());
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_was_not() {
        let clock = RunClock { anchor: Instant::now(), anchor_unix: 1_000_000_000_000 };
        let later = clock.anchor + Duration::from_secs(10);
        let gained = |wall| clock.gained_at(later, Nanos::new(wall)).to_string();
        assert_eq!(gained(1_010_000_000_000), "+0 ns");
        assert_eq!(gained(1_010_080_000_000), "+80.0 ms");
        assert_eq!(gained(1_008_500_000_000), "-1.50 s");
    }
}
