//! Which slow requests belong together.
//!
//! Belongs here: chaining slow requests to episodes, where many of them were not kept, too. Does not belong: intervals over them.

use std::collections::BTreeMap;

use super::Source;
use super::sets::{Set, Told};
use crate::measure::{End, Exemplar, Exemplars};
use crate::report::model::SlowMoment;
use crate::units::Nanos;

/// Slow requests that are no further apart share their cause.
const WITHIN: Nanos = Nanos::from_millis(100);

/// Slow requests that belong together.
pub(super) struct Together {
    pub start: Nanos,
    pub end: Nanos,
    /// Those of which a trace is used.
    pub traces: u64,
}

/// The last one that had begun when the request was due: each slow request is of one.
pub(super) fn episode_of(told: &Told, episodes: &[Together]) -> Option<usize> {
    episodes.partition_point(|episode| episode.start <= told.exemplar.intended).checked_sub(1)
}

/// Chains all slow requests that are known, whether a trace of them is used or not: one without may be what joins two others. Those
/// that are not known join them as well, so two episodes are told apart only where what is known shows a gap.
pub(super) fn episodes(source: &Source<'_>, slow: &Set) -> Vec<Together> {
    let known = known(source, slow.range.from);
    let gaps = Gaps::of(source, slow.range.from, &known);
    let mut together: Vec<Together> = Vec::new();
    for Exemplar { intended: start, done: end, .. } in known {
        match together.last_mut() {
            Some(last) if !gaps.is_shown(last.end, start) => last.end = last.end.max(end),
            _ => together.push(Together { start, end, traces: 0 }),
        }
    }
    for (_, told) in slow.weighted() {
        if let Some(episode) = episode_of(told, &together).and_then(|at| together.get_mut(at)) {
            episode.traces += 1;
        }
    }
    together.retain(|episode| episode.traces > 0);
    together
}

pub(super) fn moments(source: &Source<'_>, episodes: &[Together]) -> Vec<SlowMoment> {
    let of = |episode: &Together| SlowMoment {
        at_s: (episode.start - source.window_start).as_secs_f64(),
        length_s: (episode.end - episode.start).as_secs_f64(),
        traces: episode.traces,
    };
    episodes.iter().map(of).collect()
}

/// Each slow request that was kept for whatever reason, once, in the order of their starts.
fn known(source: &Source<'_>, from: Nanos) -> Vec<Exemplar> {
    let slowest = &source.record.slowest;
    let kept = source.record.exemplars.reservoirs().flat_map(|(_, _, kept)| kept.kept);
    let all = kept.chain(slowest.all().copied()).chain(slowest.sampled().copied());
    let once = all.filter(|exemplar| exemplar.response() >= from).map(|exemplar| {
        let key = (exemplar.intended, exemplar.done, exemplar.trace.trace_id, exemplar.trace.span_id);
        (key, exemplar)
    });
    once.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// What is known of where no slow requests were, though only some of them are.
struct Gaps<'a> {
    source: &'a Source<'a>,
    /// Of the window's intervals.
    intervals: Vec<Interval>,
    /// So many known ones are to be missing where slow requests would have gone on as before.
    missing: f64,
}

struct Interval {
    /// Whether all its slow requests are known.
    is_complete: bool,
    /// How many of its slow requests are expected to be known, by how many the run has of each part of an octave.
    expected: f64,
}

impl<'a> Gaps<'a> {
    fn of(source: &'a Source<'a>, from: Nanos, known: &[Exemplar]) -> Self {
        // Only these are in the histograms.
        let succeeded = || known.iter().filter(|exemplar| exemplar.end == End::Succeeded);
        let mut parts: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (response, count) in source.record.response.buckets().filter(|(response, _)| *response >= from) {
            parts.entry(Exemplars::range_of(response)).or_default().1 += count as f64;
        }
        let mut known_of = vec![0; source.record.intervals.len()];
        for exemplar in succeeded() {
            parts.entry(Exemplars::range_of(exemplar.response())).or_default().0 += 1.0;
            if let Some(known) = known_of.get_mut(index(source, exemplar.intended)) {
                *known += 1;
            }
        }
        let share = |response| {
            let (known, all) = parts.get(&Exemplars::range_of(response)).copied().unwrap_or_default();
            if all > 0.0 { known / all } else { 0.0 }
        };
        let intervals = source.record.intervals.iter().zip(known_of).map(|(interval, known)| {
            let (mut all, mut expected) = (0, 0.0);
            if interval.timings.response.count() > 0 {
                let response = interval.timings.response.unpack();
                for (response, count) in response.buckets().filter(|(response, _)| *response >= from) {
                    all += count;
                    expected += count as f64 * share(response);
                }
            }
            Interval { is_complete: all <= known, expected }
        });
        // Of n known ones that follow each other at random, about one is so far from the next by chance.
        let missing = (known.len() as f64).ln().max(1.0);
        Self { source, intervals: intervals.collect(), missing }
    }

    /// Whether slow requests ceased for longer than [`WITHIN`] between two known ones that follow each other. They did where all are
    /// known; elsewhere where many would be known, had they not ceased.
    fn is_shown(&self, end: Nanos, start: Nanos) -> bool {
        if start <= end + WITHIN {
            return false;
        }
        let length = self.source.grid.length;
        let (mut without, mut expected) = (Nanos::ZERO, 0.0);
        for at in index(self.source, end)..=index(self.source, start) {
            let Some(interval) = self.intervals.get(at) else { break };
            let begin = self.source.window_start + Nanos::new(length.get() * at as u64);
            let within = start.min(begin + length) - end.max(begin);
            without = if interval.is_complete { without + within } else { Nanos::ZERO };
            if without > WITHIN {
                return true;
            }
            expected += interval.expected * within.get() as f64 / length.get() as f64;
        }
        expected >= self.missing
    }
}

/// Which of the window's intervals a moment lies in.
fn index(source: &Source<'_>, moment: Nanos) -> usize {
    let since = moment - source.window_start;
    usize::try_from(since.get() / source.grid.length.get().max(1)).unwrap_or(usize::MAX)
}
