//! How a comparison writes its numbers.

use serde_json::Value;

use super::super::terminal::table::{Cell, Tone};
use super::compare::{Estimate, Spread, Unit};
use super::words::span;

/// `5 %`, `0.25 %`: a share as it was written.
pub fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `+3.1 %`: a relative change, to a tenth of a percent where it is below a hundred.
pub fn signed_percent(share: f64) -> String {
    format!("{} %", signed(share * 100.0))
}

fn signed(percent: f64) -> String {
    match percent.abs() {
        small if small < 0.05 => "0.0".to_owned(),
        large if large >= 99.95 => format!("{percent:+.0}"),
        _ => format!("{percent:+.1}"),
    }
}

/// Values as a person writes them: text without its quotes, nothing as `-`.
pub fn listed(values: &[Value]) -> String {
    let one = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    values.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// The mean over runs, or why there is none.
pub(in crate::report) fn shown(unit: Unit, spread: &Spread) -> Cell {
    if let Some(unknown) = spread.values.iter().find_map(|value| value.unknown) {
        return Cell(unknown.words().into(), Tone::Dim);
    }
    match (spread.mean, spread.values.as_slice()) {
        (Some(mean), _) => number(unit, mean.value).into(),
        (None, [only]) => only.value.map_or("-".into(), |value| number(unit, value).into()),
        (None, _) => "-".into(),
    }
}

pub(in crate::report) fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Microseconds if value < 0.0 => format!("-{}", span(-value)),
        Unit::Microseconds => span(value),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Share => percent(value),
    }
}

/// A spread beside what it is the spread of.
pub(in crate::report) fn relative(unit: Unit, sd: f64, mean: f64) -> String {
    match unit {
        Unit::Share => percent(sd),
        Unit::Microseconds | Unit::PerSecond if mean > 0.0 => format!("{:.1} %", sd / mean * 100.0),
        Unit::Microseconds | Unit::PerSecond => "-".to_owned(),
    }
}

pub(in crate::report) fn one(unit: Unit, change: f64) -> String {
    match unit {
        Unit::Share => format!("{} points", signed(change * 100.0)),
        Unit::Microseconds | Unit::PerSecond => signed_percent(change),
    }
}

pub(in crate::report) fn range(unit: Unit, interval: &Estimate) -> String {
    let (low, high) = (signed(interval.low * 100.0), signed(interval.high * 100.0));
    match unit {
        Unit::Share => format!("{low} to {high} points"),
        Unit::Microseconds | Unit::PerSecond => format!("{low} to {high} %"),
    }
}

pub(in crate::report) fn percent_of(above: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format!("{:.1} points", (above * 100.0).max(0.0)),
        Unit::Microseconds | Unit::PerSecond => format!("{:.1} %", (above * 100.0).max(0.0)),
    }
}

/// `1 run`, `5 runs`.
pub(in crate::report) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
