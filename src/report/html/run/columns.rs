//! The window in as many columns as a picture can show: intervals, some of them together.

use crate::measure::{HistogramError, Timings};
use crate::report::model::{Interval, IntervalOperation};

/// More are not told apart at the width of a page.
pub(super) const MOST: usize = 120;

/// One operation over some intervals.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) start_s: f64,
    pub(super) length_s: f64,
    pub(super) offered: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    pub(super) not_sent: u64,
    pub(super) in_flight_max: u32,
    /// Exact, in microseconds.
    pub(super) max_us: Option<f64>,
    pub(super) response: Timings<u64>,
}

impl Column {
    pub(super) fn end_s(&self) -> f64 {
        self.start_s + self.length_s
    }

    /// `None`: it has no length.
    pub(super) fn per_s(&self, count: u64) -> Option<f64> {
        (self.length_s > 0.0).then(|| count as f64 / self.length_s)
    }

    pub(super) const fn unsuccessful(&self) -> u64 {
        self.failed + self.timed_out + self.not_sent
    }

    fn add(&mut self, operation: &IntervalOperation) -> Result<(), HistogramError> {
        self.offered += operation.offered;
        self.succeeded += operation.succeeded;
        self.failed += operation.failed;
        self.timed_out += operation.timed_out;
        self.not_sent += operation.not_sent;
        self.in_flight_max = self.in_flight_max.max(operation.in_flight_max);
        self.max_us = self.max_us.into_iter().chain(operation.response.max_us).reduce(f64::max);
        if operation.response.histogram.is_some() {
            self.response.merge(&operation.response.timings()?);
        }
        Ok(())
    }
}

/// Of one operation, in order; at most [`MOST`].
///
/// # Errors
/// Where a histogram of the report cannot be read.
pub(super) fn columns(intervals: &[Interval], operation: &str) -> Result<Vec<Column>, HistogramError> {
    let together = intervals.len().div_ceil(MOST).max(1);
    let column = |intervals: &[Interval]| {
        let mut column = Column {
            start_s: intervals.first().map_or(0.0, |first| first.start_s),
            length_s: intervals.iter().map(|interval| interval.length_s).sum(),
            offered: 0,
            succeeded: 0,
            failed: 0,
            timed_out: 0,
            not_sent: 0,
            in_flight_max: 0,
            max_us: None,
            response: Timings::new(),
        };
        let mut numbers = intervals.iter().filter_map(|interval| interval.operations.get(operation));
        numbers.try_for_each(|numbers| column.add(numbers))?;
        Ok(column)
    };
    intervals.chunks(together).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn columns_hold_what_their_intervals_hold() {
        let mut report = samples::unknown();
        let once = report.intervals.clone();
        // 20 intervals of 1 s, again and again: 600 of them, five in a column.
        report.intervals = (0..30).flat_map(|_| once.clone()).collect();
        let columns = columns(&report.intervals, "search").unwrap();
        assert_eq!(columns.len(), MOST);
        assert!(columns.iter().all(|column| column.length_s == 5.0));
        let sum = |count: fn(&Column) -> u64| columns.iter().map(count).sum::<u64>();
        assert_eq!(
            [
                sum(|c| c.offered),
                sum(|c| c.succeeded),
                sum(|c| c.failed),
                sum(|c| c.timed_out),
                sum(|c| c.not_sent)
            ],
            [3_000, 2_400, 150, 300, 150]
        );
        assert_eq!(sum(|c| c.response.count()), 2_400);
        assert_eq!(columns.iter().map(|c| c.max_us.unwrap_or(0.0)).fold(0.0, f64::max), 80_000.0);
    }
}
