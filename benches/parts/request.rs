//! One request at a time over one connection: bare h2, and the tool's own path with its header.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use milvus_load::milvus::CallHeaders;
use milvus_load::milvus::ops::search;
use milvus_load::milvus::transport::{Pool, Route};
use milvus_load::trace::ids::RunEntropy;
use milvus_load::trace::sampling::{Arm, Header, SamplingRule, Switches};
use milvus_load::truth::{Existing, Script, TruthServer};
use milvus_load::units::Fraction;

use super::support::{self, DIM, bare};

pub fn bench(criterion: &mut Criterion) {
    let existing = Some(Existing { dim: DIM, rows: 1_000_000 });
    let server = TruthServer::start(Script { existing, ..Script::default() }).expect("a free port");
    let frames = support::searches(100).expect("a workload that is right");
    let runtime = support::runtime().expect("a runtime");
    let mut group = criterion.benchmark_group("request path, one at a time");
    group.throughput(Throughput::Elements(1));
    let body = frames[0].to_bytes(None);
    group.bench_function("bare h2", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(bare_requests(&server, &body, count)));
    });
    group.bench_function("milvus-load", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(requests(&server, &frames[0], count)));
    });
    group.finish();
}

async fn bare_requests(server: &TruthServer, body: &bytes::Bytes, count: u64) -> Duration {
    let sender = bare::connect(server.addr()).await.expect("the server is there");
    let template = bare::template(server.addr()).expect("an address is a URI");
    let begun = Instant::now();
    for _ in 0..count {
        bare::request(&sender, &template, body).await.expect("an answer");
    }
    begun.elapsed()
}

async fn requests(server: &TruthServer, frame: &milvus_load::milvus::Frame, count: u64) -> Duration {
    let dialer = support::dialer(&server.uri()).expect("a target");
    let route = Route::new(&dialer, "Search", search::scan, &CallHeaders::default()).expect("a route");
    let entropy = RunEntropy::from_os().expect("the system has random numbers");
    let switches = Switches { header: Header::Decision, spans: false };
    let (arm, mut ids) = (Arm { rule: SamplingRule::new(Fraction::ZERO), switches }, entropy.generator(0));
    let pool = Pool::open(&dialer, 0, 1);
    pool.ready(Duration::from_secs(5)).await.expect("a connection");
    let begun = Instant::now();
    for _ in 0..count {
        let header = arm.decide(&mut ids).header();
        let reply = pool.call(&route, frame, None, header, Duration::from_secs(10), |_, _| {}).await;
        assert!(reply.result.is_ok(), "{:?}", reply.result);
    }
    begun.elapsed()
}
