//! Any partition of samples over shards and workers, written, read and merged in any order, equals one recorder; and whatever
//! bytes are read, they give a record or an error that names their line.

use std::io::BufReader;

use proptest::prelude::*;

use super::*;
use crate::measure::{
    Counters, HandOver, Interval, OperationRecord, Outcome, Recorder, RecorderConfig, Sample,
};
use crate::random::splitmix64;
use crate::trace::TraceRef;
use crate::units::Nanos;

/// Connections of each shard.
const CONNECTIONS: [u16; 3] = [2, 1, 3];

fn config(connections: u16) -> RecorderConfig {
    RecorderConfig {
        operations: 2,
        connections,
        window_start: Nanos::from_secs(2),
        window: Nanos::from_secs(12),
        stages: [0, 3_000, 7_500].map(Nanos::from_millis).to_vec(),
        slots: None,
        by_sampled: true,
        longest: Nanos::from_secs(1),
        slowest: 5,
        seed: 9,
    }
}

fn header(index: usize) -> Header {
    Header {
        schema: SCHEMA.to_owned(),
        run_id: "r".to_owned(),
        version: "1".to_owned(),
        workload_hash: "w".to_owned(),
        shard: Some(Shard { index: index as u32, of: CONNECTIONS.len() as u32 }),
        start_at_unix_ns: Some(1_700_000_000_000_000_000),
        first_free_row: 1_000,
        boot_id: None,
        shape: Shape::of(&Recorder::new(config(0)).finish()),
    }
}

/// A sample, the shard and the worker that it falls to.
type Placed = (Sample, usize, usize);

fn placed() -> impl Strategy<Value = Placed> {
    let outcome = prop_oneof![
        6 => (0u32..11).prop_map(|hits| Outcome::Succeeded { hits }),
        1 => (0u8..5, -2i32..3).prop_map(|(grpc, milvus)| Outcome::Failed { grpc, milvus, message: format!("{grpc} {milvus}").into() }),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::NotSent),
    ];
    let parts = (0usize..2, 1_000u64..16_000, 0u64..4_000, 1u64..4_000_000, outcome, any::<u64>());
    (parts, 0..CONNECTIONS.len(), 0usize..3).prop_map(|(parts, shard, worker)| {
        let (operation, due, lag, service, outcome, id) = parts;
        let intended = Nanos::new(due * 1_000_000 + id % 1_000);
        let unsent = outcome == Outcome::NotSent || (outcome == Outcome::TimedOut && id % 3 == 0);
        let sent = (!unsent).then(|| intended + Nanos::new(lag * 1_000));
        let sample = Sample {
            operation,
            intended,
            sent,
            done: intended + Nanos::new(lag * 1_000 + service * 1_000),
            outcome,
            trace: TraceRef {
                trace_id: u128::from(splitmix64(id)) << 64 | 1,
                span_id: splitmix64(!id) | 1,
                sampled: id % 2 == 0,
            },
            connection: (id % u64::from(CONNECTIONS[shard])) as u16,
            hits_expected: (id % 7 > 0).then_some(10),
        };
        (sample, shard, worker)
    })
}

/// What one recorder of everything holds, connections numbered through.
fn one(samples: &[Placed]) -> Recorded {
    let mut recorder = Recorder::new(config(CONNECTIONS.iter().sum()));
    for (sample, shard, _) in samples {
        let before: u16 = CONNECTIONS[..*shard].iter().sum();
        recorder.record(&Sample { connection: before + sample.connection, ..sample.clone() });
    }
    recorder.finish()
}

/// What the workers of a shard recorded, merged.
fn of_shard(samples: &[Placed], shard: usize) -> Recorded {
    let of_worker = |worker: usize| {
        let mut recorder = Recorder::new(config(CONNECTIONS[shard]));
        let its = samples.iter().filter(|(_, s, w)| (*s, *w) == (shard, worker));
        its.for_each(|(sample, _, _)| recorder.record(sample));
        recorder.finish()
    };
    let mut merged = of_worker(0);
    (1..3).for_each(|worker| merged.merge(&of_worker(worker)).unwrap());
    merged
}

fn written(header: &Header, recorded: &Recorded) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(header, &"context", recorded, &mut bytes).unwrap();
    bytes
}

fn stored(bytes: &[u8]) -> (Header, Recorded) {
    // Through a buffer that no line fits.
    let (header, context, recorded) = read::<String>(BufReader::with_capacity(64, bytes)).unwrap();
    assert_eq!(context, "context");
    (header, recorded)
}

