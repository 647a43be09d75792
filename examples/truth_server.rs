//! Starts a truth server and prints its URI; at the end of stdin or Ctrl-C, prints what it saw.
//!
//! ```text
//! cargo run --release --example truth_server -- --port 19530 --delay 2ms --stall-every 5s --stall-for 1s
//! ```

use std::io::{Read, Write};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use milvus_load::truth::{Delay, Existing, Limits, Log, Rpc, SampledCost, Script, Stalls, TruthServer};
use milvus_load::units::{Fraction, Nanos, parse_duration};

/// A Milvus on loopback whose answers have known delays.
#[derive(Parser)]
struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Delay of Search: the constant, mean (exponential), median (log-normal) or usual one (two-point).
    #[arg(long, value_parser = parse_duration, default_value = "0s")]
    delay: Duration,
    /// Delay of Insert, constant.
    #[arg(long, value_parser = parse_duration, default_value = "0s")]
    insert_delay: Duration,
    /// How the delay of Search is distributed.
    #[arg(long, value_enum, default_value_t = Distribution::Constant)]
    distribution: Distribution,
    /// Log-normal: standard deviation of the logarithm.
    #[arg(long, default_value_t = 0.5)]
    sigma: f64,
    /// Two-point: the other delay.
    #[arg(long, value_parser = parse_duration, default_value = "100ms")]
    other: Duration,
    /// Two-point: the share of the other delay, 0 to 1.
    #[arg(long, default_value_t = 0.01)]
    share: f64,
    /// A stall begins every so often, the first after one period without.
    #[arg(long, value_parser = parse_duration, requires = "stall_for")]
    stall_every: Option<Duration>,
    /// How long each stall lasts.
    #[arg(long, value_parser = parse_duration, requires = "stall_every")]
    stall_for: Option<Duration>,
    /// What a sampled request takes longer.
    #[arg(long, value_parser = parse_duration, default_value = "0s")]
    sampled_cost: Duration,
    /// What a sampled request takes longer, as a share of its delay, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    sampled_share: f64,
    /// Collections exist from the start, with vectors of so many dimensions.
    #[arg(long)]
    dim: Option<u32>,
    /// Rows of collections that exist from the start.
    #[arg(long, default_value_t = 20_000)]
    rows: u64,
    /// Streams that a connection may have open at once.
    #[arg(long)]
    max_streams: Option<u32>,
    /// Decides the delays drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Distribution {
    Constant,
    TwoPoint,
    Exponential,
    LogNormal,
}

impl Options {
    fn script(&self) -> anyhow::Result<Script> {
        let delay = Nanos::from(self.delay);
        let search = match self.distribution {
            Distribution::Constant if self.delay.is_zero() => Delay::None,
            Distribution::Constant => Delay::Constant(delay),
            Distribution::TwoPoint => {
                let share = Fraction::new(self.share)?;
                Delay::TwoPoint { a: delay, b: self.other.into(), share }
            }
            Distribution::Exponential => Delay::Exponential { mean: delay },
            Distribution::LogNormal => Delay::LogNormal { median: delay, sigma: self.sigma },
        };
        let stalls = match (self.stall_every, self.stall_for) {
            (Some(every), Some(length)) => Some(Stalls::new(every.into(), length.into(), every.into())?),
            _ => None,
        };
        Ok(Script {
            port: self.port,
            seed: self.seed,
            search,
            insert: Delay::Constant(self.insert_delay.into()),
            sampled: SampledCost {
                fixed: self.sampled_cost.into(),
                share: Fraction::new(self.sampled_share)?,
            },
            stalls,
            existing: self.dim.map(|dim| Existing { dim, rows: self.rows }),
            limits: Limits { concurrent_streams: self.max_streams, ..Limits::default() },
            ..Script::default()
        })
    }
}

fn main() -> anyhow::Result<()> {
    let server = TruthServer::start(Options::parse().script()?)?;
    writeln!(std::io::stdout(), "{}", server.uri())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(until_told_to_stop());
    print(&server.stop(), &mut std::io::stdout().lock())?;
    Ok(())
}

async fn until_told_to_stop() {
    let (ended, end) = tokio::sync::oneshot::channel();
    // A thread of its own: one that reads stdin cannot be called back, and need not be at the process's end.
    std::thread::spawn(move || {
        let mut unread = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut unread);
        let _ = ended.send(());
    });
    tokio::select! {
        _ = end => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn print(log: &Log, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "requests {} over {} connections", log.requests, log.by_connection.len())?;
    for &rpc in Rpc::ALL {
        if log.count(rpc) > 0 {
            writeln!(out, "  {} {}", rpc.name(), log.count(rpc))?;
        }
    }
    let seen = log.traceparents;
    writeln!(
        out,
        "traceparent: {} sampled, {} unsampled, {} absent, {} malformed",
        seen.sampled, seen.unsampled, seen.absent, seen.malformed
    )?;
    let late = log.lateness;
    writeln!(
        out,
        "own lateness over {} answers: p50 {}, p99 {}, max {}",
        late.count, late.p50, late.p99, late.max
    )
}
