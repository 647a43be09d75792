//! Response times over the window: how many requests, due in that time, took that long.

use maud::{Markup, html};

use super::super::axis::Axis;
use super::super::chart::{Key, Plot, UNITS, number, percent, y};
use super::super::tick_span;
use super::columns::Column;
use crate::measure::Timings;
use crate::report::RunReport;
use crate::report::model::{Outcome, Request};
use crate::report::terminal::summary::{short as digits, span};
use crate::report::terminal::table::grouped;

const HEAT: u32 = 220;
/// Rows of the map.
const ROWS: usize = 44;
/// Shades: the first is one request, the last the most that any cell holds.
const SHADES: usize = 6;

/// The lightest shade and the darkest.
pub(super) fn keys(columns: &[Column], axis: &Axis) -> [Key; 2] {
    let key = |shade: usize, words: String| {
        let sign = html! { rect class="heat" x="3" y="1" width="16" height="10" fill="currentColor" fill-opacity=(opacity(shade)) {} };
        Key { sign, words }
    };
    let most = format!("{} requests", grouped(most_in_cell(columns, axis)));
    [key(0, "1 request".to_owned()), key(SHADES - 1, most)]
}

/// From the shortest to the longest of what is to be shown, in microseconds.
fn axis(columns: &[Column], slowest: &[(&Request, String)]) -> Axis {
    let shortest = columns.iter().filter_map(|column| column.response.moments().min()).min();
    let low = shortest.map_or(f64::INFINITY, |span| span.as_micros_f64());
    let ends = columns
        .iter()
        .filter_map(|column| column.max_us)
        .chain(slowest.iter().map(|(request, _)| request.response_us));
    let high = ends.clone().fold(0.0, f64::max);
    let low = ends.fold(low, f64::min);
    // Some room above, so that no dot is cut.
    if high > 0.0 {
        Axis::log(low.max(high / 1e6), high * 1.1, tick_span)
    } else {
        Axis::log(1e3, 1e5, tick_span)
    }
}

pub(super) fn plot(report: &RunReport, columns: &[Column], slowest: &[(&Request, String)], x: &Axis) -> Plot {
    let axis = axis(columns, slowest);
    let cells: Vec<Vec<u64>> = columns.iter().map(|column| cells(&column.response, &axis)).collect();
    let stretched = shades(columns, &cells, x);
    let boundaries = report.stages.iter().skip(1).map(|stage| percent(x.place(stage.start_s)));
    let over = html! {
        @for at in boundaries {
            line class="stage" x1=(at) x2=(at) y1="0" y2=(HEAT) stroke="currentColor" stroke-dasharray="2 3" {}
        }
        @for (request, place) in slowest.iter().rev() { (dot(request, place, x, &axis)) }
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
    format!("{:.2}", 0.15 + 0.85 * shade as f64 / (SHADES - 1) as f64)
}

/// A slow request, which leads to what is known of it.
fn dot(request: &Request, place: &str, x: &Axis, axis: &Axis) -> Markup {
    let (at, top) = (percent(x.place(request.at_s)), y(axis, HEAT, request.response_us));
    let words = format!(
        "{} at {} s, {}",
        span(request.response_us),
        digits(request.at_s),
        request.outcome.name().replace('_', " ")
    );
    html! {
        a href={ "#" (place) } {
            title { (words) }
            @if request.outcome == Outcome::Succeeded {
                circle class="slow" cx=(at) cy=(number(top)) r="4.5" {}
            } @else {
                svg class="failed" x=(at) y=(number(top)) overflow="visible" {
                    circle cx="0" cy="0" r="6" fill-opacity="0" {}
                    path class="line failed" d="M-4 -4L4 4M4 -4L-4 4" fill="none" stroke="currentColor" {}
                }
            }
        }
    }
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
