//! How late requests leave, beside a bare timerfd loop that does nothing else, at the same rate, turn by turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milvus_load::calibrate::probe::bare_loop;
use milvus_load::engine::BusyWait;
use milvus_load::measure::{Quantile, Timings, cpu_of_this_thread, quantile};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Nanos, Rate};

use super::Shape;
use super::engine::{Bench, open};
use super::ratio::Median;
use super::support::Failure;

const RATES: [u32; 3] = [1_000, 10_000, 20_000];
const SHAPE: Shape = Shape { connections: 4, in_flight: 0, turn: Duration::from_secs(2) };

/// A turn: p50 and p99 of the lateness in us, CPU in us per request.
type Turn = (f64, f64, f64);

pub fn run(server: &TruthServer, pairs: usize, burners: usize) -> Result<(), Failure> {
    let bench = Bench { spin: BusyWait::Never, ..Bench::new(server, SHAPE)? };
    let spinning = Bench { spin: BusyWait::EveryWait, ..Bench::new(server, SHAPE)? };
    let _burning = Burners::start(burners);
    println!(
        "lateness of constant arrivals, us (sent - intended), {pairs} rounds of {:?}, {burners} cores burning",
        SHAPE.turn
    );
    println!(
        "  {:>8}  {:20}  {:>16}   {:24}  CPU us/request",
        "rate/s", "", "p50 / p99", "p99, ratio to bare"
    );
    for rate in RATES {
        let (mut bare, mut sleeping, mut spun) = (vec![], vec![], vec![]);
        for round in 0..=pairs {
            let turns = (self::bare(rate)?, engine(&bench, rate)?, engine(&spinning, rate)?);
            if round > 0 {
                bare.push(turns.0);
                sleeping.push(turns.1);
                spun.push(turns.2);
            }
        }
        for (name, arm) in
            [("bare timerfd", &bare), ("milvus-load, spin", &spun), ("milvus-load, sleep", &sleeping)]
        {
            let median = |of: fn(&Turn) -> f64| Median::of(&arm.iter().map(of).collect::<Vec<_>>()).middle;
            let ratios: Vec<f64> = arm.iter().zip(&bare).map(|(arm, bare)| arm.1 / bare.1).collect();
            let shown = format!("{:.1} / {:.1}", median(|t| t.0), median(|t| t.1));
            let (ratio, cpu) = (Median::of(&ratios).to_string(), median(|t| t.2));
            println!("  {rate:>8}  {name:20}  {shown:>16}   {ratio:24}  {cpu:.1}");
        }
    }
    Ok(())
}

fn bare(rate: u32) -> Result<Turn, Failure> {
    let before = cpu_of_this_thread();
    let lateness = bare_loop(Rate::per_second(f64::from(rate))?, SHAPE.turn)?;
    turn(&lateness, cpu_of_this_thread() - before)
}

fn engine(bench: &Bench, rate: u32) -> Result<Turn, Failure> {
    let finished = bench.run(open(f64::from(rate))?, Fraction::ZERO, None)?;
    turn(&finished.recorded.operations[0].lag, finished.cpu)
}

fn turn(lateness: &Timings<u64>, cpu: Nanos) -> Result<Turn, Failure> {
    let us = |q| quantile(lateness, lateness.count(), q).map(|at| at.get() as f64 / 1e3);
    match (us(Quantile::P50), us(Quantile::P99)) {
        (Ok(p50), Ok(p99)) => Ok((p50, p99, cpu.get() as f64 / 1e3 / lateness.count() as f64)),
        _ => Err("too few arrivals for a p99".into()),
    }
}

/// Threads that use a core each, until dropped.
struct Burners(Arc<AtomicBool>);

impl Burners {
    fn start(count: usize) -> Self {
        let burners = Self(Arc::new(AtomicBool::new(true)));
        for _ in 0..count {
            let is_on = Arc::clone(&burners.0);
            std::thread::spawn(move || while is_on.load(Ordering::Relaxed) {});
        }
        burners
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
