//! The latency-throughput curve and the heat table of a sweep, in characters.

use crate::report::terminal::table::{Cell, Tone};

use super::super::figures::Figures;
use super::super::scatter::{Axis, Mark, Scale, scatter};
use super::super::words::{rate, rate_cell, span, time};
use super::Sweep;

/// From cool to hot.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// A point's letter: a, b, ... z; none beyond.
pub(super) fn letter(point: usize) -> Option<char> {
    u8::try_from(point).ok().filter(|point| *point < 26).map(|point| char::from(b'a' + point))
}

/// Response times over what succeeded: a point's small letter at its median, its capital at its p99.
pub(super) fn curve(sweep: &Sweep, operation: &str) -> Vec<String> {
    let mut marks = Vec::new();
    for (index, point) in sweep.points.iter().enumerate() {
        let Some(figures) = point.operations.get(operation) else { continue };
        let Some(across) = figures.succeeded_per_s else { continue };
        let small = letter(index).unwrap_or('+');
        for (time, mark) in [(figures.p99_us, small.to_ascii_uppercase()), (figures.p50_us, small)] {
            if let Some(time) = time.filter(|time| *time > 0.0) {
                marks.push(Mark { x: across, y: time, mark });
            }
        }
    }
    if marks.len() < 3 {
        return Vec::new();
    }
    let across = Axis { name: "/s succeeded", scale: Scale::Linear, words: &|value| rate(value) };
    scatter(&marks, &across, &Axis { name: "response", scale: Scale::Log, words: &span })
}

/// A number of a point.
pub(in crate::report) struct Quantity {
    pub name: &'static str,
    /// What the best of it is called.
    pub best: &'static str,
    /// What it is called where another number is told first.
    pub beside: &'static str,
    /// Follows the number where the name does not stand beside it.
    pub unit: &'static str,
    pub more_is_better: bool,
    pub of: fn(&Figures) -> Option<f64>,
    pub words: fn(&Figures) -> Cell,
}

const P99: Quantity = Quantity {
    name: "p99 of the response",
    best: "lowest p99",
    beside: "p99",
    unit: "",
    more_is_better: false,
    of: |f| f.p99_us,
    words: |f| time(f, "p99_us", f.p99_us),
};
const P50: Quantity = Quantity {
    name: "p50 of the response",
    best: "lowest p50",
    beside: "p50",
    unit: "",
    more_is_better: false,
    of: |f| f.p50_us,
    words: |f| time(f, "p50_us", f.p50_us),
};
const THROUGHPUT: Quantity = Quantity {
    name: "succeeded/s",
    best: "highest throughput",
    beside: "throughput",
    unit: "/s",
    more_is_better: true,
    of: |f| f.succeeded_per_s,
    words: |f| rate_cell(f.succeeded_per_s),
};

/// What heat tables are made of: p99 where any point has it.
pub(in crate::report) fn quantities(sweep: &Sweep, operation: &str) -> [&'static Quantity; 2] {
    let mut figures = sweep.points.iter().filter_map(|point| point.operations.get(operation));
    [if figures.any(|figures| figures.p99_us.is_some()) { &P99 } else { &P50 }, &THROUGHPUT]
}

/// A point of a grid of two keys.
pub(in crate::report) struct Tile {
    /// Its number in words.
    pub cell: Cell,
    /// Where the number is known: its place among [`SHADES`] from the lowest to the highest, by the logarithm.
    pub shade: Option<usize>,
    /// Whether it has runs, and none that can be trusted.
    pub is_distrusted: bool,
}

/// Of a grid of two keys: a line for each value of the first, a column for each of the second.
pub(in crate::report) fn tiles(
    sweep: &Sweep,
    operation: &str,
    quantity: &Quantity,
) -> Option<Vec<Vec<Tile>>> {
    let [down, across] = sweep.varied.as_slice() else { return None };
    if down.values.len() < 2 || across.values.len() < 2 {
        return None;
    }
    let known = sweep.points.iter().filter_map(|point| (quantity.of)(point.operations.get(operation)?));
    let (low, high) = known
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let shade = |value: f64| {
        let share = if high > low { (value / low).ln() / (high / low).ln() } else { 0.0 };
        (share.clamp(0.0, 1.0) * (SHADES.len() - 1) as f64).round() as usize
    };
    let tile = |row: usize, column: usize| {
        let point = sweep.points.get(row * across.values.len() + column);
        let figures = point.and_then(|point| point.operations.get(operation));
        Tile {
            cell: figures.map_or_else(|| Cell("not run".into(), Tone::Dim), quantity.words),
            shade: figures.and_then(quantity.of).filter(|value| *value > 0.0).map(shade),
            is_distrusted: point.is_some_and(|point| !point.runs.is_empty() && !point.trusted),
        }
    };
    let line = |row: usize| (0..across.values.len()).map(|column| tile(row, column)).collect();
    Some((0..down.values.len()).map(line).collect())
}

/// [`tiles`] with their shades in characters, under a heading.
pub(super) fn heat(sweep: &Sweep, operation: &str, quantity: &Quantity) -> Option<Vec<Vec<Cell>>> {
    let tiles = tiles(sweep, operation, quantity)?;
    let [down, across] = sweep.varied.as_slice() else { return None };
    let cell = |Tile { cell: Cell(text, tone), shade, is_distrusted }: Tile| {
        let shade = shade.map_or_else(String::new, |shade| format!(" {0}{0}", SHADES[shade]));
        Cell(format!("{text}{shade}{}", if is_distrusted { " !" } else { "" }), tone)
    };
    let heading = std::iter::once(Cell::from(sweep.short_keys().join(" \\ ")))
        .chain(across.values.iter().map(|value| value.as_str().into()));
    let line = |(value, tiles): (&String, Vec<Tile>)| {
        std::iter::once(Cell(value.clone(), Tone::Strong)).chain(tiles.into_iter().map(cell)).collect()
    };
    Some(std::iter::once(heading.collect()).chain(down.values.iter().zip(tiles).map(line)).collect())
}
