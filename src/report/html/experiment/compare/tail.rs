//! How bad is the tail? Response times by percentile: of each run, and of all requests of a group's runs together.

use std::collections::{BTreeSet, HashMap};

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, y};
use super::super::super::page::Panel;
use super::super::super::percentiles::{NAMED, axis, curve};
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::short;
use super::super::super::tick_span;
use super::super::Runs;
use super::mark;
use crate::measure::{HistogramError, Quantile, Timings, quantile};
use crate::report::RunReport;
use crate::report::experiment::{Comparison, Experiment};
use crate::report::model::{Dist, UnknownReason};
use crate::report::terminal::summary::{span, time};
use crate::report::terminal::table::{Cell, grouped};

const HEIGHT: u32 = 240;
/// Operations that are drawn.
const DRAWN: usize = 8;
/// Runs of a group that are drawn one by one; more would be a blot.
const THIN: usize = 12;

pub(super) fn panel(experiment: &Experiment, comparison: &Comparison, runs: &Runs<'_>) -> Panel {
    let reports: HashMap<&str, RunReport> =
        experiment.runs.iter().filter_map(|run| Some((run.id.as_str(), runs.report(run)?))).collect();
    let groups: Vec<Vec<&RunReport>> = comparison
        .groups
        .iter()
        .map(|group| group.runs.iter().filter_map(|id| reports.get(id.as_str())).collect())
        .collect();
    let all: usize = comparison.groups.iter().map(|group| group.runs.len()).sum();
    let found: usize = groups.iter().map(Vec::len).sum();
    let operations: BTreeSet<&String> =
        groups.iter().flatten().flat_map(|report| report.operations.keys()).collect();
    let body = html! {
        (at_hand(found, all))
        @for (index, operation) in operations.iter().take(DRAWN).enumerate() {
            @match together(operation, comparison, &groups) {
                Ok(groups) => (figure(index, operation, &groups)),
                Err(_) => p class="empty" { "A histogram of " (short(operation)) " cannot be read." },
            }
        }
        @if operations.len() > DRAWN { p class="note" { (operations.len() - DRAWN) " more operations are not drawn." } }
    };
    Panel { id: "tail", title: "Percentiles", question: "How bad is the tail?", body }
}

fn at_hand(found: usize, all: usize) -> Markup {
    html! {
        @if found == 0 {
            p class="empty" {
                "The curves are drawn from the histograms of the runs' own reports, and none of these was found where the experiment says. Make this page where \
                 they lie: with milvus-load report on the experiment's directory."
            }
        } @else if found < all {
            p class="warning" { "! The reports of " (all - found) " of " (all) " runs were not found: the curves are without them." }
        }
    }
}

/// An operation in the runs of a group.
struct Group {
    number: usize,
    label: String,
    /// Of all its runs: what was recorded, and of how many that were offered. Histograms of requests add up; percentiles do not.
    whole: (Timings<u64>, u64),
    runs: Vec<(Timings<u64>, u64)>,
    max_us: Option<f64>,
}

fn together(
    operation: &str,
    comparison: &Comparison,
    groups: &[Vec<&RunReport>],
) -> Result<Vec<Group>, HistogramError> {
    let mut told = Vec::new();
    for (number, (group, reports)) in comparison.groups.iter().zip(groups).enumerate() {
        let of = reports.iter().filter_map(|report| report.operations.get(operation));
        let mut whole = (Timings::new(), 0);
        let (mut runs, mut max_us) = (Vec::new(), None);
        for operation in of.filter(|operation| operation.offered > 0) {
            let timings = operation.response.timings()?;
            whole.0.merge(&timings);
            whole.1 += operation.offered;
            max_us = operation.response.max_us.into_iter().chain(max_us).reduce(f64::max);
            runs.push((timings, operation.offered));
        }
        if !runs.is_empty() {
            told.push(Group { number, label: short(&group.label), whole, runs, max_us });
        }
    }
    Ok(told)
}

