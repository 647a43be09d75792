//! Each rule of the verdict on both sides of its bound.

use super::*;
use crate::units::Nanos;

/// A run with nothing to find: 1,000 searches, all answered.
fn clean() -> Evidence {
    let operation = OperationEvidence {
        name: "search".into(),
        counters: Counters { succeeded: 1_000, ..Counters::default() },
        lateness: Some(p99(Nanos::from_millis(20), Nanos::from_millis(20))),
        lag_share: Some(0.01),
        ..OperationEvidence::default()
    };
    Evidence { operations: vec![operation], ..Evidence::default() }
}

const fn p99(service: Nanos, response: Nanos) -> Lateness {
    Lateness { of: Statistic::Quantile(Quantile::P99), response, service }
}

/// The codes found, errors marked with `!`, warnings with `?`.
#[track_caller]
pub(super) fn found(change: impl FnOnce(&mut Evidence), expected: &[&str]) {
    let mut evidence = clean();
    change(&mut evidence);
    let verdict = Verdict::of(&evidence);
    let mark = |finding: &Finding| match finding.severity() {
        Severity::Error => format!("!{}", finding.code()),
        Severity::Warning => format!("?{}", finding.code()),
        Severity::Note => finding.code().to_owned(),
    };
    assert_eq!(verdict.findings.iter().map(mark).collect::<Vec<_>>(), expected);
    assert_eq!(verdict.trusted(), !expected.iter().any(|code| code.starts_with('!')));
}

#[test]
fn a_clean_run_is_trusted() {
    found(|_| {}, &[]);
}

#[test]
fn a_run_without_requests_is_not_trusted() {
    found(|e| e.operations[0].counters = Counters::default(), &["!nothing_measured"]);
    found(|e| e.operations.clear(), &["!nothing_measured"]);
}

#[test]
fn a_stream_may_fall_short_by_one_percent() {
    let stream = |offered| StreamEvidence { name: "load".into(), planned: 10_000, offered };
    found(|e| e.open_streams.push(stream(9_900)), &[]);
    found(|e| e.open_streams.push(stream(9_899)), &["!shortfall"]);
    found(|e| e.open_streams.push(stream(10_001)), &[]);
}

#[test]
fn lag_must_move_the_p99_by_a_tenth_and_by_a_millisecond() {
    let late = |service_us: u64, response_us: u64| {
        move |e: &mut Evidence| {
            let [service, response] = [service_us, response_us].map(|us| Nanos::new(us * 1_000));
            e.operations[0].lateness = Some(p99(service, response));
        }
    };
    found(late(20_000, 22_000), &[]);
    found(late(20_000, 22_001), &["!generator_late"]);
    found(late(1_000, 2_000), &[]);
    found(late(1_000, 2_001), &["!generator_late"]);
    found(|e| e.operations[0].lateness = None, &[]);
    let waited = |share| {
        move |e: &mut Evidence| {
            late(20_000, 22_001)(e);
            e.operations[0].waited_share = Some(share);
        }
    };
    found(waited(0.5), &["!generator_late"]);
    found(waited(0.51), &["?waited_for_stream"]);
}

#[test]
fn requests_not_sent_are_the_generators_fault_only_where_they_waited_there() {
    let not_sent = |share| {
        move |e: &mut Evidence| {
            e.operations[0].counters.not_sent = 10;
            e.operations[0].refused_for_server = 5;
            e.operations[0].lag_share = share;
        }
    };
    found(not_sent(Some(0.5)), &["?not_sent"]);
    found(not_sent(Some(0.51)), &["!not_sent"]);
    // Nothing of the window was sent: requests of the warm-up filled the bound.
    found(not_sent(None), &["?not_sent"]);
    let unsent = |e: &mut Evidence| {
        not_sent(None)(e);
        e.operations[0].refused_for_server = 4;
    };
    found(unsent, &["!not_sent"]);
    let waited = |e: &mut Evidence| {
        not_sent(Some(1.0))(e);
        e.operations[0].waited_share = Some(0.51);
    };
    found(waited, &["?not_sent"]);
}

#[test]
fn what_the_server_did_is_a_warning() {
    found(|e| e.operations[0].counters.failed = 1, &["?failures"]);
    found(|e| e.operations[0].counters.timed_out = 1, &["?timeouts"]);
    let hits = |returned, short| {
        let hits = Hits { expected: 10, returned, empty: 0, short, unknown: 0 };
        move |e: &mut Evidence| e.operations[0].hits = hits
    };
    found(hits(10, 0), &[]);
    found(hits(9, 1), &["?few_hits"]);
    found(hits(12, 1), &["?few_hits"]);
    found(hits(12, 0), &[]);
}

#[test]
fn a_percentile_asked_for_and_not_told_is_an_error() {
    let few = TooFewEvidence { expression: "search.response.p99 < 50ms".into(), offered: 999, needed: 1_000 };
    found(|e| e.too_few.push(few), &["!too_few_samples"]);
}

