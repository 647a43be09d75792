//! Which point is best, by each number that people choose by, and which others cannot be told from it.

use super::document::name_of;
use super::pictures::{Quantity, quantities};
use super::{Sweep, SweptPoint};
use crate::report::experiment::figures::Figures;
use crate::report::experiment::words::percent;
use crate::report::terminal::table::Cell;

/// More are counted, not named.
const NAMED: usize = 6;

/// A sentence for each number of an operation. Only points with a run that can be trusted have a part in it.
pub(in crate::report) fn best(sweep: &Sweep, operation: &str) -> Vec<String> {
    let [time, throughput] = quantities(sweep, operation);
    let told = [(throughput, time), (time, throughput)];
    let told: Vec<String> =
        told.into_iter().filter_map(|(by, beside)| sentence(sweep, operation, by, beside)).collect();
    match told.is_empty() && sweep.points.iter().any(|point| !point.runs.is_empty()) {
        true => vec!["No point has numbers that can be trusted, so none is called the best.".to_owned()],
        false => told,
    }
}

/// A point that takes part: its number, and the least and the most that its runs have.
struct Candidate<'a> {
    point: usize,
    figures: &'a Figures,
    value: f64,
    runs: usize,
    low: f64,
    high: f64,
}

impl<'a> Candidate<'a> {
    fn of(point: usize, swept: &'a SweptPoint, operation: &str, by: &Quantity) -> Option<Self> {
        let figures = swept.operations.get(operation).filter(|_| swept.trusted)?;
        let value = (by.of)(figures)?;
        let runs = swept.counted().filter_map(|run| (by.of)(run.operations.get(operation)?));
        let (low, high) = runs.fold((value, value), |(low, high), run| (low.min(run), high.max(run)));
        Some(Self { point, figures, value, runs: swept.counted().count(), low, high })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

fn sentence(sweep: &Sweep, operation: &str, by: &Quantity, beside: &Quantity) -> Option<String> {
    let candidates: Vec<Candidate<'_>> = sweep
        .points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| Candidate::of(index, point, operation, by))
        .collect();
    let better = |a: &&Candidate<'_>, b: &&Candidate<'_>| {
        let order = a.value.total_cmp(&b.value);
        // Of equals the first.
        (if by.more_is_better { order } else { order.reverse() }).then(b.point.cmp(&a.point))
    };
    let best = candidates.iter().max_by(better)?;
    let (name, place) = (name_of(best.point), sweep.short_label(best.point));
    if candidates.len() == 1 && sweep.points.len() > 1 {
        let (what, number) = (by.beside, told(by, best.figures));
        return Some(format!(
            "{what}: {number} at {place} (point {name}); no other point has one that can be trusted, so none is the best."
        ));
    }
    let mut text = format!(
        "{}: {} at {place} (point {name}), {}",
        by.best,
        told(by, best.figures),
        told_beside(beside, best.figures)
    );
    if let Some(errors) = best.figures.errors.filter(|errors| *errors > 0.0) {
        text.push_str(&format!(" and {} did not succeed", percent(errors)));
    }
    text.push('.');
    if candidates.len() > 1 {
        text.push_str(&match best.runs {
            1 => " It was run once, so how much of the difference is noise is not known.".to_owned(),
            _ => ties(best, &candidates),
        });
    }
    let without = sweep.points.len() - candidates.len();
    if without > 0 {
        text.push_str(&format!(" {without} of {} points have no number to compare.", sweep.points.len()));
    }
    Some(text)
}

fn told(quantity: &Quantity, figures: &Figures) -> String {
    let Cell(number, _) = (quantity.words)(figures);
    format!("{number}{}", quantity.unit)
}

fn told_beside(quantity: &Quantity, figures: &Figures) -> String {
    match (quantity.of)(figures) {
        Some(_) => format!("where the {} is {}", quantity.beside, told(quantity, figures)),
        None => format!("where the {} is not known ({})", quantity.beside, (quantity.words)(figures).0),
    }
}

/// The points whose runs reach as far as those of the best.
fn ties(best: &Candidate<'_>, candidates: &[Candidate<'_>]) -> String {
    let equal: Vec<String> = candidates
        .iter()
        .filter(|other| other.point != best.point && other.overlaps(best))
        .map(|other| name_of(other.point))
        .collect();
    match equal.len() {
        0 => " No other point's runs overlap with it.".to_owned(),
        some if some <= NAMED => {
            format!(" The runs of {} overlap with it: they are not told apart.", equal.join(", "))
        }
        many => format!(" The runs of {many} other points overlap with it: they are not told apart."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::PointRun;
    use super::*;
    use crate::report::experiment::samples;

    /// Four points, each with runs of these medians and p99s in microseconds; throughput is one over the median.
    fn sweep(points: [&[(f64, f64)]; 4]) -> Sweep {
        let mut sweep = samples::sweep();
        sweep.keep(|_| false);
        for (point, runs) in points.into_iter().enumerate() {
            for (index, (p50, p99)) in runs.iter().enumerate() {
                let figures = Figures {
                    p50_us: Some(*p50),
                    p99_us: Some(*p99),
                    succeeded_per_s: Some(1e6 / p50),
                    errors: Some(0.0),
                    ..Figures::default()
                };
                let run = PointRun {
                    place: point * 10 + index,
                    run: String::new(),
                    seed: String::new(),
                    started_unix_us: 0,
                    trusted: true,
                    reasons: vec![],
                    operations: [("search".to_owned(), figures)].into(),
                };
                sweep.take(point, run);
            }
        }
        sweep
    }

    #[test]
    fn the_best_by_each_number_is_told_with_those_whose_runs_reach_it() {
        let sweep = sweep([
            &[(1_000.0, 9_000.0), (1_000.0, 9_000.0)],
            // As fast in one of its runs.
            &[(900.0, 8_000.0), (1_200.0, 4_000.0)],
            &[(2_000.0, 3_000.0), (2_000.0, 3_000.0)],
            &[(4_000.0, 5_000.0), (4_000.0, 6_000.0)],
        ]);
        // Means of the rates: 1000, (1111 + 833) / 2 = 972, 500 and 250.
        assert_eq!(
            best(&sweep, "search"),
            [
                "highest throughput: 1000/s at concurrency=1 ef=16 (point a), where the p99 is 9.00 ms. The runs of b overlap \
                 with it: they are not told apart.",
                "lowest p99: 3.00 ms at concurrency=4 ef=16 (point c), where the throughput is 500/s. No other point's runs \
                 overlap with it.",
            ]
        );
    }

    #[test]
    fn what_cannot_be_trusted_or_was_not_run_is_never_the_best() {
        // Of the sample, a has one run that can be trusted, c has one without p99, b has none, d was not run.
        let told = best(&samples::sweep(), "search");
        assert!(
            told[0].starts_with("highest throughput: 1000/s at concurrency=1 ef=16 (point a)"),
            "{told:?}"
        );
        assert!(
            told[0].contains("run once") && told[0].ends_with(" 2 of 4 points have no number to compare."),
            "{told:?}"
        );
        // One alone is not the lowest of any.
        assert_eq!(
            told[1],
            "p99: 2.00 ms at concurrency=1 ef=16 (point a); no other point has one that can be trusted, so none is the best."
        );
        let mut distrusted = samples::sweep();
        distrusted.points.iter_mut().flat_map(|point| &mut point.runs).for_each(|run| run.trusted = false);
        distrusted.keep(|_| true);
        assert!(best(&distrusted, "search")[0].starts_with("No point has numbers"));
        distrusted.keep(|_| false);
        assert!(best(&distrusted, "search").is_empty());
    }
}
