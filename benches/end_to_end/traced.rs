//! What tracing every request costs: fraction 1.0 and exported, against fraction 0 with the header sent, in open loop.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use milvus_load::measure::{Part, ProcessSnapshot};
use milvus_load::trace::exporter::{Exporter, SpanCounts};
use milvus_load::truth::TruthServer;
use milvus_load::units::{Fraction, Nanos};

use super::Shape;
use super::engine::{Bench, open};
use super::progress::Progress;
use super::ratio::Median;
use super::support::{self, Failure, collector};

const RATE: f64 = 20_000.0;
const SHAPE: Shape = Shape { connections: 4, in_flight: 0, turn: Duration::from_secs(2) };
/// How long the last spans may take to be exported.
const FLUSH: Duration = Duration::from_secs(10);

pub fn run(server: &TruthServer, pairs: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE)?;
    let collector = collector::start()?;
    println!(
        "open loop at {RATE}/s, {} connections, every request traced and exported, {pairs} rounds",
        SHAPE.connections
    );
    let progress = Progress::begin("traced", pairs, SHAPE.turn * 2);
    let (mut off, mut worker, mut export, mut added) = (vec![], vec![], vec![], vec![]);
    let mut spans = SpanCounts::default();
    for round in 0..=pairs {
        progress.round(round);
        let without = untraced(&bench)?;
        let (on_worker, on_export, counts) = traced(&bench, collector)?;
        if round > 0 {
            off.push(without);
            worker.push(on_worker - without);
            export.push(on_export);
            added.push(on_worker + on_export - without);
            spans.recorded += counts.recorded;
            spans.exported += counts.exported;
            spans.dropped += counts.dropped + counts.failed;
        }
    }
    drop(progress);
    println!("  CPU us/request: {} at fraction 0", Median::of(&off));
    println!(
        "  added by fraction 1.0: {} (worker {}, export thread {})",
        Median::of(&added),
        Median::of(&worker),
        Median::of(&export)
    );
    println!("  spans: {} recorded, {} exported, {} lost", spans.recorded, spans.exported, spans.dropped);
    Ok(())
}

fn untraced(bench: &Bench) -> Result<f64, Failure> {
    let finished = bench.run(open(RATE)?, Fraction::ZERO, None)?;
    Ok(us_per(finished.cpu, finished.recorded.total().offered()))
}

fn traced(bench: &Bench, collector: SocketAddr) -> Result<(f64, f64, SpanCounts), Failure> {
    let settings = support::export_settings(collector)?;
    let exporter = Exporter::start(&settings, &[support::attributes()], "0badcafe")?;
    let finished = bench.run(open(RATE)?, Fraction::ONE, Some(exporter.sink()))?;
    let limit = Instant::now() + FLUSH;
    while exporter.counts().queued > 0 && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
    // While the thread is still there: the kernel forgets those that end.
    let parts = ProcessSnapshot::take().parts.unwrap_or_default();
    let export = parts.get(&Part::Export).copied().unwrap_or_default();
    let requests = finished.recorded.total().offered();
    let counts = exporter.finish(FLUSH).counts;
    Ok((us_per(finished.cpu, requests), us_per(export, requests), counts))
}

fn us_per(cpu: Nanos, requests: u64) -> f64 {
    cpu.get() as f64 / 1e3 / requests as f64
}
