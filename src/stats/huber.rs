//! The additive model y = block + arm on complete blocks, fitted so that a few wild values move it little.
//!
//! Huber's M-estimate: a value's weight is 1 up to k scales from the fit and falls as 1 / distance beyond. Blocks
//! take up what changes slowly, weights what bursts.

use super::contrast::Contrast;
use super::error::StatsError;
use super::linear::solve;

/// Huber's tuning constant: 95 % of least squares' efficiency where values are normal.
const K: f64 = 1.345;

/// Median of |z| for a standard normal z, so that the scale estimates a standard deviation.
const NORMAL_MEDIAN: f64 = 0.6745;

/// Rounds in which the scale is estimated anew.
const ROUNDS_WITH_NEW_SCALE: usize = 50;

/// Rounds altogether; beyond the above with the scale held, where the weights converge to the one minimum.
const ROUNDS: usize = 2_000;

/// Complete blocks: `y[block][column]`, with the arm of each column.
///
/// Arms are numbered from 0, which is the reference; several columns may be of one arm.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    /// Values.
    pub y: &'a [Vec<f64>],
    /// Arm of each column.
    pub arms: &'a [usize],
}

/// The fitted model.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Of each arm, relative to arm 0.
    pub effects: Vec<f64>,
    /// y less the model, `[block][column]`.
    pub residuals: Vec<Vec<f64>>,
    /// Between 0 and 1, all 1 for least squares.
    pub weights: Vec<Vec<f64>>,
    /// Degrees of freedom: values less blocks less arms, plus 1.
    pub df: f64,
    /// Robust standard deviation of a value; of least squares the usual one.
    pub scale: f64,
    /// Squared standard error of one value, from which every contrast's follows.
    pub variance: f64,
    /// Columns of each arm.
    columns: Vec<f64>,
}

impl Fit {
    /// Effect of `arm` less that of `reference`.
    ///
    /// Estimand: the difference that the arm makes in a typical slot. Assumption: slots' errors are alike and
    /// independent within a block after the randomised order. Smallest n: 2 blocks, and 5 for a decision. Source of
    /// the standard error: Huber, "Robust regression: asymptotics, conjectures and Monte Carlo", 1973, with the
    /// correction K.
    pub fn contrast(&self, arm: usize, reference: usize) -> Contrast {
        let blocks = self.residuals.len() as f64;
        let share = 1.0 / self.columns[arm] + 1.0 / self.columns[reference];
        Contrast {
            estimate: self.effects[arm] - self.effects[reference],
            standard_error: (self.variance * share / blocks).sqrt(),
            df: self.df,
        }
    }
}

/// Fits by Huber's weights with k = 1.345, starting from least squares.
///
/// Scale = median|r| / 0.6745 * sqrt(N / df), estimated in every round. Where more than half of the residuals vanish
/// there is no such scale, and least squares is the answer.
///
/// # Errors
/// Below 2 blocks, without a second arm, or where a block is not complete or a value not finite.
pub fn fit(data: &Blocks<'_>) -> Result<Fit, StatsError> {
    let shape = Shape::of(data)?;
    let plain = vec![vec![1.0; data.arms.len()]; data.y.len()];
    let start = shape.weighted(data, &plain);
    let start_scale = shape.scale(&start.residuals);
    // Rounding leaves residuals of this size where the model is exact.
    let nothing = 1e-12 * data.y.iter().flatten().fold(f64::MIN_POSITIVE, |most, y| y.abs().max(most));
    let least_squares = shape.finish_plain(&start, plain);
    let (mut current, mut scale) = (start, start_scale);
    for round in 0..ROUNDS {
        if scale <= nothing {
            return Ok(least_squares);
        }
        let weights = map(&current.residuals, |r| weight(r / scale));
        let next = shape.weighted(data, &weights);
        let moved = next.effects.iter().zip(&current.effects).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let next_scale = if round < ROUNDS_WITH_NEW_SCALE { shape.scale(&next.residuals) } else { scale };
        let settled = moved <= 1e-10 * scale && (next_scale - scale).abs() <= 1e-10 * scale;
        (current, scale) = (next, next_scale);
        if settled {
            break;
        }
    }
    if scale <= nothing {
        return Ok(least_squares);
    }
    Ok(shape.finish(&current, scale))
}

/// Huber's weight at a standardised residual.
fn weight(z: f64) -> f64 {
    if z.abs() <= K { 1.0 } else { K / z.abs() }
}

