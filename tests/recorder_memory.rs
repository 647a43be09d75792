//! Recording takes the same memory however many requests are recorded.
//!
//! Alone in its file: it counts every byte that the process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use milvus_load::measure::{Outcome, Recorder, RecorderConfig, Sample, SlotGrid};
use milvus_load::random::{splitmix64, unit_interval};
use milvus_load::trace::TraceRef;
use milvus_load::units::Nanos;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract; counting has no effect on it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A pseudo-random number within 0 to 1, of this index.
fn unit(index: u64) -> f64 {
    unit_interval(splitmix64(index))
}

/// Spread over three octaves around 2 ms, as answers are; every 50th fails, every 1,000th is late by 20 s.
fn sample(index: u64, samples: u64, window: Nanos) -> Sample {
    let intended = Nanos::new((window.get() as f64 / samples as f64 * index as f64) as u64);
    let spread: f64 = (0..4).map(|part| unit(4 * index + part)).sum::<f64>() - 2.0;
    let response =
        (2e6 * (0.9 * spread).exp()) as u64 + if index.is_multiple_of(1_000) { 20_000_000_000 } else { 0 };
    let outcome = match index % 50 {
        0 => Outcome::Failed { grpc: 14, milvus: (index % 1_000) as i32, message: "unavailable".into() },
        _ => Outcome::Succeeded { hits: 10 },
    };
    Sample {
        operation: (index / 2 % 2) as usize,
        intended,
        sent: Some(intended + Nanos::new((5e4 * (1.0 + unit(!index))) as u64)),
        done: intended + Nanos::new(response),
        outcome,
        trace: TraceRef { trace_id: u128::from(index), span_id: index, sampled: index.is_multiple_of(3) },
        connection: (index % 4) as u16,
        hits_expected: Some(10),
    }
}

/// `stages` of one length.
fn config(window: Nanos, stages: u64) -> RecorderConfig {
    RecorderConfig {
        operations: 2,
        connections: 4,
        window_start: Nanos::ZERO,
        window,
        stages: (0..stages).map(|stage| Nanos::new(window.get() / stages * stage)).collect(),
        slots: None,
        by_sampled: false,
        longest: Nanos::from_secs(20),
        slowest: 50,
        seed: 1,
    }
}

/// The most bytes held at any moment while two workers recorded `samples` of two operations over the window and were merged:
/// the recorders themselves included.
fn peak_of(samples: u64, window: Nanos, config: &RecorderConfig) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut workers = [Recorder::new(config.clone()), Recorder::new(config.clone())];
    for index in 0..samples {
        workers[(index % 2) as usize].record(&sample(index, samples, window));
    }
    let [one, other] = workers.map(Recorder::finish);
    let mut recorded = one;
    recorded.merge(&other).expect("of one run");
    assert_eq!(recorded.total().offered(), samples);
    PEAK.load(Ordering::Relaxed) - before
}

/// More samples in the same time fill more buckets of each second, and no more than that. One test, for there is one count.
#[test]
fn ten_million_requests_take_under_60_mb_and_less_than_1_mb_more_than_a_million() {
    let minute = Nanos::from_secs(60);
    let config_of_minute = config(minute, 1);
    let few = peak_of(1_000_000, minute, &config_of_minute);
    let many = peak_of(10_000_000, minute, &config_of_minute);
    assert!(many < few + 1_000_000, "a million samples took {few} bytes, ten million {many}");
    within_bounds(many, &config_of_minute);
    // As many intervals and stages as there can be.
    let longest = Nanos::from_secs(600);
    let most = config(longest, 64);
    within_bounds(peak_of(10_000_000, longest, &most), &most);
    slots_of_hours_are_bounded();
}

/// Four hours of slots, a third of the requests sampled: what is over is packed, so there is a bound that knows of slots and not
/// of requests.
fn slots_of_hours_are_bounded() {
    let grid = SlotGrid::new(Nanos::from_millis(10_500), Nanos::from_millis(5_500), 1_372).expect("a grid");
    let config = RecorderConfig { slots: Some(grid), by_sampled: true, ..config(grid.window(), 1) };
    let (peak, stated) = (peak_of(4_000_000, grid.window(), &config), 2 * config.memory_bytes());
    println!("{} slots: {peak} bytes at most, {stated} stated", grid.count());
    assert!(peak <= stated, "{peak} of {stated} bytes");
}

fn within_bounds(peak: usize, config: &RecorderConfig) {
    let stated = 2 * config.memory_bytes();
    let of =
        format!("{} stages in {}: {peak} bytes at most, {stated} stated", config.stages.len(), config.window);
    println!("{of}");
    assert!(peak < 60_000_000, "{of}");
    assert!(peak <= stated && stated <= 2 * peak, "{of}");
}
