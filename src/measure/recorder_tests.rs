//! Tests of recording and merging, against sums made by hand and against recording everything in one.

use proptest::prelude::*;

use super::*;
use crate::trace::TraceRef;
use crate::units::Nanos;

fn config() -> RecorderConfig {
    RecorderConfig {
        operations: 2,
        connections: 2,
        window_start: Nanos::from_secs(5),
        window: Nanos::from_secs(40),
        stages: [0, 1_000, 2_500, 4_000, 4_500, 30_000].map(Nanos::from_millis).to_vec(),
        slots: SlotGrid::new(Nanos::from_secs(5), Nanos::from_secs(2), 8),
        by_sampled: true,
        longest: Nanos::from_secs(1),
        slowest: 3,
        seed: 1,
    }
}

/// Due at `intended` ms, sent 1 ms later unless not sent, over `response` ms after it was due.
fn sample(operation: usize, intended: u64, response: u64, outcome: Outcome) -> Sample {
    let due = Nanos::from_millis(intended);
    let sent = (outcome != Outcome::NotSent).then_some(due + Nanos::from_millis(1));
    Sample {
        operation,
        intended: due,
        sent,
        done: due + Nanos::from_millis(response),
        outcome,
        trace: TraceRef {
            trace_id: u128::from(intended) << 32,
            span_id: intended,
            sampled: intended.is_multiple_of(2),
        },
        connection: (intended % 2) as u16,
        hits_expected: Some(10),
    }
}

fn failed() -> Outcome {
    Outcome::Failed { grpc: 14, milvus: 0, message: "connection refused".into() }
}

fn record(samples: &[Sample]) -> Recorded {
    let mut recorder = Recorder::new(config());
    samples.iter().for_each(|sample| recorder.record(sample));
    recorder.finish()
}

