//! Tables, of the cells that a terminal shows or with markup of their own.

use maud::{Markup, html};

use super::text::short;
use crate::report::terminal::table::{Cell, Tone};

/// A table; the first `left` columns stand to the left, the others, which hold numbers, to the right.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) left: usize,
    /// So many of the last columns stand to the left too.
    pub(super) last_left: usize,
    pub(super) heading: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Whether its rows mean something by their order alone: then nobody sorts them.
    pub(super) is_fixed: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Td>,
    /// Where it stands along the horizontal axis of its figure, 0 to 1.
    pub(super) at: Option<f64>,
    /// Unique on the page; not foreign.
    pub(super) id: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Td {
    markup: Markup,
    class: Option<&'static str>,
}

impl From<Cell> for Td {
    fn from(Cell(text, tone): Cell) -> Self {
        Self { markup: html! { (text) }, class: class(tone) }
    }
}

impl Td {
    /// In a class of the style sheet.
    pub(super) const fn classed(markup: Markup, class: Option<&'static str>) -> Self {
        Self { markup, class }
    }
}

impl From<&str> for Td {
    fn from(text: &str) -> Self {
        Cell::from(text).into()
    }
}

impl From<String> for Td {
    fn from(text: String) -> Self {
        Cell::from(text).into()
    }
}

impl From<Markup> for Td {
    fn from(markup: Markup) -> Self {
        Self { markup, class: None }
    }
}

impl<T: Into<Td>> FromIterator<T> for Row {
    fn from_iter<I: IntoIterator<Item = T>>(cells: I) -> Self {
        Self { cells: cells.into_iter().map(Into::into).collect(), at: None, id: None }
    }
}

pub(super) fn class(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Strong => Some("strong"),
        Tone::Dim => Some("dim"),
        Tone::Good => Some("good"),
        Tone::Warning => Some("warning"),
        Tone::Bad => Some("bad"),
    }
}

impl Table {
    pub(super) fn new(caption: &str, left: usize, heading: &[&str]) -> Self {
        let heading = heading.iter().map(|text| (*text).to_owned()).collect();
        Self { caption: caption.to_owned(), left, heading, ..Self::default() }
    }

    /// Rows as a terminal shows them, the heading first.
    pub(super) fn of(caption: &str, left: usize, rows: Vec<Vec<Cell>>) -> Self {
        let mut rows = rows.into_iter();
        let heading = rows.next().unwrap_or_default().into_iter().map(|Cell(text, _)| text).collect();
        let rows = rows.map(Row::from_iter).collect();
        Self { caption: caption.to_owned(), left, heading, rows, ..Self::default() }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Scrolls within itself where the page is too narrow. A group and no region: a page has too many tables for each to be a landmark.
    pub(super) fn markup(&self) -> Markup {
        let side = |column: usize| if self.is_number(column) { "number" } else { "left" };
        html! {
            div class="scroll" role="group" tabindex="0" aria-label=(self.caption) {
                table class=[self.is_fixed.then_some("fixed")] {
                    caption { (self.caption) }
                    thead { tr {
                        @for (column, text) in self.heading.iter().enumerate() {
                            // A heading that says nothing is none.
                            @if text.is_empty() { td {} } @else { th scope="col" class=(side(column)) { (text) } }
                        }
                    } }
                    tbody { @for row in &self.rows { (row.markup(self)) } }
                }
            }
        }
    }

    fn is_number(&self, column: usize) -> bool {
        column >= self.left && column + self.last_left < self.heading.len()
    }

    /// Behind something: closed until somebody wants it, open on paper.
    pub(super) fn behind(&self, summary: &str) -> Markup {
        html! { details { summary { (summary) } (self.markup()) } }
    }
}

impl Row {
    fn markup(&self, table: &Table) -> Markup {
        let at = self.at.map(|at| super::chart::number(at * super::chart::UNITS));
        html! {
            tr id=[self.id.as_deref()] data-at=[at] {
                @for (column, Td { markup, class }) in self.cells.iter().enumerate() {
                    @if table.is_number(column) {
                        td class={ "number " (class.unwrap_or_default()) } { (markup) }
                    } @else if column == 0 && !markup.0.is_empty() {
                        th scope="row" class=[*class] { (markup) }
                    } @else {
                        td class=[*class] { (markup) }
                    }
                }
            }
        }
    }
}

/// No cell longer than a page has texts.
pub(super) fn cut(rows: &[Vec<Cell>]) -> Vec<Vec<Cell>> {
    rows.iter().map(|row| row.iter().map(|Cell(text, tone)| Cell(short(text), *tone)).collect()).collect()
}

/// A bar in a cell, from `from` on and so long, both as shares of the whole. What it shows stands in words beside it.
pub(super) fn bar(from: f64, length: f64, class: &str) -> Markup {
    let percent =
        |share: f64| super::chart::percent(if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 });
    html! {
        svg class="bar" width="100%" height="10" aria-hidden="true" {
            rect class=(class) x=(percent(from)) width=(percent(length)) height="10" fill="currentColor" {}
        }
    }
}
