//! Response time over throughput: a line for each combination of the other settings.

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, y};
use super::super::super::mark::Labels;
use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::short;
use super::super::super::{tick_count, tick_span};
use super::series::{self, MOST, Series, along, line_class, mark, series};
use super::{each, figures};
use crate::report::experiment::sweep::document::name_of;
use crate::report::experiment::words::{rate, rate_cell, span, time};
use crate::report::experiment::{Figures, Sweep};

const HEIGHT: u32 = 200;

/// A percentile, as it is told and read.
struct Percentile {
    name: &'static str,
    field: &'static str,
    of: fn(&Figures) -> Option<f64>,
}

const PERCENTILES: [Percentile; 2] = [
    Percentile { name: "p50", field: "p50_us", of: |figures| figures.p50_us },
    Percentile { name: "p99", field: "p99_us", of: |figures| figures.p99_us },
];

pub(super) fn panel(sweep: &Sweep) -> Panel {
    let body = each(sweep, |index, operation| figure(sweep, index, operation));
    Panel { id: "curve", title: "Curve", question: "What does more throughput cost in response time?", body }
}

/// What all plots of an operation share.
struct Curves<'a> {
    sweep: &'a Sweep,
    operation: &'a str,
    along: usize,
    series: Vec<Series>,
    x: Axis,
}

