//! The table of stages: what each offered, and how the response time moved with it.

use std::io::{self, Write};

use super::super::model::{RunReport, Stage, StageOperation, StageRate};
use super::sections::{rate, time};
use super::table::{Cell, Style, Tone, grouped, table};
use super::words::clean;

/// One row per stage and operation, where there is more than one stage.
pub(super) fn table_of(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if report.stages.len() < 2 {
        return Ok(());
    }
    writeln!(out)?;
    table(out, style, 2, &rows(report))?;
    writeln!(out, "  {}", style.paint(Tone::Dim, NOTE))
}

pub(in crate::report) const NOTE: &str = "rate: as planned; percentiles: of the response";

/// One row per stage and operation, the heading first.
pub(in crate::report) fn rows(report: &RunReport) -> Vec<Vec<Cell>> {
    let heading = ["stage", "operation", "rate", "offered", "unsuccessful", "offered/s", "p50", "p90", "p99"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for stage in &report.stages {
        let named = stage.operations.iter().enumerate();
        rows.extend(named.map(|(index, (name, operation))| row(stage, index == 0, name, operation)));
    }
    rows
}

fn row(stage: &Stage, first: bool, name: &str, operation: &StageOperation) -> Vec<Cell> {
    let numbers = &operation.numbers;
    let unsuccessful = numbers.offered.saturating_sub(numbers.succeeded);
    let times = format!("{} to {} s", short(stage.start_s), short(stage.start_s + stage.length_s));
    vec![
        if first { times.into() } else { "".into() },
        Cell(clean(name), Tone::Strong),
        planned(operation.rate).into(),
        grouped(numbers.offered).into(),
        Cell(grouped(unsuccessful), if unsuccessful > 0 { Tone::Bad } else { Tone::Plain }),
        rate(operation.offered_per_s),
        time(&numbers.response, "p50_us", numbers.response.p50_us),
        time(&numbers.response, "p90_us", numbers.response.p90_us),
        time(&numbers.response, "p99_us", numbers.response.p99_us),
    ]
}

/// `closed`, `100/s`, `100 to 500/s`.
pub(in crate::report) fn planned(rate: Option<StageRate>) -> String {
    match rate {
        None => "closed".to_owned(),
        Some(StageRate { from, to }) if from == to => format!("{}/s", short(from)),
        Some(StageRate { from, to }) => format!("{} to {}/s", short(from), short(to)),
    }
}

/// Three digits after the point at most, and none that say nothing.
pub(in crate::report) fn short(number: f64) -> String {
    format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
