//! The report as CSV: one row per operation for the whole run, then per stage (where there are any), then per interval.
//!
//! Rows of `scope` `run`, and those of `stage`, and those of `interval`, each tell the whole run: sum one kind only.
//!
//! An unknown number is an empty cell, and `unknown` of the same clock says why: `p99_us=too_few p999_us=too_few`. Texts
//! come from the workload's names alone ([a-z0-9_]), so no cell can be taken for a formula.

use std::io::{self, Write};

use super::model::{Dist, IntervalOperation, Operation, RunReport, StageOperation};

/// Writes it, with a header.
///
/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(header())?;
    for (name, operation) in &report.operations {
        writer.write_record(run_row(report.run.measured_s, name, operation))?;
    }
    let kind = |name: &str| report.operations.get(name).map_or("", |operation| operation.kind.as_str());
    for stage in &report.stages {
        for (name, StageOperation { numbers, .. }) in &stage.operations {
            let part = ("stage", stage.start_s, stage.length_s);
            writer.write_record(part_row(part, name, kind(name), numbers))?;
        }
    }
    for interval in &report.intervals {
        for (name, numbers) in &interval.operations {
            let part = ("interval", interval.start_s, interval.length_s);
            writer.write_record(part_row(part, name, kind(name), numbers))?;
        }
    }
    writer.flush()
}

const COUNTS: [&str; 12] = [
    "scope",
    "start_s",
    "length_s",
    "operation",
    "kind",
    "offered",
    "succeeded",
    "failed",
    "timed_out",
    "not_sent",
    "in_flight_max",
    "succeeded_per_s",
];

fn header() -> Vec<String> {
    let none = Dist::default();
    let clocks = ["response", "service", "lag"].into_iter().flat_map(|clock| {
        let numbers = none.numbers().map(|(name, _)| name);
        let names = ["count"].into_iter().chain(numbers).chain(["saturated", "unknown"]);
        names.map(|name| format!("{clock}_{name}")).collect::<Vec<_>>()
    });
    COUNTS.into_iter().map(str::to_owned).chain(clocks).collect()
}

fn run_row(measured_s: f64, name: &str, operation: &Operation) -> Vec<String> {
    let Operation { offered, succeeded, failed, timed_out, not_sent, .. } = operation;
    let mut row = vec![
        "run".to_owned(),
        "0".to_owned(),
        measured_s.to_string(),
        name.to_owned(),
        operation.kind.clone(),
    ];
    row.extend([offered, succeeded, failed, timed_out, not_sent].map(u64::to_string));
    row.extend([String::new(), number(operation.succeeded_per_s)]);
    row.extend([&operation.response, &operation.service, &operation.lag].into_iter().flat_map(cells));
    row
}

/// A row of an interval or a stage: its scope, start and length.
fn part_row(
    (scope, start_s, length_s): (&str, f64, f64),
    name: &str,
    kind: &str,
    operation: &IntervalOperation,
) -> Vec<String> {
    let IntervalOperation { offered, succeeded, failed, timed_out, not_sent, in_flight_max, .. } = operation;
    let mut row =
        vec![scope.to_owned(), start_s.to_string(), length_s.to_string(), name.to_owned(), kind.to_owned()];
    row.extend([offered, succeeded, failed, timed_out, not_sent].map(u64::to_string));
    let per_second = (length_s > 0.0).then(|| *succeeded as f64 / length_s);
    row.extend([in_flight_max.to_string(), number(per_second)]);
    row.extend([&operation.response, &operation.service, &operation.lag].into_iter().flat_map(cells));
    row
}

fn cells(dist: &Dist) -> Vec<String> {
    let unknown: Vec<String> =
        dist.unknown.iter().map(|(name, why)| format!("{name}={}", why.name())).collect();
    let mut cells = vec![dist.count.to_string()];
    cells.extend(dist.numbers().map(|(_, value)| number(value)));
    cells.extend([dist.saturated.to_string(), unknown.join(" ")]);
    cells
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use std::collections::HashMap;

    type Row = HashMap<String, String>;

    /// Rows by column name; the reader refuses rows of unequal length.
    fn rows(report: &RunReport) -> Vec<Row> {
        let mut bytes = Vec::new();
        render(report, &mut bytes).unwrap();
        ::csv::Reader::from_reader(&*bytes).deserialize().map(Result::unwrap).collect()
    }

    fn sum(rows: &[Row], scope: &str, column: &str) -> u64 {
        rows.iter().filter(|row| row["scope"] == scope).map(|row| row[column].parse::<u64>().unwrap()).sum()
    }

    #[test]
    fn intervals_add_up_to_the_run_in_every_sample() {
        for (name, report) in samples::all() {
            let rows = rows(&report);
            for column in
                ["offered", "succeeded", "failed", "timed_out", "not_sent", "response_count", "lag_count"]
            {
                assert_eq!(sum(&rows, "run", column), sum(&rows, "interval", column), "{name} {column}");
                if !report.stages.is_empty() {
                    assert_eq!(sum(&rows, "run", column), sum(&rows, "stage", column), "{name} {column}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_number_is_an_empty_cell_with_a_reason_and_never_a_zero() {
        let rows = rows(&samples::unknown());
        let search = rows.iter().find(|row| row["scope"] == "run" && row["operation"] == "search").unwrap();
        assert_eq!((search["offered"].as_str(), search["response_p90_us"].as_str()), ("100", ""));
        assert!(search["response_unknown"].contains("p90_us=unanswered"), "{}", search["response_unknown"]);
        let p50: f64 = search["response_p50_us"].parse().unwrap();
        assert!((p50 / 50_000.0 - 1.0).abs() <= 0.001, "{p50}");
    }

    #[test]
    fn an_interrupted_run_ends_with_a_shorter_interval() {
        let rows = rows(&samples::interrupted());
        assert_eq!(rows.last().unwrap()["length_s"], "0.5");
        assert_eq!(rows[0]["length_s"], "7.5");
    }
}