#[test]
fn the_server_must_be_there_at_the_end_and_be_the_same() {
    let version = |v: &str| Some(v.to_owned());
    found(|e| e.server.reachable_at_end = Some(true), &[]);
    found(|e| e.server.reachable_at_end = Some(false), &["!server_gone"]);
    found(|e| (e.server.version_start, e.server.version_end) = (version("2.3.5"), version("2.3.5")), &[]);
    found(
        |e| (e.server.version_start, e.server.version_end) = (version("2.3.5"), version("2.5.11")),
        &["!server_changed"],
    );
    found(|e| e.server.version_start = version("2.3.5"), &[]);
    found(|e| e.server.embedded = true, &["shared_cores"]);
}

#[test]
fn the_collection_must_be_whole_and_indexed_at_the_start() {
    let state = |rows, indexed| CollectionState {
        rows: Some(rows),
        indexed_rows: Some(indexed),
        sealed: Some(2),
        growing: Some(0),
    };
    let collection = |start, end, writes| {
        move |e: &mut Evidence| {
            e.collection = Some(CollectionEvidence {
                rows_expected: Some(100),
                start,
                end: Some(end),
                writes,
                searches: true,
            });
        }
    };
    let whole = state(100, 100);
    found(collection(whole, whole, false), &[]);
    found(collection(state(99, 99), state(99, 99), false), &["!rows_missing"]);
    found(collection(state(100, 99), state(100, 99), false), &["!not_indexed"]);
    let inserts_alone = |e: &mut Evidence| {
        collection(state(100, 99), state(100, 99), true)(e);
        e.collection.as_mut().unwrap().searches = false;
    };
    found(inserts_alone, &["not_indexed"]);
    found(collection(whole, state(101, 100), false), &["?collection_changed"]);
    found(collection(whole, CollectionState { sealed: Some(3), ..whole }, false), &["?collection_changed"]);
    found(collection(whole, state(150, 100), true), &["collection_grew"]);
    found(collection(whole, whole, true), &[]);
    found(|e| e.collection = Some(CollectionEvidence { start: whole, ..CollectionEvidence::default() }), &[]);
}

#[test]
fn a_missing_collector_is_a_warning_only_where_it_was_asked_for() {
    let spans = |collector_present, asked, dropped, failed| {
        move |e: &mut Evidence| {
            let endpoint = "http://localhost:4317".to_owned();
            e.spans =
                Some(SpanEvidence { endpoint, asked, collector_present, recorded: 10, dropped, failed });
        }
    };
    found(spans(true, true, 0, 0), &[]);
    found(spans(true, true, 1, 0), &["?spans_lost"]);
    found(spans(true, false, 0, 1), &["?spans_lost"]);
    found(spans(false, true, 0, 10), &["?collector_missing"]);
    found(spans(false, false, 0, 10), &["no_collector"]);
}

#[test]
fn late_bodies_are_a_warning_and_an_interruption_a_note() {
    found(|e| e.bodies_late = 1, &["?bodies_late"]);
    found(|e| e.interrupted_after = Some(Nanos::from_secs(3)), &["interrupted"]);
}

#[test]
fn a_missing_shard_and_a_run_that_died_are_errors() {
    found(|e| e.shards_missing = Some((vec![], 4)), &[]);
    found(|e| e.shards_missing = Some((vec![1, 3], 4)), &["!shard_missing"]);
    found(|e| e.died_after = Some(Nanos::from_secs(3)), &["!run_died"]);
    let words = Finding::ShardMissing { missing: vec![1, 3], of: 4 }.to_string();
    assert_eq!(words, "of 4 shards, 2 missing: 1, 3");
}

#[test]
fn a_worker_that_could_not_go_on_is_an_error_that_says_why() {
    let failure = WorkerFailure { reason: "no timer".to_owned(), after: Nanos::from_secs(3) };
    found(|e| e.worker_failed = Some(failure.clone()), &["!worker_failed"]);
}

#[test]
fn a_wrong_calibration_is_an_error_and_a_noisy_one_a_warning() {
    let calibrated = |missed, noisy| {
        move |e: &mut Evidence| e.calibration = Some(CalibrationEvidence { judged: 20, missed, noisy })
    };
    found(calibrated(0, 0), &[]);
    found(calibrated(0, 1), &["?calibration_failed"]);
    found(calibrated(1, 3), &["!calibration_failed"]);
}

#[test]
fn errors_come_first() {
    let stream = StreamEvidence { name: "load".into(), planned: 100, offered: 0 };
    let change = |e: &mut Evidence| {
        e.server.embedded = true;
        e.operations[0].counters.failed = 3;
        e.open_streams.push(stream);
    };
    found(change, &["!shortfall", "?failures", "shared_cores"]);
}

