//! When was it slow? A heat map of response times over the window; under it, over the same time, rate, in flight and errors.

use maud::{Markup, html};

use super::super::axis::Axis;
use super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent, y};
use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::{tick_count, tick_span};
use super::columns::{Column, columns};
use super::{drawn, name, not_drawn, nothing, show};
use crate::measure::Timings;
use crate::report::RunReport;
use crate::report::model::{Dist, Outcome, Request};
use crate::report::terminal::summary::{rate, short as digits, span, time};
use crate::report::terminal::table::{Cell, Tone, grouped};

const HEAT: u32 = 220;
const STRIP: u32 = 56;
/// Rows of the heat map.
const ROWS: usize = 44;
/// Shades: the first is one request, the last the most that any cell holds.
const SHADES: usize = 6;

pub(super) fn panel(report: &RunReport) -> Panel {
    let body = match drawn(report).next() {
        None => nothing(),
        Some(_) => html! {
            @for (index, operation, _) in drawn(report) {
                (name(report, operation))
                @match columns(&report.intervals, operation) {
                    Ok(columns) if !columns.is_empty() => (figure(report, index, operation, &columns)),
                    Ok(_) => p class="empty" { "The report has no intervals." },
                    Err(_) => p class="empty" { "A histogram in this report cannot be read." },
                }
            }
            (not_drawn(report))
        },
    };
    Panel { id: "when", title: "Over time", question: "When was it slow?", body }
}

fn figure(report: &RunReport, index: usize, operation: &str, columns: &[Column]) -> Markup {
    let end = columns.last().map_or(0.0, Column::end_s).max(report.run.measured_s);
    let x = Axis::linear(0.0, end, |at| format!("{} s", tick_count(at)));
    let slowest = show::listed(report, operation);
    let mut plots = vec![heat(report, index, columns, &slowest, &x)];
    plots.push(rates(columns, &x));
    let most = columns.iter().map(|column| column.in_flight_max).max().unwrap_or(0);
    plots.push(strip("most in flight at once", f64::from(most), columns, &x, |column| {
        Some(f64::from(column.in_flight_max))
    }));
    plots.push(errors(columns, &x));
    let shade = |shade: usize| html! { rect class="heat" x="3" y="1" width="16" height="10" fill="currentColor" fill-opacity=(opacity(shade)) {} };
    let mut keys = vec![
        Key { sign: shade(0), words: "1 request".to_owned() },
        Key {
            sign: shade(SHADES - 1),
            words: format!("{} requests", grouped(most_in_cell(columns, &plots[0].y))),
        },
    ];
    if !slowest.is_empty() {
        keys.push(Key::dot("slow", "a slowest request: follow it"));
    }
    if slowest.iter().any(|request| request.outcome != Outcome::Succeeded) {
        keys.push(Key::cross("failed", "one that did not succeed"));
    }
    keys.extend([Key::line("offered", "offered"), Key::line("succeeded", "succeeded")]);
    let figure = Figure {
        id: &format!("when-{index}"),
        title: &format!("{}: response times over the window", short(operation)),
        about: "Each cell: how many requests, due in that time, took that long; the stronger the colour, the more. Under it, over the same time, what was offered.",
        x: &x,
        x_label: "when the request was due, from the window's start",
        plots,
        keys,
        table: table(columns, &x),
        is_open: false,
    };
    figure.markup()
}

/// From the shortest to the longest of what is to be shown, in microseconds.
fn axis(columns: &[Column], slowest: &[&Request]) -> Axis {
    let shortest = columns.iter().filter_map(|column| column.response.moments().min()).min();
    let low = shortest.map_or(f64::INFINITY, |span| span.as_micros_f64());
    let ends = columns
        .iter()
        .filter_map(|column| column.max_us)
        .chain(slowest.iter().map(|request| request.response_us));
    let high = ends.clone().fold(0.0, f64::max);
    let low = ends.fold(low, f64::min);
    // Some room above, so that no dot is cut.
    if high > 0.0 {
        Axis::log(low.max(high / 1e6), high * 1.1, tick_span)
    } else {
        Axis::log(1e3, 1e5, tick_span)
    }
}

