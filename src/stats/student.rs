//! Quantiles and tail probabilities of the standard distributions: normal, Student's t, F.
//!
//! Degrees of freedom are real and at least 1; less is taken as 1, the widest. Relative error below 1e-9 for the
//! probabilities that are used here, tested against published tables.

use statrs::function::beta::{beta_reg, inv_beta_reg};
use statrs::function::erf::{erfc, erfc_inv};

/// Above so many degrees of freedom quantiles are those of the normal and two terms of Fisher's expansion, to 11
/// digits.
const EXPANDED_ABOVE: f64 = 1e4;

/// Above so many degrees of freedom tail probabilities are the normal's, to 7 digits.
const NORMAL_ABOVE: f64 = 1e8;

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// How often an effect of the smallest detectable size is found.
pub const POWER: f64 = 0.8;

/// The value that a standard normal variable stays below with probability `p`, in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// Probability that a standard normal variable stays below `x`.
pub fn normal_below(x: f64) -> f64 {
    erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

/// The value that Student's t with `df` degrees of freedom stays below with probability `p`, in (0, 1).
pub fn t_quantile(p: f64, df: f64) -> f64 {
    let df = df.max(1.0);
    if df >= EXPANDED_ABOVE {
        // Abramowitz and Stegun, 26.7.5.
        let z = normal_quantile(p);
        let (first, second) = (z.powi(3) + z, 5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z);
        return z + first / (4.0 * df) + second / (96.0 * df * df);
    }
    // P(|T| > t) = I_x(df / 2, 1 / 2) with x = df / (df + t^2): Abramowitz and Stegun, 26.5.27.
    let beyond = 2.0 * p.min(1.0 - p);
    let x = inv_beta_reg(df / 2.0, 0.5, beyond);
    let t = (df * (1.0 - x) / x).sqrt();
    if p < 0.5 { -t } else { t }
}

/// Half-width of a two-sided interval of [`CONFIDENCE`], in standard errors.
pub fn two_sided_t(df: f64) -> f64 {
    t_quantile(1.0 - (1.0 - CONFIDENCE) / 2.0, df)
}

/// Probability that |t| with `df` degrees of freedom is at least as large as this one.
pub fn two_sided_p(t: f64, df: f64) -> f64 {
    let df = df.max(1.0);
    if df > NORMAL_ABOVE {
        return 2.0 * normal_below(-t.abs());
    }
    if t.is_infinite() {
        return 0.0;
    }
    beta_reg(df / 2.0, 0.5, df / (df + t * t))
}

/// Probability that F with (`df1`, `df2`) degrees of freedom is at least `f`.
pub fn f_beyond(f: f64, df1: f64, df2: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    if f.is_infinite() {
        return 0.0;
    }
    // Abramowitz and Stegun, 26.6.2.
    beta_reg(df2 / 2.0, df1 / 2.0, df2 / (df2 + df1 * f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: f64, truth: f64, relative: f64) {
        assert!((got - truth).abs() <= relative * truth.abs(), "got {got}, truth {truth}");
    }

    /// Student's t in every textbook's table: 97.5 %, three decimals.
    #[test]
    fn t_quantiles_are_those_of_the_printed_tables() {
        for (df, table) in [(1.0, 12.706), (4.0, 2.776), (10.0, 2.228), (30.0, 2.042), (120.0, 1.980)] {
            assert!((t_quantile(0.975, df) - table).abs() < 5.001e-4, "{df}");
        }
        for (df, table) in [(1.0, 1.376), (4.0, 0.941), (10.0, 0.879), (30.0, 0.854)] {
            assert!((t_quantile(0.8, df) - table).abs() < 5.001e-4, "{df}");
        }
    }

    /// SciPy 1.17, `stats.t.ppf` at 0.8, 0.975 and 0.9995.
    #[test]
    fn t_quantiles_have_nine_digits_for_any_real_degrees_of_freedom() {
        let truth = [
            (1.0, [1.3763819204711738, 12.706204736174694, 636.6192487687897]),
            (1.5, [1.1533643782954695, 6.016663104427929, 82.84744670366369]),
            (2.7, [0.995889377027529, 3.3921483831737507, 15.63577286317451]),
            (4.0, [0.9409645772351816, 2.7764451051977934, 8.610301581379522]),
            (30.0, [0.8537672614712979, 2.0422724563012378, 3.6459586350420627]),
            (1e4, [0.8416571791416534, 1.960201239890626, 3.2914999659416355]),
        ];
        for (df, values) in truth {
            for (p, value) in [0.8, 0.975, 0.9995].into_iter().zip(values) {
                near(t_quantile(p, df), value, 1e-9);
                near(t_quantile(1.0 - p, df), -value, 1e-9);
            }
        }
        near(t_quantile(0.975, 1e9), 1.959963984540054, 1e-8);
    }

    /// SciPy 1.17, `2 * stats.t.sf(t, df)`.
    #[test]
    fn tail_probabilities_of_t_agree_with_another_implementation() {
        for (t, df, truth) in [
            (2.0, 5.0, 0.10193947882985835),
            (4.5, 11.3, 0.0008429871925882229),
            (-0.1, 3.0, 0.9266523488008059),
            (12.0, 4.0, 0.000276428548502973),
            (3.29, 1e5, 0.0010022201378711302),
        ] {
            near(two_sided_p(t, df), truth, 1e-9);
        }
        assert_eq!(two_sided_p(f64::INFINITY, 5.0), 0.0);
        assert!((two_sided_p(0.0, 5.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn normal_quantiles_are_the_published_ones() {
        near(normal_quantile(0.975), 1.959963984540054, 1e-12);
        near(normal_quantile(0.8), 0.8416212335729143, 1e-12);
        near(normal_quantile(0.9995), 3.2905267314919255, 1e-12);
        assert!(normal_quantile(0.5).abs() < 1e-15);
        near(normal_below(1.959963984540054), 0.975, 1e-11);
        near(normal_below(-3.2905267314919255), 0.0005, 1e-8);
    }

    /// SciPy 1.17, `stats.f.sf`.
    #[test]
    fn tail_probabilities_of_f_agree_with_another_implementation() {
        for (f, a, b, truth) in [
            (3.0, 1.0, 10.0, 0.1139374121519203),
            (2.5, 2.0, 33.5, 0.09728218099474666),
            (4.0, 3.0, 7.0, 0.059630822151202675),
        ] {
            near(f_beyond(f, a, b), truth, 1e-9);
        }
        assert_eq!((f_beyond(0.0, 2.0, 9.0), f_beyond(f64::INFINITY, 2.0, 9.0)), (1.0, 0.0));
    }

    #[test]
    fn quantile_and_tail_are_inverse_to_each_other() {
        for df in [1.0, 3.3, 9.0, 57.0, 1e5] {
            for p in [0.6, 0.8, 0.95, 0.975, 0.9995, 0.999_999] {
                near(two_sided_p(t_quantile(p, df), df), 2.0 * (1.0 - p), 1e-7);
            }
        }
    }
}
