//! A distribution of times as a report tells it.

use std::collections::BTreeMap;

use hdrhistogram::Counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{HistogramError, Quantile, Timings, Unknown, quantile, quantiles};
use crate::units::Nanos;

/// Why a number is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownReason {
    /// It lies among the requests that did not succeed.
    Unanswered,
    /// Fewer than 10 of the offered lie beyond it.
    TooFew,
    /// It lies above one hour, the histogram's range.
    Saturated,
}

impl UnknownReason {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::TooFew => "too_few",
            Self::Saturated => "saturated",
        }
    }
}

impl From<Unknown> for UnknownReason {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Unanswered => Self::Unanswered,
            Unknown::TooFew => Self::TooFew,
            Unknown::Saturated => Self::Saturated,
        }
    }
}

/// A distribution of times, in microseconds. Percentiles are those of what was offered (of what was sent, for lag), at most
/// 0.1 % too high; mean, deviation, minimum, maximum and histogram are those of the counted ones, exact but for the histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dist {
    /// How many times it holds.
    pub count: u64,
    /// Shortest.
    pub min_us: Option<f64>,
    /// Arithmetic mean.
    pub mean_us: Option<f64>,
    /// Standard deviation of these very times (divided by n).
    pub stddev_us: Option<f64>,
    /// Median.
    pub p50_us: Option<f64>,
    /// 90 % are at most this.
    pub p90_us: Option<f64>,
    /// 95 % are at most this.
    pub p95_us: Option<f64>,
    /// 99 % are at most this.
    pub p99_us: Option<f64>,
    /// 99.9 % are at most this.
    pub p999_us: Option<f64>,
    /// 99.99 % are at most this.
    pub p9999_us: Option<f64>,
    /// Longest.
    pub max_us: Option<f64>,
    /// How many were longer than one hour; the histogram has them at one hour.
    pub saturated: u64,
    /// For each of the above that is null, the reason.
    pub unknown: BTreeMap<String, UnknownReason>,
    /// HdrHistogram V2, deflated, base64; nanoseconds, 1 ns to 1 h, 3 digits. Null where it is empty.
    pub histogram: Option<String>,
}

/// The percentiles of a [`Dist`], ascending, with the names of their fields.
const PERCENTILES: [(&str, Quantile); 6] = [
    ("p50_us", Quantile::P50),
    ("p90_us", Quantile::P90),
    ("p95_us", Quantile::P95),
    ("p99_us", Quantile::P99),
    ("p999_us", Quantile::P999),
    ("p9999_us", Quantile::P9999),
];

impl Dist {
    /// From recorded times; `offered` is how many there would be had all succeeded.
    pub fn of<C: Counter>(timings: &Timings<C>, offered: u64) -> Self {
        let moments = timings.moments();
        let micros = |span: Nanos| span.as_micros_f64();
        let mut dist = Self {
            count: timings.count(),
            min_us: moments.min().map(micros),
            mean_us: moments.mean().map(|nanos| nanos / 1e3),
            stddev_us: moments.standard_deviation().map(|nanos| nanos / 1e3),
            max_us: moments.max().map(micros),
            saturated: timings.saturated(),
            histogram: timings.to_base64(),
            ..Self::default()
        };
        let found = quantiles(timings, offered, &PERCENTILES.map(|(_, wanted)| wanted));
        for ((name, _), value) in PERCENTILES.into_iter().zip(found) {
            match value {
                Ok(span) => *dist.field_mut(name) = Some(micros(span)),
                Err(unknown) => _ = dist.unknown.insert(name.to_owned(), unknown.into()),
            }
        }
        if dist.count == 0 {
            let reason = if offered > 0 { UnknownReason::Unanswered } else { UnknownReason::TooFew };
            dist.unknown
                .extend(["min_us", "mean_us", "stddev_us", "max_us"].map(|name| (name.to_owned(), reason)));
        }
        dist
    }

