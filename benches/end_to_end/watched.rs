//! What it costs the measuring thread to be watched: counting times for a live view, and having them read.

use milvus_load::measure::MachineTime;
use milvus_load::units::Nanos;
use milvus_load::workload::LoadModel;

use super::closed::{SHAPE, Turn};
use super::engine::Bench;
use super::progress::Progress;
use super::ratio::Median;
use super::support::Failure;

pub fn run(bench: &Bench, pairs: usize) -> Result<(), Failure> {
    println!(
        "watched: {} connections, {} in flight, a server that answers at once, {pairs} rounds",
        SHAPE.connections, SHAPE.in_flight
    );
    let progress = Progress::begin("watched", pairs, SHAPE.turn * 2);
    let (mut off, mut on) = (vec![], vec![]);
    let before = MachineTime::now();
    for round in 0..=pairs {
        progress.round(round);
        // Turn about, so that what drifts favours neither.
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        for watched in order {
            let turn = turn(bench, watched)?;
            // The first round warms up caches and the clock of the processor.
            if round > 0 {
                if watched { &mut on } else { &mut off }.push(turn);
            }
        }
    }
    drop(progress);
    let cpu = |arm: &[Turn]| Median::of(&arm.iter().map(Turn::cpu_us).collect::<Vec<_>>()).middle;
    let ratios: Vec<f64> = on.iter().zip(&off).map(|(on, off)| on.cpu_us() / off.cpu_us()).collect();
    println!("  CPU us/request: {:.2} unwatched, {:.2} watched", cpu(&off), cpu(&on));
    println!("  CPU, ratio: {:.3}", Median::of(&ratios));
    if let Some((before, after)) = before.zip(MachineTime::now()) {
        let stolen = after.since(&before).stolen;
        println!("  stolen from this machine meanwhile: {stolen}");
    }
    Ok(())
}

fn turn(bench: &Bench, watched: bool) -> Result<Turn, Failure> {
    let concurrency = bench.shape.in_flight;
    let finished = bench.run_watched(LoadModel::Closed { concurrency }, watched)?;
    let requests = finished.recorded.total().offered();
    Ok(Turn { requests, wall: Nanos::from(bench.shape.turn), cpu: finished.cpu })
}
