//! Reads a threshold: `"search.response.p99" = "< 50ms"`. Which operations there are is not known here.

use super::suggest::{either, nearest};
use super::{Clock, Comparison, Statistic, Threshold, ThresholdMetric, quantile};
use crate::units::parse_duration;

/// Why a threshold cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// No number of a report.
    #[error("{0:?} is no number of a report")]
    Metric(String),
    /// A number that is not measured yet.
    #[error("{0:?} is not built yet")]
    NotBuilt(String),
    /// Not below 100.
    #[error(transparent)]
    Quantile(#[from] quantile::QuantileError),
    /// No `<`, `<=`, `>` or `>=`.
    #[error("the condition {0:?} does not begin with <, <=, > or >=")]
    Comparison(String),
    /// Not a bound of this number's unit.
    #[error("the bound {bound:?} is not {wanted}")]
    Bound {
        /// As written.
        bound: String,
        wanted: &'static str,
    },
}

/// The side of a threshold that an error is about.
pub(super) enum Part {
    Metric,
    Condition,
}

const METRICS: [&str; 6] = [
    "errors",
    "NAME.errors",
    "NAME.response.p99",
    "NAME.service.mean",
    "NAME.lag.max",
    "NAME.succeeded_per_s",
];
const SHARE: &str = "a share from 0% to 100%, such as 0.1% or 0.001";
const TIME: &str = "a duration with its unit, such as 50ms";
const PER_SECOND: &str = "a number of 0 or more";

impl ThresholdError {
    pub fn fix(&self) -> String {
        match self {
            Self::Metric(metric) => match metric.rsplit('.').next().and_then(near_word) {
                Some(near) => {
                    format!("did you mean {near}? There are {}, NAME an operation", either(&METRICS))
                }
                None => format!("there are {}, NAME an operation", either(&METRICS)),
            },
            Self::NotBuilt(_) => "remove this threshold".to_owned(),
            Self::Quantile(_) => "write a percentile from p1 to p99.99".to_owned(),
            Self::Comparison(_) => "write for example \"< 50ms\"".to_owned(),
            Self::Bound { wanted, .. } => format!("write {wanted}"),
        }
    }

    pub(super) fn part(&self) -> Part {
        match self {
            Self::Metric(_) | Self::NotBuilt(_) | Self::Quantile(_) => Part::Metric,
            Self::Comparison(_) | Self::Bound { .. } => Part::Condition,
        }
    }
}

impl Threshold {
    /// Reads an expression as a report tells it: `search.response.p99 < 50ms`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn of_expression(expression: &str) -> Result<Self, ThresholdError> {
        let (metric, condition) =
            expression.split_at(expression.find(['<', '>']).unwrap_or(expression.len()));
        parse(metric.trim(), condition)
    }
}

fn near_word(word: &str) -> Option<&'static str> {
    nearest(word, ["errors", "response", "service", "lag", "mean", "max", "succeeded_per_s"])
}

/// Reads a metric and its condition.
///
/// # Errors
/// A number that no report has, a percentile of 100 or more, no comparison, a bound of another unit.
pub(super) fn parse(metric: &str, condition: &str) -> Result<Threshold, ThresholdError> {
    let read = metric_of(metric)?;
    let condition = condition.trim();
    let (comparison, bound) = comparison_of(condition)?;
    Ok(Threshold {
        expression: format!("{metric} {condition}"),
        bound: bound_of(&read, bound.trim())?,
        metric: read,
        comparison,
    })
}

fn metric_of(text: &str) -> Result<ThresholdMetric, ThresholdError> {
    let unknown = || ThresholdError::Metric(text.to_owned());
    let words: Vec<&str> = text.split('.').collect();
    match words.as_slice() {
        ["errors"] => Ok(ThresholdMetric::Errors { operation: None }),
        ["", ..] => Err(unknown()),
        [operation, "errors"] => Ok(ThresholdMetric::Errors { operation: Some((*operation).to_owned()) }),
        [operation, "succeeded_per_s"] => Ok(ThresholdMetric::Rate { operation: (*operation).to_owned() }),
        [_, "recall"] => Err(ThresholdError::NotBuilt(text.to_owned())),
        [operation, clock, statistic @ ..] => {
            let clock = match *clock {
                "response" => Clock::Response,
                "service" => Clock::Service,
                "lag" => Clock::Lag,
                _ => return Err(unknown()),
            };
            let statistic = statistic_of(&statistic.join(".")).ok_or_else(unknown)??;
            Ok(ThresholdMetric::Time { operation: (*operation).to_owned(), clock, statistic })
        }
        _ => Err(unknown()),
    }
}

