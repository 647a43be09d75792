//! Times by percentile, over 1/(1-p): each further nine takes as much room as the last.

use super::axis::{Axis, Tick};
use crate::measure::{ENOUGH_BEYOND, Quantile, Timings, quantiles};

/// Points of a curve.
const POINTS: u32 = 240;

/// Names and shares; those that are asked for, and some between.
pub(super) const NAMED: [(&str, f64); 9] = [
    ("p10", 0.1),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// Over 1/(1-p), up to the last percentile that so many requests can tell.
pub(super) fn axis(offered: u64) -> Axis {
    let most = (offered as f64 / ENOUGH_BEYOND as f64).max(12.0);
    let ticks = [
        (2.0, "p50"),
        (10.0, "p90"),
        (100.0, "p99"),
        (1e3, "p99.9"),
        (1e4, "p99.99"),
        (1e5, "p99.999"),
        (1e6, "p99.9999"),
    ];
    let ticks =
        ticks.into_iter().filter(|(at, _)| *at <= most).map(|(at, text)| Tick { at, text: text.to_owned() });
    Axis::log_with(1.0, most, ticks.collect())
}

/// Places along the axis, and microseconds; it ends where the first percentile is not known.
pub(super) fn curve(timings: &Timings<u64>, offered: u64, axis: &Axis) -> Vec<(f64, f64)> {
    let places = (0..=POINTS).map(|point| f64::from(point) / f64::from(POINTS));
    let wanted: Vec<(f64, Quantile)> =
        places.filter_map(|at| Some((at, Quantile::new(1.0 - 1.0 / axis.value(at))?))).collect();
    let shares: Vec<Quantile> = wanted.iter().map(|(_, share)| *share).collect();
    let found = quantiles(timings, offered, &shares);
    wanted.iter().zip(found).map_while(|((at, _), found)| Some((*at, found.ok()?.as_micros_f64()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_curve_goes_through_the_percentiles_and_ends_where_they_are_not_known() {
        // samples::full(): 1 to 2,000 ms, each once.
        let report = samples::full();
        let search = &report.operations["search"];
        let x = axis(search.offered);
        let points = curve(&search.response.timings().unwrap(), search.offered, &x);
        for share in [0.5, 0.9, 0.99] {
            let place = x.place(1.0 / (1.0 - share));
            let (_, micros) = *points.iter().find(|(at, _)| *at >= place - 1e-9).unwrap();
            assert!((micros / (share * 2e6) - 1.0).abs() < 0.03, "{share}: {micros}");
        }
        assert_eq!(points.last().unwrap().0, 1.0);
        // samples::unknown(): 80 of 100 succeeded, so the curve ends at p80, at 1/(1-p) = 5.
        let report = samples::unknown();
        let search = &report.operations["search"];
        let x = axis(search.offered);
        let last = curve(&search.response.timings().unwrap(), search.offered, &x).last().unwrap().0;
        assert!((x.value(last) - 5.0).abs() < 0.1, "{}", x.value(last));
    }
}