fn heat(report: &RunReport, index: usize, columns: &[Column], slowest: &[&Request], x: &Axis) -> Plot {
    let axis = axis(columns, slowest);
    let cells: Vec<Vec<u64>> = columns.iter().map(|column| cells(&column.response, &axis)).collect();
    let stretched = shades(columns, &cells, x);
    let boundaries = report.stages.iter().skip(1).map(|stage| percent(x.place(stage.start_s)));
    let over = html! {
        @for at in boundaries {
            line class="stage" x1=(at) x2=(at) y1="0" y2=(HEAT) stroke="currentColor" stroke-dasharray="2 3" {}
        }
        @for (number, request) in slowest.iter().enumerate().rev() { (dot(index, number, request, x, &axis)) }
    };
    Plot { height: HEAT, heading: "response time, logarithmic".to_owned(), y: axis, stretched, over }
}

/// How many times are in each row, the lowest first.
fn cells(timings: &Timings<u64>, axis: &Axis) -> Vec<u64> {
    let mut cells = vec![0; ROWS];
    for (span, count) in timings.buckets() {
        let row = (axis.place(span.as_micros_f64()) * ROWS as f64) as usize;
        cells[row.min(ROWS - 1)] += count;
    }
    cells
}

fn most_in_cell(columns: &[Column], axis: &Axis) -> u64 {
    columns.iter().flat_map(|column| cells(&column.response, axis)).max().unwrap_or(0)
}

/// One path for each shade.
fn shades(columns: &[Column], cells: &[Vec<u64>], x: &Axis) -> Markup {
    let most = cells.iter().flatten().copied().max().unwrap_or(0);
    let height = f64::from(HEAT) / ROWS as f64;
    let mut paths = vec![String::new(); SHADES];
    for (column, cells) in columns.iter().zip(cells) {
        let from = x.place(column.start_s) * UNITS;
        let width = x.place(column.end_s()) * UNITS - from;
        for (row, count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
            let top = f64::from(HEAT) - (row + 1) as f64 * height;
            paths[shade(*count, most)].push_str(&format!(
                "M{} {}h{}v{}h-{}z",
                number(from),
                number(top),
                number(width),
                number(height),
                number(width)
            ));
        }
    }
    html! {
        @for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            path class="heat" d=(path) fill="currentColor" fill-opacity=(opacity(shade)) shape-rendering="crispEdges" {}
        }
    }
}

/// Of a count from 1 on, by its logarithm.
fn shade(count: u64, most: u64) -> usize {
    if most <= 1 {
        return SHADES - 1;
    }
    let share = (count as f64).ln() / (most as f64).ln();
    ((share * (SHADES - 1) as f64).round() as usize).min(SHADES - 1)
}

fn opacity(shade: usize) -> String {
    number_of(0.15 + 0.85 * shade as f64 / (SHADES - 1) as f64)
}

fn number_of(value: f64) -> String {
    format!("{value:.2}")
}

/// A slow request, which leads to what is known of it.
fn dot(index: usize, number: usize, request: &Request, x: &Axis, axis: &Axis) -> Markup {
    let (at, top) = (percent(x.place(request.at_s)), y(axis, HEAT, request.response_us));
    let words = format!(
        "{} at {} s, {}",
        span(request.response_us),
        digits(request.at_s),
        request.outcome.name().replace('_', " ")
    );
    html! {
        a href={ "#" (show::anchor(index, number)) } {
            title { (words) }
            @if request.outcome == Outcome::Succeeded {
                circle class="slow" cx=(at) cy=(super::super::chart::number(top)) r="4.5" {}
            } @else {
                svg class="failed" x=(at) y=(super::super::chart::number(top)) overflow="visible" {
                    circle cx="0" cy="0" r="6" fill-opacity="0" {}
                    path class="line failed" d="M-4 -4L4 4M4 -4L-4 4" fill="none" stroke="currentColor" {}
                }
            }
        }
    }
}

fn rates(columns: &[Column], x: &Axis) -> Plot {
    let most = columns.iter().filter_map(|column| column.per_s(column.offered)).fold(0.0, f64::max);
    let mut plot = strip("requests per second", most, columns, x, |column| column.per_s(column.succeeded));
    let offered = steps("offered", columns, x, &plot, |column| column.per_s(column.offered));
    let succeeded = steps("succeeded", columns, x, &plot, |column| column.per_s(column.succeeded));
    plot.stretched = html! { (offered) (succeeded) };
    plot
}

