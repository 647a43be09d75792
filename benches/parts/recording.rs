//! One finished request taken into the recorder.

use criterion::{BatchSize, Criterion, Throughput};
use milvus_load::measure::{Outcome, Recorder, RecorderConfig, Sample};
use milvus_load::trace::TraceRef;
use milvus_load::units::Nanos;

/// Requests in one iteration: ten seconds' worth, so that intervals are closed and packed as well.
const REQUESTS: u64 = 100_000;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(REQUESTS)).sample_size(20);
    let config = RecorderConfig {
        operations: 2,
        connections: 4,
        window_start: Nanos::ZERO,
        window: Nanos::from_secs(10),
        slots: None,
        by_sampled: false,
        longest: Nanos::from_secs(2),
        slowest: 50,
        stages: vec![],
        seed: 42,
    };
    group.bench_function("record, intervals closed", |bencher| {
        let all = |mut recorder: Recorder| {
            (0..REQUESTS).for_each(|index| recorder.record(&sample(index)));
            recorder
        };
        bencher.iter_batched(|| Recorder::new(config.clone()), all, BatchSize::PerIteration);
    });
    group.finish();
}

/// Two operations at 10,000/s together; service times from 0.5 to 4.5 ms.
fn sample(index: u64) -> Sample {
    let intended = Nanos::new(index * 100_000);
    let sent = intended + Nanos::new(40_000);
    let service = Nanos::new(500_000 + index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 4_000_000);
    Sample {
        operation: (index % 2) as usize,
        intended,
        sent: Some(sent),
        done: sent + service,
        outcome: Outcome::Succeeded { hits: 10 },
        trace: TraceRef { trace_id: u128::from(index) + 1, span_id: index + 1, sampled: false },
        connection: (index % 4) as u16,
        hits_expected: Some(10),
    }
}
