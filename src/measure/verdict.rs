//! Whether a run's numbers can be trusted: a pure function of [`Evidence`].
//!
//! It judges the measurement, not the server. A rule is a function from evidence to findings; a new rule is a
//! line in [`Verdict::of`], a variant of [`Finding`], and a test on both sides of its bound. The rules about the generator,
//! its machine and its connections are in `surroundings`, the others here.

use super::evidence::{
    CalibrationEvidence, CollectionEvidence, Evidence, OperationEvidence, ServerEvidence, SpanEvidence,
    StreamEvidence, WorkerFailure,
};
use super::finding::{Bottleneck, Finding, Severity};
use super::surroundings;
use crate::units::Nanos;

/// The largest share of its schedule that an open stream may fall short of.
pub const SHORTFALL: f64 = 0.01;
/// Lag may move the p99 (where it is not known: a lower percentile, or the mean) by this share of that of service...
pub const LAG_SHARE: f64 = 0.10;
/// ... or by this much, before it is the generator's fault.
pub const LAG: Nanos = Nanos::from_millis(1);
/// The share of their time in flight that requests may spend unsent before the generator is called the bottleneck.
pub const UNSENT_SHARE: f64 = 0.5;

/// The medians of the first and last third of the window may differ by this share of the smaller one...
pub const DRIFT_SHARE: f64 = 0.10;
/// ... or by this many times their spread (see [`Trend`](super::Trend)), before it is called a drift.
pub const DRIFT_SPREADS: f64 = 3.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Errors first, then warnings, then notes.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Applies every rule.
    pub fn of(evidence: &Evidence) -> Self {
        let mut findings = Vec::new();
        findings.extend(nothing_measured(evidence));
        findings.extend(evidence.open_streams.iter().filter_map(shortfall));
        findings.extend(surroundings::all(evidence));
        for operation in &evidence.operations {
            findings.extend(sent_late(operation));
            findings.extend(not_sent(operation));
            findings.extend(failures(operation));
            findings.extend(timeouts(operation));
            findings.extend(few_hits(operation));
        }
        findings.extend(evidence.too_few.iter().map(|few| Finding::TooFewSamples {
            expression: few.expression.clone(),
            offered: few.offered,
            needed: few.needed,
        }));
        findings.extend(evidence.operations.iter().filter_map(|o| drift(o, evidence.constant_load)));
        findings.extend(server(&evidence.server));
        findings.extend(evidence.collection.iter().flat_map(collection));
        findings.extend(
            (evidence.bodies_late > 0).then_some(Finding::BodiesLate { count: evidence.bodies_late }),
        );
        findings.extend(evidence.spans.iter().flat_map(spans));
        findings.extend(evidence.server.embedded.then_some(Finding::SharedCores));
        findings.extend(evidence.calibration.and_then(calibration));
        findings.extend(evidence.worker_failed.iter().map(worker_failed));
        findings.extend(evidence.shards_missing.iter().filter_map(shard_missing));
        findings.extend(evidence.died_after.map(|after| Finding::RunDied { after }));
        findings.extend(evidence.interrupted_after.map(|after| Finding::Interrupted { after }));
        findings.sort_by_key(Finding::severity);
        Self { findings }
    }

    /// True where no finding is an error.
    pub fn trusted(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() != Severity::Error)
    }
}

fn shard_missing((missing, of): &(Vec<u32>, u32)) -> Option<Finding> {
    (!missing.is_empty()).then(|| Finding::ShardMissing { missing: missing.clone(), of: *of })
}

fn worker_failed(failure: &WorkerFailure) -> Finding {
    Finding::WorkerFailed { reason: failure.reason.clone(), after: failure.after }
}

fn nothing_measured(evidence: &Evidence) -> Option<Finding> {
    let none = evidence.operations.iter().all(|operation| operation.counters.offered() == 0);
    none.then_some(Finding::NothingMeasured)
}

fn shortfall(stream: &StreamEvidence) -> Option<Finding> {
    let missing = stream.planned.saturating_sub(stream.offered);
    (missing as f64 > SHORTFALL * stream.planned as f64).then(|| Finding::Shortfall {
        stream: stream.name.clone(),
        planned: stream.planned,
        offered: stream.offered,
    })
}

/// Whether it was mostly for the server that unsent requests waited.
fn waited_for_server(operation: &OperationEvidence) -> bool {
    operation.waited_share.is_some_and(|share| share > UNSENT_SHARE)
}

fn sent_late(operation: &OperationEvidence) -> Option<Finding> {
    let late = operation.lateness?;
    let moved = late.response - late.service;
    let much = moved > LAG && moved.get() as f64 > LAG_SHARE * late.service.get() as f64;
    let (name, waited) = (operation.name.clone(), waited_for_server(operation));
    much.then_some(match waited {
        true => Finding::WaitedForStream { operation: name, late },
        false => Finding::GeneratorLate { operation: name, late },
    })
}

