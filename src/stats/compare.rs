//! Two sets of runs: whether one metric changed between them.
//!
//! On logarithms, so the change is relative. What may be concluded depends on how the runs were arranged in time:
//! only chance in their order excludes that the machine changed meanwhile.

use super::contrast::Contrast;
use super::error::{StatsError, logs};
use super::interval::Interval;
use super::paired::paired_logs;
use super::scale::Better;
use super::welch::welch_logs;

/// Fewer runs of either decide nothing.
pub const FEWEST_RUNS: usize = 5;

/// Level at which a change is seen.
const SEEN_BELOW: f64 = 0.05;

/// How the runs were arranged in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In pairs, the i-th of both sets next to each other, which one first by chance: the paired t.
    Pairs,
    /// All runs in one random order: Welch's t.
    Shuffled,
    /// One set after the other, or nobody knows: Welch's t, and drift is not excluded.
    Successive,
}

/// What is asked of two sets of runs.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// How they were arranged.
    pub order: Order,
    /// Which way the metric is better.
    pub better: Better,
    /// Where no change is seen and one for the worse beyond this share (0.1 for 10 %) is not excluded, the runs were
    /// too noisy.
    pub must_exclude: f64,
}

/// What was seen, whatever may be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A change for the better, p < 0.05.
    Better,
    /// A change for the worse, p < 0.05.
    Worse,
    /// None.
    Nothing,
}

/// What two sets of runs come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The candidate is better.
    Better,
    /// The candidate is worse.
    Worse,
    /// No change seen; one for the worse by more than this share is excluded.
    NoneSeen {
        /// 0.02 for 2 %.
        excluded_above: f64,
    },
    /// No change seen, but only one for the worse by more than this share is excluded, and that is more than was
    /// asked for.
    TooNoisy {
        /// 0.02 for 2 %.
        excluded_above: f64,
    },
    /// One set ran after the other: what was seen may be the machine's.
    DriftNotExcluded(Seen),
    /// Fewer than [`FEWEST_RUNS`] of one: an interval, no decision.
    TooFewRuns,
    /// One run of one set or both: a difference within these runs, which tells nothing of others.
    SingleRuns,
}

/// Candidate against baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Relative change of the metric: ratio of geometric means, less 1.
    pub change: f64,
    /// Its 95 % interval; `None` with single runs.
    pub interval: Option<Interval>,
    /// Two-sided, of "no change"; `None` with single runs.
    pub p_value: Option<f64>,
    /// The change for the worse, as a share, that so many such runs find 4 times in 5; `None` with single runs.
    pub smallest_detectable: Option<f64>,
    /// The decision.
    pub verdict: Verdict,
}

/// Compares one metric of the runs of two sets.
///
/// Estimand: the ratio of geometric means over runs. Assumption: runs are independent, logarithms about normal or
/// alike in shape. Smallest n: 1 each for a difference, 2 for an interval, [`FEWEST_RUNS`] for a decision; 5 each
/// find 2.0 standard deviations of a run 4 times in 5, 10 each 1.3. Sources: see [`paired_logs`] and [`welch_logs`].
///
/// # Errors
/// Where a set is empty, pairs are incomplete, or a value is not above 0.
pub fn compare(baseline: &[f64], candidate: &[f64], question: Question) -> Result<Comparison, StatsError> {
    let fewest = baseline.len().min(candidate.len());
    if fewest == 0 {
        return Err(StatsError::TooFew { have: 0, need: 1 });
    }
    if question.order == Order::Pairs && baseline.len() != candidate.len() {
        return Err(StatsError::NotPaired { baseline: baseline.len(), candidate: candidate.len() });
    }
    if fewest == 1 {
        return single(baseline, candidate);
    }
    let contrast = match question.order {
        Order::Pairs => paired_logs(baseline, candidate)?,
        Order::Shuffled | Order::Successive => welch_logs(baseline, candidate)?,
    };
    let (better, log_change) = (question.better, contrast.interval());
    Ok(Comparison {
        change: contrast.estimate.exp_m1(),
        interval: Some(log_change.relative_from_logs()),
        p_value: Some(contrast.p_value()),
        smallest_detectable: Some(better.worse_by(contrast.smallest_detectable())),
        verdict: verdict(contrast, fewest, question),
    })
}

fn single(baseline: &[f64], candidate: &[f64]) -> Result<Comparison, StatsError> {
    let mean = |values: &[f64]| Ok(logs(values)?.iter().sum::<f64>() / values.len() as f64);
    let change = (mean(candidate)? - mean(baseline)?).exp_m1();
    Ok(Comparison {
        change,
        interval: None,
        p_value: None,
        smallest_detectable: None,
        verdict: Verdict::SingleRuns,
    })
}

fn verdict(contrast: Contrast, fewest: usize, question: Question) -> Verdict {
    if fewest < FEWEST_RUNS {
        return Verdict::TooFewRuns;
    }
    let seen = if contrast.p_value() >= SEEN_BELOW {
        Seen::Nothing
    } else if contrast.estimate * question.better.sign() > 0.0 {
        Seen::Worse
    } else {
        Seen::Better
    };
    if question.order == Order::Successive {
        return Verdict::DriftNotExcluded(seen);
    }
    match seen {
        Seen::Better => Verdict::Better,
        Seen::Worse => Verdict::Worse,
        Seen::Nothing => {
            let cost = contrast.interval().map(|x| question.better.sign() * x);
            let excluded_above = question.better.worse_by(cost.high);
            if excluded_above > question.must_exclude {
                Verdict::TooNoisy { excluded_above }
            } else {
                Verdict::NoneSeen { excluded_above }
            }
        }
    }
}

