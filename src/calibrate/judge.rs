//! Whether a measured percentile is the true one, as far as this machine lets anybody see.
//!
//! ```text
//! off   = measured - truth
//! bound = 1 % of the truth, at least 100 us
//! floor = what bare round trips of the same window add to the truth at that percentile; worst: at their worst
//! noise = floor - their median, which every response takes and which is no noise
//!
//! off < -bound          MISS       nothing makes a response quicker than the law
//! off <= bound          ok
//! off <= bound + floor  ok         where noise <= bound, and the median itself is that of an idle machine
//! off <= bound + worst  too noisy  the machine explains it, and so nothing is proved
//! else                  MISS
//! ```

use super::noise::{Noises, at};
use crate::report::model::{CalibrationRow, Proof, RowOutcome, UnknownReason};
use crate::units::Nanos;

/// The share of the truth that a percentile may be off by...
const SHARE: f64 = 0.01;
/// ... and at least this much.
const LEAST: Nanos = Nanos::new(100_000);
/// A bare round trip of more than this is not that of a machine with idle cores, where it takes 50 to 300 us.
const BASE_MOST: Nanos = Nanos::new(500_000);

/// The percentiles that are compared, in thousandths; 1,000 is the maximum.
const PERCENTILES: [(&str, usize); 6] =
    [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990), ("p99.9", 999), ("max", 1_000)];

/// What this machine's own noise does to a percentile. All zero: nothing is known of it, and it excuses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// What it adds.
    pub at: Nanos,
    /// What it adds at its worst, at least as much.
    pub worst: Nanos,
    /// The noise's median.
    pub base: Nanos,
}

/// What was measured at a percentile.
pub type Measured = Result<Nanos, UnknownReason>;

/// What rows are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'a> {
    /// The true response of every request, in their order; at least one.
    pub truths: &'a [Nanos],
    /// Bare round trips in the same window.
    pub noise: Noises<'a>,
    /// Whether p99.9 has enough samples to be judged.
    pub p999: bool,
}

/// What a percentile of that true value may be off by.
pub fn bound(truth: Nanos) -> Nanos {
    Nanos::new((truth.get() as f64 * SHARE).round() as u64).max(LEAST)
}

/// Judges one percentile; see the head of this module.
pub fn judge(truth: Nanos, measured: Measured, floor: Floor) -> RowOutcome {
    let Ok(measured) = measured else { return RowOutcome::Miss };
    let bound = bound(truth);
    let quiet = floor.at - floor.base <= bound && floor.base <= BASE_MOST;
    if measured + bound < truth || measured > truth + bound + floor.worst {
        RowOutcome::Miss
    } else if measured <= truth + bound || (quiet && measured <= truth + bound + floor.at) {
        RowOutcome::Ok
    } else {
        RowOutcome::TooNoisy
    }
}

/// Every percentile of a scenario; `measured` tells what the report says, in the order p50, p90, p95, p99, p99.9,
/// max.
pub fn rows(judging: Judging<'_>, measured: [Measured; 6]) -> Vec<CalibrationRow> {
    let mut truths = judging.truths.to_vec();
    truths.sort_unstable();
    let added = judging.noise.added(judging.truths, &PERCENTILES.map(|(_, per_mille)| per_mille));
    let base = judging.noise.base();
    let row = |(index, (percentile, per_mille)): (usize, (&str, usize))| {
        let (truth, measured) = (at(&truths, per_mille), measured[index]);
        let told = base.filter(|_| judging.noise.tells(per_mille));
        let floor = told.map(|base| Floor { at: added.floor[index], worst: added.worst[index], base });
        let judged = match percentile {
            "max" => false,
            "p99.9" => judging.p999,
            _ => true,
        };
        let outcome =
            if judged { judge(truth, measured, floor.unwrap_or_default()) } else { RowOutcome::NotJudged };
        row(percentile, truth, measured, floor, outcome)
    };
    PERCENTILES.into_iter().enumerate().map(row).collect()
}

