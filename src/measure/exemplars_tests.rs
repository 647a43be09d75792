use super::*;
use crate::measure::Timings;
use proptest::prelude::*;

fn request(index: u64, response: u64, sampled: bool) -> Exemplar {
    let trace = TraceRef {
        trace_id: u128::from(splitmix64(index)) << 64 | u128::from(index),
        span_id: index,
        sampled,
    };
    let intended = Nanos::new(index * 1_000);
    Exemplar {
        intended,
        sent: Some(intended),
        done: intended + Nanos::new(response),
        end: End::Succeeded,
        trace,
        connection: 0,
    }
}

#[test]
fn buckets_are_eighths_of_octaves_and_never_run_over() {
    let bucket = |span| bucket_of(Nanos::new(span));
    assert_eq!(
        [0, 1, 1_023, 1_024, 1_151, 1_152, 2_047, 2_048, 2_303, 2_304].map(bucket),
        [0, 0, 0, 1, 1, 2, 8, 9, 9, 10]
    );
    assert_eq!(bucket(2_000_000) - bucket(1_000_000), 8);
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

/// What the histogram counts as one is of one bucket here, so its counts are those of whole buckets.
#[test]
fn no_bucket_of_the_histogram_lies_in_two() {
    let timings = Timings::<u64>::new();
    for octave in 10..41 {
        for part in 0..1_000u64 {
            let (low, high) = timings.bucket(Nanos::new((1 << octave) + ((part << octave) / 1_000)));
            assert_eq!(bucket_of(low), bucket_of(high), "{low} to {high}");
        }
    }
}

#[test]
fn the_slowest_sampled_are_kept_even_where_others_are_slower() {
    let mut slowest = Slowest::new(2);
    (0..100).for_each(|i| slowest.record(request(i, 1_000 + i, i % 10 == 0)));
    let responses = |kept: Vec<&Exemplar>| kept.iter().map(|e| e.response().get()).collect::<Vec<_>>();
    assert_eq!(responses(slowest.all().collect()), [1_099, 1_098]);
    assert_eq!(responses(slowest.sampled().collect()), [1_090, 1_080]);
}

#[test]
fn all_from_a_bound_on_are_told_only_where_none_is_missing() {
    let mut slowest = Slowest::new(3);
    (1..=10).for_each(|i| slowest.record(request(i, 1_000 * i, true)));
    let from = |bound| slowest.all_from(Nanos::new(bound)).map(|all| all.len());
    // Kept are 10,000, 9,000 and 8,000: of those from 8,000 on there could be more, as there are from 7,000 on.
    assert_eq!((from(9_000), from(8_000), from(7_000), from(11_000)), (Some(2), None, None, Some(0)));
}

#[test]
fn a_capacity_of_none_keeps_none() {
    let mut slowest = Slowest::new(0);
    slowest.record(request(1, 1, true));
    assert_eq!(slowest.all().count(), 0);
}

#[test]
fn every_request_of_a_bucket_is_equally_likely_to_be_kept() {
    // 64 requests of one bucket, 2,000 seeds: each is kept in 32/64 of the runs. Standard error 1.1 %: allow 5.
    let mut kept = [0u32; 64];
    for seed in 0..2_000 {
        let mut reservoir = Reservoir::new();
        for i in 0..64 {
            let exemplar = request(i, 1_000, true);
            reservoir.record(exemplar.priority(seed), exemplar);
        }
        reservoir.kept.ordered().for_each(|e| kept[e.trace.span_id as usize] += 1);
    }
    for (index, &times) in kept.iter().enumerate() {
        let share = f64::from(times) / 2_000.0;
        assert!((share - 0.5).abs() < 0.05, "request {index} was kept in {share} of the runs");
    }
}

#[test]
fn a_draw_follows_the_counts_and_not_the_buckets() {
    // 9,900 fast, 100 slow: both fill their reservoirs, yet a fair draw of one is fast in 99 of 100 runs.
    let slow_draws = (0..500).filter(|&seed| {
        let mut exemplars = Exemplars::new(seed);
        (0..9_900).for_each(|i| exemplars.record(request(i, 1_000, true)));
        (9_900..10_000).for_each(|i| exemplars.record(request(i, 1_000_000, true)));
        exemplars.draw(Nanos::ZERO..=Nanos::MAX, 1)[0].response() > Nanos::new(1_000)
    });
    let slow_draws = slow_draws.count();
    assert!(slow_draws <= 20, "{slow_draws} of 500 draws were slow; 5 are expected");
}

#[test]
fn a_draw_keeps_to_its_range_and_prefers_the_sampled() {
    let mut exemplars = Exemplars::new(7);
    (0..1_000).for_each(|i| exemplars.record(request(i, 1_000 * (1 + i), i % 4 == 0)));
    let drawn = exemplars.draw(Nanos::new(500_000)..=Nanos::new(900_000), 10);
    assert_eq!(drawn.len(), 10);
    assert!(drawn.iter().all(|e| e.trace.sampled && (500_000..=900_000).contains(&e.response().get())));
    assert!(drawn.is_sorted_by_key(|e| Reverse(e.response())));
}

#[test]
fn stated_memory_covers_the_heaps() {
    assert!(Exemplars::memory_bytes() >= BUCKETS * 2 * RESERVOIR * size_of::<Keyed>());
    assert!(Exemplars::memory_bytes() < 5 << 19, "2.5 MiB: {}", Exemplars::memory_bytes());
}

proptest! {
    #[test]
    fn merging_keeps_exactly_what_one_recorder_would_have_kept(
        responses in prop::collection::vec((1u64..100_000, any::<bool>(), any::<bool>()), 0..400)
    ) {
        let (mut one, mut left, mut right) = (Exemplars::new(1), Exemplars::new(1), Exemplars::new(1));
        let (mut slow_one, mut slow_left, mut slow_right) = (Slowest::new(5), Slowest::new(5), Slowest::new(5));
        for (i, &(response, sampled, to_left)) in responses.iter().enumerate() {
            let exemplar = request(i as u64, response, sampled);
            one.record(exemplar);
            slow_one.record(exemplar);
            if to_left { &mut left } else { &mut right }.record(exemplar);
            if to_left { &mut slow_left } else { &mut slow_right }.record(exemplar);
        }
        left.merge(&right);
        slow_left.merge(&slow_right);
        prop_assert!(slow_left.all().eq(slow_one.all()) && slow_left.sampled().eq(slow_one.sampled()));
        let everything = Nanos::ZERO..=Nanos::MAX;
        prop_assert_eq!(left.draw(everything.clone(), 1_000), one.draw(everything, 1_000));
    }
}