#[test]
fn every_request_is_counted_once_and_in_its_phase() {
    let ok = || Outcome::Succeeded { hits: 10 };
    let recorded = record(&[
        sample(0, 4_999, 5, ok()),
        sample(0, 5_000, 5, ok()),
        sample(0, 6_000, 7, failed()),
        sample(0, 7_000, 900, Outcome::TimedOut),
        sample(0, 8_000, 0, Outcome::NotSent),
        sample(0, 44_999, 5, Outcome::Succeeded { hits: 0 }),
        sample(0, 45_000, 5, ok()),
    ]);
    let search = &recorded.operations[0];
    assert_eq!((search.warmup.offered(), search.counters.offered(), search.after.offered()), (1, 5, 1));
    assert_eq!(search.counters, Counters { succeeded: 2, failed: 1, timed_out: 1, not_sent: 1 });
    assert_eq!(search.response.count(), 2);
    assert_eq!(search.lag.count(), 4, "of every sent request");
    assert_eq!(search.failure_response.moments().max(), Some(Nanos::from_millis(7)));
    assert_eq!(search.failure_service.moments().max(), Some(Nanos::from_millis(6)));
    assert_eq!(search.timeouts.moments().max(), Some(Nanos::from_millis(900)));
    assert_eq!(search.hits, Hits { expected: 20, returned: 10, empty: 1, short: 1, unknown: 0 });
    assert_eq!(search.slowest.all().map(|e| e.end).next(), Some(End::TimedOut));
    assert_eq!(recorded.connections.iter().map(|c| c.requests).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(recorded.operations[1].counters.offered(), 0);
}

/// At 4,999 ms and 45,000 ms are the neighbours of the window.
#[test]
fn waits_and_what_the_server_refuses_are_those_of_the_window_and_merge() {
    let with = |times: &[u64]| {
        let mut recorder = Recorder::new(config());
        for &intended in times {
            recorder.waited(1, Nanos::from_millis(intended), Nanos::new(7));
            recorder.refused_for_server(1, Nanos::from_millis(intended));
        }
        recorder.record(&Sample { sent: None, ..sample(1, 6_000, 900, Outcome::TimedOut) });
        recorder.record(&sample(1, 6_000, 0, Outcome::NotSent));
        recorder.finish()
    };
    let mut recorded = with(&[4_999, 5_000, 44_999, 45_000]);
    recorded.merge(&with(&[20_000])).unwrap();
    let insert = &recorded.operations[1];
    assert_eq!((insert.waited, insert.refused_for_server), (3 * 7, 3));
    assert_eq!((insert.unsent.count(), insert.unsent.sum()), (2, 2 * 900_000_000), "not those refused");
}

/// 3 are in flight when the window begins, 8 from 0.2 s on; then nothing happens until one of them is done 3.1 s in.
#[test]
fn what_is_in_flight_counts_in_every_interval_that_it_lasts_into() {
    let mut recorder = Recorder::new(config());
    for (millis, count) in [(4_500, 3), (5_200, 8), (8_100, 7), (60_000, 1)] {
        recorder.in_flight(0, Nanos::from_millis(millis), count);
    }
    recorder.in_flight(1, Nanos::from_millis(4_900), 2);
    let recorded = recorder.finish();
    let most = |operation: usize| -> Vec<u32> {
        recorded.operations[operation].intervals.iter().map(|interval| interval.in_flight_max).collect()
    };
    assert_eq!(most(0)[..4], [8; 4]);
    assert_eq!(most(0)[4..], [7; 36]);
    assert_eq!(most(1), [2; 40]);
}

#[test]
fn a_sample_belongs_to_the_interval_of_its_intended_start_however_late_it_comes() {
    // The second one makes 3 open intervals move on to 37..40; the third belongs to interval 0, long packed.
    let ok = || Outcome::Succeeded { hits: 1 };
    let mut recorder = Recorder::new(config());
    recorder.record(&sample(0, 5_100, 2, ok()));
    recorder.record(&sample(0, 44_100, 2, ok()));
    recorder.record(&sample(0, 5_200, 39_000, ok()));
    recorder.record(&sample(0, 5_300, 39_000, failed()));
    recorder.in_flight(0, Nanos::from_millis(5_200), 7);
    recorder.in_flight(0, Nanos::from_millis(5_300), 4);
    let recorded = recorder.finish();
    let intervals = &recorded.operations[0].intervals;
    assert_eq!(intervals.len(), 40);
    assert_eq!(intervals[0].counters, Counters { succeeded: 2, failed: 1, ..Counters::default() });
    assert_eq!(intervals[0].in_flight_max, 7);
    assert_eq!(intervals[0].timings.response.unpack().moments().max(), Some(Nanos::from_millis(39_000)));
    assert_eq!(intervals[0].timings.lag.count(), 3);
    assert_eq!(intervals[39].counters.succeeded, 1);
}

/// Stages begin at 0, 1, 2.5, 4, 4.5 and 30 s after the window's start at 5 s.
#[test]
fn a_sample_belongs_to_the_stage_of_its_intended_start() {
    let ok = || Outcome::Succeeded { hits: 1 };
    let recorded = record(&[
        sample(0, 4_999, 2, ok()),
        sample(0, 5_999, 5_000, ok()),
        sample(0, 6_000, 2, ok()),
        sample(0, 9_499, 2, failed()),
        sample(0, 9_500, 0, Outcome::NotSent),
        sample(0, 44_999, 2, ok()),
        // All the others are long packed.
        sample(0, 5_000, 39_000, ok()),
    ]);
    let told: Vec<_> =
        recorded.operations[0].stages.iter().map(|s| (s.counters.succeeded, s.counters.offered())).collect();
    assert_eq!(told, [(2, 2), (1, 1), (0, 0), (0, 1), (0, 1), (1, 1)]);
    let slowest = recorded.operations[0].stages[0].timings.response.unpack().moments().max();
    assert_eq!(slowest, Some(Nanos::from_millis(39_000)));
}

/// Slots of 5 s, each with a washout of 2 s; those of an even millisecond are sampled.
#[test]
fn a_sample_belongs_to_the_slot_of_its_intended_start_and_to_its_label() {
    let ok = || Outcome::Succeeded { hits: 1 };
    let recorded = record(&[
        sample(0, 4_998, 2, ok()),
        sample(0, 6_998, 5_000, ok()),
        sample(0, 6_999, 2, ok()),
        sample(0, 7_000, 5_000, ok()),
        sample(0, 9_999, 2, failed()),
        sample(0, 10_000, 0, Outcome::NotSent),
        sample(0, 44_998, 900, Outcome::TimedOut),
        // All the others are long packed.
        sample(0, 5_001, 39_000, ok()),
    ]);
    let slots = &recorded.operations[0].slots;
    assert_eq!(slots.len(), 8);
    let offered = |slot: &SlotRecord| slot.parts().map(|part| part.counters.offered());
    assert_eq!(offered(&slots[0]), [1, 2, 1, 1], "discarded sampled and not, kept sampled and not");
    assert_eq!(offered(&slots[1]), [1, 0, 0, 0], "the label of one never sent counts");
    assert_eq!(slots[1].discarded.sampled.counters.not_sent, 1);
    assert_eq!((offered(&slots[7]), slots[7].kept.sampled.counters.timed_out), ([0, 0, 1, 0], 1));
    let slowest = slots[0].discarded.unsampled.timings.response.unpack().moments().max();
    assert_eq!(slowest, Some(Nanos::from_millis(39_000)));
    assert!(slots[2..7].iter().all(|slot| slot == &SlotRecord::default()));
}

#[test]
fn the_sampled_are_counted_by_their_label_and_timed_where_they_succeeded() {
    let recorded = record(&[
        sample(0, 6_000, 5, Outcome::Succeeded { hits: 1 }),
        sample(0, 6_001, 7, Outcome::Succeeded { hits: 1 }),
        sample(0, 6_002, 9, failed()),
        sample(0, 6_004, 0, Outcome::NotSent),
        sample(0, 4_000, 5, Outcome::Succeeded { hits: 1 }),
    ]);
    let sampled = recorded.operations[0].sampled.as_ref().unwrap();
    assert_eq!(sampled.counters, Counters { succeeded: 1, failed: 1, not_sent: 1, ..Counters::default() });
    assert_eq!((sampled.sent, sampled.service.moments().max()), (2, Some(Nanos::from_millis(4))));
}

#[test]
fn a_record_whose_window_ended_early_is_that_of_the_shorter_window() {
    let samples: Vec<Sample> =
        (0..300).map(|index| sample(0, 4_900 + index * 50, 3_000, Outcome::Succeeded { hits: 1 })).collect();
    let within: Vec<Sample> =
        samples.iter().filter(|sample| sample.intended < Nanos::from_secs(15)).cloned().collect();
    let mut shortened = record(&within);
    shortened.shorten(Nanos::from_secs(10));
    let short = RecorderConfig {
        window: Nanos::from_secs(10),
        slots: SlotGrid::new(Nanos::from_secs(5), Nanos::from_secs(2), 2),
        stages: [0, 1_000, 2_500, 4_000, 4_500].map(Nanos::from_millis).to_vec(),
        ..config()
    };
    let mut recorder = Recorder::new(short);
    within.iter().for_each(|sample| recorder.record(sample));
    let expected = recorder.finish();
    assert_eq!((shortened.window, shortened.grid), (expected.window, expected.grid));
    assert_eq!((&shortened.stages, shortened.slots), (&expected.stages, expected.slots));
    shortened.operations.iter().zip(&expected.operations).for_each(|(a, b)| assert_same(a, b));
}

#[test]
fn nothing_is_recorded_per_slot_or_label_where_nobody_asks() {
    let plain = RecorderConfig { slots: None, by_sampled: false, ..config() };
    assert!(plain.memory_bytes() < config().memory_bytes());
    let mut recorder = Recorder::new(plain);
    recorder.record(&sample(0, 6_000, 2, Outcome::TimedOut));
    let recorded = recorder.finish();
    assert!(recorded.operations[0].slots.is_empty() && recorded.operations[0].sampled.is_none());
    assert!(record(&[]).merge(&recorded).is_err(), "it is another kind of record");
}

/// Never sent, so there is no trace to look at, though its ID was sampled.
#[test]
fn a_request_that_was_never_sent_is_not_taken_for_a_trace() {
    let unsent = Sample { sent: None, ..sample(0, 6_000, 900, failed()) };
    let recorded = record(&[unsent, sample(0, 6_002, 5, Outcome::Succeeded { hits: 1 })]);
    let search = &recorded.operations[0];
    assert_eq!(search.slowest.all().count(), 2);
    let traced: Vec<u64> = search.slowest.sampled().map(|kept| kept.trace.span_id).collect();
    assert_eq!(traced, [6_002]);
}

#[test]
fn a_window_of_one_stage_is_not_recorded_twice() {
    for stages in [vec![], vec![Nanos::ZERO]] {
        let mut recorder = Recorder::new(RecorderConfig { stages, ..config() });
        recorder.record(&sample(0, 6_000, 2, Outcome::TimedOut));
        assert!(recorder.finish().operations[0].stages.is_empty());
    }
}

#[test]
fn samples_of_an_unknown_operation_are_told_and_not_lost_in_silence() {
    assert_eq!(record(&[sample(9, 6_000, 1, Outcome::TimedOut)]).stray, 1);
}

#[test]
fn records_of_different_windows_cannot_be_merged() {
    let other = Recorder::new(RecorderConfig { window: Nanos::from_secs(41), ..config() }).finish();
    let error = record(&[]).merge(&other).unwrap_err().to_string();
    assert!(error.contains("40.0 s") && error.contains("41.0 s"), "{error}");
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => (0u32..11).prop_map(|hits| Outcome::Succeeded { hits }),
        1 => Just(failed()),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::NotSent),
    ]
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    // In no order at all: harder than any run.
    let one = (0usize..2, 0u64..50_000, 1u64..40_000, outcome());
    prop::collection::vec(
        one.prop_map(|(op, due, response, outcome)| sample(op, due, response, outcome)),
        0..120,
    )
}

