//! How much one point differs from run to run: what differences between points have to be held against.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Figures;
use super::{PointRun, Sweep};

/// Of one operation, by its median response time in runs that can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The largest of the control point's runs over the smallest, less 1; null with fewer than two.
    pub control_range: Option<f64>,
    /// The control point's last run over its first, less 1; null with fewer than two, and where the median of either is not known.
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
    of_figure(sweep, name, |figures| figures.p50_us)
}

/// By how much runs of the same point differ at most in another figure of an operation; `None` where none has two.
pub(super) fn largest_difference(
    sweep: &Sweep,
    name: &str,
    figure: fn(&Figures) -> Option<f64>,
) -> Option<f64> {
    let Drift { control_range, repeat_most, .. } = of_figure(sweep, name, figure);
    [control_range, repeat_most].into_iter().flatten().max_by(f64::total_cmp)
}

fn of_figure(sweep: &Sweep, name: &str, figure: fn(&Figures) -> Option<f64>) -> Drift {
    let medians = |runs: &[PointRun]| -> Vec<Option<f64>> {
        let of = |run: &PointRun| {
            let figures = run.operations.get(name).filter(|_| run.trusted)?;
            figure(figures).filter(|figure| *figure > 0.0)
        };
        runs.iter().map(of).collect()
    };
    let control = sweep.points.get(sweep.control).map(|point| medians(&point.runs)).unwrap_or_default();
    let others = sweep.points.iter().enumerate().filter(|(index, _)| *index != sweep.control);
    let mut repeats: Vec<f64> = others.filter_map(|(_, point)| range(&medians(&point.runs))).collect();
    repeats.sort_by(f64::total_cmp);
    Drift {
        control_range: range(&control),
        control_change: match control.as_slice() {
            [first, .., last] => first.zip(*last).map(|(first, last)| last / first - 1.0),
            [] | [_] => None,
        },
        repeat_median: median(&repeats),
        repeat_most: repeats.last().copied(),
    }
}

/// Of known values above 0; `None` with fewer than two.
fn range(values: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = values.iter().copied().flatten().collect();
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
        let three = [Some(2.0), None, Some(3.0), Some(2.5)];
        assert_eq!((range(&three), range(&[Some(1.0), None]), range(&[])), (Some(0.5), None, None));
        assert_eq!(
            (median(&[1.0, 2.0, 9.0]), median(&[1.0, 3.0]), median(&[])),
            (Some(2.0), Some(2.0), None)
        );
    }

    #[test]
    fn each_figure_has_a_difference_of_its_own() {
        let mut sweep = crate::report::experiment::samples::sweep();
        for (run, p99) in sweep.points[0].runs.iter_mut().zip([4_000.0, 5_000.0]) {
            run.trusted = true;
            run.operations.get_mut("search").unwrap().p99_us = Some(p99);
        }
        sweep.points.truncate(1);
        sweep.control = 0;
        assert!(sweep.points[0].runs.len() >= 2);
        sweep.points[0].runs.truncate(2);
        let largest = largest_difference(&sweep, "search", |figures| figures.p99_us);
        assert_eq!(largest, Some(0.25));
    }

    /// Four control runs, of which the one that cannot be trusted took 9 times as long.
    #[test]
    fn runs_that_cannot_be_trusted_show_no_drift() {
        let drift = |distrusted: usize| {
            let run = |(place, p50): (usize, f64)| {
                let p50 = if place == distrusted { 9.0 * p50 } else { p50 };
                let mut run: PointRun = serde_json::from_value(serde_json::json!({
                    "place": place, "run": "", "seed": "", "started_unix_us": 0, "trusted": place != distrusted,
                    "reasons": [], "operations": {},
                }))
                .unwrap();
                let figures = Figures { p50_us: Some(p50), ..Figures::default() };
                run.operations.insert("search".to_owned(), figures);
                run
            };
            let mut sweep = crate::report::experiment::samples::sweep();
            sweep.points.truncate(1);
            sweep.points[0].runs.clear();
            sweep.control = 0;
            for run in [2.0, 4.0, 3.0, 3.0].into_iter().enumerate().map(run) {
                sweep.take(0, run);
            }
            let drift = &sweep.drift["search"];
            (drift.control_range, drift.control_change)
        };
        assert_eq!(drift(9), (Some(1.0), Some(0.5)));
        assert_eq!(drift(1), (Some(0.5), Some(0.5)));
        assert_eq!(drift(0), (Some(4.0 / 3.0 - 1.0), None), "the first is not known");
        assert_eq!(drift(3), (Some(1.0), None), "the last is not known");
    }
}
