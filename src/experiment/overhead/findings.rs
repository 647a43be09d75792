//! What speaks against an experiment's numbers.

use crate::report::experiment::overhead::{ArmSummary, Mode, Overhead};
use crate::report::model::{Finding, Severity};

/// Fewer or more spans than this share of the requests that should have one: the arm was not what it is called.
const SPANS_OFF_BY: f64 = 0.05;

/// Requests that a few slots of each arm must have before the number of their spans says anything.
const ENOUGH_REQUESTS: u64 = 100;

/// Its own, after those of its loads that are more than a note.
pub fn of(overhead: &Overhead, of_loads: &[Finding]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in of_loads {
        // The load ends by hand where the experiment does, and that is told in its own words. Of several loads' findings of a kind the
        // first stands for all.
        let is_known = findings.iter().any(|known| known.code == finding.code);
        if finding.severity != Severity::Note && finding.code != "interrupted" && !is_known {
            findings.push(finding.clone());
        }
    }
    findings.extend(overhead.arms.iter().filter_map(|arm| not_in_effect(arm, overhead.mode)));
    findings.extend(unsound(overhead));
    findings.extend(own_intervals(overhead));
    findings
}

/// Each arm proves by its spans that it took effect, where they are counted.
fn not_in_effect(arm: &ArmSummary, mode: Mode) -> Option<Finding> {
    if arm.sent < ENOUGH_REQUESTS {
        return None;
    }
    let expected = |traces: bool| if traces { arm.sampled } else { 0 };
    let counts = [
        ("the client", arm.client_spans, expected(mode != Mode::Server)),
        ("the server", arm.server_requests, expected(mode != Mode::Client)),
    ];
    // A server that exports elsewhere is not counted at all, so none at all says nothing.
    let is_off = |received: u64, expected: u64| {
        (received > 0 || expected == 0)
            && (received.abs_diff(expected) as f64) > SPANS_OFF_BY * arm.sent.max(1) as f64
    };
    let (who, received, expected) = counts.into_iter().find_map(|(who, received, expected)| {
        let received = received?;
        is_off(received, expected).then_some((who, received, expected))
    })?;
    Some(Finding {
        code: "arm_not_in_effect".to_owned(),
        severity: Severity::Error,
        message: format!(
            "in arm {} spans of {received} requests came from {who}, and {expected} of {} were to be traced",
            arm.arm, arm.sent
        ),
        cause: "The server samples by itself, or spans were lost on their way".to_owned(),
        remedy: "Set the server's trace.sampleFraction to 0, so that the header alone decides, and look at the spans that were lost"
            .to_owned(),
    })
}

fn unsound(overhead: &Overhead) -> Option<Finding> {
    let primary = overhead.metrics.first()?;
    let noise = primary.noise.filter(|noise| noise.unsound)?;
    Some(Finding {
        code: "experiment_unsound".to_owned(),
        severity: Severity::Error,
        message: format!(
            "two arms that are both off differ by {:+.1} % in {} (p = {:.5})",
            noise.change.estimate * 100.0,
            primary.metric,
            noise.p_value
        ),
        cause: "Something else changed with the arms".to_owned(),
        remedy:
            "Repeat it with another --seed; where it stays so, look for what runs at the pace of the slots"
                .to_owned(),
    })
}

fn own_intervals(overhead: &Overhead) -> Option<Finding> {
    let primary = overhead.metrics.first()?;
    let unlike: Vec<String> =
        primary.arms.iter().filter(|arm| arm.own_interval).map(|arm| arm.fraction.to_string()).collect();
    (!unlike.is_empty()).then(|| Finding {
        code: "unequal_spread".to_owned(),
        severity: Severity::Note,
        message: format!("slots at {} vary more than twice as much as the others", unlike.join(", ")),
        cause: "Tracing, or what it makes the server do, comes in bursts".to_owned(),
        remedy: "Their intervals are from their own pairs; longer slots even bursts out".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(sent: u64, sampled: u64, client_spans: Option<u64>, server_requests: Option<u64>) -> ArmSummary {
        ArmSummary {
            arm: "1".into(),
            fraction: 1.0,
            slots: 5,
            sent,
            sampled,
            client_spans,
            server_requests,
            spans: None,
            client_spans_lost: 0,
            export_cpu_us_per_request: None,
            collector_bytes_per_request: None,
            pooled_p99_us: Default::default(),
        }
    }

    #[test]
    fn an_arm_proves_by_its_spans_that_it_took_effect() {
        let wrong = |arm: &ArmSummary, mode| not_in_effect(arm, mode).is_some();
        assert!(!wrong(&arm(1_000, 1_000, Some(1_000), Some(990)), Mode::Both));
        assert!(wrong(&arm(1_000, 1_000, Some(400), Some(1_000)), Mode::Both), "more than half are missing");
        assert!(
            wrong(&arm(1_000, 0, Some(0), Some(300)), Mode::Both),
            "off, and the server traces all the same"
        );
        assert!(
            wrong(&arm(1_000, 1_000, Some(1_000), Some(1_000)), Mode::Client),
            "the server was told not to"
        );
        assert!(!wrong(&arm(1_000, 1_000, Some(0), Some(1_000)), Mode::Server));
        // It exports elsewhere, or nothing is counted.
        assert!(!wrong(&arm(1_000, 1_000, Some(1_000), Some(0)), Mode::Both));
        assert!(!wrong(&arm(1_000, 1_000, None, None), Mode::Both));
        assert!(!wrong(&arm(50, 50, Some(0), Some(0)), Mode::Both), "too few to say");
    }
}
