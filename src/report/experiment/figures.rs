//! What an experiment tells of one operation of a run; the rest is in the run's own report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::model::{Operation, RunReport, UnknownReason, error_share};

/// Rates and response times of one operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Requests that were due, per second of the window.
    pub offered_per_s: Option<f64>,
    /// Requests that succeeded, per second of the window.
    pub succeeded_per_s: Option<f64>,
    /// (offered - succeeded) / offered; null where nothing was offered.
    pub errors: Option<f64>,
    /// Median response time of what was offered.
    pub p50_us: Option<f64>,
    /// Its 90th percentile.
    pub p90_us: Option<f64>,
    /// Its 99th percentile.
    pub p99_us: Option<f64>,
    /// For each of the above times that is null, the reason.
    pub unknown: BTreeMap<String, UnknownReason>,
}

impl Figures {
    /// Of every operation of a run.
    pub fn of_run(report: &RunReport) -> BTreeMap<String, Self> {
        report.operations.iter().map(|(name, operation)| (name.clone(), Self::of(operation))).collect()
    }

    fn of(operation: &Operation) -> Self {
        let Operation { response, offered, succeeded, .. } = operation;
        let told = |(name, reason): (&String, &UnknownReason)| (name.clone(), *reason);
        let ours = |(name, _): &(&String, _)| ["p50_us", "p90_us", "p99_us"].contains(&name.as_str());
        Self {
            offered_per_s: operation.offered_per_s,
            succeeded_per_s: operation.succeeded_per_s,
            errors: error_share(*offered, *succeeded),
            p50_us: response.p50_us,
            p90_us: response.p90_us,
            p99_us: response.p99_us,
            unknown: response.unknown.iter().filter(ours).map(told).collect(),
        }
    }

    /// Of several runs of the same: rates and errors by their mean, times by their geometric mean. What is unknown of one run is
    /// unknown of all.
    pub fn together(runs: &[&Self]) -> Self {
        let mut unknown = BTreeMap::new();
        for run in runs {
            // Unanswered says more than too few.
            for (name, reason) in &run.unknown {
                let told = unknown.entry(name.clone()).or_insert(*reason);
                *told = (*told).min(*reason);
            }
        }
        let mean = |of: fn(&Self) -> Option<f64>| mean(runs.iter().map(|run| of(run)));
        let geometric = |of: fn(&Self) -> Option<f64>| {
            self::mean(runs.iter().map(|run| of(run).filter(|time| *time > 0.0).map(f64::ln))).map(f64::exp)
        };
        Self {
            offered_per_s: mean(|run| run.offered_per_s),
            succeeded_per_s: mean(|run| run.succeeded_per_s),
            errors: mean(|run| run.errors),
            p50_us: geometric(|run| run.p50_us),
            p90_us: geometric(|run| run.p90_us),
            p99_us: geometric(|run| run.p99_us),
            unknown,
        }
    }
}

/// `None` where one of them is, or there is none.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_together_have_mean_rates_and_geometric_mean_times() {
        let run =
            |rate, p50| Figures { succeeded_per_s: Some(rate), p50_us: Some(p50), ..Figures::default() };
        let both = Figures::together(&[&run(10.0, 100.0), &run(20.0, 400.0)]);
        assert_eq!(both.succeeded_per_s, Some(15.0));
        assert!((both.p50_us.unwrap() - 200.0).abs() < 1e-9, "sqrt(100 x 400)");
    }

    #[test]
    fn what_is_unknown_of_one_run_is_unknown_of_all() {
        let known = Figures { p99_us: Some(1.0), ..Figures::default() };
        let unknown = |reason| Figures { unknown: [("p99_us".into(), reason)].into(), ..Figures::default() };
        let few = unknown(UnknownReason::TooFew);
        let all = Figures::together(&[&known, &few, &unknown(UnknownReason::Unanswered)]);
        assert_eq!((all.p99_us, all.unknown["p99_us"]), (None, UnknownReason::Unanswered));
        assert_eq!(Figures::together(&[]).p50_us, None);
    }
}
