//! One scenario: a server plays it, the engine measures it, bare round trips tell of the machine, and all three are
//! compared.

use crate::calibrate::probe::{Noise, RoundTrips};
use crate::calibrate::{Judging, Measured, Noises, Scenario, agreed, rows};
use crate::report::model::{CalibrationScenario, Dist, LateTimes, RowOutcome, UnknownReason};
use crate::truth::{Lateness, Script, TruthServer};
use crate::units::{Nanos, Rate};

use super::super::Failure;
use super::drive::{Driven, Driver, late};

/// Decides the delays.
pub(super) const SEED: u64 = 42;

/// Bare round trips go on beside the load all the while, because noise comes and goes within seconds; at its rate,
/// because a core that is called seldom wakes slowly, and a little over, so that they never fall into step with it.
/// 1,000 a second cost some 5 % of a core.
const PROBES_PER_REQUEST: f64 = 1.037;
/// How often a scenario is measured at most.
const TRIES: u32 = 3;

/// Measures `scenario`, again where a percentile was missed: noise strikes at random, a lie always.
///
/// # Errors
/// As [`try_once`].
pub(super) fn measure(
    scenario: &Scenario,
    played: &Script,
    driver: &mut Driver<'_>,
) -> Result<CalibrationScenario, Failure> {
    let Scenario { name, delays, rate, window, .. } = scenario;
    driver.say(name, &format!("{delays}, {rate} for {window}"));
    let mut told = try_once(scenario, played.clone(), driver)?;
    let mut rows = vec![std::mem::take(&mut told.rows)];
    for tries in 2..=TRIES {
        let missed = agreed(&rows).iter().filter(|row| row.outcome == RowOutcome::Miss).count();
        if missed == 0 {
            break;
        }
        driver.say(name, &format!("once more, to tell {missed} misses from noise"));
        let again = try_once(scenario, played.clone(), driver)?;
        told = CalibrationScenario { rows: Vec::new(), tries, ..again };
        rows.push(again.rows);
    }
    Ok(CalibrationScenario { rows: agreed(&rows), ..told })
}

/// Measures `scenario` on a server that plays `played`. The server is a thread of this process: so its clock is the
/// run's own, and its CPU time is kept apart from the workers', which read theirs thread by thread.
///
/// # Errors
/// Where the system gives no socket, timer or thread, or a signal came.
fn try_once(
    scenario: &Scenario,
    played: Script,
    driver: &Driver<'_>,
) -> Result<CalibrationScenario, Failure> {
    let server = TruthServer::start(played)?;
    let probe = RoundTrips::start(Rate::per_second(scenario.rate.get() * PROBES_PER_REQUEST)?)?;
    let started = probe.anchor();
    let driven = driver.drive(&server.uri(), &scenario.workload())?;
    let noise = probe.stop()?;

    let clock = driven.clock;
    let of_window = |trip: &Noise| {
        let due = clock.at(started + trip.due.as_duration());
        due >= scenario.warmup && due < scenario.warmup + scenario.window
    };
    let noise: Vec<Nanos> = noise.iter().filter(|trip| of_window(trip)).map(|trip| trip.by).collect();
    let truths = scenario.truths(&scenario.script(SEED), clock.anchor(), server.anchor());
    let judging = Judging { truths: &truths, noise: Noises(&noise), p999: scenario.judges_p999() };
    let server_late = server.stop().lateness;
    described(scenario, &driven, &judging, server_late)
}

fn described(
    scenario: &Scenario,
    driven: &Driven,
    judging: &Judging<'_>,
    server_late: Lateness,
) -> Result<CalibrationScenario, Failure> {
    let search = driven.search()?;
    Ok(CalibrationScenario {
        name: scenario.name.to_owned(),
        delays: scenario.delays.to_owned(),
        rate_per_s: scenario.rate.get(),
        window_s: scenario.window.as_secs_f64(),
        planned: scenario.planned(),
        succeeded: search.succeeded,
        tries: 1,
        base_us: judging.noise.base().unwrap_or_default().as_micros_f64(),
        server_late: lateness(server_late),
        lag: late(&search.lag),
        rows: rows(*judging, measured(&search.response)),
    })
}

fn lateness(of: Lateness) -> LateTimes {
    let known = |time: Nanos| (of.count > 0).then(|| time.as_micros_f64());
    LateTimes { p50_us: known(of.p50), p99_us: known(of.p99), max_us: known(of.max) }
}

/// What the report says of the percentiles that are compared.
fn measured(response: &Dist) -> [Measured; 6] {
    let of = |name: &str, micros: Option<f64>| {
        let reason = response.unknown.get(name).copied().unwrap_or(UnknownReason::TooFew);
        micros.map(|micros| Nanos::new((micros * 1e3).round() as u64)).ok_or(reason)
    };
    [
        of("p50_us", response.p50_us),
        of("p90_us", response.p90_us),
        of("p95_us", response.p95_us),
        of("p99_us", response.p99_us),
        of("p999_us", response.p999_us),
        of("max_us", response.max_us),
    ]
}
