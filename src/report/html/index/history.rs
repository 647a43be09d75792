//! p50 and p99 from run to run, as small lines: the oldest run to the left, each one step further.
//!
//! A line says that two numbers may be held against each other. So it joins runs that can be trusted, came to their end, and
//! were made with the same settings, on the same server, from the same machine; elsewhere it is interrupted, and the place is marked.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::axis::{Axis, Tick};
use super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent};
use super::super::table::Table;
use super::super::tick_span;
use super::{NAME, is_drawn, row};
use crate::report::index::{Entry, ListedRun, ListedTimes, Workload};
use crate::report::model::UnknownReason;
use crate::report::terminal::slow::cut;

const HEIGHT: u32 = 54;
/// Operations that are drawn and listed: those of most runs.
const OPERATIONS: usize = 3;
/// With more runs than this, one within a line has no dot.
const DOTS: usize = 60;
/// Longer times cannot be measured.
const LONGEST_US: f64 = 4e9;

/// The operations of a workload's runs, those of most runs first.
pub(super) struct Operations<'a>(Vec<&'a str>);

impl<'a> Operations<'a> {
    pub(super) fn shown(&self) -> &[&'a str] {
        &self.0[..self.0.len().min(OPERATIONS)]
    }

    pub(super) fn more(&self) -> usize {
        self.0.len() - self.shown().len()
    }
}

pub(super) fn operations(workload: &Workload) -> Operations<'_> {
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for run in workload.entries.iter().filter_map(Entry::run) {
        run.operations.keys().for_each(|name| *runs.entry(name).or_default() += 1);
    }
    let mut names: Vec<(&str, usize)> = runs.into_iter().collect();
    names.sort_by(|(a, of_a), (b, of_b)| (of_b, a).cmp(&(of_a, b)));
    Operations(names.into_iter().map(|(name, _)| name).collect())
}

/// Where each entry stands along the axis, 0 to 1; `None`: it is not drawn.
pub(super) fn places(workload: &Workload) -> Vec<Option<f64>> {
    let count = drawn(workload).count();
    let axis = Axis::linear_with(0.0, count.saturating_sub(1) as f64, Vec::new());
    let mut left = count;
    let place = |entry: &Entry| {
        is_drawn(entry).then(|| {
            left -= 1;
            axis.place(left as f64)
        })
    };
    workload.entries.iter().map(place).collect()
}

/// Newest first.
fn drawn(workload: &Workload) -> impl DoubleEndedIterator<Item = &Entry> {
    workload.entries.iter().filter(|entry| is_drawn(entry))
}

/// `None`: there are not two runs.
pub(super) fn figure(place: usize, workload: &Workload, operations: &[&str], table: Table) -> Option<Markup> {
    let entries: Vec<&Entry> = drawn(workload).rev().collect();
    if entries.len() < 2 || operations.is_empty() {
        return None;
    }
    let runs: Vec<&ListedRun> = entries.iter().filter_map(|entry| entry.run()).collect();
    let steps = Steps::new(&runs);
    let x = axis(&entries);
    let plots = operations.iter().flat_map(|operation| {
        [("p50", false), ("p99", true)].map(|(name, is_p99)| {
            let points = points(&runs, operation, is_p99);
            let heading = format!("{} response {name}", cut(operation, NAME));
            plot(heading, &points, &steps, &x)
        })
    });
    let plots: Vec<Plot> = plots.collect();
    let figure = Figure {
        id: &format!("history-{place}"),
        title: &format!("Response times of {} runs", entries.len()),
        about: "Each step to the right is the next run, however much later. A line joins trusted runs alone that were made with the same settings, data, server and machine.",
        x: &x,
        x_label: "run after run, the newest to the right",
        plots,
        keys: keys(&runs, operations, &steps),
        table,
        is_open: true,
    };
    Some(figure.markup())
}

fn axis(entries: &[&Entry]) -> Axis {
    let last = entries.len() - 1;
    let tick = |index: usize| Tick { at: index as f64, text: row::day(entries[index]) };
    Axis::linear_with(0.0, last as f64, vec![tick(0), tick(last)])
}

/// How each run stands to the sound one before it.
struct Steps {
    /// Whether its numbers may be held against those.
    joined: Vec<bool>,
}

impl Steps {
    fn new(runs: &[&ListedRun]) -> Self {
        let mut before: Option<&ListedRun> = None;
        let joined = runs.iter().map(|run| {
            if !run.is_sound() {
                return false;
            }
            let is_same = before.is_some_and(|before| !run.changed_since(before).iter().any(|c| c.separates));
            before = Some(run);
            is_same
        });
        Self { joined: joined.collect() }
    }

    /// Runs before which something changed: all sound ones but the first that are not joined.
    fn changes<'a>(&'a self, runs: &'a [Point]) -> impl Iterator<Item = usize> + 'a {
        let sound = runs.iter().enumerate().filter(|(_, point)| point.is_sound).map(|(index, _)| index);
        sound.skip(1).filter(|index| !self.joined[*index])
    }
}

/// What is drawn of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    is_sound: bool,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Micros(f64),
    /// Slower than any number.
    Unanswered,
    /// Too few requests, or none.
    Unknown,
}

