//! What this tool costs per request, as ratios to a bare h2 loop and to tonic's generated client, all in one run against
//! one null server.
//!
//! ```text
//! cargo bench --bench end_to_end                            everything, some three minutes
//! cargo bench --bench end_to_end -- --long                  with twice the rounds and at more rates, some nine minutes
//! cargo bench --bench end_to_end -- closed --pairs 20       one part, more pairs
//! cargo bench --bench end_to_end -- lateness --burners 1    with a core busy
//! cargo bench --bench end_to_end -- --against OTHER         this build beside another binary of this bench
//! ```
//!
//! Machines differ and change from minute to minute, so no absolute figure is compared: arms take turns, each round gives
//! one ratio, and what is printed is the median of the ratios with its interval. CPU is that of the client's thread alone.
//! Results go to stdout, progress to stderr.

mod bare;
mod builds;
mod closed;
mod engine;
mod fast;
mod generated;
mod inserts;
mod lateness;
mod options;
mod progress;
mod ratio;
mod saturated;
#[path = "../support/mod.rs"]
mod support;
mod traced;
mod watched;

use std::time::Duration;

use milvus_load::engine::BusyWait;
use milvus_load::truth::{Existing, Script, TruthServer};

use engine::Bench;
use fast::FastServer;
use options::{Options, Work};
use support::{DIM, Failure};

/// The same for every arm.
#[derive(Clone, Copy)]
pub struct Shape {
    pub connections: u16,
    pub in_flight: u32,
    /// Of one arm's turn.
    pub turn: Duration,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse(std::env::args().skip(1))?;
    match &options.work {
        Work::OneTurn(client, server) => builds::one_turn(*client, *server),
        Work::Serve => builds::serve(&fast_server(&truth_server()?)?.0),
        Work::Against(other) => builds::run(&fast_server(&truth_server()?)?.0, other, options.pairs(24)),
        Work::Measure(part) => measure(part.as_deref(), &options),
    }
}

/// Measures a part, or all of them, the ratios to the floor first.
fn measure(part: Option<&str>, options: &Options) -> Result<(), Failure> {
    let server = truth_server()?;
    let wanted = |name: &str| part.is_none_or(|only| only == name);
    if wanted("closed") {
        closed::run(&server, options.pairs(9))?;
    }
    if wanted("saturated") {
        let (fast, bench) = fast_server(&server)?;
        saturated::run(&fast, &bench, options.pairs(9))?;
    }
    if wanted("watched") {
        let (_fast, bench) = fast_server(&server)?;
        watched::run(&bench, options.pairs(12))?;
    }
    if wanted("traced") {
        traced::run(&server, options.pairs(6))?;
    }
    if wanted("inserts") {
        inserts::run(&server, options.pairs(6))?;
    }
    if wanted("lateness") {
        lateness::run(&server, options.pairs(6), options.rates(), options.burners)?;
    }
    Ok(())
}

fn truth_server() -> Result<TruthServer, Failure> {
    let existing = Some(Existing { dim: DIM, rows: 1_000_000 });
    Ok(TruthServer::start(Script { existing, ..Script::default() })?)
}

/// A server that says to every request what `truth` says to a search, and the tool aimed at it.
fn fast_server(truth: &TruthServer) -> Result<(FastServer, Bench), Failure> {
    let frames = support::searches(1_000)?;
    let reply = bare::reply(truth.addr(), &frames[0].to_bytes(None))?;
    let server = FastServer::start(&reply)?;
    let uri = format!("http://{}", server.addr());
    Ok((server, Bench { frames, uri, shape: closed::SHAPE, spin: BusyWait::Never }))
}
