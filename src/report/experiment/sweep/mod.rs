//! A grid of settings, as an experiment tells it.

mod best;
pub(in crate::report) mod document;
mod drift;
pub(in crate::report) mod pictures;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::RunReport;
use crate::report::model::Severity;

use super::figures::Figures;

pub(in crate::report) use best::best;
pub(super) use document::document;
pub use drift::Drift;

/// What `sweep` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sweep {
    /// The workload as resolved, without what is varied.
    pub workload: Value,
    /// What is varied; of the points, the last of it changes fastest.
    pub varied: Vec<Varied>,
    /// How often every point is run; the control point more often.
    pub runs_per_point: u32,
    /// The point that is run throughout, to show drift; index into `points`.
    pub control: usize,
    /// What of the set-up the runs share.
    pub set_up: SetUp,
    /// The point of each planned run, in order; indexes into `points`.
    pub order: Vec<usize>,
    /// Every point of the grid, whether it was run or not.
    pub points: Vec<SweptPoint>,
    /// How much the same point differs from run to run, by operation.
    pub drift: BTreeMap<String, Drift>,
}

/// A key and its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Varied {
    /// Dotted, as `--set` takes it.
    pub key: String,
    /// As written.
    pub values: Vec<String>,
}

/// What of the set-up the runs of a sweep share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetUp {
    /// One for all.
    Shared,
    /// Points differ in the collection; those that do not follow each other on one.
    PerGroup,
    /// The workload writes, and every run has one of its own.
    PerRun,
    /// The workload writes and the collection grows; the order being random, growth favours no point.
    Grown,
}

/// A combination of values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweptPoint {
    /// The value of each varied key, in the order of `varied`, as written.
    pub values: Vec<String>,
    /// Its complete runs, in order.
    pub runs: Vec<PointRun>,
    /// Whether there is a run whose numbers can be trusted.
    pub trusted: bool,
    /// Its trusted runs together, or where there is none all of them: rates and errors by their mean, times by their geometric mean.
    pub operations: BTreeMap<String, Figures>,
}

/// A run of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointRun {
    /// Its place in the order, from 0.
    pub place: usize,
    /// The run's ID.
    pub run: String,
    /// The seed of its arrivals, as text.
    pub seed: String,
    /// When its window began, microseconds since 1970.
    pub started_unix_us: u64,
    /// Whether its numbers can be trusted.
    pub trusted: bool,
    /// The codes of the findings for which they cannot.
    pub reasons: Vec<String>,
    /// Each operation.
    pub operations: BTreeMap<String, Figures>,
}

impl PointRun {
    /// What is told of a run here.
    pub fn of(place: usize, seed: u64, report: &RunReport) -> Self {
        let errors = report.verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
        Self {
            place,
            run: report.run.id.clone(),
            seed: seed.to_string(),
            started_unix_us: report.run.started_unix_us,
            trusted: report.verdict.trusted,
            reasons: errors.map(|finding| finding.code.clone()).collect(),
            operations: Figures::of_run(report),
        }
    }
}

impl SweptPoint {
    /// One more run, at its place.
    fn take(&mut self, run: PointRun) {
        self.runs.push(run);
        self.runs.sort_by_key(|run| run.place);
        self.trusted = self.runs.iter().any(|run| run.trusted);
        let names: Vec<String> = self.runs.iter().flat_map(|run| run.operations.keys().cloned()).collect();
        let of = |name: &String| {
            let runs = self.counted().filter_map(|run| run.operations.get(name)).collect::<Vec<_>>();
            (name.clone(), Figures::together(&runs))
        };
        self.operations = names.iter().map(of).collect();
    }

    /// The runs that its figures are of.
    pub(in crate::report) fn counted(&self) -> impl Iterator<Item = &PointRun> {
        self.runs.iter().filter(|run| run.trusted || !self.trusted)
    }
}

impl Sweep {
    /// One more run of a point.
    pub fn take(&mut self, point: usize, run: PointRun) {
        if let Some(point) = self.points.get_mut(point) {
            point.take(run);
        }
        self.drift = drift::of(self);
    }

