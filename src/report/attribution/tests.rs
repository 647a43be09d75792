//! Runs made by hand: every request's true parts are known, so every mean is.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::measure::{IntervalGrid, OperationRecord, Outcome, Recorder, RecorderConfig, Sample};
use crate::report::model::{
    AttributionCause, AttributionRow, Finding, IncompleteTrace, LoadKind, NoInterval, NotAttributed, RowKind,
    Run, RunReport, Severity, State,
};
use crate::trace::TraceRef;
use crate::trace::spans::Kind;

pub(super) const ANCHOR: u64 = 1_700_000_000_000_000_000;
pub(super) const US: u64 = 1_000;

/// Microseconds of each part of a request, in this order: late, network, proxy, wait, search, search in another request's trace.
pub(super) type Parts = [u64; 6];

/// A run of such requests, each due so many milliseconds after the window's start.
struct Made {
    requests: Vec<(u64, Parts, Outcome)>,
    record: OperationRecord,
    grid: IntervalGrid,
    spans: HashMap<u128, Vec<Span>>,
}

const OK: Outcome = Outcome::Succeeded { hits: 10 };

/// Of one operation, whose window begins a second after the run's anchor.
pub(super) fn recorder(window: Nanos, seed: u64) -> Recorder {
    Recorder::new(RecorderConfig {
        operations: 1,
        connections: 1,
        window_start: Nanos::from_secs(1),
        window,
        stages: vec![],
        slots: None,
        by_sampled: false,
        longest: Nanos::from_secs(10),
        slowest: 5,
        seed,
    })
}

fn made(requests: Vec<(u64, Parts, Outcome)>) -> Made {
    made_within(Nanos::from_secs(10_000), requests)
}

fn made_within(window: Nanos, requests: Vec<(u64, Parts, Outcome)>) -> Made {
    let mut recorder = recorder(window, 3);
    let mut spans = HashMap::new();
    for (index, (at_ms, parts, outcome)) in requests.iter().enumerate() {
        let intended = Nanos::from_secs(1) + Nanos::from_millis(*at_ms);
        let sent = intended + Nanos::new(parts[0] * US);
        let trace = TraceRef { trace_id: index as u128 + 1, span_id: 7, sampled: true };
        recorder.record(&Sample {
            operation: 0,
            intended,
            sent: Some(sent),
            done: intended + Nanos::new(parts.iter().sum::<u64>() * US),
            outcome: outcome.clone(),
            trace,
            connection: 0,
            hits_expected: Some(10),
        });
        spans.insert(trace.trace_id, trace_of(trace.trace_id, ANCHOR + sent.get(), *parts));
    }
    let mut recorded = recorder.finish();
    Made { requests, record: recorded.operations.remove(0), grid: recorded.grid, spans }
}

/// Half of the network before the server, the proxy before the wait.
pub(super) fn trace_of(
    trace_id: u128,
    sent: u64,
    [_, network, proxy, wait, search, elsewhere]: Parts,
) -> Vec<Span> {
    let span = |span_id, parent, service: &str, name: &str, start: u64, length: u64| Span {
        trace_id,
        span_id,
        parent: Some(parent),
        resource: 1,
        service: service.into(),
        name: name.into(),
        kind: if parent == 7 { Kind::Server } else { Kind::Internal },
        start: sent + start * US,
        end: sent + (start + length) * US,
        is_error: false,
    };
    let start = network / 2;
    let mut spans = vec![
        span(8, 7, "standalone", "SearchTask-Execute", start, proxy + wait + search + elsewhere),
        span(9, 8, "standalone", "Delegator-waitTSafe", start + proxy, wait),
    ];
    if search > 0 {
        spans.push(span(10, 8, "segcore", "SegCoreSearch", start + proxy + wait, search));
    }
    spans
}

impl Made {
    fn told(&self) -> Attribution {
        self.told_by(Slow::Quantile(0.99), &|trace| self.spans.get(&trace).cloned())
    }

