//! A reply of Search read for its status and its hits, beside decoding all of it.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use milvus_load::milvus::ops::search::scan;
use milvus_load::milvus::proto::{milvus, schema};
use prost::Message as _;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    for hits in [10, 1_000] {
        let reply = reply(hits).encode_to_vec();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("scan, {hits} hits"), |bencher| {
            bencher.iter(|| scan(black_box(&reply)));
        });
        group.bench_function(format!("decode, {hits} hits"), |bencher| {
            bencher.iter(|| milvus::SearchResults::decode(black_box(&reply[..])));
        });
    }
    group.finish();
}

fn reply(hits: i64) -> milvus::SearchResults {
    let ids = schema::LongArray { data: (0..hits).map(|id| id * 7_919).collect() };
    milvus::SearchResults {
        status: Some(Default::default()),
        results: Some(schema::SearchResultData {
            num_queries: 1,
            top_k: hits,
            scores: (0..hits).map(|rank| 1.0 / (rank + 1) as f32).collect(),
            ids: Some(schema::IDs { id_field: Some(schema::i_ds::IdField::IntId(ids)) }),
            topks: vec![hits],
            ..Default::default()
        }),
        ..Default::default()
    }
}
