//! Recording takes the same memory however many requests are recorded.
//!
//! Alone in its file: it counts every byte that the process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use milvus_load::measure::{Outcome, Recorder, RecorderConfig, Sample};
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

const WINDOW: Nanos = Nanos::from_secs(60);

/// The most bytes held at any moment while `samples` were recorded over the window, the recorder itself included.
fn peak_of(samples: u64, config: RecorderConfig) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut recorder = Recorder::new(config);
    for index in 0..samples {
        let intended = Nanos::new(WINDOW.get() / samples * index);
        // 1,000 different response times over three orders of magnitude; every 50th fails, every 1,000th is late by 20 s.
        let response =
            200_000 + (index * 7_919 % 1_000) * 200_000 + if index % 1_000 == 0 { 20_000_000_000 } else { 0 };
        let outcome = match index % 50 {
            0 => Outcome::Failed { grpc: 14, milvus: (index % 1_000) as i32, message: "unavailable".into() },
            _ => Outcome::Succeeded { hits: 10 },
        };
        recorder.record(&Sample {
            operation: (index % 2) as usize,
            intended,
            sent: Some(intended),
            done: intended + Nanos::new(response),
            outcome,
            trace: TraceRef { trace_id: u128::from(index), span_id: index, sampled: true },
            connection: (index % 4) as u16,
            hits_expected: 10,
        });
    }
    let recorded = recorder.finish();
    assert_eq!(recorded.total().offered(), samples);
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn a_million_samples_take_no_more_memory_than_a_hundred_thousand() {
    let config = RecorderConfig {
        operations: 2,
        connections: 4,
        window_start: Nanos::ZERO,
        window: WINDOW,
        longest: Nanos::from_secs(3),
        slowest: 50,
        seed: 1,
    };
    let (few, many) = (peak_of(100_000, config), peak_of(1_000_000, config));
    let stated = config.memory_bytes();
    // Ten times the samples in the same seconds fill more buckets of each second: the packed intervals may be larger.
    assert!(many <= few + few / 20, "100,000 samples took {few} bytes, 1,000,000 took {many}");
    assert!(many <= stated, "{many} bytes taken, {stated} stated");
    assert!(stated <= 2 * many, "{stated} bytes stated, only {many} taken");
}
