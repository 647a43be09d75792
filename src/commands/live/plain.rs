//! A snapshot as one line, for logs.

use super::snapshot::Snapshot;
use super::words;

/// `progress  measuring, 20 of 35 s, 15 s left  offered 200/s  ok 200/s  in flight 2  errors 0  search: p50 2.1 ms, p99 8.4 ms in
/// 5 s`.
pub(super) fn line(snapshot: &Snapshot) -> String {
    let times = snapshot.times;
    let mut parts = vec!["progress".to_owned()];
    if !snapshot.title.is_empty() {
        parts.push(snapshot.title.clone());
    }
    let left = snapshot.left().map_or_else(String::new, |left| format!(", {} left", words::length(left)));
    parts.push(format!("{}, {}{left}", snapshot.phase.words(), words::place(times.now, times.end)));
    if let Some(total) = snapshot.total() {
        parts.push(format!("offered {}/s", words::rate(total.offered_per_s)));
        parts.push(format!("ok {}/s", words::rate(total.succeeded_per_s)));
    }
    let oldest = snapshot.oldest.map_or_else(String::new, |age| format!(" (oldest {})", words::time(age)));
    parts.push(format!("in flight {}{oldest}", snapshot.in_flight));
    parts.push(format!("errors {}", snapshot.errors()));
    for row in &snapshot.rows {
        if let Some(times) = row.times {
            let (p50, p99) = (words::shown(times.p50).0, words::shown(times.p99).0);
            let over = words::window(times.over);
            parts.push(format!("{}: p50 {p50}, p99 {p99} in {over}", row.name));
        }
    }
    parts.join("  ")
}
