//! Each other group against the baseline: every metric's change with its interval, the one that decides first.

use maud::{Markup, html};

use super::super::super::chart::Figure;
use super::super::super::forest::{self, Interval, Seen};
use super::super::super::table::{Row, Table, Td, cut};
use super::super::super::text::short;
use super::document;
use crate::report::experiment::compare_numbers::{one, percent_of, range};
use crate::report::experiment::{Change, ChangeVerdict, Comparison, Metric, Unit};
use crate::report::terminal::table::Cell;

/// Group number `index`.
pub(super) fn against_baseline(comparison: &Comparison, index: usize) -> Markup {
    let label = |index: usize| short(&comparison.groups[index].label);
    let title = format!("{} against {}", label(index), label(0));
    html! {
        @if comparison.groups.len() > 2 { h3 { (title) } }
        (figure(comparison, index, &title))
        (Table { last_left: 1, ..Table::of(&title, 1, cut(&document::changes(comparison, index))) }.markup())
    }
}

fn figure(comparison: &Comparison, index: usize, title: &str) -> Markup {
    let (decides, others): (Vec<&Metric>, Vec<&Metric>) =
        comparison.metrics.iter().partition(|metric| metric.primary);
    let [decides, others] = [decides, others]
        .map(|metrics| metrics.into_iter().filter_map(|metric| interval(metric, index)).collect::<Vec<_>>());
    if decides.is_empty() && others.is_empty() {
        return html! {};
    }
    let x = forest::axis(decides.iter().chain(&others), 0.0);
    let mut plots = Vec::new();
    for (heading, intervals) in [("decides", &decides), ("exploratory", &others)] {
        if !intervals.is_empty() {
            plots.push(forest::plot(heading, intervals, None, &x));
        }
    }
    let figure = Figure {
        id: &format!("change-{index}"),
        title: &format!("{title}: relative changes"),
        about: "To the right of zero there is more of it: more time is worse, more throughput is better.",
        x: &x,
        x_label: "change, with its 95 % interval",
        plots,
        keys: vec![
            Seen::Worse.key("worse"),
            Seen::Better.key("better"),
            Seen::Nothing.key("none seen, or nothing concluded"),
        ],
        table: table(comparison, index, title),
        is_open: false,
    };
    figure.markup()
}

/// Relative changes with an interval that is one.
fn interval(metric: &Metric, index: usize) -> Option<Interval> {
    let change = metric.changes.get(index - 1)?;
    let interval =
        change.interval.filter(|interval| metric.unit != Unit::Share && interval.low < interval.high)?;
    let Cell(verdict, _) = document::verdict(change, metric.unit);
    Some(Interval {
        low: interval.low,
        estimate: interval.value,
        high: interval.high,
        label: metric.name.clone(),
        aside: format!("{}, {verdict}", one(metric.unit, interval.value)),
        seen: seen(change.verdict),
    })
}

const fn seen(verdict: ChangeVerdict) -> Seen {
    match verdict {
        ChangeVerdict::Worse => Seen::Worse,
        ChangeVerdict::Better => Seen::Better,
        ChangeVerdict::NoneSeen
        | ChangeVerdict::TooNoisy
        | ChangeVerdict::DriftNotExcluded
        | ChangeVerdict::TooFewRuns
        | ChangeVerdict::SingleRuns
        | ChangeVerdict::Stopped
        | ChangeVerdict::Unknown => Seen::Nothing,
    }
}

fn table(comparison: &Comparison, index: usize, title: &str) -> Table {
    let heading = ["metric", "verdict", "change", "95 % CI", "p", "detectable"];
    let mut table = Table::new(&format!("{title}, in full"), 2, &heading);
    let told = comparison.metrics.iter().filter_map(|metric| Some((metric, metric.changes.get(index - 1)?)));
    for (metric, change) in told {
        let Change { change: by, interval, p_value, smallest_detectable, .. } = change;
        let unit = metric.unit;
        let or_dash = |text: Option<String>| Td::from(text.unwrap_or_else(|| "-".to_owned()));
        let cells: [Td; 6] = [
            short(&metric.name).into(),
            document::verdict(change, unit).into(),
            // Why there is none may be foreign.
            or_dash(by.map(|by| one(unit, by)).or_else(|| change.reason.as_deref().map(short))),
            or_dash(interval.map(|interval| range(unit, &interval))),
            or_dash(p_value.map(probability)),
            or_dash(smallest_detectable.map(|least| percent_of(least, unit))),
        ];
        table.push(Row::from_iter(cells));
    }
    table
}

/// Three digits behind the point; what is smaller is said to be that.
fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}
