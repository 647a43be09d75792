//! A run as Markdown, for the summary of a CI job: whether to trust it, whether its thresholds were met, and its numbers.

use std::io::{self, Write};

use super::document::{Block, Document};
use super::model::{Finding, RunReport, Severity, State, Threshold};
use super::terminal::summary::{cells, count_rows, load, met, rest, setup, target, time_row, value_of};
use super::terminal::table::Cell;

/// Writes it.
///
/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    document(report).markdown(out)
}

fn document(report: &RunReport) -> Document {
    let mut document = Document::default();
    let mut add = |block| document.push(block);
    add(Block::Title(title(report)));
    add(Block::Facts(facts(report)));
    if !report.thresholds.is_empty() {
        add(Block::Table(1, thresholds(&report.thresholds)));
    }
    match report.operations.values().all(|operation| operation.offered == 0) {
        true => add(Block::Text("Nothing was offered within the measured window.".to_owned())),
        false => {
            add(Block::Table(1, count_rows(report)));
            add(Block::Table(2, times(report)));
        }
    }
    for (name, attribution) in &report.attribution {
        add(Block::Text(format!("{name}: {}", attribution.sentence)));
        if !attribution.rows.is_empty() {
            add(Block::Table(1, cells(attribution)));
            rest(attribution).into_iter().for_each(|rest| add(Block::Text(rest)));
        }
    }
    let told = report.verdict.findings.iter().filter(|finding| finding.severity != Severity::Note);
    let told: Vec<String> = told.map(in_words).collect();
    if !told.is_empty() {
        add(Block::List(told));
    }
    document
}

/// `search: trusted, 1 of 2 thresholds not met`.
fn title(report: &RunReport) -> String {
    let state = match report.run.state {
        State::Complete => String::new(),
        state => format!("{}, ", state.name()),
    };
    let trusted = if report.verdict.trusted { "trusted" } else { "NOT TRUSTED" };
    let not_met = report.thresholds.iter().filter(|threshold| threshold.met == Some(false)).count();
    let unknown = report.thresholds.iter().filter(|threshold| threshold.met.is_none()).count();
    let all = report.thresholds.len();
    let thresholds = match (all, not_met, unknown) {
        (0, ..) => String::new(),
        (_, 0, 0) => ", all thresholds met".to_owned(),
        (_, 0, _) => format!(", {unknown} of {all} thresholds unknown"),
        _ => format!(", {not_met} of {all} thresholds not met"),
    };
    format!("{}: {state}{trusted}{thresholds}", report.run.name)
}

fn facts(report: &RunReport) -> Vec<(String, String)> {
    let mut facts: Vec<(&str, String)> = Vec::new();
    facts.extend(report.server.as_ref().map(|server| ("target", target(server))));
    facts.push(("load", load(report)));
    facts.push(("started", format!("{}, run {}", report.run.started, report.run.id)));
    facts.extend(setup(&report.setup).map(|steps| ("set-up", steps)));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn thresholds(thresholds: &[Threshold]) -> Vec<Vec<Cell>> {
    let mut rows = vec![["threshold", "value", "result"].map(Cell::from).to_vec()];
    for threshold in thresholds {
        let (_, met) = met(threshold);
        rows.push(vec![threshold.expression.as_str().into(), value_of(threshold).into(), met.into()]);
    }
    rows
}

fn times(report: &RunReport) -> Vec<Vec<Cell>> {
    let mut rows = vec![["operation", "time", "p50", "p90", "p99", "p99.9", "max"].map(Cell::from).to_vec()];
    for (name, operation) in report.operations.iter().filter(|(_, operation)| operation.offered > 0) {
        for (clock, dist) in
            [("response", &operation.response), ("service", &operation.service), ("lag", &operation.lag)]
        {
            rows.push(time_row(name.as_str().into(), clock, dist));
        }
    }
    rows
}

fn in_words(finding: &Finding) -> String {
    let Finding { severity, message, remedy, .. } = finding;
    let name = if *severity == Severity::Error { "error" } else { "warning" };
    format!("{name}: {message}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn text(report: &RunReport) -> String {
        let mut bytes = Vec::new();
        render(report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn thresholds_and_numbers_are_told_in_tables() {
        let text = text(&samples::full());
        assert!(text.starts_with("## search: trusted, "), "{text}");
        assert!(text.contains("thresholds not met\n"), "{text}");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        for line in [
            "| search.response.p99 < 50ms | 1.98 s | not met |",
            "| search | response | 1.00 s | 1.80 s | 1.98 s | too few | 2.00 s |",
            "| search | 2,000 | 2,000 | 0 | 0 | 0 | 100.0 | 100.0 |",
        ] {
            assert!(lines.iter().any(|have| have == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn every_sample_has_a_title_and_no_word_of_a_server_is_markup() {
        for (name, report) in samples::all() {
            let text = text(&report);
            assert!(text.starts_with("## ") && !text.contains('\u{1b}'), "{name}: {text}");
        }
        assert!(text(&samples::empty()).contains("Nothing was offered"));
    }
}
