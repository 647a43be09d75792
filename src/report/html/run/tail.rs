//! How bad is the tail? Response and service by percentile, over 1/(1-p): each further nine takes as much room as the last.

use maud::{Markup, html};

use super::super::axis::Axis;
use super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent, y};
use super::super::page::Panel;
use super::super::percentiles::{NAMED, axis, curve};
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::super::tick_span;
use super::{drawn, name, not_drawn, nothing};
use crate::measure::{ENOUGH_BEYOND, Quantile};
use crate::report::RunReport;
use crate::report::model::{Dist, Operation, Threshold, UnknownReason};
use crate::report::terminal::summary::{met, span, time};
use crate::report::terminal::table::{Cell, Tone};
use crate::workload::{self, Clock, Statistic, ThresholdMetric};

const HEIGHT: u32 = 240;

pub(super) fn panel(report: &RunReport) -> Panel {
    let body = match drawn(report).next() {
        None => nothing(),
        Some(_) => html! {
            @for (index, operation, numbers) in drawn(report) {
                (name(report, operation))
                (figure(index, operation, numbers, &report.thresholds))
            }
            (not_drawn(report))
        },
    };
    Panel { id: "tail", title: "Percentiles", question: "How bad is the tail?", body }
}

/// A threshold on a time of the operation.
struct Bound<'a> {
    told: &'a Threshold,
    clock: Clock,
    statistic: Statistic,
    micros: f64,
}

fn bounds<'a>(operation: &str, thresholds: &'a [Threshold]) -> Vec<Bound<'a>> {
    let of = |told: &'a Threshold| {
        let read = workload::Threshold::of_expression(&told.expression).ok()?;
        match read.metric {
            ThresholdMetric::Time { operation: of, clock, statistic }
                if of == operation && read.bound > 0.0 =>
            {
                Some(Bound { told, clock, statistic, micros: read.bound / 1e3 })
            }
            _ => None,
        }
    };
    thresholds.iter().filter_map(of).collect()
}

fn figure(index: usize, operation: &str, numbers: &Operation, thresholds: &[Threshold]) -> Markup {
    let Operation { response, service, offered, .. } = numbers;
    let x = axis(*offered);
    let curves = [response, service].map(|dist| dist.timings().map(|timings| curve(&timings, *offered, &x)));
    let [Ok(response_curve), Ok(service_curve)] = curves else {
        return html! { p class="empty" { "The histogram in this report cannot be read." } };
    };
    let bounds: Vec<Bound<'_>> =
        bounds(operation, thresholds).into_iter().filter(|bound| bound.clock != Clock::Lag).collect();
    let values = || {
        response_curve
            .iter()
            .chain(&service_curve)
            .map(|(_, micros)| *micros)
            .chain(bounds.iter().map(|bound| bound.micros))
    };
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let axis = if high > 0.0 { Axis::log(low, high, tick_span) } else { Axis::log(1e3, 1e5, tick_span) };
    let drawn = |class: &str, curve: &[(f64, f64)]| {
        line(class, curve.iter().map(|(at, micros)| Some((at * UNITS, y(&axis, HEIGHT, *micros)))))
    };
    let over = html! {
        (unanswered(numbers, &x))
        @for bound in &bounds { (drawn_bound(bound, &x, &axis)) }
    };
    let stretched = html! { (drawn("service", &service_curve)) (drawn("response", &response_curve)) };
    let mut keys = vec![Key::line("response", "response"), Key::line("service", "service")];
    if !bounds.is_empty() {
        keys.push(Key::line("bound", "threshold"));
    }
    let table = table(numbers, &x);
    let plot = Plot { height: HEIGHT, heading: "time, logarithmic".to_owned(), y: axis, stretched, over };
    let figure = Figure {
        id: &format!("tail-{index}"),
        title: &format!("{}: time by percentile", short(operation)),
        about: "One request in a hundred is at p99 or beyond, one in a thousand at p99.9. The curves end where fewer than 10 requests lie beyond.",
        x: &x,
        x_label: "share of requests that are faster",
        plots: vec![plot],
        keys,
        table,
        is_open: false,
    };
    figure.markup()
}