    /// Any quantile, from the histogram, in microseconds. `Ok(Err(_))` where it is not known.
    ///
    /// # Errors
    /// Where the histogram in the report cannot be read.
    pub fn quantile_us(
        &self,
        offered: u64,
        wanted: Quantile,
    ) -> Result<Result<f64, UnknownReason>, HistogramError> {
        let timings = self.timings()?;
        let value = quantile(&timings, offered, wanted);
        // The histogram knows its values to 0.1 %, the maximum is exact.
        let at_most = self.max_us.unwrap_or(f64::INFINITY);
        Ok(value.map(|span| span.as_micros_f64().min(at_most)).map_err(UnknownReason::from))
    }

    /// The histogram; its moments are those of the buckets.
    ///
    /// # Errors
    /// Where the text is not such a histogram.
    pub fn timings(&self) -> Result<Timings<u64>, HistogramError> {
        self.histogram
            .as_deref()
            .map_or_else(|| Ok(Timings::new()), |text| Timings::from_base64(text, self.saturated))
    }

    /// Its numbers in the order of the report: name of the field, value.
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 10] {
        [
            ("min_us", self.min_us),
            ("mean_us", self.mean_us),
            ("stddev_us", self.stddev_us),
            ("p50_us", self.p50_us),
            ("p90_us", self.p90_us),
            ("p95_us", self.p95_us),
            ("p99_us", self.p99_us),
            ("p999_us", self.p999_us),
            ("p9999_us", self.p9999_us),
            ("max_us", self.max_us),
        ]
    }

    fn field_mut(&mut self, name: &str) -> &mut Option<f64> {
        match name {
            "p50_us" => &mut self.p50_us,
            "p90_us" => &mut self.p90_us,
            "p95_us" => &mut self.p95_us,
            "p99_us" => &mut self.p99_us,
            "p999_us" => &mut self.p999_us,
            _ => &mut self.p9999_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>, offered: u64) -> Dist {
        let mut timings: Timings<u64> = Timings::new();
        millis.into_iter().for_each(|ms| timings.record(Nanos::from_millis(ms)));
        Dist::of(&timings, offered)
    }

    #[track_caller]
    fn near(got: Option<f64>, truth: f64) {
        let got = got.unwrap();
        assert!(got >= truth && got <= truth * 1.001, "{got} is not {truth}");
    }

    #[test]
    fn numbers_are_in_microseconds_and_land_in_their_own_fields() {
        let dist = of(1..=1_000, 1_000);
        assert_eq!((dist.min_us, dist.max_us, dist.mean_us), (Some(1_000.0), Some(1e6), Some(500_500.0)));
        near(dist.p50_us, 500_000.0);
        near(dist.p90_us, 900_000.0);
        near(dist.p95_us, 950_000.0);
        near(dist.p99_us, 990_000.0);
        assert_eq!((dist.p999_us, dist.p9999_us), (None, None));
        let unknown: Vec<_> =
            dist.unknown.iter().map(|(name, reason)| (name.as_str(), reason.name())).collect();
        assert_eq!(unknown, [("p9999_us", "too_few"), ("p999_us", "too_few")]);
    }

    #[test]
    fn every_null_has_a_reason_and_every_reason_a_null() {
        for dist in [of([], 0), of([], 100), of(1..=5, 5), of(1..=800, 1_000)] {
            let null: Vec<_> =
                dist.numbers().iter().filter(|(_, v)| v.is_none()).map(|(n, _)| n.to_string()).collect();
            let mut with_reason: Vec<_> = dist.unknown.keys().cloned().collect();
            with_reason.sort_by_key(|name| dist.numbers().iter().position(|(n, _)| n == name));
            assert_eq!(null, with_reason);
        }
        assert_eq!(of([], 100).unknown["mean_us"], UnknownReason::Unanswered);
    }

    #[test]
    fn any_quantile_can_be_had_from_the_text_alone() {
        let dist = of(1..=1_000, 1_250);
        let value = |share| dist.quantile_us(1_250, Quantile::new(share).unwrap()).unwrap();
        // 40 % of 1,250 offered is the 500th of the 1,000 that succeeded.
        near(value(0.4).ok(), 500_000.0);
        assert_eq!(value(0.8), Err(UnknownReason::Unanswered));
        let damaged = Dist { histogram: Some("?".into()), ..dist };
        assert!(damaged.quantile_us(1_250, Quantile::P50).is_err());
    }
}
