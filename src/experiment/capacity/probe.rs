//! One probe: the workload at another rate, and what its report says of the service level.

use std::time::Duration;

use crate::report::RunReport;
use crate::report::experiment::Figures;
use crate::report::experiment::capacity::{Probe, ProbeOutcome};
use crate::report::model::Severity;
use crate::run::Settings;
use crate::units::Rate;
use crate::workload::{LoadModel, Origin};

use super::terms::Terms;

/// Findings of a generator that could not keep up: response times are longer than the server's, or requests are missing.
const GENERATOR: [&str; 7] = [
    "shortfall",
    "generator_late",
    "generator_stopped",
    "generator_saturated",
    "short_of_cpu",
    "not_sent",
    "bodies_late",
];

/// Those of them that only lengthen response times: a service level that holds all the same does hold.
const ONLY_LATE: [&str; 4] = ["generator_late", "generator_stopped", "generator_saturated", "short_of_cpu"];

/// The settings of one probe.
pub(super) fn settings(base: &Settings, terms: &Terms, rate: Rate, seed: u64) -> Settings {
    let mut settings = base.clone();
    let window = terms.window_at(&base.workload, rate.get());
    let load = &mut settings.workload.load;
    for stream in load.streams.iter_mut().filter(|stream| stream.name == "load") {
        if let LoadModel::Open { rate: rates, .. } = &mut stream.model {
            *rates = rate.into();
        }
    }
    load.warmup = terms.warmup();
    load.duration = window;
    load.arrival_seed = Some(seed);
    let millis = |length: Duration| format!("{}ms", length.as_millis()).into();
    let changed = [
        ("load.rate", rate.get().into()),
        ("load.warmup", millis(terms.warmup())),
        ("load.duration", millis(window)),
    ];
    for (key, value) in changed {
        for setting in settings.workload.settings.iter_mut().filter(|setting| setting.key == key) {
            setting.value = serde_json::Value::clone(&value);
            setting.from = Origin::Flag("capacity".to_owned());
        }
    }
    settings
}

/// What a probe's report says.
pub(super) fn judge(report: &RunReport, rate: Rate, window: Duration, seed: u64) -> Probe {
    let not_met = || report.thresholds.iter().filter(|threshold| threshold.met != Some(true));
    let errors = || report.verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let codes: Vec<&str> = errors().map(|finding| finding.code.as_str()).collect();
    let all_of = |known: &[&str]| codes.iter().all(|code| known.contains(code));
    let holds = not_met().next().is_none();
    let outcome = match holds {
        true if all_of(&ONLY_LATE) => ProbeOutcome::Held,
        false if codes.is_empty() => ProbeOutcome::Failed,
        _ if all_of(&GENERATOR) => ProbeOutcome::Generator,
        _ => ProbeOutcome::Untrusted,
    };
    let expressions = || not_met().map(|threshold| threshold.expression.clone());
    let reasons = match outcome {
        ProbeOutcome::Held => Vec::new(),
        ProbeOutcome::Failed => expressions().collect(),
        ProbeOutcome::Generator | ProbeOutcome::Untrusted => codes.iter().map(ToString::to_string).collect(),
    };
    Probe {
        run: report.run.id.clone(),
        rate_per_s: rate.get(),
        window_s: window.as_secs_f64(),
        seed: seed.to_string(),
        outcome,
        reasons,
        slo: report.thresholds.clone(),
        operations: Figures::of_run(report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Finding, Threshold};
    use crate::report::samples;

    fn outcome(met: Option<bool>, codes: &[&str]) -> ProbeOutcome {
        let mut report = samples::full();
        let expression = "search.response.p99 < 20ms".to_owned();
        report.thresholds = vec![Threshold { expression, value: None, unknown: None, met }];
        let finding = |code: &&str| Finding {
            code: (*code).to_owned(),
            severity: Severity::Error,
            message: String::new(),
            cause: String::new(),
            remedy: String::new(),
        };
        report.verdict.findings = codes.iter().map(finding).collect();
        judge(&report, Rate::per_second(1.0).unwrap(), Duration::from_secs(1), 1).outcome
    }

    #[test]
    fn a_late_generator_proves_no_failure_and_disproves_no_success() {
        assert_eq!(outcome(Some(true), &[]), ProbeOutcome::Held);
        assert_eq!(outcome(Some(false), &[]), ProbeOutcome::Failed);
        assert_eq!(outcome(Some(false), &["generator_late"]), ProbeOutcome::Generator);
        assert_eq!(outcome(Some(true), &["generator_late"]), ProbeOutcome::Held);
        assert_eq!(outcome(Some(true), &["shortfall"]), ProbeOutcome::Generator, "requests are missing");
        assert_eq!(outcome(Some(false), &["generator_late", "clock_step"]), ProbeOutcome::Untrusted);
        assert_eq!(outcome(Some(true), &["server_gone"]), ProbeOutcome::Untrusted);
        assert_eq!(outcome(None, &["too_few_samples"]), ProbeOutcome::Untrusted);
    }
}
