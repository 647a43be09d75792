//! Why slow requests were slow: where their time went, against typical ones, over a whole run.
//!
//! Belongs here: which requests are compared, the means and their intervals, causes, the sentence. Does not belong: one request's
//! trace, which [`crate::trace::attribution`] divides. Pure: kept requests and kept traces go in, a part of the report comes out.
//!
//! Every request within a range of response times is stood for by those that the recorder kept of its part of an octave. So the
//! means are those of all requests, and not of whichever traces are at hand.

mod compare;
mod episodes;
mod sentence;
mod sets;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod words;

use super::model::{AttributedSet, Attribution, NotAttributed, RunReport};
use crate::measure::{IntervalGrid, OperationRecord};
use crate::trace::spans::Span;
use crate::units::Nanos;
use crate::workload::Slow;
use sets::Set;

/// Fewer whole traces than this tell nothing.
const FEWEST_TRACES: usize = 10;
/// Nor do they where a larger share of the requests has none.
const MOST_LEFT_OUT: f64 = 0.2;

/// What an operation's attribution is made of.
pub struct Source<'a> {
    pub record: &'a OperationRecord,
    /// Start of the measured window, from the run's anchor.
    pub window_start: Nanos,
    /// The window's intervals, of which the record tells.
    pub grid: IntervalGrid,
    /// Wall time of the run's anchor, nanoseconds since 1970.
    pub anchor_unix_ns: u64,
    pub slow: Slow,
    /// The spans of a trace; `None`: it was not kept.
    pub spans: &'a dyn Fn(u128) -> Option<Vec<Span>>,
    /// Whether spans of that trace are known to be missing.
    pub is_cut: &'a dyn Fn(u128) -> bool,
}

impl Source<'_> {
    /// Requests that have no place among slow and typical ones.
    fn not_succeeded(&self) -> u64 {
        self.record.counters.offered().saturating_sub(self.record.counters.succeeded)
    }
}

/// Where the time of an operation's slow requests went.
pub fn attribution(source: &Source<'_>) -> Attribution {
    let (slow, typical) = match sets::ranges(source.record, source.slow) {
        Ok(ranges) => ranges,
        Err(reason) => return nothing(source, reason, AttributedSet::default(), AttributedSet::default()),
    };
    let (mut slow, mut typical) = (Set::of(slow, source), Set::of(typical, source));
    let usual = sets::usual_segments(&[&slow, &typical]);
    slow.settle(usual);
    typical.settle(usual);
    match why_nothing(source, &slow, &typical) {
        Some(reason) => nothing(source, reason, slow.summary(), typical.summary()),
        None => compare::compare(source, &slow, &typical),
    }
}

impl RunReport {
    /// Fills in the attribution of an operation, once there is a verdict: it knows why the generator was late.
    pub fn attribute(&mut self, operation: &str, source: &Source<'_>) {
        let mut attribution = attribution(source);
        let codes = self.verdict.findings.iter().map(|finding| finding.code.as_str());
        attribution.lateness =
            sentence::tells_lag(&attribution).then(|| words::lateness(codes).map(str::to_owned)).flatten();
        attribution.sentence = sentence::sentence(&attribution);
        self.attribution.insert(operation.to_owned(), attribution);
    }
}

fn why_nothing(source: &Source<'_>, slow: &Set, typical: &Set) -> Option<NotAttributed> {
    let is_sampled = source.record.exemplars.reservoirs().any(|(_, sampled, _)| sampled);
    let sets = [slow, typical];
    if slow.range.from <= typical.range.to {
        Some(NotAttributed::NotSlower)
    } else if !is_sampled {
        Some(NotAttributed::NotSampled)
    } else if sets.iter().all(|set| set.complete() == 0 && !set.is_empty()) {
        Some(NotAttributed::NoTraces)
    } else if sets.iter().any(|set| set.complete() < FEWEST_TRACES) {
        Some(NotAttributed::TooFewTraces)
    } else if sets.iter().any(|set| set.left_out().is_none_or(|share| share > MOST_LEFT_OUT)) {
        Some(NotAttributed::TooManyLeftOut)
    } else {
        None
    }
}

fn nothing(
    source: &Source<'_>,
    reason: NotAttributed,
    slow: AttributedSet,
    typical: AttributedSet,
) -> Attribution {
    let mut nothing = Attribution {
        sentence: String::new(),
        slow,
        typical,
        rows: Vec::new(),
        causes: Vec::new(),
        episodes: 0,
        moments: Vec::new(),
        not_succeeded: source.not_succeeded(),
        lateness: None,
        unknown: Some(reason),
    };
    nothing.sentence = sentence::sentence(&nothing);
    nothing
}
