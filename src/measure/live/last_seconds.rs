//! Numbers of the last seconds, out of readings a second apart.
//!
//! A percentile here is that of the requests that ended within the last seconds, the unsuccessful infinitely slow, as in the report
//! ([`rank_among`]). Besides, a request in flight counts among the slow ones as soon as it has been due for longer than that
//! percentile would be without it: what hangs must not make the rest look good. Where the percentile lies among those, it is known
//! to be longer than an age ([`Shown::Over`]).
//!
//! The last seconds are five, or as many more as it takes for a p99 to have ten requests beyond it, up to a minute.

use std::collections::VecDeque;

use super::buckets::middle;
use super::reading::{Ages, Reading};
use crate::measure::{Quantile, Unknown, rank_among};
use crate::units::Nanos;

/// The fewest seconds that are looked back upon.
const FEWEST: usize = 5;
/// The most.
const MOST: usize = 60;

/// The readings of the last minute.
#[derive(Clone, Debug, Default)]
pub struct LastSeconds {
    /// A second apart, the newest last.
    readings: VecDeque<Reading>,
}

/// A time as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// To 1.6 %.
    Is(Nanos),
    /// Longer than that: it is the time of a request that is still in flight.
    Over(Nanos),
    /// Not known.
    Unknown(Unknown),
}

/// One operation in the last seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecentTimes {
    /// Which seconds these are: so long before the newest reading they begin.
    pub over: Nanos,
    pub p50: Shown,
    pub p99: Shown,
    /// Of the succeeded, and of what is in flight; `None` where there is neither.
    pub max: Option<Shown>,
}

/// An operation in the last five seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecentRates {
    pub offered_per_s: f64,
    pub succeeded_per_s: f64,
    pub unsuccessful: u64,
}

/// One second of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Second {
    pub succeeded_per_s: f64,
    /// The slowest hundredth of those that ended begins there, however few they are; `None`: none ended.
    pub p99: Option<Shown>,
}

impl LastSeconds {
    /// Takes a reading where the run has come to another second since the last one; false: it has not.
    pub fn take(&mut self, now: Nanos, read: impl FnOnce() -> Reading) -> bool {
        let second = |moment: Nanos| moment.get() / 1_000_000_000;
        if self.readings.back().is_some_and(|last| second(last.at) == second(now)) {
            return false;
        }
        self.readings.push_back(read());
        if self.readings.len() > MOST + 1 {
            self.readings.pop_front();
        }
        true
    }

    /// The newest reading.
    pub fn newest(&self) -> Option<&Reading> {
        self.readings.back()
    }

    /// So many readings before the newest; the first where there are not so many.
    fn back(&self, seconds: usize) -> Option<&Reading> {
        self.readings.get(self.readings.len().checked_sub(1)?.saturating_sub(seconds))
    }

    /// An operation's rates. `None` before there are two readings.
    pub fn rates(&self, operation: usize) -> Option<RecentRates> {
        let (newest, before) = (self.newest()?, self.back(FEWEST)?);
        let length = (newest.at - before.at).as_secs_f64();
        let (now, then) = (newest.operations.get(operation)?, before.operations.get(operation)?);
        (length > 0.0).then(|| RecentRates {
            offered_per_s: (now.offered - then.offered) as f64 / length,
            succeeded_per_s: (now.succeeded - then.succeeded) as f64 / length,
            unsuccessful: now.unsuccessful() - then.unsuccessful(),
        })
    }

