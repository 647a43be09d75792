//! Differences of quantiles: alike groups, and sampled requests that pay more in one queue with the others.

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Rate, sequence};
use crate::stats::interval::Interval;
use crate::stats::rank_interval::{NotTold, Ranked, quantile_difference};
use crate::stats::summary::Summary;
use crate::stats::welch::welch;

const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

fn at(values: &[f64], rank: u64) -> Option<f64> {
    values.get(rank as usize - 1).copied()
}

fn difference(sampled: &[f64], unsampled: &[f64], q: f64) -> Result<Interval, NotTold> {
    quantile_difference(
        Ranked { sent: sampled.len() as u64, at: &|rank| at(sampled, rank) },
        Ranked { sent: unsampled.len() as u64, at: &|rank| at(unsampled, rank) },
        q,
    )
}

/// Requests of one run, each group sorted.
#[derive(Default)]
struct Groups {
    sampled: Vec<f64>,
    unsampled: Vec<f64>,
}

impl Groups {
    fn sort(mut self) -> Self {
        self.sampled.sort_by(f64::total_cmp);
        self.unsampled.sort_by(f64::total_cmp);
        self
    }
}

/// Independent times of one law, a share of them labelled "sampled".
fn alike(
    law: fn(&mut Xoshiro256PlusPlus) -> f64,
    n: usize,
    fraction: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> Groups {
    let mut groups = Groups::default();
    for _ in 0..n {
        let time = law(rng);
        let group = if rng.random::<f64>() < fraction { &mut groups.sampled } else { &mut groups.unsampled };
        group.push(time);
    }
    groups.sort()
}

/// First in, first out, Poisson arrivals, exponential service of mean 1; a sampled one takes `extra` more.
fn queue(load: f64, extra: f64, n: usize, fraction: f64, rng: &mut Xoshiro256PlusPlus) -> Groups {
    let mut groups = Groups::default();
    let mut waiting = 0.0;
    // So that the queue is as it is in the long run.
    let unseen = 2_000;
    for i in 0..n + unseen {
        let sampled = rng.random::<f64>() < fraction;
        let service: f64 = Exp1.sample(rng);
        let service = service + if sampled { extra } else { 0.0 };
        if i >= unseen {
            let group = if sampled { &mut groups.sampled } else { &mut groups.unsampled };
            group.push(waiting + service);
        }
        let gap: f64 = Exp1.sample(rng);
        // Lindley's recursion.
        waiting = f64::max(0.0, waiting + service - gap / load);
    }
    groups.sort()
}

fn exact(sorted: &[f64], q: f64) -> f64 {
    sorted[(q * sorted.len() as f64).ceil() as usize - 1]
}

fn errors(name: &str, law: fn(&mut Xoshiro256PlusPlus) -> f64, fraction: f64, repetitions: u64) {
    let mut errs = [Rate::default(); QUANTILES.len()];
    for repetition in 0..repetitions {
        let groups = alike(law, 4_000, fraction, &mut sequence(11, repetition));
        for (rate, q) in errs.iter_mut().zip(QUANTILES) {
            if let Ok(interval) = difference(&groups.sampled, &groups.unsampled, q) {
                rate.count(!interval.contains(0.0));
            }
        }
    }
    for (rate, q) in errs.iter().zip(QUANTILES).filter(|(rate, _)| rate.of > 0) {
        println!("{name}, fraction {fraction}, q {q}: {:.2} % of {}", rate.percent(), rate.of);
        assert!(rate.percent() <= 7.0);
    }
}

fn exponential(rng: &mut Xoshiro256PlusPlus) -> f64 {
    Exp1.sample(rng)
}

fn lognormal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    z.exp()
}

/// As a histogram's buckets: many ties.
fn in_steps(rng: &mut Xoshiro256PlusPlus) -> f64 {
    (exponential(rng) * 20.0).floor()
}

#[test]
fn groups_that_are_alike_differ_in_at_most_7_percent_at_each_quantile() {
    for fraction in [0.5, 0.1] {
        errors("exponential", exponential, fraction, 1_000);
        errors("lognormal", lognormal, fraction, 1_000);
        errors("in steps", in_steps, fraction, 1_000);
    }
}

fn coverage(load: f64, extra: f64, fraction: f64, repetitions: u64) {
    let truth_from = queue(load, extra, 3_000_000, fraction, &mut sequence(13, u64::MAX));
    let (mut covers, mut means) = ([Rate::default(); QUANTILES.len()], Rate::default());
    for repetition in 0..repetitions {
        let groups = queue(load, extra, 6_000, fraction, &mut sequence(12, repetition));
        // Labels are drawn apart from the queue, so both wait alike and the means differ by `extra` exactly.
        let (one, zero) = (Summary::of(&groups.sampled).unwrap(), Summary::of(&groups.unsampled).unwrap());
        means.count(welch(zero, one).unwrap().interval().contains(extra));
        for (rate, q) in covers.iter_mut().zip(QUANTILES) {
            let truth = exact(&truth_from.sampled, q) - exact(&truth_from.unsampled, q);
            if let Ok(interval) = difference(&groups.sampled, &groups.unsampled, q) {
                rate.count(interval.contains(truth));
            }
        }
    }
    println!("load {load}, extra {extra}, fraction {fraction}, mean: covers {:.2} %", means.percent());
    assert!(means.percent() >= 93.0);
    for (rate, q) in covers.iter().zip(QUANTILES).filter(|(rate, _)| rate.of > 0) {
        println!(
            "load {load}, extra {extra}, fraction {fraction}, q {q}: covers {:.2} % of {}",
            rate.percent(),
            rate.of
        );
        assert!(rate.percent() >= 93.0);
    }
}

#[test]
fn with_queueing_it_covers_the_true_difference_in_93_percent() {
    coverage(0.6, 0.2, 0.5, 1_000);
}

#[test]
#[ignore = "eight queues of some ten million requests take ten seconds"]
fn with_queueing_it_covers_the_true_difference_at_any_load_and_fraction() {
    for load in [0.3, 0.7] {
        for extra in [0.05, 0.3] {
            for fraction in [0.5, 0.2] {
                coverage(load, extra, fraction, 2_000);
            }
        }
    }
}
