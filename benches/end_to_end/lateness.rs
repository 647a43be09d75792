//! How late requests leave, beside a bare timerfd loop that does nothing else, at the same rate, turn by turn.

use std::os::fd::AsFd;
use std::time::Duration;

use milvus_load::engine::BusyWait;
use milvus_load::measure::{Quantile, Timings, quantile};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Nanos};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use super::Shape;
use super::engine::{Bench, open};
use super::ratio::Median;
use super::support::Failure;

const RATES: [u32; 3] = [1_000, 10_000, 20_000];
const SHAPE: Shape = Shape { connections: 4, in_flight: 0, turn: Duration::from_secs(2) };

pub fn run(server: &TruthServer, pairs: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE);
    let spinning = Bench { spin: BusyWait::EveryWait, ..Bench::new(server, SHAPE) };
    println!("lateness of constant arrivals, us (sent - intended), {pairs} rounds of {:?}", SHAPE.turn);
    println!("  {:>8}  {:20}  {:>16}   p99, ratio to bare", "rate/s", "", "p50 / p99");
    for rate in RATES {
        let (mut bare, mut tool, mut spun) = (vec![], vec![], vec![]);
        for round in 0..=pairs {
            let turns = (bare_loop(rate)?, engine(&bench, rate)?, engine(&spinning, rate)?);
            if round > 0 {
                bare.push(turns.0);
                tool.push(turns.1);
                spun.push(turns.2);
            }
        }
        for (name, arm) in [("bare timerfd", &bare), ("milvus-load", &tool), ("milvus-load, spin", &spun)] {
            let median =
                |of: fn(&(f64, f64)) -> f64| Median::of(&arm.iter().map(of).collect::<Vec<_>>()).middle;
            let ratios: Vec<f64> = arm.iter().zip(&bare).map(|(arm, bare)| arm.1 / bare.1).collect();
            let shown = format!("{:.1} / {:.1}", median(|t| t.0), median(|t| t.1));
            println!("  {rate:>8}  {name:20}  {shown:>16}   {}", Median::of(&ratios));
        }
    }
    Ok(())
}

/// p50 and p99 in us.
fn of(lateness: &Timings<u64>) -> Result<(f64, f64), Failure> {
    let us = |q| quantile(lateness, lateness.count(), q).map(|at| at.get() as f64 / 1e3);
    match (us(Quantile::P50), us(Quantile::P99)) {
        (Ok(p50), Ok(p99)) => Ok((p50, p99)),
        _ => Err("too few arrivals for a p99".into()),
    }
}

fn engine(bench: &Bench, rate: u32) -> Result<(f64, f64), Failure> {
    let finished = bench.run(open(f64::from(rate))?, Fraction::ZERO, None)?;
    of(&finished.recorded.operations[0].lag)
}

/// Sleeps to absolute deadlines and notes by how much it missed them; on a thread of its own, as a worker is.
fn bare_loop(rate: u32) -> Result<(f64, f64), Failure> {
    let lateness = std::thread::spawn(move || -> std::io::Result<Timings<u64>> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let mut lateness = Timings::new();
        let start = now() + 20_000_000;
        let count = SHAPE.turn.as_nanos() as u64 * u64::from(rate) / 1_000_000_000;
        for index in 0..count {
            let due = start + index * 1_000_000_000 / u64::from(rate);
            if now() < due {
                let at = Timespec { tv_sec: (due / 1_000_000_000) as _, tv_nsec: (due % 1_000_000_000) as _ };
                let once = Itimerspec { it_interval: Timespec::default(), it_value: at };
                timerfd_settime(timer.as_fd(), TimerfdTimerFlags::ABSTIME, &once)?;
                rustix::io::read(timer.as_fd(), &mut [0; 8])?;
            }
            lateness.record(Nanos::new(now().saturating_sub(due)));
        }
        Ok(lateness)
    });
    of(&lateness.join().map_err(|_| "the bare loop has panicked")??)
}

/// CLOCK_MONOTONIC in nanoseconds.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
