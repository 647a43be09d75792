//! How late requests leave, beside a bare timerfd loop that does nothing else, at the same rate, turn by turn.

use std::time::Duration;

use milvus_load::calibrate::probe::bare_loop;
use milvus_load::engine::BusyWait;
use milvus_load::measure::{Quantile, Timings, quantile};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Rate};

use super::Shape;
use super::engine::{Bench, open};
use super::ratio::Median;
use super::support::Failure;

const RATES: [u32; 3] = [1_000, 10_000, 20_000];
const SHAPE: Shape = Shape { connections: 4, in_flight: 0, turn: Duration::from_secs(2) };

pub fn run(server: &TruthServer, pairs: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE)?;
    let spinning = Bench { spin: BusyWait::EveryWait, ..Bench::new(server, SHAPE)? };
    println!("lateness of constant arrivals, us (sent - intended), {pairs} rounds of {:?}", SHAPE.turn);
    println!("  {:>8}  {:20}  {:>16}   p99, ratio to bare", "rate/s", "", "p50 / p99");
    for rate in RATES {
        let (mut bare, mut tool, mut spun) = (vec![], vec![], vec![]);
        for round in 0..=pairs {
            let turns = (
                of(&bare_loop(Rate::per_second(f64::from(rate))?, SHAPE.turn)?)?,
                engine(&bench, rate)?,
                engine(&spinning, rate)?,
            );
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
