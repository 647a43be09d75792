//! Numbers in few digits: what is known to some per cent is not told to a thousandth.

use crate::measure::{Shown, Unknown};
use crate::report::terminal::Tone;
use crate::units::Nanos;

/// Two significant digits: `870 us`, `1.2 ms`, `12 s`.
pub(super) fn time(time: Nanos) -> String {
    let nanos = time.get();
    let step = 10u64.pow(nanos.max(1).ilog10().saturating_sub(1));
    let rounded = nanos.saturating_add(step / 2) / step * step;
    let (value, unit) = match rounded {
        0..1_000_000 => (rounded as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (rounded as f64 / 1e6, "ms"),
        _ => (rounded as f64 / 1e9, "s"),
    };
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A time that may not be known, as the report words it.
pub(super) fn shown(shown: Shown) -> (String, Tone) {
    match shown {
        Shown::Is(known) => (time(known), Tone::Plain),
        Shown::Over(age) => (format!(">{}", time(age)), Tone::Bad),
        Shown::Unknown(Unknown::Unanswered) => ("unanswered".to_owned(), Tone::Bad),
        Shown::Unknown(Unknown::TooFew) => ("too few".to_owned(), Tone::Dim),
        Shown::Unknown(Unknown::Saturated) => ("over 1 h".to_owned(), Tone::Bad),
    }
}

/// Requests per second.
pub(super) fn rate(per_second: f64) -> String {
    // 99.95 would be told as 100.0.
    if per_second < 99.95 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

/// Whole seconds: `23 s`, `13m12s`, `1h02m`.
pub(super) fn length(length: Nanos) -> String {
    let seconds = length.get().div_ceil(1_000_000_000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The length of the last seconds, which are so many to a tenth or two.
pub(super) fn window(length: Nanos) -> String {
    format!("{:.0} s", length.as_secs_f64())
}

/// `12 of 35 s`, `2m05s of 13m00s`.
pub(super) fn place(now: Nanos, end: Nanos) -> String {
    let now = Nanos::from_secs(now.min(end).get() / 1_000_000_000);
    let (now, end) = (length(now), length(end));
    match now.strip_suffix(" s") {
        Some(seconds) if end.ends_with(" s") => format!("{seconds} of {end}"),
        _ => format!("{now} of {end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_digits() {
        let told = [
            900,
            1_024,
            9_949,
            9_960,
            123_456,
            999_600,
            1_250_000,
            99_600_000,
            2_549_000_000,
            119_000_000_000,
        ]
        .map(|nanos| time(Nanos::new(nanos)));
        let expected =
            ["0.9 us", "1.0 us", "9.9 us", "10 us", "120 us", "1.0 ms", "1.3 ms", "100 ms", "2.5 s", "120 s"];
        assert_eq!(told, expected);
        assert_eq!(time(Nanos::ZERO), "0.0 us");
    }

    #[test]
    fn lengths_are_whole_seconds_that_are_left() {
        let told = [0, 1, 119_000, 119_001, 792_000, 3_720_000].map(|ms| length(Nanos::from_millis(ms)));
        assert_eq!(told, ["0 s", "1 s", "119 s", "2m00s", "13m12s", "1h02m"]);
        let place = |now, end| place(Nanos::from_secs(now), Nanos::from_secs(end));
        assert_eq!(
            [place(12, 35), place(40, 35), place(5, 600)],
            ["12 of 35 s", "35 of 35 s", "5 s of 10m00s"]
        );
    }
}
