//! What each rate did to the service level: every probe, the bound, and where between them the capacity lies.

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, number, percent, y};
use super::super::super::page::Panel;
use super::super::super::table::Table;
use super::super::super::text::short;
use super::super::super::{tick_count, tick_span};
use super::search::numbers;
use super::{found_rate, interval, mark, outcome, outcome_keys, per_second, rates};
use crate::report::experiment::capacity::document::operations;
use crate::report::experiment::capacity::{Knee, Probe};
use crate::report::experiment::words::{percent as share, rate, span};
use crate::report::experiment::{Capacity, Figures};
use crate::report::model::{Threshold, UnknownReason};
use crate::workload::{self, ThresholdMetric};

const HEIGHT: u32 = 220;
/// For the median, which is told beside the service level.
const LOW: u32 = 140;

pub(super) fn panel(capacity: &Capacity) -> Panel {
    let body = match rates(capacity) {
        None => html! { p class="empty" { "No probe is complete yet." } },
        Some(x) => figure(capacity, &x),
    };
    Panel { id: "knee", title: "Knee", question: "Where does it give way?", body }
}

fn figure(capacity: &Capacity, x: &Axis) -> Markup {
    let levels: Vec<Level<'_>> = capacity.slo.iter().filter_map(|expression| Level::of(expression)).collect();
    let mut plots: Vec<Plot> =
        levels.iter().enumerate().map(|(index, level)| level.plot(capacity, x, index == 0)).collect();
    plots.extend(medians(capacity, x));
    if plots.is_empty() {
        return html! { p class="empty" { "The probes have no number that could be drawn over the rate." } };
    }
    let mut keys = outcome_keys(capacity);
    if !levels.is_empty() {
        keys.push(Key::line("bound", "bound of the service level"));
    }
    if found_rate(capacity).is_some() {
        keys.push(Key::line("capacity", "capacity"));
    }
    if interval(capacity).is_some() {
        keys.push(band_key("interval", "its 95 % interval"));
    }
    if capacity.knee.is_some() {
        keys.push(band_key("knee", "where the median passes twice that at the lowest rate"));
    }
    let figure = Figure {
        id: "knee-0",
        title: "The service level over the rate",
        about: "Each mark is a probe: a window at one rate. Rates are logarithmic: equal steps are equal factors.",
        x,
        x_label: "requests offered, per second",
        plots,
        keys,
        table: by_rate(capacity, x),
        is_open: false,
    };
    figure.markup()
}

/// The probes from the lowest rate to the highest.
fn by_rate(capacity: &Capacity, x: &Axis) -> Table {
    let mut table = numbers(capacity, |_, probe| Some(x.place(probe.rate_per_s)));
    table.caption = "Probes, by rate".to_owned();
    table.rows.sort_by(|a, b| a.at.unwrap_or(0.0).total_cmp(&b.at.unwrap_or(0.0)));
    table
}

fn band_key(class: &str, words: &str) -> Key {
    let sign = html! { rect class={ "band " (class) } x="2" y="0" width="18" height="12" fill="currentColor" fill-opacity="0.15" {} };
    Key { sign, words: words.to_owned() }
}

/// A part of the horizontal axis, over the whole height.
fn band(class: &str, x: &Axis, [low, high]: [f64; 2], height: u32) -> Markup {
    let (from, to) = (x.place(low), x.place(high));
    html! { rect class={ "band " (class) } x=(percent(from)) width=(percent(to - from)) y="0" height=(height) fill="currentColor" fill-opacity="0.15" {} }
}

/// The capacity and its interval; in words where `is_told`.
fn capacity_band(capacity: &Capacity, x: &Axis, height: u32, is_told: bool) -> Markup {
    html! {
        @if let Some(ends) = interval(capacity) { (band("interval", x, ends, height)) }
        @if let Some(found) = found_rate(capacity) {
            @let place = x.place(found);
            line class="capacity" x1=(percent(place)) x2=(percent(place)) y1="0" y2=(height) stroke="currentColor" {}
            @if is_told {
                // Beside its line, on the side with more room.
                @let (dx, anchor) = if place > 0.5 { ("-6", "end") } else { ("6", "start") };
                text class="label" x=(percent(place)) dx=(dx) y=(height - 8) text-anchor=(anchor) { "capacity " (per_second(found)) }
            }
        }
    }
}

/// What a number of a service level counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Time,
    Share,
    PerSecond,
}

impl Unit {
    fn words(self, value: f64) -> String {
        match self {
            Self::Time => span(value),
            Self::Share => share(value),
            Self::PerSecond => rate(value),
        }
    }

    /// Times by their logarithm; what may be 0 evenly.
    fn axis(self, values: &[f64]) -> Axis {
        let high = values.iter().copied().fold(0.0, f64::max);
        let low = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        match self {
            Self::Time if high > 0.0 => Axis::log(low, high, tick_span),
            Self::Time => Axis::log(1e3, 1e5, tick_span),
            Self::Share => Axis::from_zero(high, share),
            Self::PerSecond => Axis::from_zero(high, tick_count),
        }
    }
}