    fn told_by(&self, slow: Slow, spans: &dyn Fn(u128) -> Option<Vec<Span>>) -> Attribution {
        attribution(&self.source(slow, spans))
    }

    fn source<'a>(&'a self, slow: Slow, spans: &'a dyn Fn(u128) -> Option<Vec<Span>>) -> Source<'a> {
        Source {
            record: &self.record,
            window_start: Nanos::from_secs(1),
            grid: self.grid,
            anchor_unix_ns: ANCHOR,
            slow,
            spans,
            is_cut: &|_| false,
        }
    }

    /// The true mean of a part over the succeeded requests whose response lies within.
    fn truth(&self, part: usize, set: &AttributedSet) -> f64 {
        let within = |parts: &Parts| {
            let response = parts.iter().sum::<u64>() as f64;
            response >= set.from_us.unwrap() && set.to_us.is_none_or(|to| response <= to)
        };
        let of: Vec<f64> = self
            .requests
            .iter()
            .filter(|(_, parts, outcome)| *outcome == OK && within(parts))
            .map(|(_, parts, _)| parts[part] as f64)
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    }
}

#[track_caller]
fn row<'a>(told: &'a Attribution, words: &str) -> &'a AttributionRow {
    told.rows.iter().find(|row| row.words == words).unwrap_or_else(|| panic!("no {words}: {:?}", told.rows))
}

pub(super) const WAIT: &str = "the wait for the time tick";
pub(super) const SEARCH: &str = "segment search";

/// 4,000 requests, one a second: of the slowest 41, 32 wait for 200 to 231 ms and 9 search for 300 ms; all others take about 2 ms. The
/// p99 of 4,000 is the fastest of these.
fn two_causes() -> Vec<(u64, Parts, Outcome)> {
    (0..4_000u64)
        .map(|i| {
            let jitter = i * 7_919 % 1_000;
            let mut parts = [50 + jitter / 20, 200 + jitter / 4, 300, 1 + jitter % 3, 1_000 + jitter, 0];
            match i {
                77 => parts[3] = 231_000,
                _ if i % 100 != 50 => {}
                _ if i / 100 < 31 => parts[3] = 200_000 + i / 100 * 1_000,
                _ => parts[4] = 300_000,
            }
            (i * 1_000, parts, OK)
        })
        .collect()
}

#[test]
fn means_are_those_of_all_requests_and_causes_are_counted() {
    let made = made(two_causes());
    let told = made.told();
    assert_eq!((told.unknown, told.slow.requests, told.slow.complete), (None, 41, 41));
    assert_eq!((told.slow.range.as_str(), told.typical.range.as_str()), ("p99", "p25 to p75"));
    assert!((1_990..=2_020).contains(&told.typical.requests), "{}", told.typical.requests);
    assert!(told.typical.complete >= 100 && told.typical.complete < 300, "{}", told.typical.complete);
    assert_eq!((told.slow.left_out, told.typical.left_out), (Some(0.0), Some(0.0)));
    for (part, words) in
        [(0, "the generator's own lateness"), (1, "outside Milvus (network)"), (3, WAIT), (4, SEARCH)]
    {
        let row = row(&told, words);
        // All slow ones are kept; of the typical ones some 200, drawn evenly.
        let (slow, typical) = (made.truth(part, &told.slow), made.truth(part, &told.typical));
        assert!((row.slow_us - slow).abs() < 1e-6 * slow.max(1.0), "{words}: {} of {slow}", row.slow_us);
        assert!(
            (row.typical_us - typical).abs() < 0.05 * typical + 0.5,
            "{words}: {} of {typical}",
            row.typical_us
        );
        let (low, high) = (row.low_us.unwrap(), row.high_us.unwrap());
        assert!(low <= row.difference_us && row.difference_us <= high);
        assert!(low <= slow - typical + 0.5 && slow - typical <= high + 0.5, "{words}");
    }
    let causes: Vec<_> = told.causes.iter().map(|cause| (cause.words.as_str(), cause.traces)).collect();
    assert_eq!(causes, [(WAIT, 32), (SEARCH, 9)]);
    assert!((told.causes[0].share - 32.0 / 41.0).abs() < 1e-9);
    let named = |cause: &AttributionCause| (cause.service.clone(), cause.span.clone(), cause.kind.clone());
    let wait = row(&told, WAIT);
    assert_eq!(named(&told.causes[0]), (wait.service.clone(), wait.span.clone(), wait.kind.clone()));
    assert_eq!(wait.span.as_deref(), Some("Delegator-waitTSafe"));
    assert_eq!((told.episodes, told.moments.len()), (41, 0));
    assert!(told.sentence.starts_with("32 of 41 slow requests (p99, from 2"), "{}", told.sentence);
    assert!(
        told.sentence.contains(" are slow by the wait for the time tick, 9 by segment search; they take "),
        "{}",
        told.sentence
    );
    assert!(told.sentence.ends_with("% of that is the wait for the time tick"), "{}", told.sentence);
}

