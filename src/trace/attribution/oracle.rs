//! Random traces against an oracle that asks of every single nanosecond whose it is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const TRACE: u128 = 9;
const CLIENT: u64 = 500;
/// Far from 0, so that clocks can be shifted both ways.
const START: u64 = 100_000;

/// The rules of attribution word by word, without a thought for speed.
pub(super) struct Naive<'a> {
    request: Request,
    spans: BTreeMap<u64, &'a Span>,
    parent: BTreeMap<u64, u64>,
}

impl<'a> Naive<'a> {
    pub(super) fn of(request: Request, all: &'a [Span]) -> Self {
        let mut spans: BTreeMap<u64, &Span> = BTreeMap::new();
        for span in all {
            let key = |s: &Span| {
                (s.start, s.end, s.parent, s.service.to_string(), s.name.to_string(), s.kind, s.resource)
            };
            match spans.get(&span.span_id) {
                Some(other) if key(other) <= key(span) => {}
                _ => _ = spans.insert(span.span_id, span),
            }
        }
        let given: BTreeMap<u64, u64> = spans
            .iter()
            .filter(|(id, _)| **id != request.span_id)
            .filter_map(|(&id, span)| Some((id, span.parent?)))
            .collect();
        let is_leaf =
            |id: u64| !given.iter().any(|(child, parent)| *parent == id && spans[child].length() > 0);
        let mut parent = given.clone();
        for (&id, &above) in &given {
            let span = spans[&id];
            let near = |other: u64| {
                let its = given[&other];
                its == above
                    || (its != request.span_id
                        && given.get(&its) == Some(&above)
                        && spans[&its].start < span.start)
            };
            let handler = given
                .keys()
                .filter(|&&other| other != id && near(other))
                .map(|other| spans[other])
                .filter(|h| h.name.starts_with("Proxy-") && !span.name.starts_with("Proxy-"))
                .filter(|h| h.length() > 0 && is_leaf(h.span_id) && h.resource == span.resource)
                .filter(|h| (h.start..h.end).contains(&span.start))
                .max_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)).then(b.span_id.cmp(&a.span_id)));
            if let Some(handler) = handler {
                parent.insert(id, handler.span_id);
            }
        }
        Self { request, spans, parent }
    }

    fn hangs(&self, mut id: u64) -> bool {
        for _ in 0..=self.spans.len() {
            match self.parent.get(&id) {
                Some(&above) if above == self.request.span_id => return true,
                Some(&above) => id = above,
                None => return false,
            }
        }
        false
    }

    fn children(&self, of: u64) -> Vec<u64> {
        self.parent
            .iter()
            .filter(|&(&id, &above)| above == of && id != self.request.span_id)
            .map(|(&id, _)| id)
            .collect()
    }

    /// Whose clock.
    fn process(&self, id: u64) -> Option<u64> {
        match self.spans.get(&id) {
            Some(span) if id != self.request.span_id && &*span.service == "segcore" => {
                self.process(self.parent[&id])
            }
            other => other.map(|span| span.resource),
        }
    }

    fn moved(&self, id: u64) -> i128 {
        if id == self.request.span_id {
            return 0;
        }
        let above = self.parent[&id];
        let base = self.moved(above);
        if self.process(id) == self.process(above) {
            return base;
        }
        let together: Vec<&Span> = self
            .children(above)
            .into_iter()
            .filter(|&other| self.process(other) == self.process(id) && self.spans[&other].length() > 0)
            .map(|other| self.spans[&other])
            .collect();
        let Some(first) = together.iter().map(|span| i128::from(span.start) + base).min() else {
            return base;
        };
        let last = together.iter().map(|span| i128::from(span.end) + base).max().unwrap();
        let (from, to) = self.whole(above);
        // Every move there is, the least first.
        let fits = |by: &i128| first + by >= from && last + by <= to;
        let least = [0, from - first, to - last].into_iter().filter(fits).min_by_key(|by| by.abs());
        base + least.unwrap_or(from - first)
    }

    fn whole(&self, id: u64) -> (i128, i128) {
        if id == self.request.span_id {
            return (i128::from(self.request.sent), i128::from(self.request.done));
        }
        let (span, by) = (self.spans[&id], self.moved(id));
        (i128::from(span.start) + by, i128::from(span.end) + by)
    }

    fn clipped(&self, id: u64) -> (i128, i128) {
        let whole = self.whole(id);
        if id == self.request.span_id {
            return whole;
        }
        let above = self.clipped(self.parent[&id]);
        (whole.0.max(above.0), whole.1.min(above.1))
    }

    fn row(&self, moment: i128) -> Row {
        let mut owner = self.request.span_id;
        loop {
            let covering = self.children(owner).into_iter().filter(|&child| {
                let (start, end) = self.clipped(child);
                start <= moment && moment < end
            });
            let last = covering.max_by_key(|&child| {
                let (start, end) = self.clipped(child);
                (end, start, u64::MAX - child)
            });
            match last {
                Some(child) => owner = child,
                None => break,
            }
        }
        if owner == self.request.span_id {
            return Row::Outside;
        }
        let mut inner = self.children(owner);
        inner.retain(|&child| {
            let (start, end) = self.clipped(child);
            start < end && self.process(child) == self.process(owner)
        });
        let next =
            inner.iter().copied().filter(|&child| self.clipped(child).0 > moment).min_by_key(|&child| {
                let (start, end) = self.clipped(child);
                (start, -end, child)
            });
        let span = self.spans[&owner];
        Row::Span {
            service: Arc::clone(&span.service),
            name: Arc::clone(&span.name),
            kind: span.kind,
            part: match next {
                _ if inner.is_empty() => Part::Whole,
                Some(child) => Part::Before(Arc::clone(&self.spans[&child].name)),
                None => Part::AfterLast,
            },
        }
    }

    fn why_not(&self) -> Option<Incomplete> {
        let server = |&id: &u64| self.spans[&id].kind == Kind::Server && self.spans[&id].length() > 0;
        if !self.children(self.request.span_id).iter().any(server) {
            return Some(Incomplete::NoServerSpan);
        }
        self.spans
            .keys()
            .any(|&id| id != self.request.span_id && !self.hangs(id))
            .then_some(Incomplete::NotReached)
    }

    fn rows(&self) -> Result<BTreeMap<Row, u64>, Incomplete> {
        self.rows_at((self.request.sent..=self.request.done).map(i128::from).collect())
    }

    /// The same for real traces, which are too long for every nanosecond: between two moments at which a span starts or ends, nothing
    /// changes.
    pub(super) fn rows_by_changes(&self) -> Result<BTreeMap<Row, u64>, Incomplete> {
        let hanging = self.spans.keys().filter(|&&id| id == self.request.span_id || self.hangs(id));
        let within = self.whole(self.request.span_id).0..=self.whole(self.request.span_id).1;
        self.rows_at(
            hanging
                .flat_map(|&id| [self.clipped(id).0, self.clipped(id).1])
                .filter(|t| within.contains(t))
                .collect(),
        )
    }

    /// Each moment speaks for the time up to the next.
    fn rows_at(&self, moments: BTreeSet<i128>) -> Result<BTreeMap<Row, u64>, Incomplete> {
        if let Some(reason) = self.why_not() {
            return Err(reason);
        }
        let mut rows = BTreeMap::new();
        if self.request.sent > self.request.intended {
            rows.insert(Row::Lag, self.request.sent - self.request.intended);
        }
        let moments: Vec<i128> = moments.into_iter().collect();
        for pair in moments.windows(2) {
            *rows.entry(self.row(pair[0])).or_default() += u64::try_from(pair[1] - pair[0]).unwrap();
        }
        Ok(rows)
    }
}

