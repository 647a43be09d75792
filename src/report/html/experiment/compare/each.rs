//! What did each run bring? Every metric of every run, in the order of their starts.

use maud::{Markup, html};

use super::super::super::axis::{Axis, Tick};
use super::super::super::chart::{Figure, Plot, number, percent};
use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::short;
use super::super::Runs;
use super::mark;
use crate::report::experiment::compare_numbers::number as in_unit;
use crate::report::experiment::{Comparison, Experiment, Metric, RunReference, RunValue};

const HEIGHT: u32 = 150;
const STRIP: u32 = 64;
/// Runs that are numbered on the axis, at most.
const NAMED: usize = 10;

pub(super) fn panel(experiment: &Experiment, comparison: &Comparison, runs: &Runs<'_>) -> Panel {
    let placed = placed(experiment, comparison);
    let x = axis(placed.len());
    let (decides, others): (Vec<&Metric>, Vec<&Metric>) =
        comparison.metrics.iter().partition(|metric| metric.primary);
    let plots = |metrics: &[&Metric], height: u32| -> Vec<Plot> {
        metrics.iter().map(|metric| plot(metric, &placed, &x, height)).collect()
    };
    let figure = |id: &'static str, title: &str, plots: Vec<Plot>, table: Table| {
        let figure = Figure {
            id,
            title,
            about: &about(comparison),
            x: &x,
            x_label: "run",
            plots,
            keys: comparison
                .groups
                .iter()
                .enumerate()
                .map(|(group, told)| mark(group).key(&short(&told.label)))
                .collect(),
            table,
            is_open: false,
        };
        figure.markup()
    };
    let body = html! {
        @if placed.is_empty() || comparison.metrics.is_empty() {
            p class="empty" { "No run has a number." }
        } @else {
            @if !decides.is_empty() {
                (figure("each-decides", "The metric that decides, run by run", plots(&decides, HEIGHT), table(&decides, &placed, runs, &x)))
            }
            @if !others.is_empty() {
                details {
                    summary { "All other metrics, run by run" }
                    (figure("each-others", "All other metrics, run by run", plots(&others, STRIP), table(&others, &placed, runs, &x)))
                }
            }
        }
    };
    Panel { id: "each", title: "Runs", question: "What did each run bring?", body }
}

fn about(comparison: &Comparison) -> String {
    let mut spreads = comparison.metrics.iter().flat_map(|metric| &metric.groups);
    let lines = match spreads.any(|spread| spread.mean.is_some()) {
        true => " Lines are the means of groups, bands their 95 % intervals.",
        false => "",
    };
    format!("From left to right in the order of their starts.{lines} Vertical axes do not begin at zero.")
}

/// A run: its group, and its place among the runs of the group.
struct Placed<'a> {
    group: usize,
    index: usize,
    id: &'a str,
    label: &'a str,
    reference: Option<&'a RunReference>,
}

