//! Building the body of an insert: bytes per second on one core.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use milvus_load::data::{VectorType, Vectors};
use milvus_load::milvus::RowLayout;
use milvus_load::milvus::ops::insert;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert body");
    group.sample_size(20);
    for (dim, batch) in [(128, 100), (768, 1_000)] {
        let vectors = Vectors::clustered(VectorType::Float, 42, dim, 100, 0.3);
        let key = Some("id".to_owned());
        let layout = RowLayout { key, vector: "vector".to_owned(), vectors, scalars: vec![] };
        let bytes = insert::frame("collection", &layout, 0, batch).len() as u64;
        group.throughput(Throughput::Bytes(bytes));
        let mut first = 0;
        group.bench_function(format!("{dim} dimensions, {batch} rows"), |bencher| {
            bencher.iter(|| {
                first += u64::from(batch);
                insert::frame("collection", &layout, black_box(first), batch)
            });
        });
    }
    group.finish();
}
