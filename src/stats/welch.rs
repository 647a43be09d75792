//! Two independent groups of unequal spread: Welch's t.

use super::contrast::Contrast;
use super::error::{StatsError, logs};
use super::summary::Summary;

/// Difference of two means, candidate - baseline.
///
/// Estimand: the difference of the groups' expectations. Assumption: values independent within and between the
/// groups, means about normal; spreads may differ. Smallest n: 2 each, and 5 each for a decision. Source: Welch, "The
/// generalization of 'Student's' problem when several different population variances are involved", 1947.
///
/// # Errors
/// Below 2 in a group.
pub fn welch(baseline: Summary, candidate: Summary) -> Result<Contrast, StatsError> {
    let fewest = baseline.n.min(candidate.n);
    if fewest < 2.0 {
        return Err(StatsError::TooFew { have: fewest.max(0.0) as usize, need: 2 });
    }
    let (b, c) = (baseline.squared_error(), candidate.squared_error());
    let df = if b + c > 0.0 {
        // As shares of the whole, so that nothing overflows.
        let (b, c) = (b / (b + c), c / (b + c));
        1.0 / (b * b / (baseline.n - 1.0) + c * c / (candidate.n - 1.0))
    } else {
        fewest - 1.0
    };
    Ok(Contrast { estimate: candidate.mean - baseline.mean, standard_error: (b + c).sqrt(), df })
}

/// [`welch`] on natural logarithms: the ratio of the groups' geometric means, as its logarithm.
///
/// # Errors
/// Below 2 in a group, or where a value has no logarithm.
pub fn welch_logs(baseline: &[f64], candidate: &[f64]) -> Result<Contrast, StatsError> {
    welch(Summary::of(&logs(baseline)?)?, Summary::of(&logs(candidate)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 15] =
        [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
    const B: [f64; 17] = [
        27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.2, 20.9, 24.2,
    ];

    #[track_caller]
    fn agrees(got: Contrast, truth: [f64; 6]) {
        let interval = got.interval();
        let t = got.estimate / got.standard_error;
        for (got, truth) in
            [t, got.p_value(), got.df, got.estimate, interval.low, interval.high].into_iter().zip(truth)
        {
            assert!((got - truth).abs() < 1e-9 * truth.abs(), "got {got}, truth {truth}");
        }
    }

    /// SciPy 1.17, `stats.ttest_ind(B, A, equal_var=False)`: t, p, df, difference, interval.
    #[test]
    fn raw_means_agree_with_another_implementation() {
        let got = welch(Summary::of(&A).unwrap(), Summary::of(&B).unwrap()).unwrap();
        agrees(
            got,
            [
                2.9420717954835007,
                0.006232285855443882,
                29.99736521358316,
                3.1035294117647076,
                0.9491713876647125,
                5.257887435864703,
            ],
        );
    }

    /// The same of `np.log(B)` and `np.log(A)`.
    #[test]
    fn logarithms_agree_with_another_implementation() {
        agrees(
            welch_logs(&A, &B).unwrap(),
            [
                3.062786531104662,
                0.00469847698783216,
                29.00361591737802,
                0.13956621832853955,
                0.04636892295764679,
                0.23276351369943232,
            ],
        );
    }

    #[test]
    fn one_value_is_too_few_and_no_spread_is_no_error() {
        assert_eq!(welch_logs(&[1.0], &[1.0, 2.0]), Err(StatsError::TooFew { have: 1, need: 2 }));
        let exact = welch_logs(&[1.0, 1.0], &[2.0, 2.0]).unwrap();
        assert_eq!((exact.standard_error, exact.df), (0.0, 1.0));
    }
}
