//! How much one point differs from run to run: what differences between points have to be held against.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PointRun, Sweep};

/// Of one operation, by its median response time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The largest of the control point's runs over the smallest, less 1; null with fewer than two.
    pub control_range: Option<f64>,
    /// The control point's last run over its first, less 1; null with fewer than two.
    pub control_change: Option<f64>,
    /// The larger of a point's two runs over the smaller, less 1: the median over the other points; null where none has two.
    pub repeat_median: Option<f64>,
    /// The same, of the point that differs most.
    pub repeat_most: Option<f64>,
}

/// Of every operation.
pub(super) fn of(sweep: &Sweep) -> BTreeMap<String, Drift> {
    sweep.names().into_iter().map(|name| (name.clone(), of_operation(sweep, name))).collect()
}

fn of_operation(sweep: &Sweep, name: &str) -> Drift {
    let medians = |runs: &[PointRun]| -> Vec<f64> {
        let of = |run: &PointRun| run.operations.get(name)?.p50_us.filter(|median| *median > 0.0);
        runs.iter().filter_map(of).collect()
    };
    let control = sweep.points.get(sweep.control).map(|point| medians(&point.runs)).unwrap_or_default();
    let others = sweep.points.iter().enumerate().filter(|(index, _)| *index != sweep.control);
    let mut repeats: Vec<f64> = others.filter_map(|(_, point)| range(&medians(&point.runs))).collect();
    repeats.sort_by(f64::total_cmp);
    Drift {
        control_range: range(&control),
        control_change: match control.as_slice() {
            [first, .., last] => Some(last / first - 1.0),
            [] | [_] => None,
        },
        repeat_median: median(&repeats),
        repeat_most: repeats.last().copied(),
    }
}

/// Of values above 0; `None` with fewer than two.
fn range(values: &[f64]) -> Option<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    (values.len() > 1).then(|| high / low - 1.0)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_medians_are_those_of_the_textbook() {
        assert_eq!((range(&[2.0, 3.0, 2.5]), range(&[1.0]), range(&[])), (Some(0.5), None, None));
        assert_eq!(
            (median(&[1.0, 2.0, 9.0]), median(&[1.0, 3.0]), median(&[])),
            (Some(2.0), Some(2.0), None)
        );
    }
}