#[test]
fn rows_sum_to_the_responses_and_their_differences_to_the_difference() {
    let told = made(two_causes()).told();
    let sum = |of: fn(&AttributionRow) -> f64| told.rows.iter().map(of).sum::<f64>();
    let (slow, typical) = (told.slow.response_us.unwrap(), told.typical.response_us.unwrap());
    assert!((sum(|row| row.slow_us) - slow).abs() < 1e-6 * slow);
    assert!((sum(|row| row.typical_us) - typical).abs() < 1e-6 * slow);
    assert!((sum(|row| row.difference_us) - (slow - typical)).abs() < 1e-6 * slow);
    assert!((sum(|row| row.share.unwrap()) - 1.0).abs() < 1e-9);
    assert!(told.rows.iter().all(|row| row.slow_us >= 0.0 && row.typical_us >= 0.0));
    assert!(told.rows.is_sorted_by(|a, b| a.difference_us >= b.difference_us));
}

/// 3,000 slow requests of which only some are kept: the mean is the population's, not that of what is kept.
#[test]
fn a_kept_request_counts_for_as_many_as_it_stands_for() {
    // One in ten takes 300 ms by its search, the others 20 ms by their wait; all of them are slow from 10 ms on.
    let slow = |i: u64| {
        if i.is_multiple_of(10) {
            [0, 200, 300, 1, 300_000 + i, 0]
        } else {
            [0, 200, 300, 20_000 + i, 1_000, 0]
        }
    };
    let requests = (0..15_000u64)
        .map(|i| (i * 500, if i % 5 == 0 { slow(i / 5) } else { [0, 200, 300, 1, 1_000 + i % 50, 0] }, OK));
    let made = made(requests.collect());
    let told = made.told_by(Slow::Duration(std::time::Duration::from_millis(10)), &|trace| {
        made.spans.get(&trace).cloned()
    });
    assert_eq!(told.slow.requests, 3_000);
    assert!(told.slow.complete < 300, "{}", told.slow.complete);
    let found = row(&told, SEARCH).slow_us;
    let truth = made.truth(4, &told.slow);
    assert!((found - truth).abs() < 0.01 * truth, "{found} of {truth}");
    assert!((told.causes[1].share - 0.1).abs() < 1e-6, "{:?}", told.causes);
    assert!((told.causes[1].requests - 300.0).abs() < 1e-3, "{:?}", told.causes);
    // By the kept ones it would be a third or more.
    assert!(told.causes[1].traces * 4 > told.slow.complete, "{:?}", told.causes);
    let sentence = format!(
        "90% of 3,000 slow requests (from 10.0 ms) are slow by {WAIT}, 10% by {SEARCH}, by {} traces; they take ",
        told.slow.complete
    );
    assert!(told.sentence.starts_with(&sentence), "{}", told.sentence);
}

