//! The ratio where it is worst for this tool: against a server that answers faster than any client here can ask, so that
//! the client's thread is never idle and nothing that it does is hidden by waiting.

use bytes::Bytes;
use milvus_load::units::{Fraction, Nanos};
use milvus_load::workload::LoadModel;

use super::bare;
use super::closed::{SHAPE, Turn, print_arms};
use super::engine::Bench;
use super::fast::FastServer;
use super::progress::Progress;
use super::ratio::Median;
use super::support::Failure;

/// What the cores did in a turn.
#[derive(Clone, Copy)]
struct Shares {
    client: f64,
    server: f64,
}

pub fn run(server: &FastServer, bench: &Bench, pairs: usize) -> Result<(), Failure> {
    let body = bench.frames[0].to_bytes(None);
    println!(
        "saturated closed loop: {} connections, {} in flight, {} B a request, a server that answers at once, {pairs} rounds",
        SHAPE.connections,
        SHAPE.in_flight,
        body.len()
    );
    let progress = Progress::begin("saturated", pairs, SHAPE.turn * 2);
    let (mut floor, mut tool) = (vec![], vec![]);
    for round in 0..=pairs {
        progress.round(round);
        // Turn about, so that what drifts favours neither.
        let turns = if round % 2 == 0 {
            let floor = watched(server, || bare_turn(server, &body))?;
            (floor, watched(server, || engine_turn(bench))?)
        } else {
            let tool = watched(server, || engine_turn(bench))?;
            (watched(server, || bare_turn(server, &body))?, tool)
        };
        // The first round warms up caches and the clock of the processor.
        if round > 0 {
            floor.push(turns.0);
            tool.push(turns.1);
        }
    }
    drop(progress);
    let turns = |arm: &[(Turn, Shares)]| arm.iter().map(|(turn, _)| *turn).collect::<Vec<_>>();
    print_arms(&[("bare h2", turns(&floor)), ("milvus-load", turns(&tool))]);
    for (name, arm) in [("bare h2", &floor), ("milvus-load", &tool)] {
        let share = |of: fn(&Shares) -> f64| {
            100.0 * Median::of(&arm.iter().map(|(_, shares)| of(shares)).collect::<Vec<_>>()).middle
        };
        println!(
            "  {name:22}client's thread on a core {:.0} % of the time, the server's {:.0} %",
            share(|s| s.client),
            share(|s| s.server)
        );
    }
    Ok(())
}

fn watched(
    server: &FastServer,
    turn: impl FnOnce() -> Result<Turn, Failure>,
) -> Result<(Turn, Shares), Failure> {
    let before = server.cpu()?;
    let turn = turn()?;
    let wall = turn.wall.as_secs_f64();
    let server = server.cpu()?.saturating_sub(before).as_secs_f64() / wall;
    Ok((turn, Shares { client: turn.cpu.as_secs_f64() / wall, server }))
}

fn bare_turn(server: &FastServer, body: &Bytes) -> Result<Turn, Failure> {
    bare::turn(server.addr(), body, SHAPE)
}

/// One turn of the tool's closed loop on one worker.
pub fn engine_turn(bench: &Bench) -> Result<Turn, Failure> {
    let concurrency = bench.shape.in_flight;
    let finished = bench.run(LoadModel::Closed { concurrency }, Fraction::ZERO, None)?;
    let requests = finished.recorded.total().offered();
    Ok(Turn { requests, wall: Nanos::from(bench.shape.turn), cpu: finished.cpu })
}