fn statistic_of(text: &str) -> Option<Result<Statistic, quantile::QuantileError>> {
    match text {
        "mean" => Some(Ok(Statistic::Mean)),
        "max" => Some(Ok(Statistic::Max)),
        _ => quantile::parse(text).map(|read| read.map(Statistic::Quantile)),
    }
}

fn comparison_of(condition: &str) -> Result<(Comparison, &str), ThresholdError> {
    let forms = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let read =
        forms.into_iter().find_map(|(sign, comparison)| Some((comparison, condition.strip_prefix(sign)?)));
    read.ok_or_else(|| ThresholdError::Comparison(condition.to_owned()))
}

fn bound_of(metric: &ThresholdMetric, text: &str) -> Result<f64, ThresholdError> {
    let (bound, wanted) = match metric {
        ThresholdMetric::Errors { .. } => (share(text).filter(|share| *share <= 1.0), SHARE),
        ThresholdMetric::Time { .. } => (parse_duration(text).ok().map(|time| time.as_nanos() as f64), TIME),
        ThresholdMetric::Rate { .. } => (number(text), PER_SECOND),
    };
    bound.ok_or_else(|| ThresholdError::Bound { bound: text.to_owned(), wanted })
}

fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent = number(percent.trim())?;
            // Moved by two places in decimal where that can be read: 0.1 / 100.0 is not the double nearest to 0.001.
            Some(format!("{percent}e-2").parse().unwrap_or(percent / 100.0))
        }
        None => number(text),
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(metric: &str, condition: &str) -> (ThresholdMetric, Comparison, f64) {
        let threshold = parse(metric, condition).expect("is a threshold");
        (threshold.metric, threshold.comparison, threshold.bound)
    }

    fn time(clock: Clock, statistic: Statistic) -> ThresholdMetric {
        ThresholdMetric::Time { operation: "search".into(), clock, statistic }
    }

    #[test]
    fn bounds_are_nanoseconds_shares_and_plain_numbers() {
        let p99 = time(Clock::Response, Statistic::Quantile(0.99));
        assert_eq!(read("search.response.p99", "< 50ms"), (p99, Comparison::Less, 50e6));
        let p9999 = time(Clock::Lag, Statistic::Quantile(0.9999));
        assert_eq!(read("search.lag.p99.99", "<=1.5s"), (p9999, Comparison::AtMost, 1.5e9));
        let mean = time(Clock::Service, Statistic::Mean);
        assert_eq!(read("search.service.mean", "> 10us"), (mean, Comparison::Greater, 1e4));
        let max = time(Clock::Service, Statistic::Max);
        assert_eq!(read("search.service.max", ">= 0s"), (max, Comparison::AtLeast, 0.0));
        let all = ThresholdMetric::Errors { operation: None };
        assert_eq!(read("errors", "< 0.1%"), (all.clone(), Comparison::Less, 0.001));
        assert_eq!(read("errors", "<= 0.02"), (all, Comparison::AtMost, 0.02));
        let one = ThresholdMetric::Errors { operation: Some("a_1".into()) };
        assert_eq!(read("a_1.errors", "<= 0 %"), (one, Comparison::AtMost, 0.0));
        let rate = ThresholdMetric::Rate { operation: "insert".into() };
        assert_eq!(read("insert.succeeded_per_s", ">= 4.5"), (rate, Comparison::AtLeast, 4.5));
        assert_eq!(parse("errors", " < 1% ").expect("is one").expression, "errors < 1%");
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        use ThresholdError as E;
        let refused = |metric: &str, condition: &str| parse(metric, condition).expect_err(metric);
        for metric in [
            "",
            "search",
            "search.p99",
            "search.latency.p99",
            "search.response",
            "search.response.p99.9.9",
            ".errors",
        ] {
            assert!(matches!(refused(metric, "< 1ms"), E::Metric(_)), "{metric}");
        }
        assert!(matches!(refused("search.response.p101", "< 1ms"), E::Quantile(_)));
        assert!(matches!(refused("search.recall", ">= 0.95"), E::NotBuilt(_)));
        for condition in ["50ms", "= 50ms", ""] {
            assert!(matches!(refused("search.response.p99", condition), E::Comparison(_)), "{condition}");
        }
        for (metric, condition) in [
            ("search.response.p99", "< 50"),
            ("search.response.p99", "< 1%"),
            ("errors", "< 101%"),
            ("errors", "< 1ms"),
            ("errors", "< NaN"),
            ("errors", "< -1%"),
            ("insert.succeeded_per_s", "> 5ms"),
            ("insert.succeeded_per_s", "> inf"),
        ] {
            assert!(matches!(refused(metric, condition), E::Bound { .. }), "{metric} {condition}");
        }
    }
}
