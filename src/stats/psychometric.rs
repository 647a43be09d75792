//! The rate at which half of all windows hold, from windows that held and failed at several rates.

use super::capacity::Probe;
use super::interval::Interval;
use super::student::{CONFIDENCE, normal_below};

/// A window may hold or fail for reasons that have nothing to do with the rate, one in a hundred each way.
const LAPSE: f64 = 0.01;

/// Widths of the transition in log rate, from the smallest to the largest.
const WIDTHS: (f64, f64) = (0.005, 0.1);
/// How many, equally far apart in their logarithms.
const WIDTH_COUNT: usize = 12;

/// Distance of roots in log rate; the narrowest posterior is several times as wide.
const ROOT_STEP: f64 = 0.0025;

/// The root lies at most so far (in log rate) outside the rates that were tried.
const BEYOND: f64 = std::f64::consts::LN_2;

/// More deviations than this are certainty, to 9 digits.
const CERTAIN: f64 = 6.0;

/// Median and 95 % interval of the root's posterior; `None` without probes.
///
/// Estimand: the rate at which a window holds with probability one half. Model: P(hold) = 0.01 + 0.98 Phi((root - log
/// rate) / width), windows independent; prior flat in the root's logarithm, within a factor of 2 of the rates that
/// were tried, and in the logarithm of the width from 0.5 to 10 %. Smallest n: one that held and one that failed;
/// narrow from some 10 on. Source: Kuss, Jaekel and Wichmann, "Bayesian inference for psychometric functions", 2005.
pub(super) fn posterior(probes: &[Probe]) -> Option<Interval> {
    let logs: Vec<(f64, bool)> = probes.iter().map(|probe| (probe.rate.ln(), probe.held)).collect();
    let lowest = logs.iter().map(|(log, _)| *log).reduce(f64::min)? - BEYOND;
    let highest = logs.iter().map(|(log, _)| *log).reduce(f64::max)? + BEYOND;
    let count = ((highest - lowest) / ROOT_STEP).ceil() as usize;
    let roots: Vec<f64> = (0..=count).map(|i| lowest + i as f64 * ROOT_STEP).collect();
    let likelihoods: Vec<Vec<f64>> = roots
        .iter()
        .map(|&root| widths().map(|width| log_likelihood(&logs, root, width)).collect())
        .collect();
    // Relative to the largest, or all might vanish.
    let largest = likelihoods.iter().flatten().copied().reduce(f64::max)?;
    let density: Vec<f64> =
        likelihoods.iter().map(|of_root| of_root.iter().map(|log| (log - largest).exp()).sum()).collect();
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let at = |share| quantile(&roots, &density, share).exp();
    Some(Interval { estimate: at(0.5), low: at(tail), high: at(1.0 - tail) })
}

fn widths() -> impl Iterator<Item = f64> {
    let ratio = (WIDTHS.1 / WIDTHS.0).powf(1.0 / (WIDTH_COUNT as f64 - 1.0));
    (0..WIDTH_COUNT).map(move |i| WIDTHS.0 * ratio.powi(i as i32))
}

fn log_likelihood(probes: &[(f64, bool)], root: f64, width: f64) -> f64 {
    probes.iter().map(|&(log, held)| hold((root - log) / width, held).ln()).sum()
}

/// Probability of what was seen, so many widths below the root.
fn hold(deviations: f64, held: bool) -> f64 {
    let towards = if held { deviations } else { -deviations };
    let certain = if towards > CERTAIN {
        1.0
    } else if towards < -CERTAIN {
        0.0
    } else {
        normal_below(towards)
    };
    LAPSE + (1.0 - 2.0 * LAPSE) * certain
}

/// Where the density's share lies, each value's mass spread evenly over its step.
fn quantile(values: &[f64], density: &[f64], share: f64) -> f64 {
    let wanted = share * density.iter().sum::<f64>();
    let mut below = 0.0;
    for (value, mass) in values.iter().zip(density) {
        if below + mass >= wanted {
            return value + ROOT_STEP * ((wanted - below) / mass - 0.5);
        }
        below += mass;
    }
    values.last().copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(of: &[(f64, bool)]) -> Vec<Probe> {
        of.iter().map(|&(rate, held)| Probe { rate, held }).collect()
    }

    #[test]
    fn a_symmetric_set_of_probes_has_its_middle_as_median() {
        let got = posterior(&probes(&[(90.0, true), (111.11111111, false)])).unwrap();
        assert!((got.estimate - 100.0).abs() < 0.2, "{got:?}");
        assert!((got.low * got.high / 1e4 - 1.0).abs() < 0.01, "{got:?}");
    }

    #[test]
    fn order_does_not_matter_and_more_of_the_same_narrows_it() {
        let some = [(80.0, true), (95.0, true), (100.0, false), (98.0, true), (105.0, false), (99.0, false)];
        let mut turned = some;
        turned.reverse();
        let (one, two) = (posterior(&probes(&some)).unwrap(), posterior(&probes(&turned)).unwrap());
        assert!((one.low / two.low - 1.0).abs() < 1e-9 && (one.high / two.high - 1.0).abs() < 1e-9);
        let twice = posterior(&probes(&[some, some].concat())).unwrap();
        assert!(twice.half_width() < one.half_width());
    }

    #[test]
    fn one_lapse_far_away_does_not_drag_the_root_along() {
        let sound: Vec<(f64, bool)> =
            (0..10).map(|i| (if i % 2 == 0 { 98.0 } else { 102.0 }, i % 2 == 0)).collect();
        let mut lapsed = sound.clone();
        lapsed.push((50.0, false));
        let (one, two) = (posterior(&probes(&sound)).unwrap(), posterior(&probes(&lapsed)).unwrap());
        assert!((one.estimate / two.estimate - 1.0).abs() < 0.005, "{one:?} {two:?}");
        assert!(two.contains(100.0));
    }

    #[test]
    fn nothing_has_no_posterior() {
        assert_eq!(posterior(&[]), None);
    }
}