/// An expression of the service level, with its bound in the unit in which probes tell their numbers.
struct Level<'a> {
    expression: &'a str,
    unit: Unit,
    bound: f64,
}

impl<'a> Level<'a> {
    /// `None`: it cannot be read.
    fn of(expression: &'a str) -> Option<Self> {
        let read = workload::Threshold::of_expression(expression).ok()?;
        let (unit, bound) = match read.metric {
            ThresholdMetric::Time { .. } => (Unit::Time, read.bound / 1e3),
            ThresholdMetric::Errors { .. } => (Unit::Share, read.bound),
            ThresholdMetric::Rate { .. } => (Unit::PerSecond, read.bound),
        };
        Some(Self { expression, unit, bound })
    }

    fn judged<'b>(&self, probe: &'b Probe) -> Option<&'b Threshold> {
        probe.slo.iter().find(|judged| judged.expression == self.expression)
    }

    fn plot(&self, capacity: &Capacity, x: &Axis, is_first: bool) -> Plot {
        let values = capacity.probes.iter().filter_map(|probe| self.judged(probe)?.value);
        let values: Vec<f64> = values.chain([self.bound]).filter(|value| value.is_finite()).collect();
        let axis = self.unit.axis(&values);
        let height = if is_first { HEIGHT } else { LOW };
        let at = number(y(&axis, height, self.bound));
        let over = html! {
            (capacity_band(capacity, x, height, is_first))
            @if self.bound > 0.0 || self.unit != Unit::Time {
                line class="bound" x1="0" x2="100%" y1=(at) y2=(at) stroke="currentColor" stroke-dasharray="6 4" {}
            }
            @for probe in &capacity.probes { (self.drawn(probe, x, (&axis, height))) }
        };
        let spacing = if self.unit == Unit::Time { ", logarithmic" } else { "" };
        let heading = format!("{}{spacing}", short(self.expression));
        Plot { height, heading, y: axis, stretched: html! {}, over }
    }

    /// What is unanswered is above everything; of what is not known nothing is drawn.
    fn drawn(&self, probe: &Probe, x: &Axis, (axis, height): (&Axis, u32)) -> Markup {
        let place = x.place(probe.rate_per_s);
        let judged = self.judged(probe);
        let told = |words: String| format!("{}: {words}, {}", per_second(probe.rate_per_s), outcome(probe));
        html! {
            @match judged.map(|judged| (judged.value, judged.unknown)) {
                Some((Some(value), _)) => (mark(probe).told_at(place, y(axis, height, value), &told(self.unit.words(value)))),
                Some((None, Some(reason @ (UnknownReason::Unanswered | UnknownReason::Saturated)))) => {
                    (mark(probe).told_at(place, 0.0, &told(reason.name().replace('_', " "))))
                    text class="at" x=(percent(place)) y="16" text-anchor="middle" { (reason.name().replace('_', " ")) }
                }
                Some((None, _)) | None => {}
            }
        }
    }
}

/// The median, whose rise is the knee: of the operation that has one, else of the first.
fn medians(capacity: &Capacity, x: &Axis) -> Option<Plot> {
    let knee = capacity.knee.as_ref();
    let operation =
        knee.map(|knee| knee.operation.clone()).or_else(|| operations(capacity).into_iter().next())?;
    let of = |probe: &Probe| median(probe.operations.get(&operation)?);
    let known: Vec<f64> = capacity.probes.iter().filter_map(of).collect();
    let twice = knee.map(|knee| 2.0 * knee.unloaded_p50_us).filter(|twice| *twice > 0.0);
    let axis = Unit::Time.axis(&known.iter().copied().chain(twice).collect::<Vec<f64>>());
    let drawn = |probe: &Probe, micros: f64| {
        let words = format!("{}: p50 {}, {}", per_second(probe.rate_per_s), span(micros), outcome(probe));
        mark(probe).told_at(x.place(probe.rate_per_s), y(&axis, LOW, micros), &words)
    };
    let over = html! {
        (capacity_band(capacity, x, LOW, false))
        @if let Some(Knee { below_per_s, above_per_s, .. }) = knee { (band("knee", x, [*below_per_s, *above_per_s], LOW)) }
        @if let Some(twice) = twice {
            @let at = y(&axis, LOW, twice);
            line class="bound" x1="0" x2="100%" y1=(number(at)) y2=(number(at)) stroke="currentColor" stroke-dasharray="6 4" {}
            text class="at" x="6" y=(number(at - 6.0)) { "twice that at the lowest rate" }
        }
        @for probe in &capacity.probes {
            @if let Some(micros) = of(probe) { (drawn(probe, micros)) }
        }
    };
    if known.is_empty() {
        return None;
    }
    let heading = format!("{}.response.p50, logarithmic", short(&operation));
    Some(Plot { height: LOW, heading, y: axis, stretched: html! {}, over })
}

/// 0 has no place on the axis.
fn median(figures: &Figures) -> Option<f64> {
    figures.p50_us.filter(|micros| *micros > 0.0)
}
