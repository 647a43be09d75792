//! What each part of a request's way costs by itself. `cargo bench --bench parts [-- FILTER]`.
//!
//! These find out where time goes; what a whole request costs against the floor is for the bench `end_to_end`.

mod insert;
mod recording;
mod request;
mod scan;
mod schedule;
#[path = "../support/mod.rs"]
mod support;
mod tracing;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short, because there are many; a change of a few per cent still shows.
fn settings() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = parts;
    config = settings();
    targets = request::bench, tracing::bench, recording::bench, schedule::bench, scan::bench, insert::bench
}
criterion_main!(parts);