fn row(
    percentile: &str,
    truth: Nanos,
    measured: Measured,
    floor: Option<Floor>,
    outcome: RowOutcome,
) -> CalibrationRow {
    let truth_us = truth.as_micros_f64();
    let measured_us = measured.ok().map(Nanos::as_micros_f64);
    CalibrationRow {
        percentile: percentile.to_owned(),
        truth_us,
        measured_us,
        unknown: measured.err(),
        off_us: measured_us.map(|measured| measured - truth_us),
        bound_us: bound(truth).as_micros_f64(),
        floor_us: floor.map(|floor| floor.at.as_micros_f64()),
        worst_us: floor.map(|floor| floor.worst.as_micros_f64()),
        outcome,
    }
}

/// What all tries of one scenario say together: noise strikes at random, a lie always, so what was missed in some of them but
/// not in all is noise. The numbers are those of the last one; no rows where there was no try.
pub fn agreed(tries: &[Vec<CalibrationRow>]) -> Vec<CalibrationRow> {
    let mut rows = tries.last().cloned().unwrap_or_default();
    for (index, row) in rows.iter_mut().enumerate() {
        let outcomes = tries.iter().filter_map(|rows| Some(rows.get(index)?.outcome));
        let missed = outcomes.filter(|outcome| *outcome == RowOutcome::Miss).count();
        if missed > 0 && missed < tries.len() {
            row.outcome = RowOutcome::TooNoisy;
        }
    }
    rows
}

