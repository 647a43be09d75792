//! Moments as RFC 3339 writes them.

use super::Nanos;

/// Days before each month of a year that is no leap year.
const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads `2026-01-31T12:00:00Z`, with a fraction of a second or an offset where there is one, as nanoseconds since 1970.
///
/// # Errors
/// Where it is no such moment, or one before 1970 or after 2500.
pub fn parse_rfc3339(text: &str) -> Result<Nanos, String> {
    let wrong = || {
        format!("{text:?} is no moment: write it like 2026-01-31T12:00:00Z or 2026-01-31T13:00:00.5+01:00")
    };
    let (local, offset) = split(text.trim()).ok_or_else(wrong)?;
    // Seconds since 1970 fit an i64 by far, and the year is bounded.
    let seconds = i64::try_from(local.seconds).map_err(|_| wrong())? - offset;
    let seconds = u64::try_from(seconds).map_err(|_| wrong())?;
    Ok(Nanos::from_secs(seconds) + local.fraction)
}

struct Local {
    seconds: u64,
    fraction: Nanos,
}

/// The local time and its offset from UTC in seconds.
fn split(text: &str) -> Option<(Local, i64)> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    matches!(text.as_bytes()[10], b'T' | b't' | b' ').then_some(())?;
    let time = rest.get(..8)?;
    let (year, month, day) = (number(date, 0..4)?, number(date, 5..7)?, number(date, 8..10)?);
    let (hour, minute, second) = (number(time, 0..2)?, number(time, 3..5)?, number(time, 6..8)?);
    let marks = [date.as_bytes()[4], date.as_bytes()[7], time.as_bytes()[2], time.as_bytes()[5]];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let fits = marks == *b"--::"
        && (1970..=2500).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    fits.then_some(())?;
    let years = year - 1;
    let leaps = |years: u64| years / 4 - years / 100 + years / 400;
    let days = (year - 1970) * 365
        + (leaps(years) - leaps(1969))
        + DAYS_BEFORE[month as usize - 1]
        + u64::from(is_leap && month > 2)
        + (day - 1);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    let (fraction, zone) = fraction(rest.get(8..)?)?;
    Some((Local { seconds, fraction }, offset(zone)?))
}

/// A fraction of a second, to nine digits, and what comes after it.
fn fraction(text: &str) -> Option<(Nanos, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((Nanos::ZERO, text)) };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at_checked(digits)?;
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some((Nanos::new(value * 10u64.pow(9 - digits.len() as u32)), zone))
}

/// `Z`, `+01:00`: seconds ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1..3)?, number(zone, 4..6)?);
    let fits = zone.len() == 6 && zone.as_bytes()[3] == b':' && hours < 24 && minutes < 60;
    fits.then(|| sign * (hours * 3_600 + minutes * 60) as i64)
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str, range: std::ops::Range<usize>) -> Option<u64> {
    let digits = text.get(range)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        // From `date -u -d TEXT +%s`.
        let cases = [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T00:00:00Z", 951_782_400, 0),
            ("2023-11-14T22:13:20.123456789Z", 1_700_000_000, 123_456_789),
            ("2024-12-31 23:59:59z", 1_735_689_599, 0),
            ("2026-01-31T13:00:00.5+01:00", 1_769_860_800, 500_000_000),
            ("2026-01-31t06:30:00-05:30", 1_769_860_800, 0),
            ("2100-03-01T00:00:00Z", 4_107_542_400, 0),
            ("2400-02-29T00:00:00Z", 13_574_563_200, 0),
        ];
        for (text, seconds, nanos) in cases {
            assert_eq!(parse_rfc3339(text), Ok(Nanos::from_secs(seconds) + Nanos::new(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "12:00",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567890Z",
            "2026-01-31T12:00:00+1:00",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00Zx",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "+026-01-31T12:00:00Z",
            "2026/01/31T12:00:00Z",
            "2026-01-31T12:00:00.5",
            "éééééééééééé",
        ] {
            assert!(parse_rfc3339(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9TZz:.+ é]{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
