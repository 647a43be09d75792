use std::sync::Arc;

use proptest::prelude::*;

use super::super::buckets::ERROR;
use super::super::{Live, LiveWorkers};
use super::*;
use crate::measure::{Outcome, Sample};
use crate::trace::TraceRef;

/// Due at `intended`, over after `response`; sent much later than it was due, as under a backlog.
fn sample(intended: Nanos, response: Nanos, outcome: Outcome) -> Sample {
    let done = intended + response;
    Sample {
        operation: 0,
        intended,
        sent: Some(done - Nanos::new(response.get() / 10)),
        done,
        outcome,
        trace: TraceRef { trace_id: 1, span_id: 1, sampled: false },
        connection: 0,
        hits_expected: None,
    }
}

const OK: Outcome = Outcome::Succeeded { hits: 1 };

/// Carries requests out in the order of time over two workers, with a reading each second up to `end`.
fn watched(requests: &[Sample], end: Nanos) -> LastSeconds {
    enum Event<'a> {
        Due(Nanos),
        Done(&'a Sample),
    }
    let workers = [(), ()].map(|()| Arc::new(Live::new(1, Nanos::from_secs(20), true)));
    let all = LiveWorkers::new(workers.to_vec());
    let mut events: Vec<(Nanos, usize, Event<'_>)> = Vec::new();
    for (number, sample) in requests.iter().enumerate() {
        events.push((sample.intended, number, Event::Due(sample.intended)));
        events.push((sample.done, number, Event::Done(sample)));
    }
    // What is due comes before what is done at the same moment.
    events.sort_by_key(|(at, number, event)| (*at, *number, matches!(event, Event::Done(_))));
    let mut events = events.into_iter().peekable();
    let mut seconds = LastSeconds::default();
    let mut now = Nanos::ZERO;
    while now <= end {
        while let Some((_, number, event)) = events.next_if(|(at, ..)| *at <= now) {
            let worker = &workers[number % 2];
            match event {
                Event::Due(intended) => worker.due(0, intended),
                Event::Done(sample) => worker.done(sample),
            }
        }
        assert!(seconds.take(now, || all.read(now)));
        assert!(!seconds.take(now, || panic!("once a second")));
        now = now + Nanos::from_secs(1);
    }
    seconds
}

#[track_caller]
fn is_near(shown: Shown, truth: Nanos) {
    let Shown::Is(told) = shown else { panic!("{shown:?} is {truth}") };
    let off = told.get().abs_diff(truth.get()) as f64;
    assert!(off <= truth.get() as f64 * ERROR, "{told} is {truth}");
}

/// Of the response times of what ended in the five seconds before `end`, by sorting them.
fn truth(requests: &[Sample], end: Nanos, share: f64) -> Nanos {
    let begin = end - Nanos::from_secs(5);
    let mut times: Vec<u64> = requests
        .iter()
        .filter(|sample| sample.done > begin && sample.done <= end)
        .map(|sample| sample.response().get())
        .collect();
    times.sort_unstable();
    Nanos::new(times[(times.len() as f64 * share).ceil() as usize - 1])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    /// Times of three magnitudes, a request each millisecond for ten seconds; all of them over soon, so that hardly any is in
    /// flight for longer than p99.
    #[test]
    fn the_percentiles_shown_are_those_of_the_response_times_of_the_last_seconds(
        times in prop::collection::vec((0u32..10, 20_000u64..40_000), 10_000),
    ) {
        let requests: Vec<Sample> = (0u64..).zip(&times).map(|(number, (exponent, time))| {
            sample(Nanos::from_millis(number), Nanos::new(*time << exponent), OK)
        }).collect();
        let end = Nanos::from_secs(10);
        let seconds = watched(&requests, end);
        let told = seconds.times(0).unwrap();
        prop_assert_eq!(told.over, Nanos::from_secs(5));
        is_near(told.p50, truth(&requests, end, 0.5));
        is_near(told.p99, truth(&requests, end, 0.99));
        is_near(told.max.unwrap(), truth(&requests, end, 1.0));
        let latest = seconds.rates(0).unwrap();
        prop_assert!((latest.offered_per_s - 1_000.0).abs() <= 0.3, "{}", latest.offered_per_s);
    }
}

/// A hundred requests a second, 1 ms each, but for a server that stops at 10 s and answers all at 13 s.
fn stall(end: Nanos) -> Vec<Sample> {
    let [stop, go_on] = [10, 13].map(Nanos::from_secs);
    let all = (0u64..).map(|number| Nanos::from_millis(number * 10)).take_while(|due| *due <= end);
    let over = |due: Nanos| if due < stop || due >= go_on { due + Nanos::from_millis(1) } else { go_on };
    all.map(|due| sample(due, over(due) - due, OK)).collect()
}

#[test]
fn while_a_server_stands_still_what_waits_is_seen_to_be_slow() {
    let at = |end: u64| {
        let end = Nanos::from_secs(end);
        let seconds = watched(&stall(end), end);
        (seconds.times(0).unwrap(), seconds.newest().unwrap().oldest())
    };
    let (before, idle) = at(9);
    is_near(before.p50, Nanos::from_millis(1));
    assert_eq!((before.p99, idle), (Shown::Unknown(Unknown::TooFew), None), "of 900 only 9 are beyond");
    // Of some 1,200 that have ended or hang, the slowest hundredth is among the 200 that hang.
    let (stalled, oldest) = at(12);
    let Shown::Over(age) = stalled.p99 else { panic!("{stalled:?}") };
    let two = Nanos::from_secs(2);
    assert!(oldest.unwrap() > Nanos::from_millis(1_700) && oldest.unwrap() <= two, "{oldest:?}");
    assert!(age > Nanos::from_millis(1_500) && age <= two, "{age}");
    // Once they have ended they are told as they were: the 11th slowest of the last thousand waited for 2.9 s.
    let (after, none) = at(14);
    is_near(after.p99, Nanos::from_millis(2_900));
    assert_eq!(none, None);
}

/// Eight at once, each sent when the one before it has ended: 1 ms each, until the server stops at 20 s.
#[test]
fn while_a_closed_loop_stands_still_it_does_not_look_as_before() {
    let each_ms = (0..20_000u64).flat_map(|ms| (0..8).map(move |_| ms));
    let mut requests: Vec<Sample> =
        each_ms.map(|ms| sample(Nanos::from_millis(ms), Nanos::from_millis(1), OK)).collect();
    let hangs = (0..8).map(|_| sample(Nanos::from_secs(20), Nanos::from_secs(100), OK));
    requests.extend(hangs);
    let told = |end: u64| watched(&requests, Nanos::from_secs(end)).times(0).unwrap();
    is_near(told(19).p99, Nanos::from_millis(1));
    // Within the window some still ended, so fast as before; what hangs is the longest.
    assert!(matches!(told(23).max, Some(Shown::Over(age)) if age > Nanos::from_secs(2)), "{:?}", told(23));
    let still = told(30);
    for shown in [still.p50, still.p99] {
        assert!(matches!(shown, Shown::Over(age) if age > Nanos::from_secs(9)), "{still:?}");
    }
}

#[test]
fn the_window_is_as_long_as_p99_needs() {
    let at = |per_second: u64, end: u64| {
        let requests: Vec<Sample> = (0..per_second * end)
            .map(|number| sample(Nanos::new(number * 1_000_000_000 / per_second), Nanos::from_millis(2), OK))
            .collect();
        let told = watched(&requests, Nanos::from_secs(end)).times(0).unwrap();
        (told.over.get() / 1_000_000_000, told.p99)
    };
    for (per_second, end, over) in [(500, 40, 5), (100, 40, 10), (17, 80, 59)] {
        let told = at(per_second, end);
        assert_eq!(told.0, over, "{per_second}/s");
        is_near(told.1, Nanos::from_millis(2));
    }
    assert_eq!(at(10, 100), (60, Shown::Unknown(Unknown::TooFew)));
    assert_eq!(at(500, 3), (3, at(500, 3).1), "no more than there is");
}

#[test]
fn the_unsuccessful_are_infinitely_slow() {
    let end = Nanos::from_secs(8);
    let outcome = |number: u64| if number.is_multiple_of(50) { Outcome::TimedOut } else { OK };
    let requests: Vec<Sample> = (0..8_000)
        .map(|number| sample(Nanos::from_millis(number), Nanos::from_millis(3), outcome(number)))
        .collect();
    let seconds = watched(&requests, end);
    let told = seconds.times(0).unwrap();
    is_near(told.p50, Nanos::from_millis(3));
    assert_eq!(told.p99, Shown::Unknown(Unknown::Unanswered));
    assert_eq!(seconds.rates(0).unwrap().unsuccessful, 100);
    assert_eq!(seconds.by_second(0).last().unwrap().p99, Some(Shown::Unknown(Unknown::Unanswered)));
}

#[test]
fn seconds_are_told_one_by_one_for_a_minute() {
    // In second s there are s requests, each of s ms.
    let requests: Vec<Sample> = (0..70u64)
        .flat_map(|second| (0..second).map(move |number| (second, number)))
        .map(|(second, number)| {
            sample(
                Nanos::from_secs(second) + Nanos::from_millis(100 + number),
                Nanos::from_millis(second),
                OK,
            )
        })
        .collect();
    let cells = watched(&requests, Nanos::from_secs(70)).by_second(0);
    assert_eq!(cells.len(), MOST);
    for (cell, second) in cells.iter().zip(10u64..) {
        assert!((cell.succeeded_per_s - second as f64).abs() < 1e-9, "{cell:?} in {second}");
        is_near(cell.p99.unwrap(), Nanos::from_millis(second));
    }
}

#[test]
fn of_no_reading_or_one_nothing_is_told() {
    let mut seconds = LastSeconds::default();
    assert!(seconds.times(0).is_none() && seconds.rates(0).is_none() && seconds.by_second(0).is_empty());
    assert!(seconds.take(Nanos::ZERO, || LiveWorkers::default().read(Nanos::ZERO)));
    assert!(seconds.times(0).is_none() && seconds.rates(0).is_none());
    let one = watched(&[], Nanos::ZERO);
    assert!(one.times(0).is_none() && one.rates(0).is_none() && one.by_second(0).is_empty());
}