    /// An operation's times. `None` before there are two readings.
    pub fn times(&self, operation: usize) -> Option<RecentTimes> {
        let newest = self.newest()?;
        newest.operations.get(operation)?;
        let most = self.readings.len() - 1;
        let done_in = |seconds: usize| {
            let before = self.back(seconds).map_or(0, |reading| reading.operations[operation].done());
            newest.operations[operation].done() - before
        };
        let enough = Quantile::P99.enough_offered();
        let ages = newest.ages(operation);
        // Where nothing ends while something waits, what ended before would tell of another time.
        let is_still = done_in(FEWEST) == 0 && ages.oldest().is_some();
        let seconds = match is_still {
            true => FEWEST.min(most),
            false => (FEWEST..most).find(|seconds| done_in(*seconds) >= enough).unwrap_or(most),
        };
        let before = self.back(seconds).filter(|_| most > 0)?;
        let ended = Ended::between(before, newest, operation);
        let shown = |wanted| ended.quantile(wanted, &ages);
        Some(RecentTimes {
            over: newest.at - before.at,
            p50: shown(Quantile::P50),
            p99: shown(Quantile::P99),
            max: ended.max(&ages),
        })
    }

    /// An operation's seconds, the newest last.
    pub fn by_second(&self, operation: usize) -> Vec<Second> {
        let pairs = self.readings.iter().zip(self.readings.iter().skip(1));
        let second = |(before, after): (&Reading, &Reading)| {
            let ended = Ended::between(before, after, operation);
            let length = (after.at - before.at).as_secs_f64();
            Second { succeeded_per_s: ended.succeeded as f64 / length, p99: ended.slowest_hundredth() }
        };
        pairs.map(second).collect()
    }
}

/// What ended between two readings.
struct Ended {
    succeeded: u64,
    unsuccessful: u64,
    /// Of the succeeded: buckets that are not empty, ascending.
    buckets: Vec<(usize, u64)>,
}

impl Ended {
    fn between(before: &Reading, after: &Reading, operation: usize) -> Self {
        let (before, after) = (&before.operations[operation], &after.operations[operation]);
        let buckets = before.response.iter().zip(&after.response).enumerate();
        let buckets: Vec<(usize, u64)> = buckets
            .map(|(bucket, (before, after))| (bucket, u64::from(after.wrapping_sub(*before))))
            .filter(|(_, count)| *count > 0)
            .collect();
        Self {
            // As the buckets have it: a reading is no snapshot of all counters at once.
            succeeded: buckets.iter().map(|(_, count)| count).sum(),
            unsuccessful: after.unsuccessful() - before.unsuccessful(),
            buckets,
        }
    }

    fn at_rank(&self, rank: u64) -> Option<Nanos> {
        let mut left = rank;
        for (bucket, count) in &self.buckets {
            if left <= *count {
                return Some(middle(*bucket));
            }
            left -= count;
        }
        None
    }

    fn longest(&self) -> Option<Nanos> {
        self.buckets.last().map(|(bucket, _)| middle(*bucket))
    }

    fn max(&self, ages: &Ages) -> Option<Shown> {
        let longest = self.longest();
        let over = ages.oldest().filter(|oldest| longest.is_none_or(|longest| *oldest > longest));
        over.map(Shown::Over).or(longest.map(Shown::Is))
    }

    fn quantile(&self, wanted: Quantile, ages: &Ages) -> Shown {
        let ended = self.succeeded + self.unsuccessful;
        let without = rank_among(self.succeeded, ended, wanted).ok().and_then(|rank| self.at_rank(rank));
        let slow = ages.longer_than(without.or(self.longest()).unwrap_or(Nanos::ZERO));
        match rank_among(self.succeeded, ended + slow, wanted) {
            Ok(rank) => self.at_rank(rank).map_or(Shown::Unknown(Unknown::TooFew), Shown::Is),
            Err(Unknown::Unanswered) => {
                let rank = wanted.rank(ended + slow).saturating_sub(self.succeeded).max(1);
                let age = ages.at_rank(slow, rank);
                age.map_or(Shown::Unknown(Unknown::Unanswered), Shown::Over)
            }
            Err(reason) => Shown::Unknown(reason),
        }
    }

    fn slowest_hundredth(&self) -> Option<Shown> {
        let ended = self.succeeded + self.unsuccessful;
        let rank = Quantile::P99.rank(ended);
        (ended > 0).then(|| self.at_rank(rank).map_or(Shown::Unknown(Unknown::Unanswered), Shown::Is))
    }
}

#[cfg(test)]
#[path = "last_seconds_tests.rs"]
mod tests;
