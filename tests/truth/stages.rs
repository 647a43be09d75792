//! Stages: what is offered in each is the schedule's own law, whoever carries it out, and the parts are the whole.

use milvus_load::engine::Schedule;
use milvus_load::measure::{Interval, OperationRecord, Timings};
use milvus_load::truth::{Delay, Effect, Rpc, Script, When};
use milvus_load::units::Nanos;
use milvus_load::workload::{Arrival, LoadModel, Rates, Stage};

use crate::support::*;

/// After 200 ms of warm-up: 300 ms at 200/s, 700 ms up to 800/s, 250 ms of nothing, 350 ms down to 0.
fn rates() -> Rates {
    let stage = |from, to, millis| Stage::new(from, to, ms(millis)).unwrap();
    let stages = vec![
        stage(200.0, 200.0, 300),
        stage(200.0, 800.0, 700),
        stage(0.0, 0.0, 250),
        stage(800.0, 0.0, 350),
    ];
    Rates::Staged { warmup: ms(200), stages }
}

fn staged_plan(uri: &str, arrival: Arrival, rates: &Rates, window: Nanos) -> milvus_load::engine::Plan {
    let mut plan = plan(uri, LoadModel::Open { rate: rates.clone(), arrival });
    (plan.recorder.window_start, plan.recorder.window) = (ms(200), window);
    plan.recorder.stages = rates.starts();
    plan
}

/// The sum of the stages' response times, as one histogram.
fn responses(stages: &[Interval]) -> Timings<u64> {
    let mut sum = Timings::new();
    stages.iter().for_each(|stage| sum.merge_packed(&stage.timings.response));
    sum
}

fn offered(record: &OperationRecord) -> Vec<u64> {
    record.stages.iter().map(|stage| stage.counters.offered()).collect()
}

#[test]
fn each_stage_offers_what_the_schedule_says_for_any_number_of_workers() {
    for (arrival, workers) in [(Arrival::Constant, 1), (Arrival::Poisson, 1), (Arrival::Poisson, 3)] {
        let server = start(script(Delay::Constant(ms(2))));
        let mut plan = staged_plan(&server.uri(), arrival, &rates(), ms(1_600));
        (plan.workers, plan.connections) = (workers, 3);
        let due: Vec<_> =
            Schedule::new(plan.seed, 0, arrival, rates(), plan.end()).map(|due| due.at).collect();
        let run = execute(plan);
        let record = &run.recorded.operations[0];
        // Stages begin at 200, 500, 1,200 and 1,450 ms of the run.
        let law = [(200, 500), (500, 1_200), (1_200, 1_450), (1_450, 1_800)]
            .map(|(start, end)| due.iter().filter(|at| (ms(start)..ms(end)).contains(at)).count() as u64);
        assert_eq!(offered(record), law, "{arrival:?}, {workers} workers");
        assert_eq!(law[2], 0);
        if arrival == Arrival::Constant {
            // By hand: 200/s for 300 ms, 500/s on average for 700 ms, 400/s on average for 350 ms; 40 in the warm-up.
            assert_eq!((law, record.warmup.offered()), ([60, 350, 0, 140], 40));
        }
        assert!(responses(&record.stages) == record.response);
        let intended: Vec<_> = requests(&run).iter().map(|request| request.intended).collect();
        assert!(intended.iter().eq(due.iter().filter(|at| **at >= ms(200))), "at their own times");
        assert_eq!(server.stop().count(Rpc::Search), due.len() as u64);
    }
}