    /// Without the runs of which `stands` is false, as if they had not been made.
    pub fn keep(&mut self, stands: impl Fn(&PointRun) -> bool) {
        for point in &mut self.points {
            let SweptPoint { values, runs, .. } = std::mem::take(point);
            *point = SweptPoint { values, ..SweptPoint::default() };
            runs.into_iter().filter(&stands).for_each(|run| point.take(run));
        }
        self.drift = drift::of(self);
    }

    /// The places of the order whose run is not complete yet, with their points.
    pub fn missing(&self) -> Vec<(usize, usize)> {
        let is_there = |place: usize, point: usize| {
            self.points.get(point).is_some_and(|point| point.runs.iter().any(|run| run.place == place))
        };
        let places = self.order.iter().copied().enumerate();
        places.filter(|&(place, point)| !is_there(place, point)).collect()
    }

    /// `load.concurrency=4 operations.search.params.ef=16`.
    pub fn label(&self, point: usize) -> String {
        let values = self.points.get(point).map_or(&[][..], |point| &point.values);
        let said = self.varied.iter().zip(values).map(|(varied, value)| format!("{}={value}", varied.key));
        said.collect::<Vec<_>>().join(" ")
    }

    /// Of each varied key what tells it from the others: the end of it, or all.
    pub(in crate::report) fn short_keys(&self) -> Vec<&str> {
        let end = |key: &'_ str| key.rsplit('.').next().map_or(0, str::len);
        let short = |varied: &Varied| varied.key.len() - end(&varied.key);
        let last = |varied: &Varied| varied.key[short(varied)..].to_owned();
        let is_unique =
            |varied: &&Varied| self.varied.iter().filter(|other| last(other) == last(varied)).count() == 1;
        let of = |varied| if is_unique(&varied) { &varied.key[short(varied)..] } else { varied.key.as_str() };
        self.varied.iter().map(of).collect()
    }

    /// `concurrency=4 ef=16`.
    pub(in crate::report) fn short_label(&self, point: usize) -> String {
        let values = self.points.get(point).map_or(&[][..], |point| &point.values);
        let said = self.short_keys().into_iter().zip(values).map(|(key, value)| format!("{key}={value}"));
        said.collect::<Vec<_>>().join(" ")
    }

    /// The operations of any run.
    pub(in crate::report) fn names(&self) -> Vec<&String> {
        let all = self.points.iter().flat_map(|point| point.operations.keys());
        all.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(place: usize, trusted: bool, p50: f64) -> PointRun {
        let figures = Figures { p50_us: Some(p50), ..Figures::default() };
        PointRun {
            place,
            run: place.to_string(),
            seed: String::new(),
            started_unix_us: 0,
            trusted,
            reasons: vec![],
            operations: [("search".to_owned(), figures)].into(),
        }
    }

    #[test]
    fn a_point_is_told_by_its_trusted_runs_where_there_are_any() {
        let mut point = SweptPoint::default();
        point.take(run(3, false, 100.0));
        let is =
            |point: &SweptPoint, p50: f64| (point.operations["search"].p50_us.unwrap() - p50).abs() < 1e-9;
        assert!(!point.trusted && is(&point, 100.0));
        point.take(run(0, true, 4.0));
        assert!(point.trusted && is(&point, 4.0));
        assert_eq!(point.runs[0].place, 0, "in order");
    }
    #[test]
    fn a_point_without_its_runs_is_one_that_was_not_run() {
        let mut sweep = super::super::samples::sweep();
        let whole = sweep.clone();
        sweep.keep(|_| true);
        assert_eq!(sweep, whole);
        let missing = sweep.missing().len();
        sweep.keep(|run| run.place != 1);
        let point = &sweep.points[2];
        assert!(point.runs.is_empty() && !point.trusted && point.operations.is_empty(), "{point:?}");
        assert_eq!((point.values.len(), sweep.missing().len()), (2, missing + 1));
    }
}
