//! Tests of arrivals against brute force: the rate added up step by step, and published moments of the Poisson process.

use proptest::prelude::*;

use super::*;
use crate::units::Rate;
use crate::workload::Stage;

fn schedule(arrival: Arrival, rate: f64, seconds: u64) -> Schedule {
    Schedule::new(42, 0, arrival, Rate::per_second(rate).unwrap(), Nanos::from_secs(seconds))
}

#[test]
fn constant_arrivals_are_computed_from_their_index() {
    let all: Vec<Due> = schedule(Arrival::Constant, 3.0, 1000).collect();
    assert_eq!(all.len(), 3000, "rate x time, the end left out");
    for due in &all {
        let exact = (u128::from(due.index) * 1_000_000_000 * 2 / 3).div_ceil(2) as u64;
        assert!(due.at.get().abs_diff(exact) <= 1, "{due:?}: rounding never adds up");
    }
}

/// Exp(1): mean 1, variance 1, neighbours uncorrelated. Bounds: 5 standard errors.
#[track_caller]
fn are_independent_and_exponential(gaps: &[f64]) {
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    assert!((mean - 1.0).abs() < 5.0 / n.sqrt(), "{mean}");
    let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n;
    // Var of the squared deviation of Exp(1) is 8.
    assert!((variance - 1.0).abs() < 5.0 * (8.0 / n).sqrt(), "{variance}");
    let covariance = gaps.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / n;
    assert!(covariance.abs() < 5.0 / n.sqrt(), "{covariance}");
}

/// Exponential gaps: mean 1/r, variance 1/r^2, neighbours uncorrelated. Bounds: 5 standard errors at n = 100,000.
#[test]
fn poisson_gaps_have_mean_variance_and_independence_of_the_exponential() {
    let all: Vec<f64> = schedule(Arrival::Poisson, 1000.0, 100).map(|d| d.at.as_secs_f64()).collect();
    let gaps: Vec<f64> = all.windows(2).map(|w| (w[1] - w[0]) * 1000.0).collect();
    let n = gaps.len() as f64;
    assert!((n - 100_000.0).abs() < 5.0 * 100_000f64.sqrt(), "{n}");
    are_independent_and_exponential(&gaps);
}

#[test]
fn the_same_seed_gives_the_same_arrivals_and_another_stream_others() {
    let one: Vec<Due> = schedule(Arrival::Poisson, 200.0, 5).collect();
    assert_eq!(one, schedule(Arrival::Poisson, 200.0, 5).collect::<Vec<_>>());
    let other = Schedule::new(42, 1, Arrival::Poisson, Rate::per_second(200.0).unwrap(), Nanos::from_secs(5));
    assert_ne!(one, other.collect::<Vec<_>>());
}

#[test]
fn the_end_itself_is_outside() {
    assert_eq!(
        schedule(Arrival::Constant, 1.0, 2).map(|d| d.at.get()).collect::<Vec<_>>(),
        [0, 1_000_000_000]
    );
    assert_eq!(schedule(Arrival::Constant, 1.0, 0).count(), 0);
}

#[test]
fn operations_are_chosen_in_proportion_to_their_weights() {
    let choice = Choice::new(42, 0, &[(3, 9.0), (5, 1.0)]);
    let n = 100_000;
    let rare = (0..n).filter(|&k| choice.of(k) == 5).count() as f64;
    // Binomial: 5 standard deviations.
    assert!((rare - 10_000.0).abs() < 5.0 * (100_000.0f64 * 0.1 * 0.9).sqrt(), "{rare}");
    assert!((0..n).all(|k| [3, 5].contains(&choice.of(k))));
    assert_eq!(Choice::new(1, 0, &[(2, 0.5)]).of(77), 2);
}

/// Stages of (rate at the start, rate at the end, milliseconds).
fn staged(warmup: u64, stages: &[(f64, f64, u64)]) -> Rates {
    let stage = |&(from, to, millis)| Stage::new(from, to, Nanos::from_millis(millis)).unwrap();
    Rates::Staged { warmup: Nanos::from_millis(warmup), stages: stages.iter().map(stage).collect() }
}