fn figure(index: usize, operation: &str, groups: &[Group]) -> Markup {
    let most = groups.iter().map(|group| group.whole.1).max().unwrap_or(0);
    if most == 0 {
        return html! { p class="empty" { "Nothing of " (short(operation)) " was offered." } };
    }
    let x = axis(most);
    let curves: Vec<Vec<(f64, f64)>> =
        groups.iter().map(|group| curve(&group.whole.0, group.whole.1, &x)).collect();
    let thin: Vec<(usize, Vec<(f64, f64)>)> = groups
        .iter()
        .filter(|group| (2..=THIN).contains(&group.runs.len()))
        .flat_map(|group| {
            group.runs.iter().map(|(timings, offered)| (group.number, curve(timings, *offered, &x)))
        })
        .collect();
    let values =
        || curves.iter().chain(thin.iter().map(|(_, curve)| curve)).flatten().map(|(_, micros)| *micros);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let axis = if high > 0.0 { Axis::log(low, high, tick_span) } else { Axis::log(1e3, 1e5, tick_span) };
    let drawn = |class: &str, curve: &[(f64, f64)]| {
        line(class, curve.iter().map(|(at, micros)| Some((at * UNITS, y(&axis, HEIGHT, *micros)))))
    };
    let stretched = html! {
        @for (group, curve) in &thin { (drawn(&format!("thin {}", mark(*group).class()), curve)) }
        @for (group, curve) in groups.iter().zip(&curves) { (drawn(&whole_class(group.number), curve)) }
    };
    let over = html! {
        @for (group, curve) in groups.iter().zip(&curves) {
            @for (at, micros) in marked(curve, &x) { (mark(group.number).at(at, y(&axis, HEIGHT, micros))) }
        }
    };
    let figure = Figure {
        id: &format!("tail-{index}"),
        title: &format!("{}: response time by percentile", short(operation)),
        about: "One request in a hundred is at p99 or beyond. Curves end where fewer than 10 requests lie beyond, or where requests had no answer.",
        x: &x,
        x_label: "share of requests that are faster",
        keys: keys(groups, !thin.is_empty()),
        table: table(groups, &x),
        plots: vec![Plot {
            height: HEIGHT,
            heading: "response time, logarithmic".to_owned(),
            y: axis,
            stretched,
            over,
        }],
        is_open: false,
    };
    figure.markup()
}

fn whole_class(group: usize) -> String {
    let dashed = if group == 0 { "" } else { "dashed " };
    format!("{dashed}{}", mark(group).class())
}

/// Where a curve carries the mark of its group: at the percentiles that are named.
fn marked<'a>(curve: &'a [(f64, f64)], x: &'a Axis) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.ticks.iter().filter_map(|tick| {
        let place = x.place(tick.at);
        curve.iter().copied().find(|(at, _)| *at >= place - 1e-9)
    })
}

fn keys(groups: &[Group], is_each_drawn: bool) -> Vec<Key> {
    let mut keys: Vec<Key> = groups
        .iter()
        .map(|group| {
            mark(group.number).key(&format!(
                "{}, all requests of {} together",
                group.label,
                so_many(group.runs.len())
            ))
        })
        .collect();
    if is_each_drawn {
        keys.push(Key::line("thin s1", "thin: each run by itself"));
    }
    keys
}

fn so_many(runs: usize) -> String {
    if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") }
}

fn table(groups: &[Group], x: &Axis) -> Table {
    let labels: Vec<&str> =
        ["percentile"].into_iter().chain(groups.iter().map(|group| group.label.as_str())).collect();
    let mut table = Table::new("Response, all requests of a group's runs together", 1, &labels);
    for (name, share) in NAMED {
        let Some(wanted) = Quantile::new(share) else { continue };
        let cells =
            [Td::from(name)].into_iter().chain(groups.iter().map(|group| Td::from(told(group, wanted))));
        table.push(Row { at: Some(x.place(1.0 / (1.0 - share))), ..Row::from_iter(cells) });
    }
    let max = |group: &Group| Td::from(group.max_us.map_or_else(|| "-".to_owned(), span));
    table.push(Row::from_iter([Td::from("max")].into_iter().chain(groups.iter().map(max))));
    let offered = |group: &Group| Td::from(grouped(group.whole.1));
    table.push(Row::from_iter([Td::from("offered")].into_iter().chain(groups.iter().map(offered))));
    table
}

fn told(group: &Group, wanted: Quantile) -> Cell {
    let (timings, offered) = &group.whole;
    match quantile(timings, *offered, wanted) {
        // The histogram knows its values to 0.1 %, the maximum is exact.
        Ok(value) => span(value.as_micros_f64().min(group.max_us.unwrap_or(f64::INFINITY))).into(),
        Err(unknown) => {
            let unknown = [("p50_us".to_owned(), UnknownReason::from(unknown))].into();
            time(&Dist { unknown, ..Dist::default() }, "p50_us", None)
        }
    }
}
