//! Units: time, rates and fractions as types, so that a microsecond is never taken for a nanosecond.

mod rfc3339;

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

pub use rfc3339::parse_rfc3339;

/// A span of time, or a moment counted from the start of the run, in whole nanoseconds.
///
/// Arithmetic saturates: a difference of clocks never wraps around. Range: 0 to 2^64 - 1 ns (584 years).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(u64);

impl Nanos {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(u64::MAX);

    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// The count of nanoseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In microseconds, for reports.
    pub fn as_micros_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `self - earlier`, or zero where `earlier` is the later one.
    pub const fn saturating_sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

/// Three significant digits and the unit that keeps them short: `870 ns`, `1.23 ms`, `2.50 s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            0..=999 => return f.pad(&format!("{} ns", self.0)),
            1_000..=999_499 => (self.0 as f64 / 1e3, "us"),
            999_500..=999_499_999 => (self.0 as f64 / 1e6, "ms"),
            _ => (self.0 as f64 / 1e9, "s"),
        };
        let digits = match value {
            v if v >= 99.95 => 0,
            v if v >= 9.995 => 1,
            _ => 2,
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

/// A difference of two spans: by how much one is longer than the other, or shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedNanos {
    /// By how much they differ.
    pub length: Nanos,
    pub is_negative: bool,
}

impl SignedNanos {
    /// `a - b`, exactly.
    pub fn difference(a: Nanos, b: Nanos) -> Self {
        Self { length: Nanos(a.0.abs_diff(b.0)), is_negative: a < b }
    }
}

/// With its sign: `+1.20 s`, `-80.0 ms`.
impl fmt::Display for SignedNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_negative { '-' } else { '+' }, self.length)
    }
}

/// Why a unit could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// A number without a unit.
    #[error("{0:?} has no unit: write for example \"{0}s\" or \"{0}ms\"")]
    NoUnit(String),
    /// Not `<number><unit>`.
    #[error("{0:?} is not a duration: write a number and one of ns, us, ms, s, m, h, such as \"500ms\"")]
    NotADuration(String),
    /// Outside what can be worked with.
    #[error("{value} is out of range: {range}")]
    OutOfRange {
        /// What was given.
        value: String,
        /// What may be given.
        range: &'static str,
    },
}

/// Reads `"10s"`, `"1.5ms"`, `"250us"`, `"2m"`, `"1h"`. At most 365 days, so that adding durations never overflows.
///
/// # Errors
/// Where there is no unit, an unknown unit, or the value is negative, not finite or above 365 days.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| UnitError::NotADuration(text.to_owned()))?;
    let factor = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" => return Err(UnitError::NoUnit(text.to_owned())),
        _ => return Err(UnitError::NotADuration(text.to_owned())),
    };
    let seconds = number * factor;
    if !(0.0..=365.0 * 86_400.0).contains(&seconds) {
        return Err(UnitError::OutOfRange { value: text.to_owned(), range: "a duration is 0 to 365 days" });
    }
    // Rounded to whole nanoseconds: `from_secs_f64` would truncate 0.1 ms to 99,999 ns.
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Requests per second: finite and above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// # Errors
    /// Where the value is not finite, not above 0, or above 10 million per second.
    pub fn per_second(value: f64) -> Result<Self, UnitError> {
        if value.is_finite() && value > 0.0 && value <= 1e7 {
            Ok(Self(value))
        } else {
            Err(UnitError::OutOfRange {
                value: value.to_string(),
                range: "a rate is above 0 and at most 10,000,000 requests per second",
            })
        }
    }

    /// Requests per second.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", self.0))
    }
}

/// A share between 0 and 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Fraction(f64);

impl Fraction {
    pub const ZERO: Self = Self(0.0);
    pub const ONE: Self = Self(1.0);

    /// # Errors
    /// Where the value is not within 0 to 1.
    pub fn new(value: f64) -> Result<Self, UnitError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(UnitError::OutOfRange { value: value.to_string(), range: "a fraction is 0 to 1" })
        }
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_are_exact_to_the_nanosecond() {
        assert_eq!(parse_duration("0.1ms"), Ok(Duration::from_nanos(100_000)));
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("1.5 m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("30"), Err(UnitError::NoUnit("30".into())));
        for bad in ["", "s", "-1s", "1y", "5 parsecs", "inf s", "NaNs", "1e99h"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_span_is_shown_with_three_digits() {
        let shown = |n| Nanos::new(n).to_string();
        assert_eq!(shown(870), "870 ns");
        assert_eq!(shown(1_234), "1.23 us");
        assert_eq!(shown(999_600), "1.00 ms");
        assert_eq!(shown(12_345_678), "12.3 ms");
        assert_eq!(shown(999_900_000), "1.00 s");
        assert_eq!(shown(123_400_000_000), "123 s");
    }

    #[test]
    fn differences_never_wrap() {
        assert_eq!(Nanos::new(1) - Nanos::new(5), Nanos::ZERO);
        assert_eq!(Nanos::MAX + Nanos::new(1), Nanos::MAX);
    }

    #[test]
    fn rates_and_fractions_refuse_the_impossible() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e7] {
            assert!(Rate::per_second(bad).is_err());
        }
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(Fraction::new(bad).is_err());
        }
    }
}
