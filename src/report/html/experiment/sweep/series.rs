//! Points of a grid as lines: along one setting, the others held.

use super::super::super::mark::{Mark, Shape};
use crate::report::experiment::Sweep;

/// Points that differ in one setting, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Series {
    /// The other settings; empty where there are none.
    pub(super) words: String,
    pub(super) points: Vec<usize>,
}

/// Lines that are told apart.
pub(super) const MOST: usize = 6;
const MARKS: [(Shape, &str); MOST] = [
    (Shape::Disc, "s0"),
    (Shape::Square, "s2"),
    (Shape::Triangle, "s3"),
    (Shape::Diamond, "s4"),
    (Shape::Plus, "s5"),
    (Shape::Wedge, "s1"),
];

/// Hollow where the numbers cannot be trusted.
pub(super) fn mark(series: usize, is_trusted: bool) -> Mark {
    let (shape, class) = MARKS[series % MOST];
    Mark { shape, is_hollow: !is_trusted, class }
}

/// The setting that a line follows: the load where that is varied, else the one with most values.
pub(super) fn along(sweep: &Sweep) -> usize {
    let is_load = |key: &str| {
        let end = key.rsplit('.').next().unwrap_or_default();
        key.starts_with("load.") || ["rate", "concurrency"].contains(&end)
    };
    let many = |index: &usize| sweep.varied[*index].values.len();
    let loads = (0..sweep.varied.len()).filter(|index| is_load(&sweep.varied[*index].key) && many(index) > 1);
    loads.max_by_key(many).or_else(|| (0..sweep.varied.len()).max_by_key(many)).unwrap_or(0)
}

/// The class of its line.
pub(super) fn line_class(series: usize) -> &'static str {
    ["s0", "s2 dash-1", "s3 dash-2", "s4 dash-3", "s5 dash-4", "s1 dash-5"][series % MOST]
}

/// Every line of the grid along this setting.
pub(super) fn series(sweep: &Sweep, along: usize) -> Vec<Series> {
    let keys = sweep.short_keys();
    let mut all: Vec<Series> = Vec::new();
    for (index, point) in sweep.points.iter().enumerate() {
        let held = keys.iter().zip(&point.values).enumerate().filter(|(key, _)| *key != along);
        let words: Vec<String> = held.map(|(_, (key, value))| format!("{key}={value}")).collect();
        let words = words.join(" ");
        match all.iter_mut().find(|series| series.words == words) {
            Some(series) => series.points.push(index),
            None => all.push(Series { words, points: vec![index] }),
        }
    }
    let number = |point: &usize| -> Option<f64> {
        sweep.points[*point].values.get(along)?.replace('_', "").parse().ok().filter(|n: &f64| n.is_finite())
    };
    if (0..sweep.points.len()).all(|point| number(&point).is_some()) {
        let by_number =
            |a: &usize, b: &usize| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal);
        all.iter_mut().for_each(|series| series.points.sort_by(by_number));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::experiment::samples;
    use crate::report::experiment::sweep::{SweptPoint, Varied};

    #[test]
    fn a_line_follows_the_load_in_the_order_of_its_numbers() {
        let mut sweep = samples::sweep();
        // Points: (1, 16), (1, 64), (4, 16), (4, 64); the load is the first key.
        assert_eq!(along(&sweep), 0);
        let lines = series(&sweep, 0);
        assert_eq!(lines[0], Series { words: "ef=16".to_owned(), points: vec![0, 2] });
        assert_eq!(lines[1], Series { words: "ef=64".to_owned(), points: vec![1, 3] });
        sweep.varied = vec![Varied {
            key: "data.clusters".into(),
            values: ["9", "10", "1_0"].map(str::to_owned).to_vec(),
        }];
        let point = |value: &str| SweptPoint { values: vec![value.to_owned()], ..SweptPoint::default() };
        sweep.points = vec![point("10"), point("9"), point("1_000")];
        assert_eq!((along(&sweep), series(&sweep, 0)[0].points.clone()), (0, vec![1, 0, 2]));
        sweep.points[0].values = vec!["cosine".to_owned()];
        assert_eq!(series(&sweep, 0)[0].points, [0, 1, 2], "as written");
    }
}
