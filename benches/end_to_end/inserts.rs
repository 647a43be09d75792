//! How many bytes of inserts a worker's core sends: 768 dimensions, 1,000 rows each, built meanwhile by another thread, to a
//! server that only counts them. What building them takes by itself is in the bench `parts`.

use std::sync::Arc;
use std::time::Duration;

use milvus_load::data::{VectorType, Vectors};
use milvus_load::engine::{InsertSource, RowBlocks, Shard};
use milvus_load::milvus::RowLayout;
use milvus_load::milvus::ops::insert;
use milvus_load::truth::TruthServer;

use super::Shape;
use super::engine::Bench;
use super::progress::Progress;
use super::ratio::Median;
use super::support::{DIM, Failure};

const BATCH: u32 = 1_000;
const SHAPE: Shape = Shape { connections: 2, in_flight: 2, turn: Duration::from_secs(2) };

pub fn run(server: &TruthServer, rounds: usize) -> Result<(), Failure> {
    let bench = Bench::new(server, SHAPE)?;
    let vectors = Vectors::clustered(VectorType::Float, 42, DIM, 100, 0.3);
    let layout =
        RowLayout { key: Some("id".to_owned()), vector: "vector".to_owned(), vectors, scalars: vec![] };
    let source = InsertSource {
        collection: "milvus_load_insert".into(),
        layout: Arc::new(layout),
        batch: BATCH,
        rows: Arc::new(RowBlocks::new(0, BATCH, Shard::WHOLE)),
    };
    let megabytes = insert::frame(&source.collection, &source.layout, 0, BATCH).len() as f64 / 1e6;
    println!("inserts of {BATCH} rows with {DIM} dimensions, {megabytes:.2} MB each, {rounds} rounds");
    let progress = Progress::begin("inserts", rounds, SHAPE.turn);
    let (mut sent, mut wall) = (vec![], vec![]);
    for round in 0..=rounds {
        progress.round(round);
        let finished = bench.insert(source.clone())?;
        let all = megabytes * finished.recorded.total().succeeded as f64;
        if round > 0 {
            sent.push(all / finished.cpu.as_secs_f64());
            wall.push(all / SHAPE.turn.as_secs_f64());
        }
    }
    drop(progress);
    println!("  MB/s sent per core of the worker: {}", Median::of(&sent));
    println!(
        "  MB/s reached, with worker, builder and server on this machine's cores: {}",
        Median::of(&wall)
    );
    Ok(())
}