#[track_caller]
fn assert_same(a: &Recorded, b: &Recorded) {
    assert_eq!(
        (a.window_start, a.window, &a.stages, a.stray),
        (b.window_start, b.window, &b.stages, b.stray)
    );
    assert_eq!(a.operations.len(), b.operations.len());
    a.operations.iter().zip(&b.operations).for_each(|(a, b)| assert_same_operation(a, b));
    assert_eq!(a.connections.len(), b.connections.len());
    for (a, b) in a.connections.iter().zip(&b.connections) {
        assert_eq!(a.requests, b.requests);
        assert!(a.response == b.response);
    }
}

#[track_caller]
fn assert_same_operation(a: &OperationRecord, b: &OperationRecord) {
    assert_eq!((a.warmup, a.counters, a.after), (b.warmup, b.counters, b.after));
    assert!(a.response == b.response && a.service == b.service && a.lag == b.lag);
    assert!(a.failure_response == b.failure_response && a.failure_service == b.failure_service);
    assert!(a.timeouts == b.timeouts && a.unsent == b.unsent && a.sampled == b.sampled);
    assert_eq!((a.hits, a.waited, a.refused_for_server), (b.hits, b.waited, b.refused_for_server));
    assert_eq!((a.errors.kinds(), a.errors.other()), (b.errors.kinds(), b.errors.other()));
    let without_bounds = |parts: &[Interval]| -> Vec<Interval> {
        parts.iter().map(|part| Interval { in_flight_max: 0, ..part.clone() }).collect()
    };
    assert_eq!(without_bounds(&a.intervals), without_bounds(&b.intervals));
    assert_eq!(without_bounds(&a.stages), without_bounds(&b.stages));
    assert!(a.slowest.all().eq(b.slowest.all()) && a.slowest.sampled().eq(b.slowest.sampled()));
    assert!(a.exemplars.reservoirs().eq(b.exemplars.reservoirs()));
    let (bound, any) = (Nanos::from_millis(2), Nanos::ZERO..=Nanos::MAX);
    assert_eq!(a.slow(bound, 10), b.slow(bound, 10));
    assert_eq!(a.exemplars.draw(any.clone(), 20), b.exemplars.draw(any, 20));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn shards_written_read_and_merged_in_any_order_equal_one_recorder(
        samples in prop::collection::vec(placed(), 0..250),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        let files: Vec<Vec<u8>> = (0..3).map(|shard| written(&header(shard), &of_shard(&samples, shard))).collect();
        let mut records: Vec<_> = order.into_iter().map(|shard| stored(&files[shard])).collect();
        let named: Vec<_> = records.iter().map(|(header, _)| Named { name: "x", header }).collect();
        prop_assert_eq!(missing(&named).unwrap(), Vec::<u32>::new());
        records.sort_by_key(|(header, _)| header.shard);
        let merged = records.into_iter().map(|(_, recorded)| recorded).reduce(|mut all, next| {
            all.append(next).unwrap();
            all
        });
        let merged = merged.unwrap();
        assert_same(&merged, &one(&samples));
        let total: Counters = merged.total();
        prop_assert!(total.offered() <= samples.len() as u64);
    }

    #[test]
    fn what_is_read_is_written_again_to_the_byte(samples in prop::collection::vec(placed(), 0..100)) {
        let bytes = written(&header(0), &of_shard(&samples, 0));
        let (header, recorded) = stored(&bytes);
        prop_assert_eq!(written(&header, &recorded), bytes);
    }

    #[test]
    fn a_record_with_other_bytes_in_it_is_read_or_refused(
        samples in prop::collection::vec(placed(), 0..20),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(&header(0), &of_shard(&samples, 0));
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok((_, _, recorded)) = read::<String>(bytes.as_slice()) {
            // Whatever was taken for a record can be worked with.
            let mut twice = recorded.clone();
            twice.append(recorded).unwrap();
            twice.operations.iter().for_each(|operation| drop(operation.slow(Nanos::ZERO, 3)));
        }
    }

    #[test]
    fn lines_of_any_numbers_are_read_or_refused(line in "[-a-z0-9\":,{}\\[\\]]{0,60}", at in 0usize..40) {
        let text = String::from_utf8(written(&header(0), &of_shard(&[], 0))).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let at = at % lines.len();
        lines[at] = &line;
        prop_assert!(read::<serde_json::Value>(lines.join("\n").as_bytes()).is_err() || at == 1);
    }
}

