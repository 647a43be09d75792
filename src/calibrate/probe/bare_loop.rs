//! A loop that sleeps to absolute deadlines and does nothing else: what pacing is measured against.

use std::io;
use std::time::Duration;

use super::timer::{Timer, monotonic};
use crate::clock::ask_for_short_slices;
use crate::measure::Timings;
use crate::units::{Nanos, Rate};

/// Sleeps to `rate` deadlines a second for `duration`, on a thread that the scheduler treats as it does a worker, and tells
/// how late it woke for each.
///
/// Where it wakes so late that further deadlines have passed, each of them counts with its own lateness, as each
/// request of an open loop would.
///
/// # Errors
/// Where the system gives no timer or thread.
pub fn bare_loop(rate: Rate, duration: Duration) -> io::Result<Timings<u64>> {
    let thread = std::thread::Builder::new().name("probe-timer".to_owned()).spawn(move || {
        ask_for_short_slices();
        on_this_thread(rate, duration)
    })?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the probe of bare timers has panicked")))
}

fn on_this_thread(rate: Rate, duration: Duration) -> io::Result<Timings<u64>> {
    let mut lateness = Timings::new();
    let timer = Timer::new()?;
    let start = monotonic() + Nanos::from_millis(1);
    let (mut index, end) = (0u64, start + Nanos::from(duration));
    loop {
        // From the index, so that rounding never adds up.
        let due = start + Nanos::new((index as f64 / rate.get() * 1e9).round() as u64);
        if due >= end {
            return Ok(lateness);
        }
        let mut now = monotonic();
        if now < due {
            timer.set(due)?;
            timer.wait()?;
            now = monotonic();
        }
        lateness.record(now - due);
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deadline_counts_once_and_none_is_early() {
        let start = std::time::Instant::now();
        let lateness = bare_loop(Rate::per_second(500.0).unwrap(), Duration::from_millis(100)).unwrap();
        assert_eq!(lateness.count(), 50);
        // The last deadline is 98 ms after the first.
        assert!(start.elapsed() >= Duration::from_millis(98));
    }
}
