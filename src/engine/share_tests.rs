//! Tests of shares against the whole schedule, and of what is left of a Poisson process where the shards' clocks differ.

use proptest::prelude::*;

use super::*;
use crate::units::Rate;

const SEED: u64 = 42;

fn rate(per_second: f64) -> Rates {
    Rate::per_second(per_second).unwrap().into()
}

fn of_shard(arrival: Arrival, rate_per_second: f64, seconds: u64, shard: Shard) -> Arrivals {
    Arrivals::new(SEED, 1, arrival, rate(rate_per_second), Nanos::from_secs(seconds), shard)
}

#[test]
fn shares_are_whole_lose_nothing_and_differ_by_at_most_one() {
    for (total, shares) in [(256, &[86, 85, 85][..]), (4, &[1; 4]), (7, &[4, 3]), (1, &[1, 0]), (10, &[10])] {
        let count = shares.len() as u32;
        let of: Vec<_> = (0..count).map(|index| share(total, count, index)).collect();
        assert_eq!(of, shares, "{total} over {count}");
    }
}

#[test]
fn a_shard_that_cannot_be_is_refused_with_the_last_that_can() {
    assert_eq!(Shard::new(3, 4).unwrap().to_string(), "3/4");
    assert!(Shard::new(4, 4).unwrap_err().to_string().ends_with("the last of 4 is 3"));
    assert!(Shard::new(0, 0).is_err());
}

/// Shards of as many workers as their number plus one, so that no two have as many.
#[test]
fn the_arrivals_of_all_workers_of_all_shards_are_those_of_the_schedule_each_once() {
    for arrival in [Arrival::Poisson, Arrival::Constant] {
        let whole: Vec<Due> = Schedule::new(SEED, 1, arrival, rate(777.0), Nanos::from_secs(5)).collect();
        for of in [1, 2, 3, 7] {
            let mut all: Vec<Due> = vec![];
            for index in 0..of {
                let shard = Shard::new(index, of).unwrap();
                let workers = index as usize + 1;
                let one: Vec<Due> = of_shard(arrival, 777.0, 5, shard).collect();
                for worker in 0..workers {
                    let share: Vec<Due> =
                        of_shard(arrival, 777.0, 5, shard).of_worker(worker, workers).collect();
                    let turns = one.iter().copied().skip(worker).step_by(workers);
                    assert!(share.iter().copied().eq(turns), "the j-th is worker j mod {workers}'s");
                    all.extend(share);
                }
            }
            all.sort_by_key(|due| due.index);
            assert_eq!(all, whole, "{arrival:?} over {of}");
        }
    }
}

#[test]
fn a_run_that_is_not_split_deals_its_arrivals_to_workers_in_turn() {
    for worker in 0..3 {
        let share = of_shard(Arrival::Poisson, 200.0, 5, Shard::WHOLE).of_worker(worker, 3);
        assert!(share.into_iter().all(|due| due.index % 3 == worker as u64));
    }
}

/// Variance over mean of the counts in slices of 1 ms, where shard i's clock is off by `skews[i]` (in ms).
fn dispersion(shards: impl Iterator<Item = Vec<Nanos>>, skews: &[f64], seconds: usize) -> f64 {
    // From 20 ms on, so that no skew brings the run's beginning or end in.
    let mut counts = vec![0u32; seconds * 1_000];
    for (arrivals, skew) in shards.zip(skews) {
        for at in arrivals {
            let slice = at.as_secs_f64() * 1e3 + skew;
            if slice >= 0.0
                && let Some(count) = counts.get_mut(slice as usize)
            {
                *count += 1;
            }
        }
    }
    let counts = &counts[20..counts.len() - 20];
    let n = counts.len() as f64;
    let mean = counts.iter().map(|count| f64::from(*count)).sum::<f64>() / n;
    counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / n / mean
}

/// A Poisson process counts with variance = mean. Of 60,000 slices the ratio has a standard error of 0.006.
#[test]
fn shards_whose_clocks_differ_by_up_to_10_ms_still_make_a_poisson_process_together() {
    let (rate_per_second, seconds) = (5_000.0, 60);
    let of_hash = |of: u32| {
        (0..of).map(move |index| {
            let shard = Shard::new(index, of).unwrap();
            of_shard(Arrival::Poisson, rate_per_second, seconds, shard).map(|due| due.at).collect()
        })
    };
    for skews in [&[-10.0, 10.0][..], &[-10.0, -3.3, 2.7, 10.0], &[-10.0, -6.0, -2.5, 0.0, 1.2, 5.9, 10.0]] {
        let told = dispersion(of_hash(skews.len() as u32), skews, seconds as usize);
        assert!((told - 1.0).abs() < 0.1, "{told} over {} shards", skews.len());
    }
    // What this test is able to see: dealt in turn, they make something far too even.
    let skews = [-10.0, -3.3, 2.7, 10.0];
    let in_turn = (0..4).map(|index| {
        let all = Schedule::new(SEED, 1, Arrival::Poisson, rate(rate_per_second), Nanos::from_secs(seconds));
        all.skip(index).step_by(4).map(|due| due.at).collect()
    });
    let told = dispersion(in_turn, &skews, seconds as usize);
    assert!(told < 0.6, "{told}");
}

/// Binomial: so many of n, give or take 5 standard deviations.
#[test]
fn every_shard_gets_about_as_many_arrivals_of_a_poisson_process() {
    let whole = of_shard(Arrival::Poisson, 1_000.0, 100, Shard::WHOLE).count() as f64;
    for index in 0..7 {
        let part = of_shard(Arrival::Poisson, 1_000.0, 100, Shard::new(index, 7).unwrap()).count() as f64;
        assert!((part - whole / 7.0).abs() < 5.0 * (whole * 6.0 / 49.0).sqrt(), "{part} of {whole}");
    }
}

proptest! {
    #[test]
    fn shares_of_shards_and_then_of_their_workers_add_up(total in 0u32..5_000, of in 1u32..40, workers in 1u32..9) {
        let all: u32 = (0..of)
            .map(|index| {
                let part = Shard::new(index, of).unwrap().share(total);
                (0..workers).map(|worker| share(part, workers, worker)).sum::<u32>()
            })
            .sum();
        prop_assert_eq!(all, total);
    }
}
