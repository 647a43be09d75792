//! Cost in proportion to the sample fraction: one line through zero over all arms.

use super::contrast::Contrast;
use super::interval::Interval;
use super::scale::Better;
use super::student::f_beyond;

/// Steps of Gauss and Newton; a handful is enough, as costs are nearly linear.
const STEPS: usize = 50;

/// Relative cost = slope * fraction, fitted to the arms' effects with the covariance that sharing "off" gives them.
///
/// Estimand: the cost at a fraction, if cost is proportional. Queueing bends the true curve up, so that small
/// fractions are then overstated. Assumption: that of the arms' own effects. Smallest n: one arm, two for the lack of
/// fit. Source: generalised least squares, Aitken, "On least squares and linear combination of observations", 1936.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostLine {
    /// log(1 + cost at fraction 1), so that the interval at fraction 1 is that of an arm there.
    log_at_full: Contrast,
    better: Better,
    /// Probability of arms at least as far from the line if cost is proportional; `None` with a single arm.
    pub lack_of_fit_p: Option<f64>,
}

/// One arm's effect, as it enters the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub fraction: f64,
    /// Cost in logarithms.
    pub cost: f64,
}

/// What the points' errors are: `own` for each, and `shared` by all through the arm that they are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errors {
    pub own: f64,
    pub shared: f64,
    pub df: f64,
}

impl Errors {
    /// u' V^-1 v for V = own * I + shared * 11' (Sherman and Morrison, 1950).
    fn product(self, u: &[f64], v: &[f64]) -> f64 {
        let dot: f64 = u.iter().zip(v).map(|(u, v)| u * v).sum();
        let (sum_u, sum_v) = (u.iter().sum::<f64>(), v.iter().sum::<f64>());
        (dot - self.shared * sum_u * sum_v / (self.own + u.len() as f64 * self.shared)) / self.own
    }
}

impl CostLine {
    /// `None` without an arm, where a fraction is not in (0, 1], or where there is no error to weigh by.
    pub(super) fn fit(points: &[Point], errors: Errors, better: Better) -> Option<Self> {
        let impossible = points.iter().any(|point| !(point.fraction > 0.0 && point.fraction <= 1.0));
        if points.is_empty() || impossible || errors.own <= 0.0 {
            return None;
        }
        let largest = points.iter().max_by(|a, b| a.fraction.total_cmp(&b.fraction))?;
        // Where the largest arm alone puts it.
        let start = (largest.cost.exp_m1() / largest.fraction).max(-0.5).ln_1p();
        let mut theta = start;
        for _ in 0..STEPS {
            let (residuals, slopes) = at(points, theta);
            let step = errors.product(&slopes, &residuals) / errors.product(&slopes, &slopes);
            theta += step.clamp(-0.5, 0.5);
            if step.abs() < 1e-13 {
                break;
            }
        }
        let (residuals, slopes) = at(points, theta);
        let standard_error = errors.product(&slopes, &slopes).recip().sqrt();
        let others = points.len() as f64 - 1.0;
        let lack_of_fit_p = (points.len() > 1)
            .then(|| f_beyond(errors.product(&residuals, &residuals) / others, others, errors.df));
        let log_at_full = Contrast { estimate: theta, standard_error, df: errors.df };
        Some(Self { log_at_full, better, lack_of_fit_p })
    }

    /// Relative change of the metric at a fraction, with its 95 % interval.
    pub fn at(&self, fraction: f64) -> Interval {
        let cost = self.log_at_full.interval().map(|theta| (theta.exp_m1() * fraction).ln_1p());
        self.better.change(cost)
    }

    /// The largest fraction, at most 1, at which the upper end of the cost's interval stays at or below `limit` (0.02
    /// for 2 %).
    pub fn largest_fraction_within(&self, limit: f64) -> f64 {
        let worst = self.log_at_full.interval().high.exp_m1();
        let allowed = self.better.cost_of(limit).exp_m1();
        if worst <= allowed { 1.0 } else { allowed / worst }
    }
}

