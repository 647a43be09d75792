//! Why were they slow? Where the time of slow requests went, against that of typical ones.

use maud::{Markup, html};

use super::super::axis::{Axis, Tick};
use super::super::chart::{Figure, Plot, percent, y};
use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::tick_span;
use super::DRAWN;
use crate::report::RunReport;
use crate::report::model::{Attribution, AttributionCause};
use crate::report::terminal::summary::{ATTRIBUTION_HEADING, Told, percent as share_in_words, rest, told};
use crate::report::terminal::table::grouped;

/// A bar's height, and that of all.
const BAR: f64 = 34.0;
const HEIGHT: u32 = 100;

/// `None`: the report tells nothing of it, as those of shards and older ones do not.
pub(super) fn panel(report: &RunReport) -> Option<Panel> {
    let told = || report.attribution.iter().take(DRAWN).enumerate();
    let body = html! {
        @for (index, (name, attribution)) in told() {
            @if report.attribution.len() > 1 { h3 { (short(name)) } }
            p class="answer" { (short(&attribution.sentence)) }
            @if !attribution.rows.is_empty() { (figure(index, name, attribution)) }
            @if !attribution.causes.is_empty() { (causes(&attribution.causes).markup()) }
            @if let Some(rest) = rest(attribution) { p class="note" { (short(&rest)) } }
        }
    };
    let panel = Panel { id: "why", title: "Causes", question: "Why were they slow?", body };
    (!report.attribution.is_empty()).then_some(panel)
}

fn figure(index: usize, name: &str, attribution: &Attribution) -> Markup {
    let parts = told(attribution);
    let sum = |of: fn(&Told<'_>) -> f64| parts.iter().map(|part| of(part).max(0.0)).sum::<f64>();
    let most = sum(|part| part.slow_us).max(sum(|part| part.typical_us));
    let x = Axis::linear(0.0, most, tick_span);
    let mut rows = Axis::linear(0.0, 2.0, |_| String::new());
    rows.ticks =
        [(1.5, "slow"), (0.5, "typical")].map(|(at, text)| Tick { at, text: text.to_owned() }).to_vec();
    let over = html! {
        (bar(&parts, |part| part.slow_us, &x, y(&rows, HEIGHT, 1.5)))
        (bar(&parts, |part| part.typical_us, &x, y(&rows, HEIGHT, 0.5)))
    };
    let mut table = Table::new("Where the time went; numbers as in the bars", 1, &ATTRIBUTION_HEADING);
    for (number, part) in (1..).zip(&parts) {
        let sign = html! {
            svg class="key" width="22" height="14" aria-hidden="true" { rect class=(class(number)) x="2" y="1" width="18" height="12" fill="currentColor" fill-opacity="0.3" {} }
            " " (number) " " (short(&part.words))
        };
        table.push([Td::from(sign)].into_iter().chain(part.numbers().map(Td::from)).collect());
    }
    let figure = Figure {
        id: &format!("why-{index}"),
        title: &format!("{}: mean time of slow and of typical requests, by place", short(name)),
        about: "Each bar adds up to the mean response time of its requests. The numbers are those of the table, largest difference first.",
        x: &x,
        x_label: "mean time",
        plots: vec![Plot { height: HEIGHT, heading: String::new(), y: rows, stretched: html! {}, over }],
        keys: Vec::new(),
        table,
        is_open: true,
    };
    figure.markup()
}

fn class(number: usize) -> String {
    format!("part part-{}", number.min(7))
}

/// Parts one after the other; those with room for it are numbered.
fn bar(parts: &[Told<'_>], of: impl Fn(&Told<'_>) -> f64, x: &Axis, middle: f64) -> Markup {
    let mut before = 0.0;
    let mut pieces = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let (from, to) = (x.place(before), x.place(before + of(part).max(0.0)));
        before += of(part).max(0.0);
        pieces.push((number, from, to));
    }
    html! {
        @for (number, from, to) in pieces.into_iter().filter(|(_, from, to)| to > from) {
            rect class=(class(number)) x=(percent(from)) width=(percent(to - from)) y=(middle - BAR / 2.0) height=(BAR) fill="currentColor" fill-opacity="0.3" {}
            @if to - from > 0.03 {
                text class="in" x=(percent((from + to) / 2.0)) y=(middle + 4.0) text-anchor="middle" { (number) }
            }
        }
    }
}

fn causes(causes: &[AttributionCause]) -> Table {
    let mut table = Table::new(
        "What most of a slow request's excess was",
        1,
        &["cause", "traces", "of the slow requests"],
    );
    for AttributionCause { words, traces, share, .. } in causes {
        let share = share_in_words((share * 1_000.0).round() / 1_000.0);
        let cells: [Td; 3] = [short(words).into(), grouped(*traces).into(), share.into()];
        table.push(Row::from_iter(cells));
    }
    table
}