/// A warm-up, a step, ramps up, down to 0 and from 0, a pause, and a length that is no whole number of anything.
fn mixed() -> Rates {
    staged(
        1_000,
        &[
            (100.0, 100.0, 2_000),
            (100.0, 500.0, 3_000),
            (500.0, 0.0, 1_700),
            (0.0, 0.0, 900),
            (0.0, 333.3, 2_123),
            (20.0, 20.0, 1_000),
        ],
    )
}

/// When a stage begins and ends, from the start of the run, and its rate at both.
fn stages_of(rates: &Rates) -> Vec<(Nanos, Nanos, f64, f64)> {
    let Rates::Staged { warmup, stages } = rates else { panic!("staged") };
    let mut start = *warmup;
    let of = |stage: &Stage| {
        let begin = start;
        start = begin + stage.length();
        (begin, start, stage.start_rate(), stage.end_rate())
    };
    stages.iter().map(of).collect()
}

/// The integral of the rate from one moment of a stage to another, added up in a hundred thousand small steps.
fn brute_force(stage: (Nanos, Nanos, f64, f64), from: Nanos, to: Nanos) -> f64 {
    let (start, end, first, last) = stage;
    let steps = 100_000;
    let width = (to - from).as_secs_f64() / f64::from(steps);
    let rate = |step: u32| {
        let seconds = (from - start).as_secs_f64() + (f64::from(step) + 0.5) * width;
        first + (last - first) * seconds / (end - start).as_secs_f64()
    };
    (0..steps).map(|step| rate(step) * width).sum()
}

fn arrivals(arrival: Arrival, rates: &Rates) -> Vec<Due> {
    Schedule::new(42, 0, arrival, rates.clone(), Nanos::MAX).collect()
}

#[test]
fn constant_arrivals_of_a_stage_are_the_integral_of_its_rate() {
    let rates = mixed();
    let all = arrivals(Arrival::Constant, &rates);
    assert_eq!(
        all.iter().filter(|due| due.at < Nanos::from_secs(1)).count(),
        100,
        "at the first stage's rate"
    );
    let (mut due_before, mut counted) = (100.0, 100);
    for stage in stages_of(&rates) {
        let within = all.iter().filter(|due| (stage.0..stage.1).contains(&due.at)).count();
        let integral = brute_force(stage, stage.0, stage.1);
        due_before += integral;
        counted += within;
        // The k-th, from 0, is due when k requests are: so many by now, whatever the stages before rounded away.
        assert!((counted as f64 - due_before).abs() < 1.0, "{counted} of {due_before}");
        assert!((within as f64 - integral).abs() < 1.0 + 1e-6, "{within} of {integral} in {stage:?}");
    }
    assert_eq!(all.len(), counted, "none after the last stage");
}

#[test]
fn no_arrival_of_a_whole_number_per_stage_slips_into_the_next() {
    // 100, 450 and 150 by arithmetic: each stage begins with an arrival at its very first moment.
    let rates =
        staged(0, &[(100.0, 100.0, 1_000), (100.0, 200.0, 3_000), (100.0, 0.0, 3_000), (1.0, 1.0, 2_000)]);
    let all = arrivals(Arrival::Constant, &rates);
    let counts: Vec<_> = stages_of(&rates)
        .into_iter()
        .map(|(start, end, ..)| {
            let within: Vec<_> = all.iter().filter(|due| (start..end).contains(&due.at)).collect();
            assert_eq!(within[0].at, start);
            within.len()
        })
        .collect();
    assert_eq!(counts, [100, 450, 150, 2]);
}

#[test]
fn arrivals_of_a_ramp_are_where_the_rate_added_up_says() {
    let rates = mixed();
    let ramp = stages_of(&rates)[1];
    let all = arrivals(Arrival::Constant, &rates);
    // 300 are due before the ramp.
    for due in &all[300..1_200] {
        let requests = brute_force(ramp, ramp.0, due.at);
        assert!((requests - (due.index - 300) as f64).abs() < 1e-4, "{due:?}: {requests}");
    }
    assert!(all[1_200].at >= ramp.1 && all[1_199].at < ramp.1);
}