fn sample_file() -> String {
    String::from_utf8(written(&header(0), &of_shard(&[], 0))).unwrap()
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let error = read::<String>(text.as_bytes()).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn what_is_no_record_is_told_with_its_line() {
    let text = sample_file();
    let lines: Vec<&str> = text.lines().collect();
    refused("", &["cut off after line 0", "the header"]);
    refused("x\n", &["\"schema\" is missing"]);
    refused("{\"schema\": \"milvus-load/report/1\"}\n", &["milvus-load/report/1", SCHEMA]);
    refused(text.trim_end(), &["cut off", "the end"]);
    refused(&text.replace("\"window\"", "\"windoww\""), &["line 3 is damaged", "window"]);
    let without = |line: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != line);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    // Operation, its sampled, the two lists of slowest, then 12 intervals.
    refused(&without(2), &["line 3: expected operation 0", "\"sampled\""]);
    refused(&without(7), &["line 8: expected interval 1", "\"interval\""]);
    refused(&without(lines.len() - 2), &["expected connection 1", "\"end\""]);
    refused(&format!("{}\n", lines[..9].join("\n")), &["cut off after line 9"]);
    let other_end = text.replace(&format!("\"lines\":{}", lines.len() - 1), "\"lines\":5");
    refused(&other_end, &["5 lines came before"]);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let text = sample_file();
    refused(&text.replacen("\"succeeded\":0", "\"succeeded\":18446744073709551615", 1), &["line 3", "count"]);
    refused(&text.replacen("\"succeeded\":0", "\"succeeded\":-1", 1), &["line 3 is damaged"]);
    refused(&text.replacen("\"sum\":\"0\"", "\"sum\":\"7\"", 1), &["line 3", "no times"]);
    refused(&text.replacen("\"operations\":2", "\"operations\":2000", 1), &["line 1", "operations"]);
    refused(&text.replacen("\"index\":0,\"of\":3", "\"index\":3,\"of\":3", 1), &["line 1", "shard"]);
    refused(&text.replacen("[0,3000000000", "[3,3000000000", 1), &["line 1", "stages"]);
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b' ');
            self.0 += buffer.len() as u64;
            assert!(self.0 < 64 << 20, "it is read on and on");
            Ok(buffer.len())
        }
    }
    let error = read::<String>(BufReader::new(Endless(0))).unwrap_err();
    assert!(matches!(error, RecordError::TooLong { line: 1 }), "{error}");
}

fn shard(index: usize, change: impl FnOnce(&mut Header)) -> Header {
    let mut header = header(index);
    change(&mut header);
    header
}

#[test]
fn records_of_other_runs_are_refused_with_what_differs() {
    let of_both = |change: &dyn Fn(&mut Header)| {
        let (first, second) = (shard(0, |_| ()), shard(1, change));
        let named =
            [("reports/1", &second), ("reports/0", &first)].map(|(name, header)| Named { name, header });
        missing(&named).unwrap_err().to_string()
    };
    let told = |change: &dyn Fn(&mut Header)| {
        let error = of_both(change);
        assert!(error.contains("reports/0") && error.contains("reports/1"), "{error}");
        error
    };
    assert!(told(&|h| h.run_id = "other".into()).contains("another run ID"));
    assert!(told(&|h| h.version = "2".into()).contains("another version"));
    assert!(told(&|h| h.workload_hash = "v".into()).contains("another workload"));
    let of_four = told(&|h| h.shard = Some(Shard { index: 1, of: 4 }));
    assert!(of_four.contains("another number of shards than reports/0: 4, not 3"), "{of_four}");
    assert!(told(&|h| h.start_at_unix_ns = None).contains("another start than reports/0: none"));
    assert!(told(&|h| h.first_free_row = 7).contains("another first free row than reports/0: 7, not 1000"));
    assert!(told(&|h| h.shape.window_ns = 7).contains("another window"));
    assert!(told(&|h| h.shard = Some(Shard { index: 0, of: 3 })).contains("both shard 0"));
    let whole = of_both(&|h| h.shard = None);
    assert!(whole.contains("reports/1 is a whole run"), "{whole}");
    assert_eq!(missing(&[]).unwrap_err(), ShardError::None);
}

#[test]
fn missing_shards_are_named_and_a_whole_run_misses_none() {
    let of = |header: &Header| missing(&[Named { name: "x", header }]).unwrap();
    assert_eq!(of(&shard(1, |_| ())), [0, 2]);
    assert_eq!(of(&shard(0, |h| h.shard = None)), Vec::<u32>::new());
}