fn points(runs: &[&ListedRun], operation: &str, is_p99: bool) -> Vec<Point> {
    let value = |run: &ListedRun| {
        let Some(ListedTimes { p50_us, p99_us, unknown }) =
            run.operations.get(operation).map(|o| &o.response)
        else {
            return Value::Unknown;
        };
        let (name, micros) = if is_p99 { ("p99_us", p99_us) } else { ("p50_us", p50_us) };
        match (micros, unknown.get(name)) {
            (Some(micros), _) if (0.0..LONGEST_US).contains(micros) => Value::Micros(*micros),
            (None, Some(UnknownReason::Unanswered | UnknownReason::Saturated)) => Value::Unanswered,
            _ => Value::Unknown,
        }
    };
    runs.iter().map(|run| Point { is_sound: run.is_sound(), value: value(run) }).collect()
}

fn plot(heading: String, points: &[Point], steps: &Steps, x: &Axis) -> Plot {
    let micros = |point: &Point| match point.value {
        Value::Micros(micros) => Some(micros),
        Value::Unanswered | Value::Unknown => None,
    };
    let most = |is_sound: bool| {
        points.iter().filter(|point| point.is_sound == is_sound).filter_map(micros).reduce(f64::max)
    };
    // What cannot be trusted does not press the others down.
    let y = Axis::from_zero(most(true).or(most(false)).unwrap_or(0.0), tick_span);
    let mut plot = Plot { height: HEIGHT, heading, y, stretched: html! {}, over: html! {} };
    let places: Vec<f64> = (0..points.len()).map(|index| x.place(index as f64)).collect();
    let at = |index: usize| Some((places[index] * UNITS, plot.y(micros(&points[index])?)));
    let lines = segments(points, &steps.joined);
    let mut is_in_line = vec![false; points.len()];
    lines.iter().filter(|segment| segment.len() > 1).flatten().for_each(|index| is_in_line[*index] = true);
    let path = lines.iter().flat_map(|segment| segment.iter().map(|index| at(*index)).chain([None]));
    plot.stretched = line("response", path);
    let has_dot = |index: usize| !is_in_line[index] || points.len() <= DOTS || index + 1 == points.len();
    plot.over = html! {
        @for index in steps.changes(points) {
            @let middle = percent((places[index - 1] + places[index]) / 2.0);
            line class="stage" x1=(middle) x2=(middle) y1="0" y2=(HEIGHT) stroke="currentColor" stroke-dasharray="2 3" {}
        }
        @for (index, point) in points.iter().enumerate() {
            (mark(point, percent(places[index]), micros(point).map(|micros| plot.y(micros)), has_dot(index)))
        }
    };
    plot
}

/// Runs whose numbers a line joins, in order; each number that can be drawn of a sound run is in one, alone where need be.
fn segments(points: &[Point], joined: &[bool]) -> Vec<Vec<usize>> {
    let mut segments: Vec<Vec<usize>> = Vec::new();
    let mut is_open = false;
    for (index, point) in points.iter().enumerate().filter(|(_, point)| point.is_sound) {
        is_open &= joined[index];
        match (point.value, segments.last_mut()) {
            (Value::Micros(_), Some(last)) if is_open => last.push(index),
            (Value::Micros(_), _) => segments.push(vec![index]),
            (Value::Unanswered | Value::Unknown, _) => {}
        }
        is_open = matches!(point.value, Value::Micros(_));
    }
    segments
}

fn mark(point: &Point, at: impl maud::Render, top: Option<f64>, has_dot: bool) -> Markup {
    match (point.value, top) {
        (Value::Micros(_), Some(top)) if point.is_sound => html! {
            @if has_dot { circle class="run" cx=(at) cy=(number(top)) r="2.5" {} }
        },
        (Value::Micros(_), Some(top)) => html! {
            svg x=(at) y=(number(top)) overflow="visible" { path class="line failed" d=(CROSS) fill="none" stroke="currentColor" {} }
        },
        (Value::Unanswered, _) => html! {
            svg x=(at) y="0" overflow="visible" { path class="errors" d=(UPWARD) fill="currentColor" {} }
        },
        _ => html! {},
    }
}

const CROSS: &str = "M-3 -3L3 3M3 -3L-3 3";
const UPWARD: &str = "M-4 5L0 -3L4 5Z";

fn keys(runs: &[&ListedRun], operations: &[&str], steps: &Steps) -> Vec<Key> {
    let mut keys = vec![Key::line("response", "trusted runs, made alike")];
    let all: Vec<Vec<Point>> = operations
        .iter()
        .flat_map(|operation| [false, true].map(|is_p99| points(runs, operation, is_p99)))
        .collect();
    if runs.iter().any(|run| !run.is_sound()) {
        keys.push(Key::cross("failed", "not trusted, or ended early; at the upper edge where it is beyond"));
    }
    if all.iter().flatten().any(|point| point.value == Value::Unanswered) {
        let sign = html! { path class="errors" d="M7 10L11 2L15 10Z" fill="currentColor" {} };
        keys.push(Key { sign, words: "unanswered: slower than any number".to_owned() });
    }
    if all.first().is_some_and(|points| steps.changes(points).next().is_some()) {
        let sign = html! { path class="line stage" d="M11 0V12" fill="none" stroke="currentColor" stroke-dasharray="2 3" {} };
        keys.push(Key {
            sign,
            words: "settings, data, server or machine changed: the table says what".to_owned(),
        });
    }
    keys
}
