//! A figure: plots over one horizontal axis, what they say in words, and their numbers in a table behind them.
//!
//! A plot is as wide as the page, and text in it keeps its size: places along the horizontal axis are shares of the width. So there is
//! no second drawing for small screens. Colours come from classes; where a server forbids even our own style sheet, what is drawn
//! without one is still readable.

use maud::{Markup, PreEscaped, html};

use super::axis::{Axis, Tick};
use super::table::Table;

/// Units of a plot's width in which paths are drawn.
pub(super) const UNITS: f64 = 1_000.0;
/// Pixels above a plot, for its heading.
const ABOVE: u32 = 34;
/// Pixels beneath the last plot, for the horizontal axis.
const BENEATH: u32 = 40;

/// Plots, one above the other.
pub(super) struct Figure<'a> {
    /// Unique on the page; not foreign.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What it shows, in a sentence or two.
    pub(super) about: &'a str,
    pub(super) x: &'a Axis,
    /// What the horizontal axis counts.
    pub(super) x_label: &'a str,
    pub(super) plots: Vec<Plot>,
    pub(super) keys: Vec<Key>,
    /// Its rows may say where they stand along the axis: then the pointer finds them.
    pub(super) table: Table,
    /// Whether the table is part of the answer, and not behind the figure.
    pub(super) is_open: bool,
}

pub(super) struct Plot {
    pub(super) height: u32,
    pub(super) heading: String,
    pub(super) y: Axis,
    /// In units: [`UNITS`] wide, `height` high; stretched.
    pub(super) stretched: Markup,
    /// Horizontally in percent, vertically in pixels.
    pub(super) over: Markup,
}

impl Plot {
    /// From the top, in pixels.
    pub(super) fn y(&self, value: f64) -> f64 {
        y(&self.y, self.height, value)
    }
}

/// From the top of a plot of this height, in pixels.
pub(super) fn y(axis: &Axis, height: u32, value: f64) -> f64 {
    f64::from(height) * (1.0 - axis.place(value))
}

/// A line of a legend.
pub(super) struct Key {
    pub(super) sign: Markup,
    pub(super) words: String,
}

impl Key {
    pub(super) fn line(class: &str, words: &str) -> Self {
        let sign = html! { path class={ "line " (class) } d="M0 6H22" fill="none" stroke="currentColor" {} };
        Self { sign, words: words.to_owned() }
    }

    pub(super) fn dot(class: &str, words: &str) -> Self {
        Self { sign: html! { circle class=(class) cx="11" cy="6" r="4" {} }, words: words.to_owned() }
    }

    pub(super) fn cross(class: &str, words: &str) -> Self {
        let sign = html! { path class={ "line " (class) } d="M7 2L15 10M15 2L7 10" fill="none" stroke="currentColor" {} };
        Self { sign, words: words.to_owned() }
    }
}

impl Figure<'_> {
    pub(super) fn markup(self) -> Markup {
        let Self { id, title, about, x, x_label, plots, keys, table, is_open } = self;
        let height: u32 = plots.iter().map(|plot| plot.height + ABOVE).sum::<u32>() + BENEATH;
        let (title_id, about_id) = (format!("{id}-title"), format!("{id}-about"));
        let last = plots.len().saturating_sub(1);
        let tops = plots.iter().scan(0, |next, plot| {
            let top = *next + ABOVE;
            *next = top + plot.height;
            Some(top)
        });
        html! {
            figure class="chart" id=(id) {
                figcaption { strong { (title) } " " span { (about) } }
                div class="plots" {
                    svg width="100%" height=(height) overflow="visible" role="group" aria-labelledby=(title_id) aria-describedby=(about_id) {
                        title id=(title_id) { (title) }
                        desc id=(about_id) { (about) " The numbers are in the table that follows." }
                        @for (index, (plot, top)) in plots.iter().zip(tops).enumerate() {
                            (drawn(plot, top, x, (index == last).then_some(x_label)))
                        }
                    }
                }
                @if !keys.is_empty() { (legend(&keys)) }
                output class="readout" for=(id) {}
                @if is_open { (table.markup()) } @else { (table.behind("The numbers")) }
            }
        }
    }
}

fn drawn(plot: &Plot, top: u32, x: &Axis, x_label: Option<&str>) -> Markup {
    let height = plot.height;
    html! {
        svg class="plot" y=(top) width="100%" height=(height) overflow="visible" {
            text class="heading" x="-50" y="-13" { (plot.heading) }
            @for tick in &plot.y.ticks {
                @let at = number(plot.y(tick.at));
                line class="grid" x1="0" x2="100%" y1=(at) y2=(at) stroke="currentColor" stroke-opacity="0.15" {}
                text class="tick" x="-6" y=(at) dy="4" text-anchor="end" { (tick.text) }
            }
            line class="axis" x1="0" x2="100%" y1=(height) y2=(height) stroke="currentColor" stroke-opacity="0.5" {}
            @for tick in &x.ticks {
                @let at = percent(x.place(tick.at));
                line class="grid" x1=(at) x2=(at) y1="0" y2=(height) stroke="currentColor" stroke-opacity="0.15" {}
            }
            svg width="100%" height=(height) viewBox={ "0 0 1000 " (height) } preserveAspectRatio="none" { (plot.stretched) }
            (plot.over)
            @if let Some(label) = x_label {
                @for tick in &x.ticks {
                    text class="tick" x=(percent(x.place(tick.at))) y=(height + 16) text-anchor=(anchor(x, tick)) { (tick.text) }
                }
                text class="heading" x="100%" y=(height + 34) text-anchor="end" { (label) }
            }
        }
    }
}

/// A long word at the right end, such as a day, would not fit if it stood in the middle.
fn anchor(x: &Axis, tick: &Tick) -> &'static str {
    if x.place(tick.at) > 0.95 && tick.text.chars().count() > 7 { "end" } else { "middle" }
}

fn legend(keys: &[Key]) -> Markup {
    html! {
        ul class="legend" {
            @for key in keys {
                li { svg class="key" width="22" height="12" aria-hidden="true" { (key.sign) } " " (key.words) }
            }
        }
    }
}

/// A line through points, in units; `None` interrupts it.
pub(super) fn line(class: &str, points: impl IntoIterator<Item = Option<(f64, f64)>>) -> Markup {
    let mut d = String::new();
    let mut is_drawing = false;
    for point in points {
        let Some((x, y)) = point else {
            is_drawing = false;
            continue;
        };
        d.push(if is_drawing { 'L' } else { 'M' });
        d.push_str(&format!("{} {}", number(x), number(y)));
        is_drawing = true;
    }
    html! { path class={ "line " (class) } d=(d) fill="none" stroke="currentColor" vector-effect="non-scaling-stroke" {} }
}

/// At most one digit after the point, and none that says nothing.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A place along the horizontal axis.
pub(super) fn percent(place: f64) -> PreEscaped<String> {
    PreEscaped(format!("{}%", (place * 10_000.0).round() / 100.0))
}