#[test]
fn a_search_without_segments_is_one_with_another_request_only_where_others_have_them() {
    let with = |search: bool| {
        let requests = two_causes().into_iter().map(|(at, mut parts, outcome)| {
            if at / 1_000 % 10 == 3 {
                (parts[4], parts[5]) = (0, parts[4]);
            }
            if !search {
                parts[4] = 0;
            }
            (at, parts, outcome)
        });
        made(requests.collect()).told()
    };
    let merged = row(&with(true), "searched with another request").clone();
    assert_eq!((merged.row, merged.slow_us), (RowKind::SearchedWithAnother, 0.0));
    // A tenth of the typical ones, 1.8 ms each.
    assert!((100.0..300.0).contains(&merged.typical_us), "{}", merged.typical_us);
    assert!(with(false).rows.iter().all(|row| row.row != RowKind::SearchedWithAnother));
}

#[test]
fn few_episodes_tell_their_moments_and_no_intervals() {
    // All 41 slow ones within four stalls.
    let requests = (0..4_000u64).map(|i| match i % 1_000 {
        500..510 => (i * 50, [0, 200, 300, 200_000 - (i % 10) * 10_000, 1_000, 0], OK),
        510 if i < 1_000 => (i * 50, [0, 200, 300, 200_000, 1_000, 0], OK),
        _ => (i * 50, [0, 200, 300, 1, 1_000 + i % 97, 0], OK),
    });
    let told = made(requests.collect()).told();
    assert_eq!((told.unknown, told.episodes, told.moments.len()), (None, 4, 4));
    let moment = told.moments[1];
    assert!((moment.at_s - 75.0).abs() < 1e-9 && moment.traces == 10, "{moment:?}");
    assert!(
        told.rows.iter().all(|row| row.low_us.is_none() && row.unknown == Some(NoInterval::TooFewEpisodes))
    );
    assert_eq!(told.causes.len(), 1);
}

/// A run at 1,000 a second, slow while `is_slow` of the milliseconds: by 20 to 24 ms, so that few of a part are kept.
fn at_full_rate(seconds: u64, is_slow: impl Fn(u64) -> bool) -> Attribution {
    let requests = (0..seconds * 1_000).map(|at_ms| {
        let jitter = at_ms * 7_919 % 4_000;
        let wait = if is_slow(at_ms) { 20_000 + jitter } else { 1 };
        (at_ms, [0, 200, 300, wait, 1_000 + jitter / 40, 0], OK)
    });
    let made = made_within(Nanos::from_secs(seconds), requests.collect());
    let told = made.told_by(Slow::Duration(std::time::Duration::from_millis(10)), &|trace| {
        made.spans.get(&trace).cloned()
    });
    assert!(told.slow.complete * 10 < told.slow.requests, "{:?}", told.slow);
    told
}

#[test]
fn a_long_stall_of_which_few_requests_are_kept_is_not_taken_for_many() {
    for (seconds, length_ms) in [(45, 10_000), (125, 30_000)] {
        let told = at_full_rate(seconds, |at_ms| (20_000..20_000 + length_ms).contains(&at_ms));
        assert_eq!((told.unknown, told.slow.requests), (None, length_ms));
        assert!(told.episodes <= 3, "{length_ms} ms: {}", told.episodes);
        assert!(told.rows.iter().all(|row| row.unknown == Some(NoInterval::TooFewEpisodes)));
    }
}

#[test]
fn short_stalls_of_which_few_requests_are_kept_are_told_apart_by_the_intervals_between() {
    let told = at_full_rate(60, |at_ms| at_ms % 3_000 < 100);
    assert_eq!((told.slow.requests, told.episodes), (2_000, 20));
    assert!(row(&told, WAIT).low_us.is_some());
}

