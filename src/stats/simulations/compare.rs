//! Two sets of runs that do not differ, and two that do.

use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal, StudentT};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Rate, sequence};
use crate::stats::compare::{Order, Question, Seen, Verdict, compare};
use crate::stats::scale::Better;

/// Standard deviation of a run's logarithm.
const SPREAD: f64 = 0.05;

#[derive(Clone, Copy, Debug)]
enum Law {
    Normal,
    /// Student's t on 3 degrees of freedom: now and then far out.
    T3,
    /// Normal, and one run in twenty takes half as long again.
    Outliers,
}

impl Law {
    fn run(self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        let z: f64 = StandardNormal.sample(rng);
        let log = match self {
            Self::Normal => SPREAD * z,
            Self::T3 => SPREAD * StudentT::new(3.0).unwrap().sample(rng),
            Self::Outliers => SPREAD * z + if rng.random::<f64>() < 0.05 { 0.4 } else { 0.0 },
        };
        log.exp()
    }

    fn runs(self, n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        (0..n).map(|_| self.run(rng)).collect()
    }
}

fn sees(law: Law, order: Order, n: usize, effect: f64, repetitions: u64) -> Rate {
    let question = Question { order, better: Better::Lower, must_exclude: 1.0 };
    let mut sees = Rate::default();
    for repetition in 0..repetitions {
        let mut rng = sequence(21 + n as u64, repetition);
        let (baseline, mut candidate) = (law.runs(n, &mut rng), law.runs(n, &mut rng));
        candidate.iter_mut().for_each(|run| *run *= effect.exp());
        let verdict = compare(&baseline, &candidate, question).unwrap().verdict;
        sees.count(match verdict {
            Verdict::Better | Verdict::Worse => true,
            Verdict::DriftNotExcluded(seen) => seen != Seen::Nothing,
            Verdict::NoneSeen { .. } | Verdict::TooNoisy { .. } => false,
            Verdict::TooFewRuns | Verdict::SingleRuns => panic!("{verdict:?}"),
        });
    }
    sees
}

#[test]
fn runs_that_do_not_differ_are_called_different_in_at_most_7_percent() {
    for law in [Law::Normal, Law::T3, Law::Outliers] {
        for order in [Order::Pairs, Order::Shuffled] {
            for n in [5, 10] {
                let errs = sees(law, order, n, 0.0, 10_000);
                println!("{law:?}, {order:?}, {n} each: {:.2} %", errs.percent());
                assert!(errs.percent() <= 7.0);
            }
        }
    }
}

#[test]
fn five_each_find_two_standard_deviations_and_ten_each_1_3_four_times_in_five() {
    // Non-central t (SciPy 1.17): the t of equal variances finds 80 % of both; Welch's gives up to 3 of them for not
    // assuming that.
    for (n, deviations) in [(5, 2.02), (10, 1.32)] {
        let found = sees(Law::Normal, Order::Shuffled, n, deviations * SPREAD, 10_000);
        println!("{n} each, {deviations} standard deviations: found in {:.1} %", found.percent());
        assert!((76.0..=82.0).contains(&found.percent()));
    }
}