/// Counts of slices are Poisson with the integral as mean and variance, so their normalised squares sum to chi-square with
/// as many degrees of freedom as there are slices n: mean n, variance 2n. 5 standard deviations.
#[test]
fn poisson_arrivals_follow_a_ramp_slice_by_slice() {
    let rates = staged(0, &[(0.0, 4_000.0, 20_000), (4_000.0, 1_000.0, 20_000), (2_000.0, 0.0, 20_000)]);
    let all = arrivals(Arrival::Poisson, &rates);
    let (mut chi_square, mut slices) = (0.0, 0.0);
    for stage in stages_of(&rates) {
        for slice in 0..40 {
            let from = stage.0 + Nanos::from_millis(slice * 500);
            let to = from + Nanos::from_millis(500);
            let expected = brute_force(stage, from, to);
            let counted = all.iter().filter(|due| (from..to).contains(&due.at)).count() as f64;
            assert!(
                (counted - expected).abs() < 5.5 * expected.sqrt(),
                "{counted} of {expected} from {from}"
            );
            chi_square += (counted - expected).powi(2) / expected;
            slices += 1.0;
        }
    }
    assert!((chi_square - slices).abs() < 5.0 * f64::sqrt(2.0 * slices), "{chi_square} over {slices} slices");
}

/// The time-rescaling theorem: on the scale of the integrated rate, the gaps of such a process are Exp(1), independent.
#[test]
fn on_the_scale_of_the_integrated_rate_the_gaps_of_ramps_are_exponential() {
    let rates = staged(0, &[(0.0, 4_000.0, 20_000), (4_000.0, 1_000.0, 20_000), (2_000.0, 2_000.0, 10_000)]);
    let integral = |at: Nanos| {
        let t = at.as_secs_f64();
        match t {
            _ if t < 20.0 => 100.0 * t * t,
            _ if t < 40.0 => 40_000.0 + 4_000.0 * (t - 20.0) - 75.0 * (t - 20.0).powi(2),
            _ => 90_000.0 + 2_000.0 * (t - 40.0),
        }
    };
    let rescaled: Vec<f64> = arrivals(Arrival::Poisson, &rates).iter().map(|due| integral(due.at)).collect();
    let gaps: Vec<f64> = rescaled.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.len() >= 100_000, "{}", gaps.len());
    are_independent_and_exponential(&gaps);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rates: in order, each within the run, none twice in the index, and as many as are due.
    #[test]
    fn arrivals_are_in_order_and_as_many_as_are_due(
        stages in prop::collection::vec((0u32..2_000, 0u32..2_000, 1u64..3_000), 1..6),
        warmup in 0u64..1_000,
        poisson in any::<bool>(),
        early in 0u64..10_000,
    ) {
        let stages: Vec<_> = stages.into_iter().map(|(from, to, length)| (from.into(), to.into(), length)).collect();
        let rates = staged(warmup, &stages);
        let arrival = if poisson { Arrival::Poisson } else { Arrival::Constant };
        let all = arrivals(arrival, &rates);
        prop_assert!(all.windows(2).all(|w| w[0].at <= w[1].at));
        prop_assert!(all.iter().zip(0..).all(|(due, index)| due.index == index));
        let end = Nanos::from_millis(warmup + stages.iter().map(|stage| stage.2).sum::<u64>());
        prop_assert!(all.iter().all(|due| due.at < end));
        // By hand: the warm-up's rectangle and each stage's trapezium.
        let seconds = |millis: u64| millis as f64 / 1e3;
        let expected = stages[0].0 * seconds(warmup)
            + stages.iter().map(|(from, to, millis)| (from + to) / 2.0 * seconds(*millis)).sum::<f64>();
        let off = (all.len() as f64 - expected).abs();
        prop_assert!(off < if poisson { 1.0 + 6.0 * expected.sqrt() } else { 1.0 + 1e-6 }, "{} of {}", all.len(), expected);
        // Cut short, it is the same up to there.
        let cut = Nanos::from_millis(early);
        let before: Vec<Due> = Schedule::new(42, 0, arrival, rates, cut).collect();
        prop_assert!(before.iter().eq(all.iter().filter(|due| due.at < cut)));
    }
}