/// All runs in the order of their starts.
fn placed<'a>(experiment: &'a Experiment, comparison: &'a Comparison) -> Vec<Placed<'a>> {
    let place =
        |id: &str, label: &str| experiment.runs.iter().position(|run| run.id == id && run.label == label);
    let mut all: Vec<(usize, Placed<'a>)> = Vec::new();
    for (group, told) in comparison.groups.iter().enumerate() {
        for (index, id) in told.runs.iter().enumerate() {
            let at = place(id, &told.label);
            let reference = at.and_then(|at| experiment.runs.get(at));
            all.push((at.unwrap_or(usize::MAX), Placed { group, index, id, label: &told.label, reference }));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, placed)| placed).collect()
}

/// One unit for each run.
fn axis(runs: usize) -> Axis {
    let mut axis = Axis::linear(0.0, runs.max(1) as f64, |_| String::new());
    let every = runs.div_ceil(NAMED).max(1);
    let tick = |run: usize| Tick { at: run as f64 + 0.5, text: (run + 1).to_string() };
    axis.ticks = (0..runs).step_by(every).map(tick).collect();
    axis
}

fn value_of(metric: &Metric, placed: &Placed<'_>) -> RunValue {
    let values = metric.groups.get(placed.group).map(|spread| spread.values.as_slice());
    let value = values.and_then(|values| values.get(placed.index)).copied();
    value.unwrap_or(RunValue { value: None, unknown: None })
}

fn plot(metric: &Metric, placed: &[Placed<'_>], x: &Axis, height: u32) -> Plot {
    let known: Vec<f64> = placed.iter().filter_map(|placed| value_of(metric, placed).value).collect();
    let (low, high) = known
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    let text = |value: f64| in_unit(metric.unit, value);
    // Runs that hardly differ are not blown up.
    let spare = ((high - low) * 0.15).max(high.abs() * 0.02).max(0.001);
    let y = if known.is_empty() {
        Axis::linear(0.0, 1.0, text)
    } else {
        Axis::linear((low - spare).max(low.min(0.0)), high + spare, text)
    };
    let mut plot = Plot { height, heading: short(&metric.name), y, stretched: html! {}, over: html! {} };
    if known.is_empty() {
        plot.y.ticks.clear();
        plot.over = html! { text class="note" x="50%" y=(height / 2 + 4) text-anchor="middle" { "not known of any run" } };
        return plot;
    }
    if height < HEIGHT {
        thin_out(&mut plot.y.ticks);
    }
    plot.over = html! {
        @for (group, spread) in metric.groups.iter().enumerate() {
            @if let Some(mean) = spread.mean { (mean_line(&plot, group, [mean.low, mean.value, mean.high])) }
        }
        @for (run, one) in placed.iter().enumerate() {
            @let at = x.place(run as f64 + 0.5);
            @match value_of(metric, one).value {
                Some(value) => (mark(one.group).at(at, plot.y(value))),
                None => text class="note" x=(percent(at)) y="12" text-anchor="middle" { "?" },
            }
        }
    };
    plot
}

/// The first, the last, and nothing between: a strip has no room for more.
fn thin_out(ticks: &mut Vec<Tick>) {
    if ticks.len() > 3 {
        let last = ticks.pop();
        ticks.truncate(1);
        ticks.extend(last);
    }
}

fn mean_line(plot: &Plot, group: usize, [low, mean, high]: [f64; 3]) -> Markup {
    let class = mark(group).class();
    let (top, bottom) = (plot.y(high), plot.y(low));
    let at = number(plot.y(mean));
    html! {
        rect class={ "between " (class) } x="0" width="100%" y=(number(top)) height=(number(bottom - top)) fill="currentColor" fill-opacity="0.1" {}
        line class={ "mean " (class) } x1="0" x2="100%" y1=(at) y2=(at) stroke="currentColor" stroke-opacity="0.6" {}
    }
}

fn table(metrics: &[&Metric], placed: &[Placed<'_>], runs: &Runs<'_>, x: &Axis) -> Table {
    let names: Vec<String> = metrics.iter().map(|metric| short(&metric.name)).collect();
    let heading: Vec<&str> =
        ["run", "of", "ID"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new("Each run, in the order of their starts", 3, &heading);
    for (run, one) in placed.iter().enumerate() {
        let id = one.reference.map_or_else(|| short(one.id).into(), |reference| runs.named(reference).into());
        let untrusted = one.reference.is_some_and(|reference| !reference.trusted);
        let of = if untrusted { format!("{}, not trusted", one.label) } else { one.label.to_owned() };
        let mut cells = vec![Td::from((run + 1).to_string()), short(&of).into(), id];
        cells.extend(metrics.iter().map(|metric| told(metric, one)));
        table.push(Row { at: Some(x.place(run as f64 + 0.5)), ..Row::from_iter(cells) });
    }
    table
}

fn told(metric: &Metric, placed: &Placed<'_>) -> Td {
    let RunValue { value, unknown } = value_of(metric, placed);
    match (value, unknown) {
        (Some(value), _) => in_unit(metric.unit, value).into(),
        (None, Some(unknown)) => unknown.words().into(),
        (None, None) => "not told".into(),
    }
}
