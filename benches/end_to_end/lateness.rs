//! How late requests leave, beside a bare timerfd loop that does nothing else, at the same rate, turn by turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milvus_load::calibrate::probe::bare_loop;
use milvus_load::engine::BusyWait;
use milvus_load::measure::{Quantile, Timings, quantile};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Rate};

use super::Shape;
use super::engine::{Bench, open};
use super::progress::Progress;
use super::ratio::Median;
use super::support::Failure;

/// Arrivals per second.
pub const RATES: [u32; 3] = [1_000, 10_000, 20_000];
const SHAPE: Shape = Shape { connections: 4, in_flight: 0, turn: Duration::from_secs(2) };

/// A turn: p50 and p99 of the lateness in us.
type Turn = (f64, f64);

/// One table row per way to wait and rate, with so many cores kept busy meanwhile.
pub fn run(server: &TruthServer, pairs: usize, rates: &[u32], burners: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE)?;
    let short = Bench { spin: BusyWait::ShortWaits, ..Bench::new(server, SHAPE)? };
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
    for &rate in rates {
        let progress = Progress::begin("lateness", pairs, SHAPE.turn * 4);
        let (mut bare, mut spun) = (Arm::default(), Arm::default());
        let (mut short_spun, mut slept) = (Arm::default(), Arm::default());
        for round in 0..=pairs {
            progress.round(round);
            let floor = of(&bare_loop(Rate::per_second(f64::from(rate))?, SHAPE.turn)?)?;
            let turns = (engine(&spinning, rate)?, engine(&short, rate)?, engine(&bench, rate)?);
            if round > 0 {
                bare.add((floor, None));
                spun.add(turns.0);
                short_spun.add(turns.1);
                slept.add(turns.2);
            }
        }
        drop(progress);
        bare.print(rate, "bare timerfd", &bare);
        spun.print(rate, "milvus-load, every", &bare);
        short_spun.print(rate, "milvus-load, short", &bare);
        slept.print(rate, "milvus-load, sleep", &bare);
    }
    Ok(())
}

/// The turns of one way to wait.
#[derive(Default)]
struct Arm {
    lateness: Vec<Turn>,
    /// In us per request; empty for the bare loop, which sends none.
    cpu: Vec<f64>,
}

impl Arm {
    fn add(&mut self, (lateness, cpu): (Turn, Option<f64>)) {
        self.lateness.push(lateness);
        self.cpu.extend(cpu);
    }

    fn print(&self, rate: u32, name: &str, bare: &Self) {
        let median =
            |of: fn(&Turn) -> f64| Median::of(&self.lateness.iter().map(of).collect::<Vec<_>>()).middle;
        let shown = format!("{:.1} / {:.1}", median(|t| t.0), median(|t| t.1));
        let ratios: Vec<f64> = self.lateness.iter().zip(&bare.lateness).map(|(a, b)| a.1 / b.1).collect();
        let ratio = Median::of(&ratios).to_string();
        let cpu =
            if self.cpu.is_empty() { "-".into() } else { format!("{:.1}", Median::of(&self.cpu).middle) };
        println!("  {rate:>8}  {name:20}  {shown:>16}   {ratio:24}  {cpu:>14}");
    }
}

fn of(lateness: &Timings<u64>) -> Result<Turn, Failure> {
    let us = |q| quantile(lateness, lateness.count(), q).map(|at| at.get() as f64 / 1e3);
    match (us(Quantile::P50), us(Quantile::P99)) {
        (Ok(p50), Ok(p99)) => Ok((p50, p99)),
        _ => Err("too few arrivals for a p99".into()),
    }
}

fn engine(bench: &Bench, rate: u32) -> Result<(Turn, Option<f64>), Failure> {
    let finished = bench.run(open(f64::from(rate))?, Fraction::ZERO, None)?;
    let lateness = &finished.recorded.operations[0].lag;
    let cpu = finished.cpu.get() as f64 / 1e3 / lateness.count() as f64;
    Ok((of(lateness)?, Some(cpu)))
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
