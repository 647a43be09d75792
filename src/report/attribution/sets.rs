//! Which requests are slow and which are typical, with what their traces say.
//!
//! Belongs here: ranges of response times, what each kept request stands for, and how many are left out. Does not belong: comparing.

use std::collections::BTreeMap;

use super::Source;
use crate::measure::{Exemplar, Exemplars, OperationRecord, Quantile, Statistic, Unknown, quantile};
use crate::report::model::{AttributedSet, IncompleteTrace, NotAttributed};
use crate::trace::attribution::{Attributed, Incomplete, Request, Row, attribute};
use crate::units::Nanos;
use crate::workload::Slow;

/// So many traces are to have the usual number of segments, and such a share of them all. A small one: of searches that come together
/// one alone has them.
const FEWEST_USUAL: f64 = 3.0;
const FEWEST_USUAL_SHARE: f64 = 0.05;

/// A range of response times, ends included.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub name: String,
    pub from: Nanos,
    pub to: Nanos,
}

/// The requests of a range.
#[derive(Debug)]
pub(super) struct Set {
    pub range: Range,
    /// By parts of octaves, those without requests left out.
    pub parts: Vec<PartOfSet>,
}

/// Those within one part of an octave.
#[derive(Debug, Default)]
pub(super) struct PartOfSet {
    /// All of them.
    pub requests: u64,
    pub told: Vec<Told>,
    pub incomplete: Vec<IncompleteTrace>,
}

/// A request whose trace is whole.
#[derive(Debug)]
pub(super) struct Told {
    pub exemplar: Exemplar,
    attributed: Attributed,
    /// Nanoseconds.
    pub rows: BTreeMap<Row, f64>,
}

/// What is slow and what is typical.
pub(super) fn ranges(record: &OperationRecord, slow: Slow) -> Result<(Range, Range), NotAttributed> {
    let (offered, succeeded) = (record.counters.offered(), record.response.count());
    let at = |of: u64, share: f64| {
        let wanted = Quantile::new(share).ok_or(Unknown::TooFew)?;
        quantile(&record.response, of, wanted)
    };
    // Whole buckets of the histogram, so that what it counts and what was kept are of the same requests.
    let low = |span: Nanos| record.response.bucket(span).0;
    let high = |span: Nanos| record.response.bucket(span).1;
    let known = |found: Result<Nanos, Unknown>| found.map_err(|_| NotAttributed::TooFewRequests);
    let (name, from) = match slow {
        Slow::Duration(duration) => (Nanos::from(duration).to_string(), Nanos::from(duration)),
        Slow::Quantile(share) => match at(offered, share) {
            Err(Unknown::Unanswered) => ("p90 of the succeeded".to_owned(), known(at(succeeded, 0.9))?),
            found => (percentile(share), known(found)?),
        },
    };
    let slow = Range { name, from: low(from), to: Nanos::MAX };
    let quartiles = |of| Ok((at(of, 0.25)?, at(of, 0.75)?));
    let (name, found) = match quartiles(offered) {
        Err(Unknown::Unanswered) => ("p25 to p75 of the succeeded", quartiles(succeeded)),
        found => ("p25 to p75", found),
    };
    let (from, to) = found.map_err(|_| NotAttributed::TooFewRequests)?;
    Ok((slow, Range { name: name.to_owned(), from: low(from), to: high(to) }))
}

fn percentile(share: f64) -> String {
    Quantile::new(share).map_or_else(String::new, |quantile| Statistic::Quantile(quantile).to_string())
}

impl Range {
    fn holds(&self, response: Nanos) -> bool {
        (self.from..=self.to).contains(&response)
    }
}

impl Set {
    pub fn of(range: Range, source: &Source<'_>) -> Self {
        let record = source.record;
        let mut parts: BTreeMap<usize, PartOfSet> = BTreeMap::new();
        for (response, count) in record.response.buckets().filter(|(response, _)| range.holds(*response)) {
            parts.entry(Exemplars::range_of(response)).or_default().requests += count;
        }
        for (part, sampled, kept) in record.exemplars.reservoirs() {
            let Some(part) = parts.get_mut(&part).filter(|_| sampled) else { continue };
            for exemplar in kept.kept.into_iter().filter(|exemplar| range.holds(exemplar.response())) {
                match tell(&exemplar, source) {
                    Ok(attributed) => {
                        part.told.push(Told { exemplar, attributed, rows: BTreeMap::new() });
                    }
                    Err(reason) => part.incomplete.push(reason),
                }
            }
        }
        Self { range, parts: parts.into_values().collect() }
    }

