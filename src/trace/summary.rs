//! What a trace amounts to: how many spans, whose, which took longest, and whether they join up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::spans::Span;

/// Of equal IDs the first counts: a span that was exported twice is one span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceSummary {
    pub spans: usize,
    /// How many of them each service has.
    pub services: BTreeMap<Arc<str>, usize>,
    /// The longest spans, the longest first.
    pub longest: Vec<Span>,
    /// IDs of those without a parent.
    pub roots: Vec<u64>,
    /// IDs of those whose parent is not in the trace.
    pub orphans: Vec<u64>,
}

impl TraceSummary {
    /// Sums up a trace with its `longest` longest spans. Of equally long ones the earlier comes first.
    pub fn new(spans: &[Span], longest: usize) -> Self {
        let mut ids = HashSet::new();
        let spans: Vec<&Span> = spans.iter().filter(|span| ids.insert(span.span_id)).collect();
        let mut services = BTreeMap::new();
        for span in &spans {
            *services.entry(Arc::clone(&span.service)).or_default() += 1;
        }
        let which = |wanted: &dyn Fn(&Span) -> bool| {
            spans.iter().filter(|span| wanted(span)).map(|span| span.span_id).collect()
        };
        let mut by_length = spans.clone();
        by_length.sort_by_key(|span| (Reverse(span.length()), span.start));
        Self {
            spans: spans.len(),
            services,
            longest: by_length.into_iter().take(longest).cloned().collect(),
            roots: which(&|span| span.parent.is_none()),
            orphans: which(&|span| span.parent.is_some_and(|parent| !ids.contains(&parent))),
        }
    }

    /// Whether the spans make one tree, as far as parents tell: one root, and no span whose parent is missing.
    pub fn is_joined(&self) -> bool {
        self.roots.len() == 1 && self.orphans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(span_id: u64, parent: Option<u64>, service: &str, length: u64) -> Span {
        Span {
            trace_id: 1,
            span_id,
            parent,
            resource: 1,
            service: service.into(),
            name: "x".into(),
            kind: crate::trace::spans::Kind::Internal,
            start: 100 + span_id,
            end: 100 + span_id + length,
            is_error: false,
        }
    }

    #[test]
    fn services_are_counted_spans_ordered_by_length_and_what_does_not_join_up_is_found() {
        let spans = [
            span(1, None, "client", 900),
            span(3, Some(2), "standalone", 800),
            span(2, Some(1), "standalone", 800),
            span(4, Some(9), "", 7),
            span(5, None, "standalone", 1),
            span(2, Some(7), "twice", 999),
        ];
        let summary = TraceSummary::new(&spans, 3);
        assert_eq!(summary.spans, 5, "the span that was exported twice counts once");
        let services: Vec<_> = summary.services.iter().map(|(name, count)| (&**name, *count)).collect();
        assert_eq!(services, [("", 1), ("client", 1), ("standalone", 3)]);
        assert_eq!(summary.longest.iter().map(|span| span.span_id).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((&summary.roots[..], &summary.orphans[..]), (&[1, 5][..], &[4][..]));
        assert!(!summary.is_joined());
        assert!(TraceSummary::new(&[spans[0].clone(), spans[2].clone()], 0).is_joined());
        assert!(!TraceSummary::new(&spans[2..3], 0).is_joined(), "its root is missing");
    }
}
