//! What this machine and this generator can do, against a server on loopback that answers at once.

use std::time::Duration;

use crate::calibrate::probe::bare_loop;
use crate::calibrate::{DIM, Highest, Set, WORKLOAD, highest};
use crate::measure::Timings;
use crate::report::model::{Dist, MachineFigures, Pacing};
use crate::truth::{Existing, Script, TruthServer};
use crate::units::{Nanos, Rate};

use super::super::Failure;
use super::drive::{Driven, Driver, late};

/// Lag p99 of a rate that holds.
const HELD: f64 = 1_000.0;
/// The share of the schedule that may be missing where a rate holds.
const MISSING: f64 = 0.01;
/// The lowest and the highest rate that are tried.
const RATES: (f64, f64) = (2_000.0, 512_000.0);
/// So many requests tell a p99.
const ENOUGH: f64 = 1_100.0;

/// How long, and how much of it.
struct Extent {
    /// Window of each measurement.
    window: Nanos,
    /// Window of each try of the search for the highest rate.
    probe: Nanos,
    /// Rates at which pacing is looked at.
    pacing: &'static [f64],
    /// Steps of the search.
    steps: u32,
}

impl Extent {
    const fn of(set: Set) -> Self {
        match set {
            Set::Quick => Self {
                window: Nanos::from_millis(500),
                probe: Nanos::from_millis(400),
                pacing: &[1_000.0, 10_000.0],
                steps: 1,
            },
            Set::Full(_) => Self {
                window: Nanos::from_secs(2),
                probe: Nanos::from_secs(1),
                pacing: &[1_000.0, 10_000.0, 20_000.0],
                steps: 3,
            },
        }
    }
}

/// All of them.
///
/// # Errors
/// Where the system gives no socket, timer or thread, or a signal came.
pub(super) fn all(set: Set, driver: &mut Driver<'_>) -> Result<MachineFigures, Failure> {
    let extent = Extent::of(set);
    let existing = Some(Existing { dim: DIM, rows: 1_000 });
    let server = TruthServer::start(Script { existing, ..Script::default() })?;
    let null = Null { uri: server.uri(), driver };
    null.figures(&extent)
}

/// The shortest window that tells a p99 at a rate.
fn enough(rate: f64) -> Nanos {
    Nanos::new((ENOUGH / rate * 1e9) as u64)
}

/// The null server and who drives it.
struct Null<'a, 'b> {
    uri: String,
    driver: &'a mut Driver<'b>,
}

impl Null<'_, '_> {
    fn figures(self, extent: &Extent) -> Result<MachineFigures, Failure> {
        self.driver.say("null server", "smallest service time, pacing, CPU per request, highest rate");
        let alone = self.closed(1, 1, extent.window)?;
        let service = &alone.search()?.service;
        let pacing = extent.pacing.iter().map(|&rate| self.pacing(rate, extent.window));
        let pacing = pacing.collect::<Result<_, _>>()?;
        let worker_cpu_us_per_request = self.worker_cpu(extent.window)?;
        let held = highest(RATES.0, RATES.1, extent.steps, |rate| self.holds(rate, extent.probe))?;
        let (holds_per_s, holds_is_limit) = match held {
            Highest::None => (None, false),
            Highest::Found(rate) => (Some(rate.round()), false),
            Highest::Limit(rate) => (Some(rate.round()), true),
        };
        Ok(MachineFigures {
            service_min_us: service.min_us,
            service_p50_us: service.p50_us,
            pacing,
            holds_per_s,
            lowest_tried_per_s: RATES.0,
            holds_is_limit,
            worker_cpu_us_per_request,
        })
    }

    fn closed(&self, concurrency: u32, connections: u32, window: Nanos) -> Result<Driven, Failure> {
        let load = format!(
            "[load]\nconcurrency = {concurrency}\nconnections = {connections}\nwarmup = \"200ms\"\nduration = \"{}ns\"\n",
            window.get()
        );
        self.driver.drive(&self.uri, &format!("{WORKLOAD}{load}"))
    }

    fn open(&self, rate: f64, window: Nanos) -> Result<Driven, Failure> {
        let load = format!(
            "[load]\nrate = {rate}\narrival = \"constant\"\nmax_in_flight = 10000\nwarmup = \"200ms\"\ndrain = \"1s\"\n\
             duration = \"{}ns\"\n",
            window.get()
        );
        self.driver.drive(&self.uri, &format!("{WORKLOAD}{load}"))
    }

    /// The generator's lag between two halves of a bare loop, because the machine may change from one second to the
    /// next.
    fn pacing(&self, rate: f64, window: Nanos) -> Result<Pacing, Failure> {
        let window = window.max(enough(rate));
        let half = || {
            bare_loop(Rate::per_second(rate)?, Duration::from_nanos(window.get() / 2)).map_err(Failure::from)
        };
        let mut bare: Timings<u64> = half()?;
        let driven = self.open(rate, window)?;
        bare.merge(&half()?);
        let bare = late(&Dist::of(&bare, bare.count()));
        Ok(Pacing { rate_per_s: rate, lag: late(&driven.search()?.lag), bare })
    }

    /// CPU time that the worker threads used, warm-up included, for each request that they sent.
    fn worker_cpu(&self, window: Nanos) -> Result<Option<f64>, Failure> {
        let driven = self.closed(64, 4, window)?;
        let finished = &driven.record.load;
        let operations = &finished.recorded.operations;
        let sent: u64 = operations.iter().map(|o| o.lag.count() + o.warmup.offered()).sum();
        let known = sent > 0 && finished.cpu > Nanos::ZERO;
        Ok(known.then(|| finished.cpu.as_micros_f64() / sent as f64))
    }

    /// Whether a rate holds. One that does not is tried once more: noise strikes at random, a limit always.
    fn holds(&self, rate: f64, window: Nanos) -> Result<bool, Failure> {
        Ok(self.held(rate, window)? || self.held(rate, window)?)
    }

    fn held(&self, rate: f64, window: Nanos) -> Result<bool, Failure> {
        let window = window.max(enough(rate));
        let driven = self.open(rate, window)?;
        let search = driven.search()?;
        let planned = rate * window.as_secs_f64();
        let enough = search.succeeded as f64 >= planned * (1.0 - MISSING);
        Ok(enough && search.lag.p99_us.is_some_and(|lag| lag <= HELD))
    }
}
