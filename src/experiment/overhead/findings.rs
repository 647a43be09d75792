//! What speaks against an experiment's numbers.

use crate::report::experiment::overhead::{ArmSummary, Mode, Overhead};
use crate::report::model::{Finding, Severity};
use crate::run::Server;

use super::{Counted, OwnSampling};

/// Fewer or more spans than this share of what is expected: the arm was not what it is called.
const SPANS_OFF_BY: f64 = 0.05;

/// Requests at the edges of slots, whose spans may count to the next one; as a share of all.
const AT_EDGES: f64 = 0.01;

/// Requests that a few slots of each arm must have before the number of their spans says anything.
const ENOUGH_REQUESTS: u64 = 100;

/// Codes that are found anew each time.
const FOUND_ANEW: [&str; 4] = ["arm_not_in_effect", "experiment_unsound", "unequal_spread", "values_unknown"];

/// Its own, after those of its loads that are more than a note.
pub fn of(overhead: &Overhead, counted: Counted, of_loads: &[Finding]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in of_loads {
        // The load ends by hand where the experiment does, and that is told in its own words. Of several loads' findings of a kind the
        // first stands for all.
        let is_known = findings.iter().any(|known| known.code == finding.code);
        let is_told = finding.severity != Severity::Note || finding.code == "looked_at_before";
        if is_told && finding.code != "interrupted" && !is_known {
            findings.push(finding.clone());
        }
    }
    findings.extend(overhead.arms.iter().filter_map(|arm| not_in_effect(arm, overhead.mode, counted)));
    findings.extend(values_unknown(overhead));
    findings.extend(unsound(overhead));
    findings.extend(own_intervals(overhead));
    findings
}

/// What is known before the load: of the server, and of what was seen before.
pub fn around(server: &Server, asked: Option<OwnSampling>, earlier: Option<&Overhead>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(earlier) = earlier {
        let kept = earlier.findings.iter().filter(|finding| !FOUND_ANEW.contains(&finding.code.as_str()));
        findings.extend(kept.cloned());
        findings.push(looked_at_before());
    }
    if server.tracing().is_none() && !asked.is_some_and(OwnSampling::exports_here) {
        findings.push(Finding {
            code: "server_fraction_unknown".to_owned(),
            severity: Severity::Warning,
            message: "what the server does with requests that have no header is not known".to_owned(),
            cause: "with a trace.sampleFraction above 0 it traces some of them, so that off is not off"
                .to_owned(),
            remedy: "make sure that the server's trace.sampleFraction is 0 (2.3.5 needs a restart to change it), or let it export to an address \
                     of this machine and name that with --collector-listen: then it is asked"
                .to_owned(),
        });
    }
    findings
}

fn looked_at_before() -> Finding {
    Finding {
        code: "looked_at_before".to_owned(),
        severity: Severity::Note,
        message: "more blocks were added to an experiment whose result was known".to_owned(),
        cause: "whoever goes on until something is seen sees it in more than 1 of 20 experiments without an effect".to_owned(),
        remedy: "take its intervals as they are, and a decision only from an experiment that was carried out as planned".to_owned(),
    }
}

/// The slots are there all the same.
pub fn collector_lost(error: &anyhow::Error) -> Finding {
    Finding {
        code: "collector_lost".to_owned(),
        severity: Severity::Error,
        message: format!("the experiment's collector cannot be asked: {error:#}"),
        cause: "its process was killed, or could not go on: from then on spans went nowhere".to_owned(),
        remedy: "look for what ended it, and repeat the experiment".to_owned(),
    }
}

