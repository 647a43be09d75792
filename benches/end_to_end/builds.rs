//! Two builds of the tool against each other: what a change of the measured path costs per request.
//!
//! Each turn is a process of its own, so that both builds get the same number of address layouts and hash seeds, and all
//! turns meet one server, which runs here and answers faster than either build asks. Builds are binaries of this bench.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use milvus_load::engine::BusyWait;
use milvus_load::units::Nanos;

use super::Shape;
use super::bare;
use super::closed::{SHAPE, Turn};
use super::engine::Bench;
use super::fast::FastServer;
use super::options::Client;
use super::progress::Progress;
use super::ratio::Median;
use super::saturated::engine_turn;
use super::support::{self, Failure};

/// The argument that makes this program one turn of the tool against the server at the address that follows.
pub const ONE_TURN: &str = "one-turn";

/// The same of the bare h2 client, for a profiler to be set upon: see benches/README.md.
pub const ONE_BARE_TURN: &str = "one-bare-turn";

const TURN: Duration = Duration::from_secs(2);

/// Prints the ratios of this build to the bench binary `other`.
pub fn run(server: &FastServer, other: &Path, pairs: usize) -> Result<(), Failure> {
    let this = std::env::current_exe()?;
    println!(
        "this build against {}, saturated closed loop, {pairs} pairs of turns of {TURN:?}",
        other.display()
    );
    let progress = Progress::begin("builds", pairs, TURN * 2);
    let (mut cpu, mut throughput) = (vec![], vec![]);
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..=pairs {
        progress.round(round);
        // Turn about, so that what drifts favours neither.
        let (new, old) = if round % 2 == 0 {
            let new = turn_of(&this, server)?;
            (new, turn_of(other, server)?)
        } else {
            let old = turn_of(other, server)?;
            (turn_of(&this, server)?, old)
        };
        if round > 0 {
            cpu.push(new.cpu_us() / old.cpu_us());
            throughput.push(new.per_second() / old.per_second());
            ours.push(new.cpu_us());
            theirs.push(old.cpu_us());
        }
    }
    drop(progress);
    println!("  CPU us/request: this {}, other {}", Median::of(&ours), Median::of(&theirs));
    println!("  CPU per request, this to other: {:.3}", Median::of(&cpu));
    println!("  throughput, this to other: {:.3}", Median::of(&throughput));
    Ok(())
}

/// Runs one turn of a build and reads what it prints: requests, then the worker's CPU time in ns.
fn turn_of(build: &Path, server: &FastServer) -> Result<Turn, Failure> {
    let output = Command::new(build)
        .args([ONE_TURN, &server.addr().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Option<Vec<u64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some([requests, cpu]) if output.status.success() && *requests > 0 => {
            Ok(Turn { requests: *requests, wall: TURN.into(), cpu: Nanos::new(*cpu) })
        }
        _ => Err(format!("{} {ONE_TURN}: {}, printed {text:?}", build.display(), output.status).into()),
    }
}

/// The turn itself, in a process of its own.
pub fn one_turn(client: Client, server: SocketAddr) -> Result<(), Failure> {
    let shape = Shape { turn: TURN, ..SHAPE };
    let frames = support::searches(1_000)?;
    let turn = match client {
        Client::Tool => {
            let uri = format!("http://{server}");
            engine_turn(&Bench { frames, uri, shape, spin: BusyWait::Never })?
        }
        Client::BareH2 => bare::turn(server, &frames[0].to_bytes(None), shape)?,
    };
    println!("{} {}", turn.requests, turn.cpu.get());
    Ok(())
}

/// Says where the server is, and serves until standard input ends.
pub fn serve(server: &FastServer) -> Result<(), Failure> {
    println!("{}", server.addr());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// The path that `--against` names.
pub fn binary(path: String) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("--against {}: there is no such file", path.display()))
    }
}
