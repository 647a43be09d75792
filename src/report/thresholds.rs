//! Judging a workload's thresholds on the numbers of its report.
//!
//! A number that lies among the unanswered, or beyond an hour, meets no threshold. One with too few samples decides nothing.

use super::model::{Dist, Operation, RunReport, Threshold, UnknownReason, error_share};
use crate::measure::{HistogramError, Quantile, TooFewEvidence};
use crate::workload::{self, Clock, Comparison, Statistic, ThresholdMetric};

#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// As the report tells it.
    pub threshold: Threshold,
    /// For the verdict, where too few samples were offered.
    pub too_few: Option<TooFewEvidence>,
}

/// A number in the unit that its threshold is written in, or why there is none, with how many were and must be offered.
struct Value {
    number: Result<f64, UnknownReason>,
    offered: u64,
    needed: u64,
}

/// Judges every threshold, in order.
///
/// # Errors
/// Where a histogram of the report cannot be read.
pub fn judge(thresholds: &[workload::Threshold], report: &RunReport) -> Result<Vec<Judged>, HistogramError> {
    thresholds.iter().map(|threshold| judge_one(threshold, report)).collect()
}

fn judge_one(threshold: &workload::Threshold, report: &RunReport) -> Result<Judged, HistogramError> {
    let Value { number, offered, needed } = value(&threshold.metric, report)?;
    let too_few = number == Err(UnknownReason::TooFew);
    let met = match number {
        Ok(number) => Some(compare(number, threshold.comparison, threshold.bound)),
        Err(UnknownReason::Unanswered | UnknownReason::Saturated) => Some(false),
        Err(UnknownReason::TooFew) => None,
    };
    // Times are judged in nanoseconds and told in microseconds.
    let unit = if matches!(threshold.metric, ThresholdMetric::Time { .. }) { 1e3 } else { 1.0 };
    let expression = threshold.expression.clone();
    Ok(Judged {
        too_few: too_few.then(|| TooFewEvidence { expression: expression.clone(), offered, needed }),
        threshold: Threshold { expression, value: number.ok().map(|n| n / unit), unknown: number.err(), met },
    })
}

/// Whether a known number meets its bound.
pub fn compare(number: f64, comparison: Comparison, bound: f64) -> bool {
    match comparison {
        Comparison::Less => number < bound,
        Comparison::AtMost => number <= bound,
        Comparison::Greater => number > bound,
        Comparison::AtLeast => number >= bound,
    }
}

fn value(metric: &ThresholdMetric, report: &RunReport) -> Result<Value, HistogramError> {
    let of = |name: &String| report.operations.get(name);
    let plain = |number: Option<f64>, offered| Value {
        number: number.ok_or(UnknownReason::TooFew),
        offered,
        needed: 1,
    };
    Ok(match metric {
        ThresholdMetric::Errors { operation: None } => plain(report.errors(), 0),
        ThresholdMetric::Errors { operation: Some(name) } => {
            plain(of(name).and_then(|o| error_share(o.offered, o.succeeded)), 0)
        }
        ThresholdMetric::Rate { operation } => plain(of(operation).and_then(|o| o.succeeded_per_s), 0),
        ThresholdMetric::Time { operation, clock, statistic } => match of(operation) {
            Some(operation) => time(operation, *clock, *statistic)?,
            None => plain(None, 0),
        },
    })
}