/// Each arm proves by its spans that it took effect, where they are counted.
fn not_in_effect(arm: &ArmSummary, mode: Mode, counted: Counted) -> Option<Finding> {
    if arm.sent < ENOUGH_REQUESTS {
        return None;
    }
    let expected = |traces: bool| if traces { arm.sampled } else { 0 };
    let client = expected(matches!(mode, Mode::Client | Mode::Both));
    let server = expected(mode != Mode::Client);
    let counts = [
        ("the client", arm.client_spans.filter(|_| counted.client), client),
        // Spans of a server that exports elsewhere cannot be missed; any that come are its own.
        ("the server", arm.server_requests.filter(|received| counted.server || *received > 0), server),
    ];
    let (who, received, expected) = counts.into_iter().find_map(|(who, received, expected)| {
        let received = received?;
        let off_by = received.abs_diff(expected) as f64;
        // Where the server draws who is traced, their number is binomial; elsewhere it is known.
        let drawn = if mode == Mode::OwnFraction { 4.0 * (expected as f64).sqrt() } else { 0.0 };
        let allowed = SPANS_OFF_BY * expected as f64 + drawn + AT_EDGES * arm.sent as f64;
        (off_by > allowed).then_some((who, received, expected))
    })?;
    Some(Finding {
        code: "arm_not_in_effect".to_owned(),
        severity: Severity::Error,
        message: format!(
            "in arm {} spans of {received} requests came from {who}, and {expected} of {} were to be traced",
            arm.arm, arm.sent
        ),
        cause: "the server samples by itself, does not export here, or spans were lost on their way".to_owned(),
        remedy: "set the server's trace.sampleFraction to 0, so that the header alone decides; let a kept one be started by \
                 `milvus-load embedded start` without --sample-fraction, or leave the start to the experiment"
            .to_owned(),
    })
}

/// Blocks that are left out because an arm made a value unknown are not left out by chance.
fn values_unknown(overhead: &Overhead) -> Option<Finding> {
    let primary = overhead.metrics.first().filter(|primary| primary.dropped > 0)?;
    let missing: Vec<String> = overhead
        .arms
        .iter()
        .filter_map(|arm| {
            let of_arm = overhead.slots.iter().filter(|slot| slot.arm == arm.arm);
            let count = of_arm.filter(|slot| !slot.values.contains_key(&primary.metric)).count();
            (count > 0).then(|| format!("{count} at {}", arm.arm))
        })
        .collect();
    Some(Finding {
        code: "values_unknown".to_owned(),
        severity: Severity::Warning,
        message: format!(
            "{} of {} complete blocks are left out: {} is not known in slots ({})",
            primary.dropped,
            primary.dropped + primary.blocks,
            primary.metric,
            missing.join(", ")
        ),
        cause: "over half of a slot's requests did not succeed, or too few were sent; where that is mostly one arm's, it is an effect by itself"
            .to_owned(),
        remedy: "lower the rate to what the server can take, or lengthen --slot".to_owned(),
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
        let all = Counted { client: true, server: true, server_here: true };
        let elsewhere = Counted { server: false, ..all };
        let wrong = |arm: &ArmSummary, mode, counted| not_in_effect(arm, mode, counted).is_some();
        assert!(!wrong(&arm(1_000, 1_000, Some(1_000), Some(990)), Mode::Both, all));
        assert!(
            wrong(&arm(1_000, 1_000, Some(400), Some(1_000)), Mode::Both, all),
            "more than half are missing"
        );
        assert!(wrong(&arm(1_000, 100, Some(51), Some(100)), Mode::Both, all), "so they are at a tenth");
        assert!(wrong(&arm(1_000, 1_000, Some(0), Some(0)), Mode::Both, all), "nothing at all");
        assert!(
            wrong(&arm(1_000, 0, Some(0), Some(49)), Mode::Both, all),
            "off, and the server traces all the same"
        );
        assert!(wrong(&arm(1_000, 0, Some(0), Some(49)), Mode::Both, elsewhere));
        assert!(
            wrong(&arm(1_000, 1_000, Some(1_000), Some(1_000)), Mode::Client, all),
            "the server was told not to"
        );
        assert!(!wrong(&arm(1_000, 1_000, Some(0), Some(1_000)), Mode::Server, all));
        assert!(wrong(&arm(1_000, 1_000, Some(0), Some(0)), Mode::OwnFraction, all), "it did not take");
        assert!(!wrong(&arm(1_000, 100, Some(0), Some(125)), Mode::OwnFraction, all), "drawn by the server");
        assert!(
            !wrong(&arm(1_000, 1_000, Some(1_000), Some(0)), Mode::Both, elsewhere),
            "it exports elsewhere"
        );
        let uncounted = Counted { client: false, ..elsewhere };
        assert!(!wrong(&arm(1_000, 1_000, None, None), Mode::Both, uncounted));
        assert!(!wrong(&arm(50, 50, Some(0), Some(0)), Mode::Both, all), "too few to say");
    }
}