#[test]
fn what_is_slow_from_within_the_typical_is_not_told() {
    let made = made(two_causes());
    let told = made.told_by(Slow::Duration(std::time::Duration::from_millis(1)), &|trace| {
        made.spans.get(&trace).cloned()
    });
    assert_eq!((told.unknown, told.rows.len(), told.causes.len()), (Some(NotAttributed::NotSlower), 0, 0));
    assert!(told.slow.complete > 0 && told.slow.from_us < told.typical.to_us);
}

#[test]
fn those_that_did_not_succeed_are_told_as_missing() {
    let requests = two_causes()
        .into_iter()
        .enumerate()
        .map(|(i, (at, parts, outcome))| (at, parts, if i % 400 == 3 { Outcome::TimedOut } else { outcome }));
    let told = made(requests.collect()).told();
    assert_eq!((told.unknown, told.not_succeeded, told.slow.range.as_str()), (None, 10, "p99"));
    assert!(
        told.sentence.ends_with("; not among them: 10 requests that did not succeed"),
        "{}",
        told.sentence
    );
}

/// Two shards of four segments each; a tenth of the requests had one of the shards searched with another.
#[test]
fn a_search_of_half_the_segments_is_one_with_another_request_where_a_fair_share_has_all() {
    let made = made(two_causes());
    let with = |segments_of: &dyn Fn(u128) -> u64| {
        made.told_by(Slow::Quantile(0.99), &|trace| {
            let mut spans = made.spans.get(&trace)?.clone();
            let (wait, mut segment) = (spans[1].clone(), spans[2].clone());
            spans.truncate(2);
            spans.push(Span { span_id: 20, ..wait });
            let segments = segments_of(trace);
            if segments < 8 {
                segment.end = segment.start + 100 * US;
            }
            spans.extend((0..segments).map(|id| Span { span_id: 30 + id, ..segment.clone() }));
            Some(spans)
        })
    };
    let merged = with(&|trace| if trace % 10 == 3 { 4 } else { 8 });
    let told = row(&merged, "searched with another request");
    // Of a tenth of the typical ones all but 100 us of their search.
    assert!((80.0..250.0).contains(&told.typical_us), "{}", told.typical_us);
    let is_with_another = |row: &AttributionRow| row.row == RowKind::SearchedWithAnother;
    let one_of_all = with(&|trace| if trace == 78 { 8 } else { 1 });
    assert!(!one_of_all.rows.iter().any(is_with_another));
}

#[test]
fn what_cannot_be_known_is_not_told() {
    let made = made(two_causes());
    let without = |lost: &dyn Fn(u128) -> bool| {
        made.told_by(Slow::Quantile(0.99), &|trace| made.spans.get(&trace).filter(|_| !lost(trace)).cloned())
    };
    assert_eq!(without(&|_| true).unknown, Some(NotAttributed::NoTraces));
    let is_slow = |trace: u128| trace % 100 == 51 || trace == 78;
    let few = without(&|trace| is_slow(trace) && trace > 800);
    assert_eq!((few.unknown, few.slow.complete), (Some(NotAttributed::TooFewTraces), 9));
    assert_eq!(few.slow.incomplete, BTreeMap::from([(IncompleteTrace::NoTrace, 32)]));
    assert_eq!(
        few.sentence,
        format!(
            "why slow requests are slow is not known: fewer than 10 whole traces of slow or of typical requests (9 of \
             the slow, {} of the typical)",
            few.typical.complete
        )
    );
    let half = without(&|trace| is_slow(trace) && trace % 200 == 51);
    assert_eq!(half.unknown, Some(NotAttributed::TooManyLeftOut));
    assert!(half.slow.left_out.unwrap() > 0.3 && half.rows.is_empty() && half.causes.is_empty());
    // An eighth of the slow ones without their server: told, and said so.
    let eighth = made.told_by(Slow::Quantile(0.99), &|trace| {
        let spans = made.spans.get(&trace).cloned()?;
        Some(if is_slow(trace) && trace % 800 == 51 { Vec::new() } else { spans })
    });
    assert_eq!((eighth.unknown, eighth.slow.complete), (None, 36));
    assert_eq!(eighth.slow.incomplete, BTreeMap::from([(IncompleteTrace::NoServerSpan, 5)]));
    // Of those whose spans are all there, an eighth is known to be cut.
    let all = |trace: u128| made.spans.get(&trace).cloned();
    let is_cut = |trace: u128| is_slow(trace) && trace % 800 == 51;
    let cut = attribution(&Source { is_cut: &is_cut, ..made.source(Slow::Quantile(0.99), &all) });
    assert_eq!((cut.unknown, cut.slow.complete), (None, 36));
    assert_eq!(cut.slow.incomplete, BTreeMap::from([(IncompleteTrace::Cut, 5)]));

    assert_eq!(
        super::tests::made(two_causes().split_off(3_900)).told().unknown,
        Some(NotAttributed::TooFewRequests)
    );
    assert_eq!(super::tests::made(vec![]).told().unknown, Some(NotAttributed::TooFewRequests));
}