/// From where on requests had no answer.
fn unanswered(numbers: &Operation, x: &Axis) -> Markup {
    let share = numbers.offered.saturating_sub(numbers.succeeded) as f64 / numbers.offered.max(1) as f64;
    let from = if share > 0.0 { x.place(1.0 / share) } else { 1.0 };
    html! {
        @if from < 1.0 {
            rect class="unanswered" x=(percent(from)) width=(percent(1.0 - from)) y="0" height=(HEIGHT) fill="currentColor" fill-opacity="0.1" {}
            text class="note" x=(percent((from + 1.0) / 2.0)) y="18" text-anchor="middle" { "unanswered" }
        }
    }
}

fn drawn_bound(bound: &Bound<'_>, x: &Axis, axis: &Axis) -> Markup {
    let (tone, word) = met(bound.told);
    let class = super::super::table::class(tone).unwrap_or_default();
    let at = y(axis, HEIGHT, bound.micros);
    // Above its line, but for the topmost.
    let text = number(if at < 20.0 { at + 15.0 } else { at - 6.0 });
    let (line, text_class) = (format!("bound {class}"), format!("label {class}"));
    html! {
        line class=(line) x1="0" x2="100%" y1=(number(at)) y2=(number(at)) stroke="currentColor" stroke-dasharray="6 4" {}
        @if let Statistic::Quantile(share) = bound.statistic {
            @let place = percent(x.place(1.0 / (1.0 - share)));
            circle class=(class) cx=(place) cy=(number(at)) r="4" {}
        }
        text class=(text_class) x="6" y=(text) { (short(&bound.told.expression)) ": " (word) }
    }
}

fn table(numbers: &Operation, x: &Axis) -> Table {
    let mut table = Table::new("Percentiles", 1, &["percentile", "response", "service", "lag"]);
    let Operation { response, service, lag, offered, .. } = numbers;
    let extreme = |name: &str, field: &str, of: fn(&Dist) -> Option<f64>, at| {
        let told = |dist: &Dist| Td::from(time(dist, field, of(dist)));
        let cells = [name.into(), told(response), told(service), told(lag)];
        Row { at, ..Row::from_iter(cells) }
    };
    table.push(extreme("min", "min_us", |dist| dist.min_us, Some(0.0)));
    for (name, share) in NAMED {
        let told = |dist: &Dist, of: u64| Td::from(value(dist, of, share));
        let cells = [name.into(), told(response, *offered), told(service, *offered), told(lag, lag.count)];
        let known = share <= 1.0 - ENOUGH_BEYOND as f64 / (*offered).max(1) as f64;
        table.push(Row { at: known.then(|| x.place(1.0 / (1.0 - share))), ..Row::from_iter(cells) });
    }
    table.push(extreme("max", "max_us", |dist| dist.max_us, None));
    table.push(extreme("mean", "mean_us", |dist| dist.mean_us, None));
    table
}

fn value(dist: &Dist, offered: u64, share: f64) -> Cell {
    let found = Quantile::new(share).map(|wanted| dist.quantile_us(offered, wanted));
    match found {
        Some(Ok(Ok(micros))) => span(micros).into(),
        Some(Ok(Err(reason))) => unknown(reason),
        Some(Err(_)) | None => Cell("unreadable".to_owned(), Tone::Bad),
    }
}

fn unknown(reason: UnknownReason) -> Cell {
    let unknown = [("p50_us".to_owned(), reason)].into();
    time(&Dist { unknown, ..Dist::default() }, "p50_us", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_thresholds_on_times_of_the_operation_are_drawn() {
        let told = |expression: &str| Threshold {
            expression: expression.into(),
            value: None,
            unknown: None,
            met: None,
        };
        let all =
            ["search.response.p99 < 50ms", "errors < 1%", "insert.response.p99 < 1s", "nonsense"].map(told);
        let bounds = bounds("search", &all);
        assert_eq!(bounds.iter().map(|bound| bound.micros).collect::<Vec<_>>(), [50_000.0]);
    }
}