fn request() -> Request {
    Request { trace_id: TRACE, span_id: CLIENT, intended: START - 7, sent: START, done: START + 60 }
}

/// What a span of a random tree is drawn from.
type Drawn = (usize, usize, usize, bool, u64, u64);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    // Parent, process, name, server or internal, start, length (a fifth of them 0).
    let length = prop_oneof![1 => Just(0u64), 4 => 1u64..70];
    prop::collection::vec(
        (
            any::<prop::sample::Index>().prop_map(|i| i.index(1_000)),
            0usize..4,
            0usize..5,
            any::<bool>(),
            0u64..70,
            length,
        ),
        0..11,
    )
}

const NAMES: [&str; 5] = ["Proxy-Search", "Proxy-Query", "Task", "Delegator-waitTSafe", "Segment"];

/// The first one is the server's own, so that most are whole; `lost` takes a parent away from some.
fn spans(drawn: &[Drawn], one_clock_beneath: bool, lost: bool) -> Vec<Span> {
    let mut spans: Vec<Span> = vec![Span {
        trace_id: TRACE,
        span_id: 1,
        parent: Some(CLIENT),
        resource: 1,
        service: "standalone".into(),
        name: "Search".into(),
        kind: Kind::Server,
        start: START + 10,
        end: START + 50,
        is_error: false,
    }];
    for (index, &(parent, process, name, server, start, length)) in drawn.iter().enumerate() {
        let parent = match parent % (spans.len() + 1) {
            0 => CLIENT,
            at => spans[at - 1].span_id,
        };
        let process = if one_clock_beneath && parent == CLIENT { 0 } else { process };
        spans.push(Span {
            // In another order than they come.
            span_id: (index as u64 * 7 + 3) % 101 + 2,
            parent: Some(if lost && index == 3 { 999 } else { parent }),
            resource: [1, 2, 3, 4][process],
            service: ["standalone", "querynode", "querynode", "segcore"][process].into(),
            name: NAMES[name].into(),
            kind: if server { Kind::Server } else { Kind::Internal },
            start: START + start,
            end: START + start + length,
            ..spans[0].clone()
        });
    }
    spans
}