/// All that a worker hands over, at moments that come in between its samples, in order of their ends.
fn handed_over(samples: &[Placed], worker: usize) -> Vec<HandOver> {
    let mut recorder = Recorder::new(config(9));
    recorder.start_handing_over();
    let mut mine: Vec<&Sample> =
        samples.iter().filter(|(_, _, w)| *w == worker).map(|(sample, ..)| sample).collect();
    mine.sort_by_key(|sample| sample.done);
    let mut parts = Vec::new();
    for sample in mine {
        recorder.hand_over(sample.done, |part| parts.push(part));
        recorder.record(sample);
    }
    // The run goes on without requests.
    for second in 0..200 {
        recorder.hand_over(Nanos::from_secs(20 + second), |part| parts.push(part));
    }
    parts
}

fn journal(parts: &[(usize, HandOver)], workers: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(&header(0), &"context", (workers, 5), &mut bytes).unwrap();
    parts.iter().for_each(|(worker, part)| append(*worker, part, &mut bytes).unwrap());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn a_journal_of_all_intervals_tells_what_one_recorder_holds_of_them(samples in prop::collection::vec(placed(), 0..150)) {
        let parts: Vec<_> = (0..3)
            .flat_map(|worker| handed_over(&samples, worker).into_iter().map(move |part| (worker, part)))
            .collect();
        let bytes = journal(&parts, 3);
        let rebuilt = read_journal::<String>(bytes.as_slice()).unwrap();
        prop_assert_eq!(rebuilt.measured, Nanos::from_secs(12));
        let mut one = Recorder::new(config(9));
        samples.iter().for_each(|(sample, ..)| one.record(sample));
        for (a, b) in rebuilt.recorded.operations.iter().zip(&one.finish().operations) {
            assert_eq!((a.warmup, a.counters), (b.warmup, b.counters));
            assert!(a.response == b.response && a.service == b.service && a.lag == b.lag);
            assert_eq!((a.hits, &a.unsent), (b.hits, &b.unsent));
            assert_eq!((a.errors.kinds(), a.errors.other()), (b.errors.kinds(), b.errors.other()));
            assert_eq!(a.intervals.len(), b.intervals.len());
            for (a, b) in a.intervals.iter().zip(&b.intervals) {
                assert_eq!((a.counters, &a.timings), (b.counters, &b.timings));
            }
        }
    }

    #[test]
    fn a_journal_that_is_cut_off_anywhere_tells_of_the_intervals_that_all_workers_handed_over(
        samples in prop::collection::vec(placed(), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut parts: Vec<_> = (0..2)
            .flat_map(|worker| handed_over(&samples, worker).into_iter().map(move |part| (worker, part)))
            .collect();
        parts.sort_by_key(|(_, part)| part.index);
        let whole = journal(&parts, 2);
        let bytes = &whole[..cut.index(whole.len() + 1)];
        match read_journal::<String>(bytes) {
            Ok(rebuilt) => {
                let length = Nanos::from_secs(1).get();
                let complete = (rebuilt.measured.get() / length) as usize;
                for operation in &rebuilt.recorded.operations {
                    assert_eq!(operation.intervals.len(), 12);
                    let offered = operation.intervals.iter().map(|part| part.counters.offered());
                    assert_eq!(offered.sum::<u64>(), operation.counters.offered());
                    let rest = &operation.intervals[complete..];
                    assert!(rest.iter().all(|part| part.counters.offered() == 0));
                }
            }
            // Without its first two lines it is none.
            Err(error) => assert!(matches!(error, RecordError::CutOff { line: 0 | 1, .. }), "{error}"),
        }
    }
}

#[test]
fn a_damaged_line_within_a_journal_is_told_and_a_torn_last_one_is_passed_over() {
    let parts: Vec<_> = handed_over(&[], 0).into_iter().map(|part| (0, part)).collect();
    let text = String::from_utf8(journal(&parts, 1)).unwrap();
    let measured = |text: &str| read_journal::<String>(text.as_bytes()).map(|rebuilt| rebuilt.measured);
    assert_eq!(measured(&text).unwrap(), Nanos::from_secs(12));
    let torn = &text[..text.len() - 20];
    assert_eq!(measured(torn).unwrap(), Nanos::from_secs(11));
    let damaged = text.replacen("\"worker\"", "\"wworker\"", 1);
    let error = measured(&damaged).unwrap_err().to_string();
    assert!(error.contains("line 3 is damaged"), "{error}");
    let other = text.replacen("\"worker\":0", "\"worker\":7", 1);
    assert!(measured(&other).unwrap_err().to_string().contains("line 3"));
}