/// Residuals of the logarithms, and their slopes in theta.
fn at(points: &[Point], theta: f64) -> (Vec<f64>, Vec<f64>) {
    points
        .iter()
        .map(|point| {
            let cost = theta.exp_m1() * point.fraction;
            (point.cost - cost.ln_1p(), theta.exp() * point.fraction / (1.0 + cost))
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERRORS: Errors = Errors { own: 1e-4, shared: 5e-5, df: 20.0 };

    fn line(points: &[(f64, f64)], better: Better) -> CostLine {
        let points: Vec<Point> = points.iter().map(|&(fraction, cost)| Point { fraction, cost }).collect();
        CostLine::fit(&points, ERRORS, better).unwrap()
    }

    #[test]
    fn proportional_costs_lie_on_it() {
        let got = line(&[(1.0, 1.2f64.ln()), (0.5, 1.1f64.ln()), (0.1, 1.02f64.ln())], Better::Lower);
        assert!((got.at(0.1).estimate - 0.02).abs() < 1e-12);
        assert!((got.at(1.0).estimate - 0.2).abs() < 1e-12);
        assert!(got.lack_of_fit_p.unwrap() > 0.999);
    }

    #[test]
    fn one_arm_at_full_has_the_interval_of_that_arm() {
        let got = line(&[(1.0, 0.08)], Better::Lower);
        let own = Contrast { estimate: 0.08, standard_error: 1.5e-4f64.sqrt(), df: 20.0 };
        let truth = own.interval().relative_from_logs();
        assert!((got.at(1.0).low - truth.low).abs() < 1e-12);
        assert!((got.at(1.0).high - truth.high).abs() < 1e-12);
        assert_eq!(got.lack_of_fit_p, None);
    }

    #[test]
    fn weights_are_those_of_the_full_covariance() {
        // For tiny costs log(1 + c f) = c f, so the line is linear: slope f'V^-1 e / f'V^-1 f.
        // f = (1, 0.1), e = (1e-6, 3e-7); V^-1 is proportional to [[1.5, -0.5], [-0.5, 1.5]].
        // f'V^-1 e: 1.5e-6 - 0.5 * (3e-7 + 1e-7) + 1.5 * 0.1 * 3e-7 = 1.345e-6; f'V^-1 f = 1.5 - 0.1 + 0.015 = 1.415.
        let got = line(&[(1.0, 1e-6), (0.1, 3e-7)], Better::Lower);
        assert!((got.at(1.0).estimate - 1.345e-6 / 1.415).abs() < 1e-11);
    }

    /// SciPy 1.17: `minimize_scalar` over (e - log1p(b f))' V^-1 (e - log1p(b f)), and `stats.f.sf` of its half on
    /// (2, 20).
    #[test]
    fn three_arms_agree_with_another_implementation() {
        let got = line(&[(1.0, 0.30), (0.3, 0.15), (0.1, 0.01)], Better::Lower);
        assert!((got.at(1.0).estimate - 0.3644613884459442).abs() < 1e-7, "{:?}", got.at(1.0));
        assert!((got.lack_of_fit_p.unwrap() / 0.00012824363363052226 - 1.0).abs() < 1e-7);
    }

    #[test]
    fn a_bent_curve_does_not_fit() {
        let bent = line(&[(1.0, 1.4f64.ln()), (0.1, 1.001f64.ln())], Better::Lower);
        let straight = line(&[(1.0, 1.4f64.ln()), (0.1, 1.03f64.ln())], Better::Lower);
        assert!(bent.lack_of_fit_p.unwrap() < 0.01 && straight.lack_of_fit_p.unwrap() > 0.2);
    }

    #[test]
    fn the_budget_is_where_the_upper_end_meets_the_limit() {
        for better in [Better::Lower, Better::Higher] {
            let got = line(&[(1.0, 0.3), (0.1, 0.03)], better);
            let fraction = got.largest_fraction_within(0.02);
            let end = match better {
                Better::Lower => got.at(fraction).high,
                Better::Higher => -got.at(fraction).low,
            };
            assert!((end - 0.02).abs() < 1e-12, "{better:?}: {fraction}, {end}");
            assert!(fraction > 0.03 && fraction < 0.07);
        }
        assert_eq!(line(&[(1.0, -0.1)], Better::Lower).largest_fraction_within(0.02), 1.0);
    }

    #[test]
    fn without_error_or_arms_there_is_none() {
        assert_eq!(CostLine::fit(&[], ERRORS, Better::Lower), None);
        let exact = Errors { own: 0.0, ..ERRORS };
        assert_eq!(CostLine::fit(&[Point { fraction: 1.0, cost: 0.1 }], exact, Better::Lower), None);
        assert_eq!(CostLine::fit(&[Point { fraction: 0.0, cost: 0.1 }], ERRORS, Better::Lower), None);
    }
}