/// Whether one set of runs began only after the other had: `Order::Successive`. Times in any unit.
pub fn one_after_the_other(baseline: &[u64], candidate: &[u64]) -> bool {
    let first_and_last = |starts: &[u64]| Some((*starts.iter().min()?, *starts.iter().max()?));
    match (first_and_last(baseline), first_and_last(candidate)) {
        (Some(baseline), Some(candidate)) => baseline.1 <= candidate.0 || candidate.1 <= baseline.0,
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHUFFLED: Question = Question { order: Order::Shuffled, better: Better::Lower, must_exclude: 0.1 };
    const BASE: [f64; 5] = [10.0, 10.1, 9.9, 10.2, 9.8];

    fn times(factor: f64) -> Vec<f64> {
        BASE.iter().map(|value| value * factor).collect()
    }

    fn verdict_of(candidate: &[f64], question: Question) -> Verdict {
        compare(&BASE, candidate, question).unwrap().verdict
    }

    #[test]
    fn what_is_slower_is_worse_and_what_has_more_throughput_is_better() {
        let higher = Question { better: Better::Higher, ..SHUFFLED };
        assert_eq!(verdict_of(&times(1.2), SHUFFLED), Verdict::Worse);
        assert_eq!(verdict_of(&times(0.8), SHUFFLED), Verdict::Better);
        assert_eq!(verdict_of(&times(1.2), higher), Verdict::Better);
        assert_eq!(verdict_of(&times(0.8), higher), Verdict::Worse);
    }

    #[test]
    fn the_change_is_the_ratio_of_geometric_means() {
        let got = compare(&BASE, &times(1.2), SHUFFLED).unwrap();
        assert!((got.change - 0.2).abs() < 1e-12);
        let interval = got.interval.unwrap();
        assert!(interval.contains(0.2) && interval.low > 0.16 && interval.high < 0.24);
        assert!(got.smallest_detectable.unwrap() > 0.02 && got.smallest_detectable.unwrap() < 0.05);
    }

    #[test]
    fn where_nothing_is_seen_it_says_what_is_excluded() {
        let got = compare(&BASE, &times(1.001), SHUFFLED).unwrap();
        let Verdict::NoneSeen { excluded_above } = got.verdict else { panic!("{got:?}") };
        assert!((excluded_above - got.interval.unwrap().high).abs() < 1e-12);
        let higher = Question { better: Better::Higher, ..SHUFFLED };
        let got = compare(&BASE, &times(1.001), higher).unwrap();
        let Verdict::NoneSeen { excluded_above } = got.verdict else { panic!("{got:?}") };
        assert!((excluded_above + got.interval.unwrap().low).abs() < 1e-12);
    }

    #[test]
    fn runs_that_exclude_too_little_are_too_noisy_to_say() {
        let noisy = [5.0, 20.0, 11.0, 8.0, 12.0];
        assert!(matches!(
            verdict_of(&noisy, SHUFFLED),
            Verdict::TooNoisy { excluded_above } if excluded_above > 0.1
        ));
        let patient = Question { must_exclude: 10.0, ..SHUFFLED };
        assert!(matches!(verdict_of(&noisy, patient), Verdict::NoneSeen { .. }));
    }

    #[test]
    fn pairs_cancel_what_both_of_them_share() {
        let drifting: Vec<f64> = BASE.iter().enumerate().map(|(i, x)| x * 2f64.powi(i as i32)).collect();
        let slower: Vec<f64> =
            drifting.iter().zip([1.05, 1.06, 1.04, 1.05, 1.06]).map(|(x, by)| x * by).collect();
        let paired = Question { order: Order::Pairs, ..SHUFFLED };
        assert_eq!(compare(&drifting, &slower, paired).unwrap().verdict, Verdict::Worse);
        assert!(matches!(compare(&drifting, &slower, SHUFFLED).unwrap().verdict, Verdict::TooNoisy { .. }));
        let incomplete = StatsError::NotPaired { baseline: 5, candidate: 4 };
        assert_eq!(compare(&drifting, &slower[1..], paired), Err(incomplete));
    }

    #[test]
    fn one_set_after_the_other_excludes_no_drift() {
        let successive = Question { order: Order::Successive, ..SHUFFLED };
        assert_eq!(verdict_of(&times(1.2), successive), Verdict::DriftNotExcluded(Seen::Worse));
        assert_eq!(verdict_of(&times(1.0), successive), Verdict::DriftNotExcluded(Seen::Nothing));
        assert!(one_after_the_other(&[1, 2, 3], &[4, 5]) && one_after_the_other(&[4, 5], &[1, 2, 3]));
        assert!(!one_after_the_other(&[1, 3, 5], &[2, 4, 6]));
        assert!(one_after_the_other(&[], &[1]));
    }

    #[test]
    fn few_runs_have_an_interval_and_single_runs_a_difference() {
        let few = compare(&BASE[..4], &times(2.0), SHUFFLED).unwrap();
        assert_eq!(few.verdict, Verdict::TooFewRuns);
        assert!(few.interval.is_some());
        let single = compare(&BASE[..1], &[12.0], SHUFFLED).unwrap();
        assert_eq!((single.verdict, single.interval), (Verdict::SingleRuns, None));
        assert!((single.change - 0.2).abs() < 1e-12);
        assert_eq!(compare(&[], &BASE, SHUFFLED), Err(StatsError::TooFew { have: 0, need: 1 }));
        assert_eq!(compare(&[0.0], &[1.0], SHUFFLED), Err(StatsError::NotPositive { value: 0.0 }));
    }
}
