//! Naming a request, deciding about it, writing its header; building a span of it.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use milvus_load::trace::TraceRef;
use milvus_load::trace::exporter::{BatchLimits, Exporter, RequestEncoder};
use milvus_load::trace::ids::RunEntropy;
use milvus_load::trace::sampling::{Arm, Header, SamplingRule, Switches};
use milvus_load::trace::span::{ClientSpan, SpanOutcome, SpanTemplates};
use milvus_load::units::Fraction;
use opentelemetry_sdk::Resource;

use super::support::{self, collector};

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracing");
    group.throughput(Throughput::Elements(1));
    let entropy = RunEntropy::from_os().expect("the system has random numbers");
    let switches = Switches { header: Header::Decision, spans: true };
    for (name, fraction) in [("0", Fraction::ZERO), ("1", Fraction::ONE)] {
        let arm = Arm { rule: SamplingRule::new(fraction), switches };
        let mut ids = entropy.generator(0);
        group.bench_function(format!("decision and header, fraction {name}"), |bencher| {
            bencher.iter(|| arm.decide(&mut ids).header());
        });
    }
    let templates = SpanTemplates::new(&[support::attributes()], "0badcafe");
    group.bench_function("span built", |bencher| {
        let mut encoder = RequestEncoder::new(templates.clone(), &Resource::builder_empty().build());
        let mut spans = 0;
        bencher.iter(|| {
            encoder.add(black_box(&span()));
            spans += 1;
            // As often as the exporter does.
            if spans % BatchLimits::MOST_IN_BATCH == 0 {
                black_box(encoder.finish());
            }
        });
    });
    let collector = collector::start().expect("a free port");
    group.throughput(Throughput::Elements(SPANS)).sample_size(10);
    group.bench_function("spans exported", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| exported(collector, SPANS)).sum());
    });
    group.finish();
}

/// In one iteration of the export: several full portions.
const SPANS: u64 = 50_000;

/// From the queue to a collector that takes everything: wall time, in which one thread is busy.
fn exported(collector: SocketAddr, count: u64) -> Duration {
    let mut settings = support::export_settings(collector).expect("an address is an endpoint");
    // Else the last portion would wait for company.
    settings.limits.delay = Duration::from_millis(1);
    let exporter = Exporter::start(&settings, &[support::attributes()], "0badcafe").expect("a thread");
    let sink = exporter.sink();
    let begun = Instant::now();
    // All of them fit the queue.
    (0..count).for_each(|_| sink.offer(span()));
    while exporter.counts().queued > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let taken = begun.elapsed();
    let counts = exporter.finish(Duration::from_secs(10)).counts;
    assert_eq!(counts.exported, count, "{counts:?}");
    taken
}

fn span() -> ClientSpan {
    ClientSpan {
        trace: TraceRef { trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span_id: 7, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1_700_000_000_000_000_000,
        sent: 1_700_000_000_000_040_000,
        done: 1_700_000_000_002_000_000,
        outcome: SpanOutcome::Ok,
        peer: Some(SocketAddr::from(([127, 0, 0, 1], 19530))),
        rows: 0,
    }
}