#[test]
fn unsampled_requests_tell_nothing() {
    let mut made = made(two_causes());
    let config_free = OperationRecord::empty(5, 3, false);
    made.record.exemplars = config_free.exemplars;
    assert_eq!(made.told().unknown, Some(NotAttributed::NotSampled));
}

#[test]
fn where_p99_is_unanswered_the_slowest_tenth_of_the_succeeded_is_slow() {
    let requests = two_causes()
        .into_iter()
        .enumerate()
        .map(|(i, (at, parts, outcome))| (at, parts, if i % 20 == 3 { Outcome::TimedOut } else { outcome }));
    let told = made(requests.collect()).told();
    assert_eq!(
        (told.slow.range.as_str(), told.typical.range.as_str()),
        ("p90 of the succeeded", "p25 to p75")
    );
    assert!((381..=400).contains(&told.slow.requests), "{}", told.slow.requests);
}

#[test]
fn a_late_generator_is_told_with_what_made_it_late() {
    let requests = two_causes().into_iter().map(|(at, mut parts, outcome)| {
        if parts.iter().sum::<u64>() > 100_000 {
            parts = [150_000, 200, 300, 1, 1_000, 0];
        }
        (at, parts, outcome)
    });
    let made = made(requests.collect());
    let mut report = RunReport::new(Run {
        id: "1".into(),
        name: "search".into(),
        command: String::new(),
        version: String::new(),
        started: String::new(),
        started_unix_us: 0,
        measured_s: 1.0,
        load_model: LoadKind::Open,
        state: State::Complete,
    });
    let finding = |code: &str| Finding {
        code: code.into(),
        severity: Severity::Warning,
        message: String::new(),
        cause: String::new(),
        remedy: String::new(),
    };
    let spans = |trace| made.spans.get(&trace).cloned();
    let source = made.source(Slow::Quantile(0.99), &spans);
    report.attribute("search", &source);
    assert_eq!(report.attribution["search"].lateness, None);
    report.verdict.findings = vec![finding("busy_machine"), finding("stolen_time")];
    report.attribute("search", &source);
    let told = &report.attribution["search"];
    // All 41 took as long, and 32 of a range are kept.
    assert_eq!((told.causes.len(), told.slow.requests), (1, 41));
    assert_eq!(told.causes[0].row, RowKind::Lag);
    assert!(
        told.sentence.starts_with("100% of 41 slow requests (p99, from 15")
            && told.sentence.contains(" are slow by the generator's own lateness, by 32 traces; they take ")
            && told.sentence.ends_with("; why the generator was late: stolen time: the host of this virtual machine was busy with others"),
        "{}",
        told.sentence
    );
}