/// What all rows together say.
pub fn proof<'a>(rows: impl IntoIterator<Item = &'a CalibrationRow>) -> Proof {
    rows.into_iter().fold(Proof::Proved, |proof, row| match (row.outcome, proof) {
        (RowOutcome::Miss, _) | (_, Proof::Wrong) => Proof::Wrong,
        (RowOutcome::TooNoisy, _) | (_, Proof::TooNoisy) => Proof::TooNoisy,
        (RowOutcome::Ok | RowOutcome::NotJudged, Proof::Proved) => Proof::Proved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: u64) -> Nanos {
        Nanos::new(micros * 1_000)
    }

    const fn floor(at: u64, base: u64, worst: u64) -> Floor {
        Floor { at: us(at), worst: us(worst), base: us(base) }
    }

    #[test]
    fn rows_are_judged_on_both_sides_of_every_bound() {
        use RowOutcome::{Miss, Ok as Pass, TooNoisy};
        let none = Floor::default();
        for (truth, measured, floor, expected, meaning) in [
            (2_000, 2_000, none, Pass, "the very truth"),
            (2_000, 2_100, none, Pass, "100 us are granted where 1 % is less"),
            (2_000, 2_101, none, Miss, "and no more, where nothing is known of the machine"),
            (2_000, 1_900, floor(500, 100, 900), Pass, "too quick by the bound"),
            (2_000, 1_899, floor(500, 100, 900), Miss, "no noise makes anything quicker"),
            (500_000, 505_000, none, Pass, "1 % is granted where that is more"),
            (500_000, 505_001, none, Miss, "and no more"),
            (2_000, 2_250, floor(150, 150, 150), Pass, "the median round trip is no noise"),
            (2_000, 2_251, floor(150, 150, 150), Miss, "what it does not explain is wrong"),
            (2_000, 2_251, floor(150, 150, 151), TooNoisy, "what the machine explains at its worst is not"),
            (2_000, 2_350, floor(250, 150, 900), Pass, "noise within the bound"),
            (2_000, 2_350, floor(251, 150, 900), TooNoisy, "noise beyond the bound is not a pass"),
            (2_000, 2_100, floor(9_000, 150, 9_000), Pass, "what is within the bound needs no floor"),
            (2_000, 11_100, floor(5_000, 150, 9_000), TooNoisy, "explained by noise alone"),
            (2_000, 11_101, floor(5_000, 150, 9_000), Miss, "not even by noise"),
            (2_000, 2_600, floor(500, 500, 500), Pass, "a slow but quiet machine"),
            (2_000, 2_601, floor(501, 501, 501), TooNoisy, "one whose every round trip is slow is busy"),
        ] {
            assert_eq!(judge(us(truth), Ok(us(measured)), floor), expected, "{meaning}");
        }
        let unanswered = judge(us(1), Err(UnknownReason::Unanswered), floor(9, 9, 9));
        assert_eq!(unanswered, Miss, "requests are missing");
    }

    /// What a closed loop of 8 workers told of the stalls whose p99 is 952 ms by arithmetic: 11 ms.
    #[test]
    fn hiding_a_stall_is_a_miss_however_noisy_the_machine() {
        let noisy = floor(50_000, 200, 1_000_000);
        assert_eq!(judge(us(952_000), Ok(us(11_000)), noisy), RowOutcome::Miss);
    }

    fn measured(values: [u64; 6]) -> [Measured; 6] {
        values.map(|value| Ok(us(value)))
    }

    #[test]
    fn every_percentile_has_its_own_truth_and_floor() {
        // 1 to 2,000 us, each once; noise of 7 us always.
        let truths: Vec<_> = (1..=2_000).map(us).collect();
        let judging = Judging { truths: &truths, noise: Noises(&[us(7); 2_000]), p999: false };
        let rows = rows(judging, measured([1_000, 1_900, 2_100, 1_980, 1, 1]));
        let told: Vec<_> = rows.iter().map(|row| (row.percentile.as_str(), row.truth_us)).collect();
        let truths =
            [("p50", 1e3), ("p90", 1.8e3), ("p95", 1.9e3), ("p99", 1.98e3), ("p99.9", 1_998.0), ("max", 2e3)];
        assert_eq!(told, truths);
        // 2 of 2,000 round trips lie beyond p99.9.
        let floors: Vec<_> = rows.iter().map(|row| row.floor_us).collect();
        assert_eq!(floors, [Some(7.0), Some(7.0), Some(7.0), Some(7.0), None, Some(7.0)]);
        let outcomes: Vec<_> = rows.iter().map(|row| row.outcome).collect();
        use RowOutcome::{Miss, NotJudged, Ok as Pass};
        assert_eq!(outcomes, [Pass, Pass, Miss, Pass, NotJudged, NotJudged]);
        assert_eq!((rows[2].off_us, rows[2].bound_us), (Some(200.0), 100.0));
        assert_eq!(proof(&rows), Proof::Wrong);
    }

    #[test]
    fn what_was_missed_in_some_tries_but_not_in_all_is_noise() {
        use RowOutcome::{Miss, NotJudged, Ok as Pass, TooNoisy};
        for (tries, expected) in [
            (vec![Pass], Pass),
            (vec![Miss], Miss),
            (vec![TooNoisy, Pass], Pass),
            (vec![Pass, TooNoisy], TooNoisy),
            (vec![Miss, Pass], TooNoisy),
            (vec![Pass, Miss], TooNoisy),
            (vec![Miss, Pass, Pass], TooNoisy),
            (vec![Miss, Miss, Pass], TooNoisy),
            (vec![Miss, Miss, Miss], Miss),
            (vec![NotJudged, NotJudged], NotJudged),
        ] {
            let last = tries.len() as u64;
            let row = |(index, outcome)| vec![row("p50", us(1), Ok(us(index)), None, outcome)];
            let all: Vec<_> = (1..).zip(tries.clone()).map(row).collect();
            let rows = agreed(&all);
            assert_eq!((rows[0].outcome, rows[0].measured_us), (expected, Some(last as f64)), "{tries:?}");
        }
        assert_eq!(agreed(&[]), []);
    }

    #[test]
    fn one_wrong_row_outweighs_all_and_noise_outweighs_what_is_proved() {
        let row = |outcome| row("p50", us(1), Ok(us(1)), None, outcome);
        use RowOutcome::{Miss, NotJudged, Ok as Pass, TooNoisy};
        assert_eq!(proof(&[row(Pass), row(NotJudged)]), Proof::Proved);
        assert_eq!(proof(&[row(Pass), row(TooNoisy), row(Pass)]), Proof::TooNoisy);
        assert_eq!(proof(&[row(Miss), row(TooNoisy), row(Pass)]), Proof::Wrong);
    }
}
