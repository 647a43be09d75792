//! The time of the next arrival, and the operation that it becomes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use milvus_load::engine::{Choice, Schedule};
use milvus_load::units::{Nanos, Rate};
use milvus_load::workload::Arrival;

/// Arrivals in one iteration.
const ARRIVALS: u64 = 10_000;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    group.throughput(Throughput::Elements(ARRIVALS));
    let rate = Rate::per_second(ARRIVALS as f64).expect("a rate above 0");
    for (name, arrival) in [("constant", Arrival::Constant), ("poisson", Arrival::Poisson)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                Schedule::new(42, 0, arrival, rate, Nanos::from_secs(1)).map(|due| due.at.get()).sum::<u64>()
            });
        });
    }
    let choice = Choice::new(42, 0, &[(0, 9.0), (1, 1.0)]);
    group.bench_function("choice of the operation", |bencher| {
        bencher.iter(|| (0..ARRIVALS).map(|index| choice.of(black_box(index))).sum::<usize>());
    });
    group.finish();
}