impl<'a> Curves<'a> {
    fn new(sweep: &'a Sweep, operation: &'a str) -> Self {
        let along = along(sweep);
        let rates = sweep.points.iter().filter_map(|point| point.operations.get(operation)?.succeeded_per_s);
        let (low, high) =
            rates.fold((f64::INFINITY, 0.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
        // What lies close together is not pressed to one side.
        let x = match low.is_finite() && low > high / 2.0 {
            true => Axis::linear(low - 0.05 * high, high + 0.05 * high, tick_count),
            false => Axis::linear(0.0, high * 1.05, tick_count),
        };
        Self { sweep, operation, along, series: series(sweep, along), x }
    }

    fn place(&self, point: usize) -> Option<f64> {
        Some(self.x.place(figures(self.sweep, point, self.operation)?.succeeded_per_s?))
    }

    fn micros(&self, point: usize, of: &Percentile) -> Option<f64> {
        (of.of)(figures(self.sweep, point, self.operation)?).filter(|micros| *micros > 0.0)
    }

    /// Series that are drawn.
    fn drawn(&self) -> impl Iterator<Item = (usize, &Series)> {
        self.series.iter().take(MOST).enumerate()
    }

    fn has_untrusted(&self) -> bool {
        let mut drawn = self.drawn().flat_map(|(_, series)| &series.points);
        drawn.any(|point| !self.sweep.points[*point].trusted && self.place(*point).is_some())
    }

    fn plot(&self, of: &Percentile) -> Plot {
        let known = self.drawn().flat_map(|(_, series)| &series.points);
        let known = known.filter_map(|point| self.micros(*point, of));
        let (low, high) =
            known.fold((f64::INFINITY, 0.0_f64), |(low, high), time| (low.min(time), high.max(time)));
        let axis = if high > 0.0 { Axis::log(low, high, tick_span) } else { Axis::log(1e3, 1e5, tick_span) };
        let at = |point: usize| Some((self.place(point)?, y(&axis, HEIGHT, self.micros(point, of)?)));
        let mut labels = Labels::default();
        let stretched = html! {
            @for (number, series) in self.drawn() {
                (line(line_class(number), series.points.iter().map(|point| at(*point).map(|(x, y)| (x * UNITS, y)))))
            }
        };
        let over = html! {
            @for (number, series) in self.drawn() {
                @for point in &series.points {
                    @if let Some((x, y)) = at(*point) {
                        (mark(number, self.sweep.points[*point].trusted).told_at(x, y, &self.words(*point, of)))
                    }
                }
            }
            @for (_, series) in self.drawn() {
                @for point in &series.points {
                    @if let Some((x, y)) = at(*point) { (labels.put(x, y, HEIGHT, &self.label(*point))) }
                }
            }
            @if high == 0.0 { text class="note" x="50%" y=(HEIGHT / 2) text-anchor="middle" { "no point has a known " (of.name) } }
        };
        let heading = format!("{} of the response, logarithmic", of.name);
        Plot { height: HEIGHT, heading, y: axis, stretched, over }
    }

    /// What stands at a point: the setting that its line follows.
    fn label(&self, point: usize) -> String {
        let value = self.sweep.points[point].values.get(self.along).map_or("", String::as_str);
        crate::report::terminal::slow::cut(value, 12)
    }

    fn words(&self, point: usize, of: &Percentile) -> String {
        let rate = figures(self.sweep, point, self.operation).and_then(|figures| figures.succeeded_per_s);
        let trusted = if self.sweep.points[point].trusted { "" } else { ", not trusted" };
        short(&format!(
            "{}: {} {} at {}/s{trusted}",
            self.sweep.short_label(point),
            of.name,
            self.micros(point, of).map_or_else(String::new, span),
            rate.map_or_else(String::new, self::rate)
        ))
    }

    fn keys(&self) -> Vec<Key> {
        let named = self.series.len() > 1;
        let words = |series: &Series| if named { short(&series.words) } else { "trusted".to_owned() };
        let mut keys: Vec<Key> = match named || self.has_untrusted() {
            true => self
                .drawn()
                .map(|(number, series)| mark(number, true).line_key(line_class(number), &words(series)))
                .collect(),
            false => Vec::new(),
        };
        if self.has_untrusted() {
            keys.push(series::mark(0, false).key("hollow: not trusted"));
        }
        keys
    }

    fn table(&self) -> Table {
        let keys = self.sweep.short_keys();
        let heading: Vec<&str> =
            ["point"].into_iter().chain(keys).chain(["succeeded/s", "p50", "p99", "verdict"]).collect();
        let mut table = Table::new("Points along the lines", 1 + self.sweep.varied.len(), &heading);
        table.last_left = 1;
        for point in self.series.iter().flat_map(|series| &series.points) {
            let none = Figures::default();
            let figures = figures(self.sweep, *point, self.operation).unwrap_or(&none);
            let mut cells: Vec<Td> = vec![name_of(*point).into()];
            cells.extend(self.sweep.points[*point].values.iter().map(|value| Td::from(short(value))));
            cells.push(rate_cell(figures.succeeded_per_s).into());
            cells.extend(PERCENTILES.map(|of| Td::from(time(figures, of.field, (of.of)(figures)))));
            cells.push(if self.sweep.points[*point].trusted { "trusted" } else { "not trusted" }.into());
            table.push(Row { at: self.place(*point), ..Row::from_iter(cells) });
        }
        table
    }

    /// What is not in the pictures, and why.
    fn left_out(&self) -> Vec<String> {
        let mut told = Vec::new();
        for of in &PERCENTILES {
            let missing = |point: &usize| {
                let figures = figures(self.sweep, *point, self.operation)?;
                let why = time(figures, of.field, (of.of)(figures)).0;
                self.micros(*point, of).is_none().then(|| format!("{} ({why})", name_of(*point)))
            };
            let missing: Vec<String> =
                (0..self.sweep.points.len()).filter_map(|point| missing(&point)).collect();
            if !missing.is_empty() {
                told.push(format!("Without {}: {}.", of.name, missing.join(", ")));
            }
        }
        if self.series.len() > MOST {
            told.push(format!(
                "{} more lines are not drawn; the table has their points.",
                self.series.len() - MOST
            ));
        }
        told
    }
}

fn figure(sweep: &Sweep, index: usize, operation: &str) -> Markup {
    let curves = Curves::new(sweep, operation);
    let key = sweep.short_keys().get(curves.along).copied().unwrap_or_default().to_owned();
    let figure = Figure {
        id: &format!("curve-{index}"),
        title: &format!("{}: response time over throughput", short(operation)),
        about: &format!(
            "Each mark is a point of the sweep; its number is {}. Further right is more throughput, further up is slower.",
            short(&key)
        ),
        x: &curves.x,
        x_label: "requests that succeeded, per second",
        plots: PERCENTILES.iter().map(|of| curves.plot(of)).collect(),
        keys: curves.keys(),
        table: curves.table(),
        is_open: false,
    };
    html! {
        (figure.markup())
        @for text in curves.left_out() { p class="note" { (text) } }
    }
}
