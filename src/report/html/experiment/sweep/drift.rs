//! The control point, run throughout: what differs between its runs is no difference between settings.

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, y};
use super::super::super::mark::{Mark, Shape};
use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::{prose, short};
use super::super::super::tick_span;
use super::{Runs, each};
use crate::report::experiment::sweep::PointRun;
use crate::report::experiment::sweep::document::noise;
use crate::report::experiment::words::{span, time};
use crate::report::experiment::{Experiment, Figures, Sweep};
use crate::report::terminal::table::{Cell, Tone};

const HEIGHT: u32 = 140;

pub(super) fn panel(experiment: &Experiment, sweep: &Sweep, runs: &Runs<'_>) -> Panel {
    let body = each(sweep, |index, operation| {
        html! {
            @match noise(sweep, operation) {
                Some(text) => p { (prose(&text)) },
                None => p class="empty" { "No point was run twice, so how much is noise is not known." },
            }
            (figure(experiment, sweep, (index, operation), runs))
        }
    });
    Panel { id: "drift", title: "Noise", question: "Which differences are noise?", body }
}

/// The p50 of the response; 0 has no place on the axis.
fn median(run: &PointRun, operation: &str) -> Option<f64> {
    run.operations.get(operation)?.p50_us.filter(|micros| *micros > 0.0)
}

fn figure(
    experiment: &Experiment,
    sweep: &Sweep,
    (index, operation): (usize, &str),
    runs: &Runs<'_>,
) -> Markup {
    let control = sweep.points.get(sweep.control).map(|point| &point.runs[..]).unwrap_or_default();
    if control.len() < 2 {
        return html! {};
    }
    let x = axis(sweep.order.len());
    let medians = || control.iter().filter_map(|run| median(run, operation));
    let (low, high) =
        medians().fold((f64::INFINITY, 0.0_f64), |(low, high), time| (low.min(time), high.max(time)));
    let axis = if high > 0.0 { Axis::log(low, high, tick_span) } else { Axis::log(1e3, 1e5, tick_span) };
    let at = |run: &PointRun| Some((x.place(number(run)), y(&axis, HEIGHT, median(run, operation)?)));
    let mark = |run: &PointRun| Mark { shape: Shape::Disc, is_hollow: !run.trusted, class: "s0" };
    let words = |run: &PointRun| {
        let trusted = if run.trusted { "" } else { ", not trusted" };
        format!(
            "run {}: p50 {}{trusted}",
            run.place + 1,
            median(run, operation).map_or_else(String::new, span)
        )
    };
    let trusted = control.iter().filter(|run| run.trusted);
    let stretched = line("s0", trusted.map(|run| at(run).map(|(x, y)| (x * UNITS, y))));
    let over = html! {
        @for run in control {
            @if let Some((x, y)) = at(run) { (mark(run).told_at(x, y, &words(run))) }
        }
    };
    let untrusted = control.iter().find(|run| !run.trusted);
    let keys: Vec<Key> =
        untrusted.map(|run| mark(run).key("hollow: not trusted, and not counted")).into_iter().collect();
    let figure = Figure {
        id: &format!("drift-{index}"),
        title: &format!("{}: p50 of the control point in the order of runs", short(operation)),
        about: &short(&format!(
            "The same settings each time ({}): on a machine that changes nothing this is a level line.",
            sweep.short_label(sweep.control)
        )),
        x: &x,
        x_label: "run, in the order in which they were made",
        plots: vec![Plot {
            height: HEIGHT,
            heading: "p50 of the response, logarithmic".to_owned(),
            y: axis,
            stretched,
            over,
        }],
        keys,
        table: table(experiment, control, operation, (&x, runs)),
        is_open: false,
    };
    figure.markup()
}

fn number(run: &PointRun) -> f64 {
    (run.place + 1) as f64
}

/// Of the runs' numbers.
fn axis(runs: usize) -> Axis {
    let last = runs.max(2) as f64;
    let text = move |at: f64| if at < 0.5 || at > last + 0.5 { String::new() } else { format!("{at:.0}") };
    Axis::linear(0.0, last + 1.0, text)
}

fn table(
    experiment: &Experiment,
    control: &[PointRun],
    operation: &str,
    (x, runs): (&Axis, &Runs<'_>),
) -> Table {
    let mut table = Table::new("Runs of the control point", 1, &["run", "p50", "p99", "verdict", "report"]);
    table.last_left = 2;
    for run in control {
        let none = Figures::default();
        let figures = run.operations.get(operation).unwrap_or(&none);
        let cells: [Td; 5] = [
            (run.place + 1).to_string().into(),
            time(figures, "p50_us", figures.p50_us).into(),
            time(figures, "p99_us", figures.p99_us).into(),
            verdict(run).into(),
            runs.named_by(experiment, &run.run).into(),
        ];
        table.push(Row { at: Some(x.place(number(run))), ..Row::from_iter(cells) });
    }
    table
}

/// A run's, with what speaks against it.
pub(super) fn verdict(run: &PointRun) -> Cell {
    match run.trusted {
        true => Cell("trusted".to_owned(), Tone::Good),
        false => Cell(short(&format!("not trusted: {}", run.reasons.join(", "))), Tone::Bad),
    }
}