fn strip(
    heading: &str,
    most: f64,
    columns: &[Column],
    x: &Axis,
    value: impl Fn(&Column) -> Option<f64>,
) -> Plot {
    let y = Axis::from_zero(most, tick_count);
    let mut plot =
        Plot { height: STRIP, heading: heading.to_owned(), y, stretched: html! {}, over: html! {} };
    plot.stretched = steps("flight", columns, x, &plot, value);
    plot
}

/// A value that holds over each column.
fn steps(
    class: &str,
    columns: &[Column],
    x: &Axis,
    plot: &Plot,
    value: impl Fn(&Column) -> Option<f64>,
) -> Markup {
    let ends = |column: &Column| {
        let at = value(column).map(|value| plot.y(value));
        [column.start_s, column.end_s()].map(|moment| at.map(|at| (x.place(moment) * UNITS, at)))
    };
    line(class, columns.iter().flat_map(ends))
}

fn errors(columns: &[Column], x: &Axis) -> Plot {
    let most = columns.iter().map(Column::unsuccessful).max().unwrap_or(0);
    let mut plot = strip("did not succeed", most as f64, columns, x, |_| None);
    if most == 0 {
        plot.y.ticks.clear();
        plot.over =
            html! { text class="note" x="50%" y=(STRIP / 2 + 4) text-anchor="middle" { "all succeeded" } };
        return plot;
    }
    let mut path = String::new();
    for column in columns.iter().filter(|column| column.unsuccessful() > 0) {
        let from = x.place(column.start_s) * UNITS;
        let width = x.place(column.end_s()) * UNITS - from;
        let top = plot.y(column.unsuccessful() as f64);
        path.push_str(&format!("M{} {STRIP}V{}h{}V{STRIP}z", number(from), number(top), number(width)));
    }
    plot.stretched = html! { path class="errors" d=(path) fill="currentColor" {} };
    plot
}

fn table(columns: &[Column], x: &Axis) -> Table {
    let heading = [
        "from",
        "offered/s",
        "succeeded/s",
        "in flight",
        "failed",
        "timed out",
        "not sent",
        "p50",
        "p90",
        "p99",
        "max",
    ];
    let mut table = Table::new("The window in parts; percentiles and maximum of the response", 1, &heading);
    for column in columns {
        let bad =
            |count: u64| Td::from(Cell(grouped(count), if count > 0 { Tone::Bad } else { Tone::Plain }));
        let dist = Dist::of(&column.response, column.offered);
        let max = column.max_us.map_or_else(|| time(&dist, "max_us", None), |max| span(max).into());
        let cells: [Td; 11] = [
            format!("{} s", digits(column.start_s)).into(),
            rate(column.per_s(column.offered)).into(),
            rate(column.per_s(column.succeeded)).into(),
            grouped(column.in_flight_max.into()).into(),
            bad(column.failed),
            bad(column.timed_out),
            bad(column.not_sent),
            time(&dist, "p50_us", dist.p50_us).into(),
            time(&dist, "p90_us", dist.p90_us).into(),
            time(&dist, "p99_us", dist.p99_us).into(),
            max.into(),
        ];
        let middle = column.start_s + column.length_s / 2.0;
        table.push(Row { at: Some(x.place(middle)), ..Row::from_iter(cells) });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn every_time_is_in_the_row_of_its_length() {
        let mut timings = Timings::new();
        [1_u64, 10, 10, 100, 1_000].into_iter().for_each(|ms| timings.record(Nanos::from_millis(ms)));
        let axis = Axis::log(1e3, 1e6, tick_span);
        let cells = cells(&timings, &axis);
        let at = |micros: f64| cells[((axis.place(micros) * ROWS as f64) as usize).min(ROWS - 1)];
        assert_eq!([at(1_000.5), at(10_005.0), at(100_050.0), at(1e6)], [1, 2, 1, 1]);
        assert_eq!(cells.iter().sum::<u64>(), 5);
    }

    #[test]
    fn one_request_has_the_lightest_shade_and_the_most_the_darkest() {
        assert_eq!(
            [shade(1, 1_000), shade(31, 1_000), shade(1_000, 1_000), shade(1, 1)],
            [0, 2, SHADES - 1, SHADES - 1]
        );
    }
}