fn not_sent(operation: &OperationEvidence) -> Option<Finding> {
    let not_sent = operation.counters.not_sent;
    // What filled the bound may be requests of the warm-up, of which no times are kept: the first is seen at each refusal.
    // A backlog of the generator that leaves all at once is sent then; its lag tells.
    let filled_unsent = (operation.refused_for_server as f64) < (1.0 - UNSENT_SHARE) * not_sent as f64;
    let waited_unsent =
        operation.lag_share.is_some_and(|share| share > UNSENT_SHARE) && !waited_for_server(operation);
    let generator = filled_unsent || waited_unsent;
    (not_sent > 0).then(|| Finding::NotSent {
        operation: operation.name.clone(),
        not_sent,
        offered: operation.counters.offered(),
        bottleneck: if generator { Bottleneck::Generator } else { Bottleneck::Server },
    })
}

fn failures(operation: &OperationEvidence) -> Option<Finding> {
    (operation.counters.failed > 0).then(|| Finding::Failures {
        operation: operation.name.clone(),
        failed: operation.counters.failed,
        offered: operation.counters.offered(),
        message: operation.first_error.clone(),
    })
}

fn timeouts(operation: &OperationEvidence) -> Option<Finding> {
    (operation.counters.timed_out > 0).then(|| Finding::Timeouts {
        operation: operation.name.clone(),
        timed_out: operation.counters.timed_out,
        offered: operation.counters.offered(),
    })
}

fn few_hits(operation: &OperationEvidence) -> Option<Finding> {
    let hits = operation.hits;
    // A surplus of other answers, such as of rows written meanwhile, makes up for nothing.
    (hits.short > 0).then(|| Finding::FewHits {
        operation: operation.name.clone(),
        expected: hits.expected,
        returned: hits.returned,
        short: hits.short,
        empty: hits.empty,
    })
}

fn drift(operation: &OperationEvidence, constant_load: bool) -> Option<Finding> {
    let trend = operation.trend.filter(|_| constant_load)?;
    let apart = trend.first.get().abs_diff(trend.last.get()) as f64;
    let share = apart / trend.first.min(trend.last).get() as f64;
    (share > DRIFT_SHARE && apart > DRIFT_SPREADS * trend.spread).then(|| Finding::Drift {
        operation: operation.name.clone(),
        first: trend.first,
        last: trend.last,
    })
}

fn server(server: &ServerEvidence) -> Option<Finding> {
    if server.reachable_at_end == Some(false) {
        return Some(Finding::ServerGone);
    }
    let (before, after) = (server.version_start.clone()?, server.version_end.clone()?);
    (before != after).then_some(Finding::ServerChanged { before, after })
}

fn calibration(evidence: CalibrationEvidence) -> Option<Finding> {
    let CalibrationEvidence { judged, missed, noisy } = evidence;
    (missed + noisy > 0).then_some(Finding::CalibrationFailed { judged, missed, noisy })
}

fn collection(evidence: &CollectionEvidence) -> Vec<Finding> {
    let start = &evidence.start;
    let mut findings = Vec::new();
    if let (Some(expected), Some(found)) = (evidence.rows_expected, start.rows)
        && expected != found
    {
        findings.push(Finding::RowsMissing { expected, found });
    }
    if let (Some(unindexed @ 1..), Some(rows)) = (start.unindexed(), start.rows) {
        findings.push(Finding::NotIndexed { unindexed, rows, searches: evidence.searches });
    }
    let Some(end) = &evidence.end else { return findings };
    if evidence.writes {
        if let (Some(before), Some(after)) = (start.rows, end.rows)
            && before != after
        {
            findings.push(Finding::CollectionGrew { before, after, unindexed: end.unindexed() });
        }
        return findings;
    }
    let counts = [
        ("rows", start.rows, end.rows),
        ("indexed rows", start.indexed_rows, end.indexed_rows),
        ("sealed segments", start.sealed, end.sealed),
        ("growing segments", start.growing, end.growing),
    ];
    findings.extend(counts.into_iter().filter_map(|(what, before, after)| {
        let (before, after) = (before?, after?);
        (before != after).then_some(Finding::CollectionChanged { what, before, after })
    }));
    findings
}

fn spans(spans: &SpanEvidence) -> Option<Finding> {
    match (spans.collector_present, spans.asked) {
        (false, true) => Some(Finding::CollectorMissing { endpoint: spans.endpoint.clone() }),
        (false, false) => Some(Finding::NoCollector { endpoint: spans.endpoint.clone() }),
        (true, _) if spans.dropped + spans.failed > 0 => {
            let SpanEvidence { recorded, dropped, failed, .. } = *spans;
            Some(Finding::SpansLost { recorded, dropped, failed })
        }
        (true, _) => None,
    }
}