fn map(rows: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().map(|&x| f(x)).collect()).collect()
}

/// One weighted solution.
struct Solution {
    effects: Vec<f64>,
    residuals: Vec<Vec<f64>>,
}

/// What stays the same from round to round.
struct Shape {
    columns: Vec<f64>,
    values: f64,
    df: f64,
}

impl Shape {
    fn of(data: &Blocks<'_>) -> Result<Self, StatsError> {
        let blocks = data.y.len();
        if blocks < 2 {
            return Err(StatsError::TooFew { have: blocks, need: 2 });
        }
        if let Some(block) = data.y.iter().position(|row| row.len() != data.arms.len()) {
            return Err(StatsError::NotComplete { block });
        }
        if let Some(&value) = data.y.iter().flatten().find(|y| !y.is_finite()) {
            return Err(StatsError::NotFinite { value });
        }
        let arms = data.arms.iter().max().map_or(0, |last| last + 1);
        let mut columns = vec![0.0; arms];
        data.arms.iter().for_each(|&arm| columns[arm] += 1.0);
        if arms < 2 || columns.contains(&0.0) {
            return Err(StatsError::TooFew { have: arms, need: 2 });
        }
        let values = (blocks * data.arms.len()) as f64;
        Ok(Self { df: values - blocks as f64 - (arms as f64 - 1.0), columns, values })
    }

    /// Least squares with these weights. Blocks are eliminated, so only the arms' equations are solved.
    fn weighted(&self, data: &Blocks<'_>, weights: &[Vec<f64>]) -> Solution {
        let arms = self.columns.len();
        let (mut matrix, mut right) = (vec![vec![0.0; arms - 1]; arms - 1], vec![0.0; arms - 1]);
        for (y, w) in data.y.iter().zip(weights) {
            let (mut weight, mut sum) = (vec![0.0; arms], vec![0.0; arms]);
            for ((&arm, y), w) in data.arms.iter().zip(y).zip(w) {
                weight[arm] += w;
                sum[arm] += w * y;
            }
            let (all, all_sum) = (weight.iter().sum::<f64>(), sum.iter().sum::<f64>());
            for i in 1..arms {
                right[i - 1] += sum[i] - weight[i] * all_sum / all;
                matrix[i - 1][i - 1] += weight[i];
                for j in 1..arms {
                    matrix[i - 1][j - 1] -= weight[i] * weight[j] / all;
                }
            }
        }
        let effects: Vec<f64> = std::iter::once(0.0).chain(solve(matrix, right)).collect();
        let residuals = data.y.iter().zip(weights).map(|(y, w)| {
            let less_arm: Vec<f64> = y.iter().zip(data.arms).map(|(y, &arm)| y - effects[arm]).collect();
            let block = less_arm.iter().zip(w).map(|(y, w)| y * w).sum::<f64>() / w.iter().sum::<f64>();
            less_arm.into_iter().map(|y| y - block).collect()
        });
        Solution { residuals: residuals.collect(), effects }
    }