fn time(operation: &Operation, clock: Clock, statistic: Statistic) -> Result<Value, HistogramError> {
    let (dist, offered): (&Dist, u64) = match clock {
        Clock::Response => (&operation.response, operation.offered),
        Clock::Service => (&operation.service, operation.offered),
        Clock::Lag => (&operation.lag, operation.lag.count),
    };
    let none = if offered > 0 { UnknownReason::Unanswered } else { UnknownReason::TooFew };
    let (micros, needed) = match statistic {
        Statistic::Mean => (dist.mean_us.ok_or(none), 1),
        Statistic::Max => (dist.max_us.ok_or(none), 1),
        Statistic::Quantile(share) => match Quantile::new(share) {
            Some(wanted) => (dist.quantile_us(offered, wanted)?, wanted.enough_offered()),
            // Closer to 0 or 1 than a billionth: no number of samples is enough.
            None => (Err(UnknownReason::TooFew), u64::MAX),
        },
    };
    // Whole nanoseconds but for the mean: a bound is met exactly, not to a rounding error.
    let nanos = micros.map(|us| if statistic == Statistic::Mean { us * 1e3 } else { (us * 1e3).round() });
    Ok(Value { number: nanos, offered, needed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[track_caller]
    fn judged(metric: ThresholdMetric, comparison: Comparison, bound: f64, report: &RunReport) -> Judged {
        let threshold = workload::Threshold { expression: "as written".into(), metric, comparison, bound };
        judge(&[threshold], report).unwrap().remove(0)
    }

    fn response(statistic: Statistic) -> ThresholdMetric {
        ThresholdMetric::Time { operation: "search".into(), clock: Clock::Response, statistic }
    }

    const MS: f64 = 1e6;

    #[test]
    fn a_known_percentile_is_met_on_one_side_of_the_bound() {
        // samples::full(): response times of 1 to 2,000 ms, each once, and none unsuccessful: p90 is 1,800 ms (+ 0.1 %).
        let report = samples::full();
        let p90 = || response(Statistic::Quantile(0.9));
        assert_eq!(judged(p90(), Comparison::Less, 1_802.0 * MS, &report).threshold.met, Some(true));
        assert_eq!(judged(p90(), Comparison::Less, 1_799.0 * MS, &report).threshold.met, Some(false));
        let value = judged(p90(), Comparison::Greater, 1_799.0 * MS, &report).threshold;
        assert!(value.met == Some(true) && (value.value.unwrap() / 1_800_000.0 - 1.0).abs() < 0.001);
        // Not one of the report's own percentiles: read from the histogram.
        assert_eq!(
            judged(response(Statistic::Quantile(0.42)), Comparison::AtMost, 841.0 * MS, &report)
                .threshold
                .met,
            Some(true)
        );
    }

    #[test]
    fn a_bound_that_is_reached_exactly_is_at_most_and_at_least_but_neither_less_nor_greater() {
        let report = samples::full();
        let met =
            |comparison| judged(response(Statistic::Max), comparison, 2_000.0 * MS, &report).threshold.met;
        assert_eq!(met(Comparison::AtMost), Some(true));
        assert_eq!(met(Comparison::AtLeast), Some(true));
        assert_eq!(met(Comparison::Less), Some(false));
        assert_eq!(met(Comparison::Greater), Some(false));
    }

    #[test]
    fn a_percentile_among_the_unanswered_meets_nothing() {
        for comparison in [Comparison::Less, Comparison::Greater] {
            let judged = judged(response(Statistic::Quantile(0.5)), comparison, MS, &samples::all_failed());
            assert_eq!((judged.threshold.met, judged.too_few), (Some(false), None));
            assert_eq!(judged.threshold.unknown, Some(UnknownReason::Unanswered));
        }
    }

    #[test]
    fn too_few_samples_decide_nothing_and_say_how_many_it_takes() {
        let judged = judged(response(Statistic::Quantile(0.999)), Comparison::Less, MS, &samples::full());
        assert_eq!((judged.threshold.met, judged.threshold.value), (None, None));
        let few = judged.too_few.unwrap();
        assert_eq!((few.offered, few.needed), (2_000, 10_000));
    }

    #[test]
    fn errors_are_the_share_of_what_was_offered() {
        let errors =
            |operation: Option<&str>| ThresholdMetric::Errors { operation: operation.map(str::to_owned) };
        let report = samples::unknown();
        // samples::unknown(): 80 of 100 searches succeeded.
        assert_eq!(judged(errors(None), Comparison::AtMost, 0.2, &report).threshold.met, Some(true));
        assert_eq!(judged(errors(Some("search")), Comparison::Less, 0.2, &report).threshold.met, Some(false));
        assert_eq!(judged(errors(None), Comparison::Less, 1.0, &samples::empty()).threshold.met, None);
    }

    #[test]
    fn a_rate_is_of_the_succeeded() {
        let rate = ThresholdMetric::Rate { operation: "search".into() };
        // 2,000 searches in 20 s.
        assert_eq!(judged(rate, Comparison::AtLeast, 100.0, &samples::full()).threshold.met, Some(true));
    }
}
