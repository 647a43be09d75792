//! What this tool costs per request, as ratios to a bare h2 loop and to tonic's generated client, all in one run against
//! one null server.
//!
//! ```text
//! cargo bench --bench end_to_end                       everything, about six minutes
//! cargo bench --bench end_to_end -- closed --pairs 20  one part, more pairs
//! cargo bench --bench end_to_end -- lateness --burners 1  with a core busy
//! ```
//!
//! Machines differ and change from minute to minute, so no absolute figure is compared: arms take turns, each round gives
//! one ratio, and what is printed is the median of the ratios with its interval. CPU is that of the client's thread alone.

mod bare;
mod closed;
mod engine;
mod generated;
mod inserts;
mod lateness;
mod ratio;
#[path = "../support/mod.rs"]
mod support;
mod traced;

use std::time::Duration;

use milvus_load::truth::{Existing, Script, TruthServer};
use support::{DIM, Failure};

/// The same for every arm.
#[derive(Clone, Copy)]
pub struct Shape {
    pub connections: u16,
    pub in_flight: u32,
    /// Of one arm's turn.
    pub turn: Duration,
}

struct Options {
    part: Option<String>,
    pairs: usize,
    /// Cores to keep busy while lateness is measured.
    burners: usize,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let server = TruthServer::start(Script {
        existing: Some(Existing { dim: DIM, rows: 1_000_000 }),
        ..Script::default()
    })?;
    let wanted = |part: &str| options.part.as_deref().is_none_or(|only| only == part);
    if wanted("closed") {
        closed::run(&server, options.pairs)?;
    }
    if wanted("traced") {
        traced::run(&server, options.pairs)?;
    }
    if wanted("inserts") {
        inserts::run(&server, options.pairs)?;
    }
    if wanted("lateness") {
        lateness::run(&server, options.pairs, options.burners)?;
    }
    Ok(())
}

/// `[closed|traced|inserts|lateness] [--pairs N] [--burners N]`; cargo adds `--bench`.
fn options() -> Result<Options, String> {
    let mut options = Options { part: None, pairs: 12, burners: 0 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--pairs" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                options.pairs = number.filter(|n| *n >= 6).ok_or("--pairs takes a number of at least 6")?;
            }
            "--burners" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                options.burners = number.ok_or("--burners takes a number of threads")?;
            }
            "closed" | "traced" | "inserts" | "lateness" => options.part = Some(argument),
            other => {
                return Err(format!(
                    "{other:?}: write closed, traced, inserts or lateness, --pairs N, --burners N"
                ));
            }
        }
    }
    Ok(options)
}