/// Nothing is ever answered: the first eight fill the bound, and all others are not sent, each in its own stage.
#[test]
fn the_bound_holds_through_a_ramp_and_what_is_beyond_it_counts_in_its_own_stage() {
    let server = start(script(Delay::None).fault(Rpc::Search, When::Always, Effect::Withhold));
    let stage = |from, to, millis| Stage::new(from, to, ms(millis)).unwrap();
    let stages = vec![stage(0.0, 200.0, 1_000), stage(200.0, 600.0, 500), stage(100.0, 0.0, 400)];
    let mut plan =
        staged_plan(&server.uri(), Arrival::Constant, &Rates::Staged { warmup: ms(200), stages }, ms(1_900));
    (plan.connections, plan.workers, plan.max_in_flight, plan.drain) = (3, 3, 8, Nanos::ZERO);
    let run = execute(plan);
    let record = &run.recorded.operations[0];
    let told: Vec<_> = record.stages.iter().map(|s| (s.counters.timed_out, s.counters.not_sent)).collect();
    // 100, 200 and 20 by the trapezia.
    assert_eq!(told, [(8, 92), (0, 200), (0, 20)]);
    assert_eq!(record.stages[0].in_flight_max, 8);
    // Up to 200/s in one second the k-th is due after sqrt(k / 100) s; the warm-up, at 0/s, has none.
    let sent: Vec<_> = requests(&run).iter().map(|request| request.intended).collect();
    for (k, at) in sent.iter().enumerate() {
        let due = 0.2 + (k as f64 / 100.0).sqrt();
        assert!((at.as_secs_f64() - due).abs() < 1e-8, "{k}: {at} for {due}");
    }
    assert_eq!((sent.len(), record.warmup.offered()), (8, 0));
    // What was sent last may have been given up before the server came to read it.
    assert!((1..=8).contains(&server.stop().count(Rpc::Search)));
}

#[test]
fn a_run_by_stages_reports_each_with_its_rate_and_adds_up() {
    let server = start(Script { log_requests: 0, ..script(Delay::Constant(ms(3))) });
    let workload = "[load]\nstages = [{ rate = 200, duration = \"500ms\" }, { ramp_to = 600, duration = \"1s\" }]\n\
                    arrival = \"constant\"\nwarmup = \"100ms\"\nworkers = 2\nconnections = 2\n\
                    [trace]\nenabled = false\n[[operations]]\nkind = \"search\"\nname = \"often\"\nweight = 3\n\
                    [[operations]]\nkind = \"search\"\nname = \"own\"\nstages = [{ rate = 0, duration = \"1s\" }, \
                    { rate = 40, duration = \"500ms\" }]";
    let report = run_binary(&server.uri(), workload).done();
    let told: Vec<_> = report.stages.iter().map(|stage| (stage.start_s, stage.length_s)).collect();
    assert_eq!(told, [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)], "wherever a stage of any stream begins");
    let of_load = |stage: usize| {
        let operations = &report.stages[stage].operations;
        operations["often"].numbers.offered + operations["search"].numbers.offered
    };
    // 200/s, then 200 to 400/s, then 400 to 600/s, for half a second each.
    assert_eq!([0, 1, 2].map(of_load), [100, 150, 250]);
    assert_eq!([0, 1, 2].map(|stage| report.stages[stage].operations["own"].numbers.offered), [0, 0, 20]);
    let rate = |stage: usize, operation: &str| {
        let rate = report.stages[stage].operations[operation].rate.expect("an open loop");
        (rate.from, rate.to)
    };
    assert_eq!((rate(1, "often"), rate(1, "search")), ((150.0, 300.0), (50.0, 100.0)), "3 to 1");
    assert_eq!((rate(0, "own"), rate(2, "own")), ((0.0, 0.0), (40.0, 40.0)));
    for (name, run) in &report.operations {
        let parts = || report.stages.iter().map(|stage| &stage.operations[name]);
        assert_eq!(parts().map(|part| part.numbers.offered).sum::<u64>(), run.offered, "{name}");
        let mut sum = Timings::new();
        parts().for_each(|part| sum.merge(&part.numbers.response.timings().unwrap()));
        assert!(sum == run.response.timings().unwrap(), "{name}");
        let per_second = parts().map(|part| part.offered_per_s.unwrap() * 0.5).sum::<f64>();
        assert!((per_second - run.offered as f64).abs() < 1e-6, "{name}");
    }
    // Nothing is missing but what left more than 100 ms after the end, which no request did that left less late than that.
    let in_time = report.operations.values().all(|operation| operation.lag.max_us <= Some(100_000.0));
    assert!(!in_time || !codes(&report).contains(&"shortfall"), "{:?}", codes(&report));
    assert_eq!(report.run.measured_s, 1.5);
    server.stop();
}
