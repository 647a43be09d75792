//! What is to be shown, at one moment.

use crate::measure::{LastSeconds, RecentRates, RecentTimes, Second};
use crate::report::terminal::clean;
use crate::run::Outline;
use crate::units::Nanos;

/// Ages are told in slots of a tenth of a second and more; below this they would only flicker.
const OLD: Nanos = Nanos::from_millis(250);

/// Where a load is, from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct Times {
    pub now: Nanos,
    /// Of the schedule.
    pub end: Nanos,
    pub warmup: Nanos,
}

/// What the load is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    WarmingUp,
    Measuring,
    /// The number of the stage, from 1, of so many.
    Stage(usize, usize),
    /// Nothing is sent any more; what is in flight is waited for.
    Draining,
}

/// All that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    /// Of many runs or slots, which it is; may be empty.
    pub title: String,
    pub phase: Phase,
    pub times: Times,
    pub rows: Vec<Row>,
    pub in_flight: u64,
    /// How long the oldest request in flight has been due, at least, where that is [`OLD`].
    pub oldest: Option<Nanos>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub name: String,
    /// `None`: it is too early for a rate.
    pub rates: Option<RecentRates>,
    pub times: Option<RecentTimes>,
    /// Since the load began.
    pub errors: u64,
    pub seconds: Vec<Second>,
}

impl Phase {
    fn of(times: Times, outline: &Outline) -> Self {
        let Times { now, end, warmup } = times;
        let stages = &outline.stages;
        match () {
            () if now >= end => Self::Draining,
            () if now < warmup => Self::WarmingUp,
            () if stages.len() > 1 => {
                let begun = stages.iter().filter(|start| warmup + **start <= now).count();
                Self::Stage(begun.max(1), stages.len())
            }
            () => Self::Measuring,
        }
    }

    pub fn words(self) -> String {
        match self {
            Self::WarmingUp => "warming up".to_owned(),
            Self::Measuring => "measuring".to_owned(),
            Self::Stage(number, of) => format!("stage {number} of {of}"),
            Self::Draining => "draining".to_owned(),
        }
    }
}

impl Snapshot {
    pub fn of(title: &str, times: Times, outline: &Outline, seconds: &LastSeconds) -> Self {
        let newest = seconds.newest();
        let row = |(index, name): (usize, &String)| Row {
            name: clean(name),
            rates: seconds.rates(index),
            times: seconds.times(index),
            errors: newest
                .and_then(|newest| newest.operations.get(index))
                .map_or(0, |counts| counts.unsuccessful()),
            seconds: seconds.by_second(index),
        };
        Self {
            title: clean(title),
            phase: Phase::of(times, outline),
            times,
            rows: outline.operations.iter().enumerate().map(row).collect(),
            in_flight: newest
                .map_or(0, |newest| newest.operations.iter().map(|counts| counts.in_flight()).sum()),
            oldest: newest.and_then(|newest| newest.oldest()).filter(|age| *age >= OLD),
        }
    }

    /// Of all operations together, while it is known of all.
    pub fn total(&self) -> Option<RecentRates> {
        let sum = |sum: RecentRates, row: &Row| {
            row.rates.map(|rates| RecentRates {
                offered_per_s: sum.offered_per_s + rates.offered_per_s,
                succeeded_per_s: sum.succeeded_per_s + rates.succeeded_per_s,
                unsuccessful: sum.unsuccessful + rates.unsuccessful,
            })
        };
        self.rows.iter().try_fold(RecentRates::default(), sum)
    }

    pub fn errors(&self) -> u64 {
        self.rows.iter().map(|row| row.errors).sum()
    }

    /// Of all operations together, second by second.
    pub fn succeeded_by_second(&self) -> Vec<f64> {
        let seconds = self.rows.iter().map(|row| row.seconds.len()).min().unwrap_or(0);
        let at = |second: usize| self.rows.iter().map(|row| row.seconds[second].succeeded_per_s).sum();
        (0..seconds).map(at).collect()
    }

    /// Until the schedule ends; `None`: it has ended.
    pub fn left(&self) -> Option<Nanos> {
        (self.times.now < self.times.end).then(|| self.times.end - self.times.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_warms_up_measures_by_stages_and_drains() {
        let outline = Outline { operations: vec![], stages: [0, 10, 20].map(Nanos::from_secs).to_vec() };
        let at = |now: u64, outline: &Outline| {
            let [now, end, warmup] = [now, 35, 5].map(Nanos::from_secs);
            Phase::of(Times { now, end, warmup }, outline).words()
        };
        let told = [0, 4, 5, 14, 15, 24, 34, 35].map(|now| at(now, &outline));
        let stages = ["stage 1 of 3", "stage 1 of 3", "stage 2 of 3", "stage 2 of 3", "stage 3 of 3"];
        assert_eq!(told[..2], ["warming up", "warming up"]);
        assert_eq!(told[2..7], stages);
        assert_eq!(told[7], "draining");
        assert_eq!(at(5, &Outline::default()), "measuring");
    }
}