/// What a recorder of one operation and a window of 10 s makes of these.
fn operation_of(samples: impl IntoIterator<Item = Sample>) -> OperationEvidence {
    let mut recorder = Recorder::new(RecorderConfig {
        operations: 1,
        connections: 1,
        window_start: Nanos::ZERO,
        window: Nanos::from_secs(10),
        stages: vec![],
        slots: None,
        by_sampled: false,
        longest: Nanos::from_secs(1),
        slowest: 1,
        seed: 0,
    });
    samples.into_iter().for_each(|sample| recorder.record(&sample));
    OperationEvidence::of("search", &recorder.finish().operations[0], 10)
}

/// Due at `intended` ms, sent so much later, done so long after it was due.
fn sample(intended: u64, lag: Option<Nanos>, response: Nanos, outcome: Outcome) -> Sample {
    let intended = Nanos::from_millis(intended);
    Sample {
        operation: 0,
        intended,
        sent: lag.map(|lag| intended + lag),
        done: intended + response,
        outcome,
        trace: crate::trace::TraceRef { trace_id: 1, span_id: 1, sampled: false },
        connection: 0,
        hits_expected: Some(2),
    }
}

fn ok() -> Outcome {
    Outcome::Succeeded { hits: 1 }
}

#[test]
fn the_evidence_of_an_operation_is_read_from_its_record() {
    let ms = Nanos::from_millis;
    // 2,000 requests: 1 ms late, served in 3 ms.
    let evidence = operation_of((0..2_000).map(|index| sample(index, Some(ms(1)), ms(4), ok())));
    assert_eq!(evidence.lag_share, Some(0.25));
    let Lateness { of, response, service } = evidence.lateness.unwrap();
    assert_eq!((of, response), (Statistic::Quantile(Quantile::P99), Nanos::from_millis(4)));
    assert_eq!(evidence.hits, Hits { expected: 4_000, returned: 2_000, empty: 0, short: 2_000, unknown: 0 });
    assert_eq!(evidence.service_mean, Some(Nanos::from_millis(3)));
    assert_eq!(evidence.trend, None, "only two of its seconds have requests");
    assert!(service >= Nanos::from_millis(3) && service.get() <= 3_003_000, "{service}");
}

/// 2 ms late, served in 10 ms, and of some of them nothing is heard for a second. All of it is above 10 % and 1 ms.
#[test]
fn where_the_p99_is_not_known_lateness_is_judged_by_the_highest_percentile_that_is_else_by_the_mean() {
    let ms = Nanos::from_millis;
    let judged = |answered: u64, unanswered: u64| {
        let served = (0..answered).map(|i| sample(i, Some(ms(2)), ms(12), ok()));
        let timed_out = (0..unanswered).map(|i| sample(i, Some(ms(2)), ms(1_002), Outcome::TimedOut));
        let mut search = operation_of(served.chain(timed_out));
        search.hits = Hits::default();
        let evidence = Evidence { operations: vec![search], ..Evidence::default() };
        let late = Verdict::of(&evidence).findings.into_iter().find_map(|finding| match finding {
            Finding::GeneratorLate { .. } => Some(finding.to_string()),
            _ => None,
        });
        late.as_deref().and_then(|told| told.split_once("moves the ")).map(|(_, of)| of.to_owned())
    };
    let percentile = |name: &str| Some(format!("{name} from 10.0 ms to 12.0 ms"));
    assert_eq!(judged(1_000, 0), percentile("p99"));
    assert_eq!(judged(999, 0), percentile("p95"));
    assert_eq!(judged(990, 10), percentile("p95"), "1 % unanswered");
    assert_eq!(judged(199, 0), percentile("p90"));
    assert_eq!(judged(99, 0), percentile("p50"));
    assert_eq!(judged(19, 0), percentile("mean"));
    assert_eq!(judged(0, 0), None);
    // Timeouts are part of the mean: 10 of 10 ms and 10 of 1 s are 505 ms each, which 2 ms do not move by a tenth.
    assert_eq!(judged(10, 10), None);
}

/// 200 inserts at 20/s whose bodies come at 2/s, at most 20 in flight: 4 were sent, each after 2 s, and served in 10 ms; 16 had
/// no body when the run ended, 10 s after they were due.
#[test]
fn what_never_got_a_body_waited_in_the_generator() {
    let ms = Nanos::from_millis;
    let sent = (0..4).map(|i| sample(i * 50, Some(ms(2_000)), ms(2_010), ok()));
    let given_up = (4..20).map(|i| sample(i * 50, None, ms(10_000), Outcome::TimedOut));
    let refused = (20..200).map(|i| sample(i * 50, None, Nanos::ZERO, Outcome::NotSent));
    let inserts = operation_of(sent.chain(given_up).chain(refused));
    // 4 times 2 s and 16 times 10 s, of 40 ms more.
    assert_eq!(inserts.lag_share, Some(168e9 / 168.04e9));
    let blamed =
        |finding: &Finding| matches!(finding, Finding::NotSent { bottleneck: Bottleneck::Generator, .. });
    let verdict = Verdict::of(&Evidence { operations: vec![inserts], ..Evidence::default() });
    assert!(verdict.findings.iter().any(blamed), "{verdict:?}");
}
