//! What a report of an experiment says in words and tables, as a terminal and Markdown show it too.

use maud::{Markup, html};

use super::table::Table;
use super::text::short;
use crate::report::document::Block;
use crate::report::terminal::table::Cell;

/// A block as part of a page. A drawing of characters is left out: a page has pictures in its place.
pub(super) fn block(block: &Block, caption: &str) -> Markup {
    match block {
        Block::Title(_) | Block::Drawing(_) => html! {},
        Block::Heading(text) => html! { h3 { (short(text)) } },
        Block::Text(text) => html! { p { (short(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (short(item)) } } } },
        Block::Facts(facts) => {
            super::facts(facts.iter().map(|(name, value)| (short(name), html! { (short(value)) })))
        }
        Block::Table(left, rows) => Table::of(caption, *left, cut(rows)).markup(),
    }
}

/// No cell longer than a page has texts.
pub(super) fn cut(rows: &[Vec<Cell>]) -> Vec<Vec<Cell>> {
    rows.iter().map(|row| row.iter().map(|Cell(text, tone)| Cell(short(text), *tone)).collect()).collect()
}