    /// Robust standard deviation of an error, with the degrees of freedom that the fit used up.
    fn scale(&self, residuals: &[Vec<f64>]) -> f64 {
        let mut sizes: Vec<f64> = residuals.iter().flatten().map(|r| r.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let median =
            if sizes.len() % 2 == 1 { sizes[middle] } else { (sizes[middle - 1] + sizes[middle]) / 2.0 };
        median / NORMAL_MEDIAN * (self.values / self.df).sqrt()
    }

    fn finish_plain(&self, solution: &Solution, weights: Vec<Vec<f64>>) -> Fit {
        let variance = solution.residuals.iter().flatten().map(|r| r * r).sum::<f64>() / self.df;
        self.fitted(solution, weights, variance.sqrt(), variance)
    }

    /// Huber's variance: K^2 * (sum of psi^2 / df) / (mean of psi')^2, K = 1 + p / N * var(psi') / mean(psi')^2.
    fn finish(&self, solution: &Solution, scale: f64) -> Fit {
        let weights = map(&solution.residuals, |r| weight(r / scale));
        let psi_squares: f64 =
            solution.residuals.iter().flatten().map(|r| r.abs().min(K * scale).powi(2)).sum();
        // psi' is 1 within k scales and 0 beyond.
        let within = weights.iter().flatten().filter(|w| **w >= 1.0).count() as f64 / self.values;
        let parameters = self.values - self.df;
        let correction = 1.0 + parameters / self.values * (1.0 - within) / within;
        let variance = correction.powi(2) * (psi_squares / self.df) / within.powi(2);
        self.fitted(solution, weights, scale, variance)
    }

    fn fitted(&self, solution: &Solution, weights: Vec<Vec<f64>>, scale: f64, variance: f64) -> Fit {
        Fit {
            effects: solution.effects.clone(),
            residuals: solution.residuals.clone(),
            weights,
            df: self.df,
            scale,
            variance,
            columns: self.columns.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(got: f64, truth: f64, relative: f64) {
        assert!((got - truth).abs() <= relative * truth.abs().max(1e-3), "got {got}, truth {truth}");
    }

    /// Six blocks; the second column is wild in the fourth, the third in the last.
    fn wild() -> Vec<Vec<f64>> {
        vec![
            vec![1.02, 0.98, 1.10, 1.31],
            vec![1.10, 1.07, 1.19, 1.33],
            vec![0.91, 0.95, 1.01, 1.22],
            vec![1.00, 2.40, 1.12, 1.28],
            vec![1.21, 1.18, 1.25, 1.52],
            vec![0.97, 1.01, 0.40, 1.30],
        ]
    }

    /// statsmodels 0.15, `RLM(M=HuberT(1.345)).fit(cov="H1")`, both scales replaced by the one above (its own leaves
    /// out sqrt(N / df)), tolerance 1e-14: effects, standard errors, scale.
    #[test]
    fn it_agrees_with_another_implementation() {
        let y = wild();
        let got = fit(&Blocks { y: &y, arms: &[0, 0, 1, 2] }).unwrap();
        near(got.effects[1], 0.0714053387516303, 1e-7);
        near(got.effects[2], 0.2863939503851176, 1e-7);
        near(got.contrast(1, 0).standard_error, 0.018781757335758924, 1e-7);
        near(got.scale, 0.03859053443727622, 1e-7);
        assert_eq!(got.df, 16.0);

        let got = fit(&Blocks { y: &y, arms: &[0, 1, 2, 3] }).unwrap();
        for (arm, truth) in [(1, 0.012733334391986206), (2, 0.07580833227467877), (3, 0.29166666666666585)] {
            near(got.effects[arm], truth, 1e-7);
            near(got.contrast(arm, 0).standard_error, 0.02343640301570138, 1e-7);
        }
        near(got.weights[3][1], 0.040213517750154394, 1e-6);
        near(got.weights[5][2], 0.08409758580049144, 1e-6);
        assert_eq!(got.df, 15.0);
    }

    /// Balanced least squares has closed forms: differences of column means, and the two-way analysis of variance.
    #[test]
    fn without_wild_values_it_is_the_analysis_of_variance() {
        // Residuals of +-1 only: none lies beyond 1.345 scales, so all weights are 1.
        let y = vec![vec![11.0, 19.0], vec![19.0, 31.0], vec![31.0, 39.0], vec![39.0, 51.0]];
        let got = fit(&Blocks { y: &y, arms: &[0, 1] }).unwrap();
        near(got.effects[1], 10.0, 1e-12);
        // Differences 8, 12, 8, 12: mean 10, squares around it 16, so the paired t has error sqrt(16 / 3 / 4).
        near(got.contrast(1, 0).standard_error, (16.0f64 / 12.0).sqrt(), 1e-12);
        assert_eq!(got.df, 3.0);
        assert!(got.weights.iter().flatten().all(|w| *w == 1.0));
    }

    #[test]
    fn arms_of_two_columns_have_half_the_variance_of_their_mean() {
        let y = wild();
        let got = fit(&Blocks { y: &y, arms: &[0, 0, 1, 2] }).unwrap();
        let (against_two, against_one) = (got.contrast(1, 0), got.contrast(1, 2));
        near(against_one.standard_error.powi(2) / against_two.standard_error.powi(2), 2.0 / 1.5, 1e-12);
    }

    #[test]
    fn a_median_residual_of_zero_leaves_least_squares() {
        let mut y: Vec<Vec<f64>> = (0..6).map(|b| vec![f64::from(b), f64::from(b) + 2.0, 7.0, 1.0]).collect();
        y.iter_mut().enumerate().for_each(|(b, row)| row[2..].iter_mut().for_each(|y| *y += b as f64));
        // Their sums vanish in every block and column: these are the residuals, and all others are 0.
        for (block, column, by) in [(0, 1, 1.0), (0, 2, -1.0), (1, 1, -1.0), (1, 2, 1.0)] {
            y[block][column] += by;
        }
        let got = fit(&Blocks { y: &y, arms: &[0, 1, 2, 3] }).unwrap();
        near(got.effects[1], 2.0, 1e-12);
        // 4 squares of 1 on 24 - 6 - 3 degrees of freedom, two means of 6.
        near(got.contrast(1, 0).standard_error, (4.0f64 / 15.0 * 2.0 / 6.0).sqrt(), 1e-12);
    }

    #[test]
    fn one_wild_value_moves_it_little_however_wild() {
        let mut effects = Vec::new();
        for wildness in [5.0, 500.0, 5e6] {
            let mut y = wild();
            y[3][1] = wildness;
            effects.push(fit(&Blocks { y: &y, arms: &[0, 0, 1, 2] }).unwrap().effects[2]);
        }
        assert!((effects[0] - effects[2]).abs() < 1e-6, "{effects:?}");
        assert!((effects[2] - 0.286).abs() < 0.01, "{effects:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let one = vec![vec![1.0, 2.0]];
        assert_eq!(
            fit(&Blocks { y: &one, arms: &[0, 1] }).err(),
            Some(StatsError::TooFew { have: 1, need: 2 })
        );
        let ragged = vec![vec![1.0, 2.0], vec![1.0]];
        let refused = fit(&Blocks { y: &ragged, arms: &[0, 1] }).err();
        assert_eq!(refused, Some(StatsError::NotComplete { block: 1 }));
        let two = vec![vec![1.0, 2.0], vec![1.0, 2.0]];
        assert!(fit(&Blocks { y: &two, arms: &[0, 0] }).is_err());
    }

    // Of five blocks or more: with fewer no experiment begins, and of two the rounds may not come to their end.
    proptest! {
        /// So that a simulated effect may be added after the fit, and blocks may differ by anything.
        #[test]
        fn what_is_additive_moves_the_effects_and_nothing_else(
            noise in prop::collection::vec(prop::collection::vec(-1.0f64..1.0, 4), 5..12),
            levels in prop::collection::vec(-3.0f64..3.0, 12),
            added in -2.0f64..2.0,
        ) {
            let arms = [0, 0, 1, 2];
            let moved: Vec<Vec<f64>> = noise.iter().zip(&levels).map(|(row, level)| {
                row.iter().zip(arms).map(|(y, arm)| y + level + if arm == 2 { added } else { 0.0 }).collect()
            }).collect();
            let (plain, moved) = (
                fit(&Blocks { y: &noise, arms: &arms }).unwrap(),
                fit(&Blocks { y: &moved, arms: &arms }).unwrap(),
            );
            prop_assert!((moved.effects[2] - plain.effects[2] - added).abs() < 1e-6);
            prop_assert!((moved.effects[1] - plain.effects[1]).abs() < 1e-6);
            let (before, after) = (plain.contrast(2, 0).standard_error, moved.contrast(2, 0).standard_error);
            prop_assert!((before - after).abs() < 1e-5 * before, "{before} {after}");
        }

        /// The estimating equations themselves: clipped residuals sum to nothing in every block and arm.
        #[test]
        fn the_clipped_residuals_of_each_block_and_arm_sum_to_zero(
            noise in prop::collection::vec(prop::collection::vec(-1.0f64..1.0, 4), 5..12),
        ) {
            let arms = [0, 0, 1, 2];
            let got = fit(&Blocks { y: &noise, arms: &arms }).unwrap();
            let clipped = |r: f64| r.clamp(-K * got.scale, K * got.scale);
            for row in &got.residuals {
                prop_assert!(row.iter().map(|&r| clipped(r)).sum::<f64>().abs() < 1e-6 * got.scale.max(1e-3));
            }
            for wanted in 0..3 {
                let of_arm = |row: &Vec<f64>| -> f64 {
                    row.iter().zip(arms).filter(|(_, arm)| *arm == wanted).map(|(&r, _)| clipped(r)).sum()
                };
                let sum: f64 = got.residuals.iter().map(of_arm).sum();
                prop_assert!(sum.abs() < 1e-6 * got.scale.max(1e-3), "{}", sum);
            }
        }
    }
}