    /// Settles the rows: a search that lacks segments of those that such a one `usual`ly has searched them with another.
    pub fn settle(&mut self, usual: Option<usize>) {
        for told in self.parts.iter_mut().flat_map(|part| &mut part.told) {
            let attributed = told.attributed.clone();
            let settled = match usual.is_some_and(|usual| attributed.lacks_segments(usual)) {
                true => attributed.searched_with_another(),
                false => attributed,
            };
            told.rows = settled.rows.into_iter().map(|(row, nanos)| (row, nanos as f64)).collect();
        }
    }

    /// Whole traces.
    pub fn complete(&self) -> usize {
        self.parts.iter().map(|part| part.told.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.told.is_empty() && part.incomplete.is_empty())
    }

    /// The share of the requests that no whole trace stands for.
    pub fn left_out(&self) -> Option<f64> {
        let requests: u64 = self.parts.iter().map(|part| part.requests).sum();
        let stood_for = |part: &PartOfSet| {
            let kept = part.told.len() + part.incomplete.len();
            part.requests as f64 * part.told.len() as f64 / kept.max(1) as f64
        };
        let stood_for: f64 = self.parts.iter().map(stood_for).sum();
        (requests > 0).then(|| (1.0 - stood_for / requests as f64).max(0.0))
    }

    /// Those used, each with as many requests as it stands for.
    pub fn weighted(&self) -> impl Iterator<Item = (f64, &Told)> {
        self.parts.iter().flat_map(|part| part.told.iter().map(|told| (part.weight(), told)))
    }

    /// Mean of a number over the requests; 0 where there are none.
    pub fn mean(&self, of: impl Fn(&Told) -> f64) -> f64 {
        let (weight, total) = self.weighted().fold((0.0, 0.0), |(weights, total), (weight, told)| {
            (weights + weight, total + weight * of(told))
        });
        if weight > 0.0 { total / weight } else { 0.0 }
    }

    pub fn summary(&self) -> AttributedSet {
        let mut incomplete = BTreeMap::new();
        for reason in self.parts.iter().flat_map(|part| &part.incomplete) {
            *incomplete.entry(*reason).or_default() += 1;
        }
        AttributedSet {
            range: self.range.name.clone(),
            from_us: Some(self.range.from.as_micros_f64()),
            to_us: (self.range.to < Nanos::MAX).then(|| self.range.to.as_micros_f64()),
            requests: self.parts.iter().map(|part| part.requests).sum(),
            complete: self.complete() as u64,
            incomplete,
            left_out: self.left_out(),
            response_us: (self.complete() > 0)
                .then(|| self.mean(|told| told.exemplar.response().as_micros_f64())),
        }
    }
}

/// How many segments most traces have that search some of every shard; `None`: too few have as many to say so of the others.
pub(super) fn usual_segments(sets: &[&Set]) -> Option<usize> {
    let told = || sets.iter().flat_map(|set| &set.parts).flat_map(|part| &part.told);
    let searches = || told().map(|told| &told.attributed).filter(|attributed| attributed.waits > 0);
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for attributed in searches().filter(|attributed| attributed.segments >= attributed.waits) {
        *counts.entry(attributed.segments).or_default() += 1;
    }
    let (segments, traces) = counts.into_iter().max_by_key(|(_, traces)| *traces)?;
    let enough = (FEWEST_USUAL_SHARE * searches().count() as f64).max(FEWEST_USUAL);
    (traces as f64 >= enough).then_some(segments)
}

impl PartOfSet {
    /// How many requests each whole trace stands for.
    pub fn weight(&self) -> f64 {
        self.requests as f64 / self.told.len().max(1) as f64
    }
}

impl Told {
    /// Nanoseconds of a row.
    pub fn at(&self, row: &Row) -> f64 {
        self.rows.get(row).copied().unwrap_or(0.0)
    }
}

fn tell(exemplar: &Exemplar, source: &Source<'_>) -> Result<Attributed, IncompleteTrace> {
    let spans = (source.spans)(exemplar.trace.trace_id).ok_or(IncompleteTrace::NoTrace)?;
    if (source.is_cut)(exemplar.trace.trace_id) {
        return Err(IncompleteTrace::Cut);
    }
    let unix = |moment: Nanos| source.anchor_unix_ns.saturating_add(moment.get());
    let request = Request {
        trace_id: exemplar.trace.trace_id,
        span_id: exemplar.trace.span_id,
        intended: unix(exemplar.intended),
        // One that was never sent has no trace, and is not among these.
        sent: unix(exemplar.sent.unwrap_or(exemplar.intended)),
        done: unix(exemplar.done),
    };
    attribute(&request, &spans).map_err(|reason| match reason {
        Incomplete::NoServerSpan => IncompleteTrace::NoServerSpan,
        Incomplete::NotReached => IncompleteTrace::NotReached,
        Incomplete::OutOfOrder => IncompleteTrace::OutOfOrder,
    })
}
