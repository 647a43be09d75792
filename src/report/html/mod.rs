//! Pages to look at: one self-contained HTML file each, that a browser opens with no network, and without script too.
//!
//! Belongs here: what a page shows and how. Does not belong: numbers that report.json does not have. Invariants: no foreign text is
//! markup, steers the text around it or is followed as a link; a page runs nothing but its own script; what a picture shows stands in a
//! table too. Guarded by `no_foreign_text_is_markup_wherever_it_stands` and `a_page_allows_its_own_style_and_script_and_nothing_else`.
//!
//! What several pages need is here (`page`, `table`, `chart`, `axis`, `mark`, `forest`, ...), what one page shows is in a directory of its own.

#[cfg(test)]
mod attack;
mod axis;
mod chart;
mod experiment;
mod findings;
mod forest;
mod index;
mod mark;
mod page;
mod percentiles;
mod run;
mod table;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;

use maud::{Markup, html};

pub use experiment::Runs;
pub(in crate::report) use index::{TITLE as INDEX_TITLE, page as index_page};

use super::experiment::Experiment;
use super::model::RunReport;
use super::store::{RunDirectory, StoreError};
use super::terminal::summary::{short, span};
use super::terminal::table::{Cell, grouped};
use crate::trace::kept::KeptTrace;

/// The file's name beside a report.
pub const HTML_FILE: &str = "report.html";

/// Writes the page of a run; of `traces`, those of the requests that it shows are drawn.
///
/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, traces: &[KeptTrace], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(run::page(report, &run::Kept::new(traces)).as_bytes())
}

/// Writes the page of an experiment; what experiment.json does not hold is looked for in `runs`.
///
/// # Errors
/// Where the writer fails.
pub fn render_experiment(experiment: &Experiment, runs: &Runs<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(experiment::page(experiment, runs).as_bytes())
}

/// Stores the page of a run beside its report, whole or not at all, and says where.
///
/// # Errors
/// Where the disk is full, or the directory is gone.
pub fn store(
    report: &RunReport,
    traces: &[KeptTrace],
    directory: &RunDirectory,
) -> Result<PathBuf, StoreError> {
    directory.write_file(HTML_FILE, run::page(report, &run::Kept::new(traces)).as_bytes())
}

/// Stores the page of an experiment beside it, whole or not at all, and says where.
///
/// # Errors
/// Where the disk is full, or the directory is gone.
pub fn store_experiment(experiment: &Experiment, directory: &RunDirectory) -> Result<PathBuf, StoreError> {
    let page = experiment::page(experiment, &Runs::beside(directory.path()));
    directory.write_file(HTML_FILE, page.as_bytes())
}

/// A time with as few digits as it needs: `10 ms` where [`span`] has `10.0 ms`.
fn tick_span(micros: f64) -> String {
    if micros == 0.0 {
        return "0".to_owned();
    }
    let text = span(micros);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A count, or a rate, on an axis.
fn tick_count(count: f64) -> String {
    if count >= 1_000.0 { grouped(count.round() as u64) } else { short(count) }
}

/// A word in its tone; the word alone tells what the colour does.
fn toned(Cell(text, tone): &Cell) -> Markup {
    html! { span class=[table::class(*tone)] { (text) } }
}

/// Names and what they stand for.
fn facts<N: AsRef<str>>(facts: impl IntoIterator<Item = (N, Markup)>) -> Markup {
    html! {
        dl class="facts" {
            @for (name, value) in facts { div { dt { (name.as_ref()) } dd { (value) } } }
        }
    }
}
