//! May I believe it? The verdict, what was found, and the thresholds.

use maud::html;

use super::super::findings::findings;
use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::toned;
use crate::report::RunReport;
use crate::report::model::Threshold;
use crate::report::terminal::summary::{met, value_of, verdict_words};
use crate::report::terminal::table::Cell;

pub(super) fn panel(report: &RunReport) -> Panel {
    let (tone, word, found) = verdict_words(&report.verdict);
    let sentence = match report.verdict.trusted {
        true => {
            "Nothing that was found makes the numbers wrong. The verdict judges the measurement, not the server."
        }
        false => "At least one finding is an error: the numbers are wrong, or do not mean what they seem to.",
    };
    let body = html! {
        p class="answer" {
            (toned(&Cell(word.to_owned(), tone)))
            @if !found.is_empty() { " (" (found) ")" }
        }
        p class="note" { (sentence) }
        (findings(&report.verdict.findings))
        @if report.thresholds.is_empty() {
            p class="empty" { "The workload names no thresholds." }
        } @else {
            (thresholds(&report.thresholds).markup())
            @if !report.verdict.trusted { p class="note" { "Numbers that cannot be trusted decide no threshold." } }
        }
    };
    Panel { id: "trust", title: "Verdict", question: "May I believe it?", body }
}

fn thresholds(thresholds: &[Threshold]) -> Table {
    let mut table = Table::new("Thresholds", 1, &["threshold", "value", "result"]);
    for threshold in thresholds {
        let (tone, word) = met(threshold);
        let sign = match threshold.met {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        let cells: [Td; 3] = [
            short(&threshold.expression).into(),
            value_of(threshold).into(),
            Cell(format!("{sign} {word}"), tone).into(),
        ];
        table.push(Row::from_iter(cells));
    }
    table
}
