//! CPU per request and throughput of closed loops: this tool, a bare h2 loop, tonic's generated client.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use milvus_load::measure::cpu_of_this_thread;
use milvus_load::truth::TruthServer;
use milvus_load::units::Nanos;

use super::engine::Bench;
use super::progress::Progress;
use super::ratio::Median;
use super::saturated::engine_turn;
use super::support::Failure;
use super::{Shape, bare, generated};

/// What one arm did in its turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub requests: u64,
    pub wall: Nanos,
    pub cpu: Nanos,
}

impl Turn {
    pub fn cpu_us(&self) -> f64 {
        self.cpu.get() as f64 / 1e3 / self.requests as f64
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64()
    }
}

/// Slots that each send request after request for one turn; `slot` makes the request of a slot. CPU is this thread's.
pub async fn closed_loop<R, E>(shape: Shape, slot: impl Fn(usize) -> R) -> Result<Turn, Failure>
where
    R: AsyncFnMut() -> Result<(), E> + 'static,
    E: std::error::Error + 'static,
{
    let (requests, stop) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (begun, cpu) = (Instant::now(), cpu_of_this_thread());
    let one_slot = |number| {
        let (mut request, requests, stop) = (slot(number), Rc::clone(&requests), Rc::clone(&stop));
        tokio::task::spawn_local(async move {
            while !stop.get() {
                request().await?;
                requests.set(requests.get() + 1);
            }
            Ok::<(), E>(())
        })
    };
    let slots: Vec<_> = (0..shape.in_flight as usize).map(one_slot).collect();
    tokio::time::sleep(shape.turn).await;
    stop.set(true);
    for slot in slots {
        slot.await??;
    }
    Ok(Turn { requests: requests.get(), wall: begun.elapsed().into(), cpu: cpu_of_this_thread() - cpu })
}

/// Of every closed loop here.
pub const SHAPE: Shape = Shape { connections: 4, in_flight: 64, turn: Duration::from_millis(1_000) };

pub fn run(server: &TruthServer, pairs: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE)?;
    let body = bench.frames[0].to_bytes(None);
    println!(
        "closed loop: {} connections, {} in flight, {} B a request, fraction 0 with the header sent, {pairs} rounds",
        SHAPE.connections,
        SHAPE.in_flight,
        body.len()
    );
    let progress = Progress::begin("closed", pairs, SHAPE.turn * 3);
    let (mut floor, mut tool, mut tonic) = (vec![], vec![], vec![]);
    for round in 0..=pairs {
        progress.round(round);
        let turns = (
            bare::turn(server.addr(), &body, SHAPE)?,
            engine_turn(&bench)?,
            generated::turn(server.addr(), &body, SHAPE)?,
        );
        // The first round warms up caches and the clock of the processor.
        if round > 0 {
            floor.push(turns.0);
            tool.push(turns.1);
            tonic.push(turns.2);
        }
    }
    drop(progress);
    print_arms(&[("bare h2", floor), ("milvus-load", tool), ("tonic generated", tonic)]);
    Ok(())
}

/// A table of arms that took turns; the first is the floor.
pub fn print_arms(arms: &[(&str, Vec<Turn>)]) {
    println!(
        "  {:22}{:>12}{:>16}   {:22}   throughput, ratio",
        "", "requests/s", "CPU us/request", "CPU, ratio to bare h2"
    );
    let Some((_, floor)) = arms.first() else { return };
    for (name, arm) in arms {
        print_arm(name, arm, floor);
    }
}

fn print_arm(name: &str, arm: &[Turn], floor: &[Turn]) {
    let of = |what: fn(&Turn) -> f64| Median::of(&arm.iter().map(what).collect::<Vec<_>>()).middle;
    let ratio = |what: fn(&Turn) -> f64| {
        Median::of(&arm.iter().zip(floor).map(|(arm, floor)| what(arm) / what(floor)).collect::<Vec<_>>())
    };
    println!(
        "  {name:22}{:>12.0}{:>16.2}   {:22}   {}",
        of(Turn::per_second),
        of(Turn::cpu_us),
        ratio(Turn::cpu_us).to_string(),
        ratio(Turn::per_second)
    );
}
