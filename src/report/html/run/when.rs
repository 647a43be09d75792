//! When was it slow? A heat map of response times over the window; under it, over the same time, rate, in flight and errors.

use maud::{Markup, html};

use super::super::axis::Axis;
use super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent};
use super::super::mark::LETTER;
use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::tick_count;
use super::columns::{Column, columns};
use super::{Kept, drawn, heat, name, not_drawn, nothing, show};
use crate::report::RunReport;
use crate::report::model::{Dist, Outcome, Stage};
use crate::report::terminal::summary::{planned, rate, short as digits, span, time};
use crate::report::terminal::table::{Cell, Tone, grouped};

const STRIP: u32 = 56;
pub(super) fn panel(report: &RunReport, kept: &Kept<'_>) -> Panel {
    let body = match drawn(report).next() {
        None => nothing(),
        Some(_) => html! {
            @for (index, operation, _) in drawn(report) {
                (name(report, operation))
                @match columns(&report.intervals, operation) {
                    Ok(columns) if !columns.is_empty() => (figure(report, (index, operation), &columns, kept)),
                    Ok(_) => p class="empty" { "The report has no intervals." },
                    Err(_) => p class="empty" { "A histogram in this report cannot be read." },
                }
            }
            (not_drawn(report))
        },
    };
    Panel { id: "when", title: "Over time", question: "When was it slow?", body }
}

fn figure(
    report: &RunReport,
    (index, operation): (usize, &str),
    columns: &[Column],
    kept: &Kept<'_>,
) -> Markup {
    let end = columns.last().map_or(0.0, Column::end_s).max(report.run.measured_s);
    let x = Axis::linear(0.0, end, |at| format!("{} s", tick_count(at)));
    let slowest = show::leads(report, (index, operation), kept);
    let mut heat = heat::plot(report, columns, &slowest, &x);
    heat.over = html! { (stages(&report.stages, operation, &x)) (heat.over) };
    let mut plots = vec![heat];
    plots.push(rates(columns, &x));
    let most = columns.iter().map(|column| column.in_flight_max).max().unwrap_or(0);
    plots.push(strip("most in flight at once", f64::from(most), columns, &x, |column| {
        Some(f64::from(column.in_flight_max))
    }));
    plots.push(errors(columns, &x));
    let mut keys: Vec<Key> = heat::keys(columns, &plots[0].y).into_iter().collect();
    if !slowest.is_empty() {
        keys.push(Key::dot("slow", "one of the slowest requests: a link to it"));
    }
    if slowest.iter().any(|(request, _)| request.outcome != Outcome::Succeeded) {
        keys.push(Key::cross("failed", "one that did not succeed"));
    }
    keys.extend([Key::line("offered", "offered"), Key::line("succeeded", "succeeded")]);
    let figure = Figure {
        id: &format!("when-{index}"),
        title: &format!("{}: response times over the window", short(operation)),
        about: "Each cell: how many requests, due in that time, took that long; the stronger the colour, the more. Under it, over the same time, what was offered.",
        x: &x,
        x_label: "due, from the window's start",
        plots,
        keys,
        table: table(columns, &x),
        is_open: false,
    };
    figure.markup()
}

/// What each stage was to offer, from where it begins on; one that has no room for its words goes without.
fn stages(stages: &[Stage], operation: &str, x: &Axis) -> Markup {
    let mut free = 0.0;
    let told = stages.iter().filter(|_| stages.len() > 1).filter_map(|stage| {
        let words = planned(stage.operations.get(operation)?.rate);
        let place = x.place(stage.start_s);
        let end = place + LETTER * (words.chars().count() + 1) as f64;
        let fits = place >= free && end <= 1.0;
        fits.then(|| {
            free = end;
            (place, words)
        })
    });
    html! {
        @for (place, words) in told { text class="at" x=(percent(place)) dx="4" y="11" { (words) } }
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
