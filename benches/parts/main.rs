//! What each part of a request's way costs by itself. `cargo bench --bench parts [-- FILTER]`, or
//! `-- --long` for all parts and narrower intervals.
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

use criterion::Criterion;

/// Measures each part for a second, or for three with `--long`; all else on the command line is criterion's.
fn main() {
    let long = std::env::args().any(|argument| argument == "--long");
    let settings = Criterion::default().nresamples(20_000).warm_up_time(Duration::from_millis(500));
    let mut criterion = if long {
        settings.measurement_time(Duration::from_secs(3))
    } else {
        settings.measurement_time(Duration::from_secs(1)).configure_from_args()
    };
    for part in
        [request::bench, tracing::bench, recording::bench, schedule::bench, scan::bench, insert::bench]
    {
        part(&mut criterion);
    }
    criterion.final_summary();
}