#[track_caller]
fn assert_same(a: &OperationRecord, b: &OperationRecord) {
    assert_eq!((a.warmup, a.counters, a.after), (b.warmup, b.counters, b.after));
    assert!(a.response == b.response && a.service == b.service && a.lag == b.lag);
    assert!(a.failure_response == b.failure_response && a.failure_service == b.failure_service);
    assert!(a.timeouts == b.timeouts && a.errors == b.errors);
    assert_eq!((a.hits, &a.intervals, &a.stages), (b.hits, &b.intervals, &b.stages));
    assert!(a.slots == b.slots && a.sampled == b.sampled);
    assert!(a.slowest.all().eq(b.slowest.all()) && a.slowest.sampled().eq(b.slowest.sampled()));
}

#[track_caller]
fn sum_to_the_run(parts: &[Interval], run: &OperationRecord) {
    let mut counters = Counters::default();
    let mut sums = [Timings::new(), Timings::new(), Timings::new()];
    for part in parts {
        counters.merge(&part.counters);
        let PerClock { response, service, lag } = &part.timings;
        sums.iter_mut().zip([response, service, lag]).for_each(|(sum, packed)| sum.merge_packed(packed));
    }
    assert_eq!(counters, run.counters);
    assert!(sums == [run.response.clone(), run.service.clone(), run.lag.clone()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn merged_workers_equal_one_worker_that_did_it_all(samples in samples(), split in prop::collection::vec(any::<bool>(), 120)) {
        let (left, right): (Vec<_>, Vec<_>) = samples.iter().cloned().zip(split).partition(|(_, left)| *left);
        let strip = |half: Vec<(Sample, bool)>| half.into_iter().map(|(s, _)| s).collect::<Vec<_>>();
        let mut merged = record(&strip(left));
        merged.merge(&record(&strip(right))).unwrap();
        let one = record(&samples);
        merged.operations.iter().zip(&one.operations).for_each(|(a, b)| assert_same(a, b));
    }

    #[test]
    fn intervals_sum_to_the_run_exactly(samples in samples()) {
        for operation in &record(&samples).operations {
            assert_eq!(operation.intervals.len(), 40);
            sum_to_the_run(&operation.intervals, operation);
        }
    }

    #[test]
    fn slots_sum_to_the_run_exactly(samples in samples()) {
        for operation in &record(&samples).operations {
            assert_eq!(operation.slots.len(), 8);
            let part = |part: &SlotPart| Interval { counters: part.counters, in_flight_max: 0, timings: part.timings.clone() };
            let parts: Vec<Interval> = operation.slots.iter().flat_map(|slot| slot.parts().map(part)).collect();
            sum_to_the_run(&parts, operation);
            // And those of one label to what is recorded of the sampled.
            let sampled = operation.sampled.as_ref().unwrap();
            let (mut counters, mut service, mut sent) = (Counters::default(), Timings::new(), 0);
            for part in operation.slots.iter().flat_map(|slot| [&slot.discarded.sampled, &slot.kept.sampled]) {
                counters.merge(&part.counters);
                service.merge_packed(&part.timings.service);
                sent += part.timings.lag.count();
            }
            assert_eq!((counters, sent), (sampled.counters, sampled.sent));
            assert!(service == sampled.service);
        }
    }

    #[test]
    fn stages_sum_to_the_run_exactly(samples in samples()) {
        for operation in &record(&samples).operations {
            assert_eq!(operation.stages.len(), 6);
            sum_to_the_run(&operation.stages, operation);
        }
    }
}
