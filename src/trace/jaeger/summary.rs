//! What a trace amounts to: how many spans, whose, which took longest, and whether they join up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use super::model::{JaegerSpan, JaegerTrace};

#[derive(Clone, Debug, PartialEq)]
pub struct TraceSummary {
    /// 32 hex digits.
    pub trace_id: String,
    pub spans: usize,
    /// How many of them each service has.
    pub services: BTreeMap<String, usize>,
    /// The longest spans, the longest first.
    pub longest: Vec<LongSpan>,
    /// Indexes into the trace's spans of those without a parent.
    pub roots: Vec<usize>,
    /// Indexes of those whose parent is not in the trace.
    pub orphans: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongSpan {
    pub service: String,
    pub operation: String,
    pub duration_us: u64,
}

impl TraceSummary {
    /// Sums up a trace with its `longest` longest spans. Of equally long ones the earlier comes first.
    pub fn new(trace: &JaegerTrace, longest: usize) -> Self {
        let ids: HashSet<&str> = trace.spans.iter().map(|span| span.span_id.as_str()).collect();
        let mut services = BTreeMap::new();
        for span in &trace.spans {
            *services.entry(span.service.clone()).or_default() += 1;
        }
        let which = |wanted: &dyn Fn(&JaegerSpan) -> bool| {
            let found = trace.spans.iter().enumerate().filter(|(_, span)| wanted(span));
            found.map(|(index, _)| index).collect()
        };
        let mut by_length: Vec<&JaegerSpan> = trace.spans.iter().collect();
        by_length.sort_by_key(|span| (Reverse(span.duration_us), span.start_us));
        Self {
            trace_id: trace.trace_id.clone(),
            spans: trace.spans.len(),
            services,
            longest: by_length.into_iter().take(longest).map(LongSpan::from).collect(),
            roots: which(&|span| span.parent.is_none()),
            orphans: which(&|span| span.parent.as_deref().is_some_and(|parent| !ids.contains(parent))),
        }
    }

    /// Whether the spans make one tree, as far as parents tell: one root, and no span whose parent is missing.
    pub fn is_joined(&self) -> bool {
        self.roots.len() == 1 && self.orphans.is_empty()
    }
}

impl From<&JaegerSpan> for LongSpan {
    fn from(span: &JaegerSpan) -> Self {
        Self {
            service: span.service.clone(),
            operation: span.operation.clone(),
            duration_us: span.duration_us,
        }
    }
}