fn rows(spans: &[Span]) -> Result<BTreeMap<Row, u64>, Incomplete> {
    attribute(&request(), spans).map(|told| told.rows.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_nanosecond_is_told_as_the_rules_say(drawn in drawn(), lost in prop::bool::weighted(0.1)) {
        let spans = spans(&drawn, false, lost);
        let told = rows(&spans);
        prop_assert_eq!(&told, &Naive::of(request(), &spans).rows());
        if let Ok(told) = told {
            prop_assert_eq!(told.values().sum::<u64>(), 67);
        }
    }

    #[test]
    fn order_duplicates_and_spans_without_length_change_nothing(
        drawn in drawn(),
        seed in any::<u64>(),
        more in prop::collection::vec((0usize..20, 0u64..70), 0..4),
    ) {
        let plain = spans(&drawn, false, false);
        let mut other = plain.clone();
        for (index, &(at, start)) in more.iter().enumerate() {
            other.push(plain[at % plain.len()].clone());
            let parent = [plain[at % plain.len()].span_id, CLIENT][index % 2];
            let empty = Span { span_id: 300 + index as u64, parent: Some(parent), name: "empty".into(), ..plain[0].clone() };
            other.push(Span { start: START + start, end: START + start, ..empty });
        }
        other.sort_by_key(|span| crate::trace::attribution::oracle::mixed(span.span_id ^ span.start, seed));
        prop_assert_eq!(rows(&plain), rows(&other));
    }

    #[test]
    fn shifting_the_servers_clock_changes_nothing(drawn in drawn(), shift in -2_000i64..2_000) {
        let plain = spans(&drawn, true, false);
        let mut shifted = plain.clone();
        for span in &mut shifted {
            span.start = span.start.saturating_add_signed(shift);
            span.end = span.end.saturating_add_signed(shift);
        }
        prop_assert_eq!(rows(&plain), rows(&shifted));
    }

    #[test]
    fn no_row_is_longer_than_its_spans_and_the_path_is_whole(drawn in drawn()) {
        let spans = spans(&drawn, false, false);
        if let Ok(told) = attribute(&request(), &spans) {
            let mut by_name: BTreeMap<(Arc<str>, Arc<str>, Kind), u64> = BTreeMap::new();
            for (row, nanos) in &told.rows {
                if let Row::Span { service, name, kind, .. } = row {
                    *by_name.entry((Arc::clone(service), Arc::clone(name), *kind)).or_default() += nanos;
                }
            }
            for ((service, name, kind), nanos) in &by_name {
                let of_row = spans.iter().enumerate().filter(|(_, s)| s.service == *service && s.name == *name && s.kind == *kind);
                let covered: BTreeSet<i128> = of_row
                    .flat_map(|(i, s)| (s.start..s.end).map(move |t| (i, t)))
                    .map(|(i, t)| i128::from(t) + i128::from(told.moved[i]))
                    .collect();
                prop_assert!(*nanos <= covered.len() as u64);
            }
            let mut at = request().sent;
            let mut of_spans: BTreeMap<(Arc<str>, Arc<str>, Kind), u64> = BTreeMap::new();
            for piece in &told.path {
                prop_assert!(piece.start == at && piece.end > at);
                at = piece.end;
                if let Some(span) = piece.span.map(|span| &spans[span]) {
                    *of_spans.entry((Arc::clone(&span.service), Arc::clone(&span.name), span.kind)).or_default() += piece.end - piece.start;
                }
            }
            prop_assert_eq!(at, request().done);
            prop_assert_eq!(of_spans, by_name);
            let merged: u64 = told.searched_with_another().rows.iter().map(|(_, nanos)| nanos).sum();
            prop_assert_eq!(merged, 67);
        }
    }
}

/// A number that puts spans in an order drawn by a seed.
fn mixed(key: u64, seed: u64) -> u64 {
    (key ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// The oracle meets what it is to judge: most traces are whole, and handlers adopt in some.
#[test]
fn random_traces_are_mostly_whole() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let whole = (0..300)
        .filter(|_| {
            let drawn = drawn().new_tree(&mut runner).unwrap().current();
            rows(&spans(&drawn, false, false)).is_ok()
        })
        .count();
    assert!(whole >= 200, "{whole} of 300");
}
