//! Two settings against each other: every number in its cell, the tint only helps.

use maud::{Markup, html};

use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::short;
use super::each;
use crate::report::experiment::Sweep;
use crate::report::experiment::sweep::pictures::{Quantity, Tile, quantities, tiles};
use crate::report::terminal::table::{Cell, Tone};

/// From the lowest to the highest.
const TINTS: [&str; 5] = ["tint tint-1", "tint tint-2", "tint tint-3", "tint tint-4", "tint tint-5"];

/// `None`: there are not two settings that vary.
pub(super) fn panel(sweep: &Sweep) -> Option<Panel> {
    let varied = sweep.varied.iter().filter(|varied| varied.values.len() > 1).count();
    if sweep.varied.len() != 2 || varied != 2 || sweep.names().is_empty() {
        return None;
    }
    let body = html! {
        (each(sweep, |_, operation| html! {
            @for quantity in quantities(sweep, operation) {
                @if let Some(tiles) = tiles(sweep, operation, quantity) { (table(sweep, quantity, tiles)) }
            }
        }))
        p class="note" { "The stronger the tint, the higher the number, by its logarithm." }
    };
    Some(Panel { id: "grid", title: "Grid", question: "How do the two settings act together?", body })
}

fn table(sweep: &Sweep, quantity: &Quantity, tiles: Vec<Vec<Tile>>) -> Markup {
    let keys = sweep.short_keys();
    let values =
        |varied: usize| sweep.varied.get(varied).map(|varied| &varied.values[..]).unwrap_or_default();
    let key = |index: usize| keys.get(index).copied().unwrap_or_default();
    let heading = std::iter::once(short(key(0)))
        .chain(values(1).iter().map(|value| short(&format!("{}={value}", key(1)))));
    let caption = short(&format!("{}, by {} and {}", quantity.name, key(0), key(1)));
    let mut table =
        Table { caption, left: 1, heading: heading.collect(), is_fixed: true, ..Table::default() };
    for (value, tiles) in values(0).iter().zip(tiles) {
        let cells = tiles.into_iter().map(cell);
        let first = Td::from(Cell(short(value), Tone::Strong));
        table.push(Row::from_iter(std::iter::once(first).chain(cells)));
    }
    table.markup()
}

fn cell(Tile { cell: Cell(text, _), shade, is_distrusted }: Tile) -> Td {
    let text = html! {
        (text)
        @if is_distrusted { div class="bad" { "not trusted" } }
    };
    Td::classed(text, shade.and_then(|shade| TINTS.get(shade).copied()))
}
