//! What is shown of a run while it goes on, against what its recorders have in the end.

use milvus_load::engine::{Stop, StopReason};
use milvus_load::measure::{LastSeconds, Quantile, Shown, quantile};
use milvus_load::truth::{Delay, Effect, Limits, Rpc, Script, Stalls, When};
use milvus_load::units::Nanos;

use crate::support::*;

/// A bucket's 1/64, and the thousandth that the recorder's own may be off.
#[track_caller]
fn is_near(shown: Shown, truth: Nanos) {
    let Shown::Is(told) = shown else { panic!("{shown:?} is {truth}") };
    assert!(told.get().abs_diff(truth.get()) as f64 <= truth.get() as f64 * 0.017, "{told} is {truth}");
}

/// A server that answers two at a time and stands still in between: what waits for it is not yet sent, so that its service time says
/// nothing of it.
#[test]
fn the_times_shown_are_response_times_and_those_of_the_report() {
    let stalls = Stalls::new(ms(2_000), ms(700), ms(800)).unwrap();
    let limits = Limits { concurrent_streams: Some(2), ..Limits::default() };
    let server = start(Script { stalls: Some(stalls), limits, ..script(Delay::Constant(ms(1))) });
    let mut plan = plan(&server.uri(), constant(600.0));
    (plan.workers, plan.connections, plan.recorder.window) = (2, 2, Nanos::from_secs(3));
    let execution = set_going(plan, &Stop::default());
    let mut seconds = LastSeconds::default();
    assert!(seconds.take(Nanos::ZERO, || execution.counters().read(Nanos::ZERO)));
    let mut hanging = 0;
    wait_for("the end", || {
        let reading = execution.counters().read(execution.elapsed());
        hanging += usize::from(reading.oldest() > Some(ms(200)));
        execution.is_finished()
    });
    assert!(hanging > 0, "what hung was seen to hang");
    // The second reading of two: all that there was lies between them.
    let end = execution.elapsed().max(Nanos::from_secs(1));
    assert!(seconds.take(end, || execution.counters().read(end)));
    let (told, newest) = (seconds.times(0).unwrap(), seconds.newest().unwrap());
    assert_eq!((newest.oldest(), newest.operations[0].in_flight()), (None, 0));
    let (offered, succeeded) = (newest.operations[0].offered, newest.operations[0].succeeded);
    let run = execution.finish().unwrap();
    let record = &run.recorded.operations[0];
    assert_eq!((offered, succeeded), (record.counters.offered(), record.counters.succeeded));
    assert_eq!(offered, 1_800);
    let of = |timings, wanted| quantile(timings, offered, wanted).unwrap();
    for (shown, wanted) in [(told.p50, Quantile::P50), (told.p99, Quantile::P99)] {
        is_near(shown, of(&record.response, wanted));
    }
    is_near(told.max.unwrap(), record.response.moments().max().unwrap());
    let (response, service) = (of(&record.response, Quantile::P99), of(&record.service, Quantile::P99));
    assert!(response.get() > 2 * service.get(), "{response} and {service}: one could be taken for the other");
}

/// Every other answer never comes.
#[test]
fn requests_that_hang_do_not_make_the_others_look_good() {
    let server = start(script(Delay::Constant(ms(1))).fault(Rpc::Search, When::Every(2), Effect::Withhold));
    let mut plan = plan(&server.uri(), constant(200.0));
    (plan.recorder.window, plan.drain) = (Nanos::from_secs(600), ms(1));
    let stop = Stop::default();
    let execution = set_going(plan, &stop);
    let mut seconds = LastSeconds::default();
    wait_for("requests that hang", || {
        let now = execution.elapsed();
        seconds.take(now, || execution.counters().read(now));
        seconds.newest().is_some_and(|newest| newest.oldest() > Some(Nanos::from_secs(8)))
    });
    let told = seconds.times(0).unwrap();
    assert!(matches!(told.p99, Shown::Over(age) if age > Nanos::from_secs(1)), "{told:?}");
    stop.raise(StopReason::Interrupted);
    execution.finish().unwrap();
}
