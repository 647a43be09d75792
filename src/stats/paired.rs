//! Pairs in random order: the paired t on differences of logarithms.

use super::contrast::Contrast;
use super::error::{StatsError, logs};
use super::summary::Summary;

/// Mean of log(candidate) - log(baseline) over the pairs.
///
/// Estimand: the typical ratio of a pair, as its logarithm. Assumption: the differences are independent and about
/// normal; what changes from pair to pair alike for both cancels. Smallest n: 2 pairs, and 5 for a decision. Source:
/// Student, "The probable error of a mean", 1908.
///
/// # Errors
/// Where pairs are incomplete, fewer than 2, or a value has no logarithm.
pub fn paired_logs(baseline: &[f64], candidate: &[f64]) -> Result<Contrast, StatsError> {
    if baseline.len() != candidate.len() {
        return Err(StatsError::NotPaired { baseline: baseline.len(), candidate: candidate.len() });
    }
    let (baseline, candidate) = (logs(baseline)?, logs(candidate)?);
    let differences: Vec<f64> = candidate.iter().zip(&baseline).map(|(c, b)| c - b).collect();
    one_sample(&differences)
}

/// Mean of independent differences.
///
/// # Errors
/// Below 2, or where one is not finite.
pub fn one_sample(differences: &[f64]) -> Result<Contrast, StatsError> {
    let of = Summary::of(differences)?;
    Ok(Contrast { estimate: of.mean, standard_error: of.squared_error().sqrt(), df: of.n - 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 15] =
        [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
    const B: [f64; 15] =
        [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.2];

    /// SciPy 1.17, `stats.ttest_rel(np.log(B), np.log(A))` and its confidence interval.
    #[test]
    fn it_agrees_with_another_implementation() {
        let got = paired_logs(&A, &B).unwrap();
        assert_eq!(got.df, 14.0);
        assert!((got.estimate - 0.14679388366208634).abs() < 1e-12);
        assert!((got.estimate / got.standard_error - 3.4108829928145106).abs() < 1e-10);
        assert!((got.p_value() - 0.004220530447561293).abs() < 1e-10);
        assert!((got.interval().low - 0.054488879881700494).abs() < 1e-9);
        assert!((got.interval().high - 0.23909888744247282).abs() < 1e-9);
    }

    #[test]
    fn what_both_of_a_pair_share_cancels() {
        let drift = |values: &[f64]| -> Vec<f64> {
            values.iter().enumerate().map(|(i, value)| value * 1.3f64.powi(i as i32)).collect()
        };
        let (plain, drifting) = (paired_logs(&A, &B).unwrap(), paired_logs(&drift(&A), &drift(&B)).unwrap());
        assert!((plain.estimate - drifting.estimate).abs() < 1e-12);
        assert!((plain.standard_error - drifting.standard_error).abs() < 1e-12);
    }

    #[test]
    fn half_a_pair_and_zero_are_refused() {
        assert_eq!(paired_logs(&A, &B[1..]), Err(StatsError::NotPaired { baseline: 15, candidate: 14 }));
        assert_eq!(paired_logs(&[1.0, 0.0], &[1.0, 2.0]), Err(StatsError::NotPositive { value: 0.0 }));
        assert_eq!(paired_logs(&[1.0], &[2.0]), Err(StatsError::TooFew { have: 1, need: 2 }));
    }
}
