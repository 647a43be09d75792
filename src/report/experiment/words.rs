//! Numbers of experiments in words.

use crate::report::model::{Server, UnknownReason};
use crate::report::terminal::table::{Cell, Tone};
use crate::units::Nanos;

use super::figures::Figures;

/// Three digits and a unit.
pub(in crate::report) fn span(micros: f64) -> String {
    Nanos::new((micros * 1e3).round() as u64).to_string()
}

/// Three or four digits, none of them in vain.
pub(in crate::report) fn rate(per_second: f64) -> String {
    let digits = match per_second {
        rate if rate >= 999.5 => 0,
        rate if rate >= 99.95 => 1,
        _ => 2,
    };
    let text = format!("{per_second:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// In percent, two digits where it is small.
pub(in crate::report) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        0.0 => "0 %".to_owned(),
        small if small < 0.095 => format!("{percent:.2} %"),
        middle if middle < 9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// The server under load, and whether the generator shares its cores.
pub(in crate::report) fn server(server: &Server) -> String {
    let version = server.version.as_deref().unwrap_or("of unknown version");
    let shares = if server.embedded { "; embedded, so the generator shares its cores" } else { "" };
    format!("Milvus {version} at {}{shares}", server.uri)
}

/// A time of some figures, or why there is none.
pub(in crate::report) fn time(figures: &Figures, name: &str, micros: Option<f64>) -> Cell {
    match (micros, figures.unknown.get(name)) {
        (Some(micros), _) => span(micros).into(),
        (None, Some(UnknownReason::Unanswered)) => Cell("unanswered".into(), Tone::Bad),
        (None, Some(UnknownReason::Saturated)) => Cell("over 1 h".into(), Tone::Bad),
        (None, Some(UnknownReason::TooFew)) => Cell("too few".into(), Tone::Dim),
        (None, None) => Cell("unknown".into(), Tone::Dim),
    }
}

/// A rate, or that it is not known.
pub(in crate::report) fn rate_cell(per_second: Option<f64>) -> Cell {
    per_second.map_or(Cell("unknown".into(), Tone::Dim), |per_second| rate(per_second).into())
}

/// A share of requests that did not succeed.
pub(in crate::report) fn errors(share: Option<f64>) -> Cell {
    match share {
        None => Cell("unknown".into(), Tone::Dim),
        Some(share) => Cell(percent(share), if share > 0.0 { Tone::Bad } else { Tone::Plain }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.5, 20.0, 123.4, 1_234.5].map(rate), ["0.5", "20", "123.4", "1234"]);
        assert_eq!([0.0, 0.000_5, 0.012, 0.25].map(percent), ["0 %", "0.05 %", "1.2 %", "25 %"]);
    }
}
