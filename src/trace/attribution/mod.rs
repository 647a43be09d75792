//! Where the time of one request went, by the spans of its trace, to the nanosecond.
//!
//! Belongs here: one request and its spans. Does not belong: comparing requests with each other, and what rows mean to people.
//!
//! The request itself is C, from sent to done; its spans hang beneath it by their parents' IDs. The way: `tree` finds what hangs
//! there, `place` puts clocks that run apart in line, `divide` gives every instant of C to one span. Invariant: the rows sum to the
//! response exactly, and neither the order of spans, nor duplicates, nor spans without length change them.

mod divide;
mod place;
mod tree;

#[cfg(test)]
mod hand_made;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod real;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spans::{Kind, Span};
use divide::Share;
use tree::Tree;

/// The service whose spans are made within the process of their parent, though it exports under a name of its own.
const SEGCORE: &str = "segcore";
/// A search waits in this span for the data that its consistency asks for.
const WAIT: &str = "Delegator-waitTSafe";

/// A request, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub trace_id: u128,
    /// Of the client's span, whether that is among the spans or not.
    pub span_id: u64,
    pub intended: u64,
    pub sent: u64,
    pub done: u64,
}

/// What a part of the response is told under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// sent - intended.
    Lag,
    /// Within the request and within no span of a server: the network, and what lies before the server's first span.
    Outside,
    /// Within a search that the query node made for several requests at once, in the trace of another one.
    WithAnother,
    /// A span's own time: within it and within none of its children.
    Span { service: Arc<str>, name: Arc<str>, kind: Kind, part: Part },
}

/// Which part of a span's own time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of it: it has no children in its process.
    Whole,
    /// Before the child of that name starts.
    Before(Arc<str>),
    /// After the last child has started.
    AfterLast,
}

/// A part of the request's critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the span; `None`: the request's own time, outside every span.
    pub span: Option<usize>,
    /// By the client's clock, nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
}

/// Where a request's time went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributed {
    /// Largest first, none without time; they sum to done - intended.
    pub rows: Vec<(Row, u64)>,
    /// All of sent to done in order, without gaps.
    pub path: Vec<Piece>,
    /// By how many nanoseconds each span was moved to put its clock in line with the client's; 0 where it was not, or is no part of the
    /// request.
    pub moved: Vec<i64>,
    /// Spans of searches of segments.
    pub segments: usize,
    /// Spans in which a shard waited for a consistency, before its segments were searched.
    pub waits: usize,
    /// What of the rows is the own time of spans above these, after the last that hangs there has started.
    after_wait: Vec<(Row, u64)>,
}

impl Attributed {
    /// Whether segments of a shard that has waited were searched in no span of this trace, of a search that `usual`ly has so many. Which
    /// segment is of which shard no span tells, so an even shard's segments are to be missing: fewer may be those that others gained.
    pub const fn lacks_segments(&self, usual: usize) -> bool {
        let of_a_shard = match usual.checked_div(self.waits) {
            None => return false,
            Some(0) => 1,
            Some(even) => even,
        };
        self.segments + of_a_shard <= usual
    }

    /// The same, of a search of which a shard was searched in another request's trace: the query node merges searches that come
    /// together.
    #[must_use]
    pub fn searched_with_another(mut self) -> Self {
        let mut rows: BTreeMap<Row, u64> = self.rows.into_iter().collect();
        for (row, nanos) in std::mem::take(&mut self.after_wait) {
            if let Some(rest) = rows.get_mut(&row) {
                *rest -= nanos;
            }
            *rows.entry(Row::WithAnother).or_default() += nanos;
        }
        self.rows = largest_first(rows);
        self
    }
}

/// Why a request's time cannot be told by its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Incomplete {
    /// None came, or only those of other hops.
    #[error("no span of a server hangs beneath the request's")]
    NoServerSpan,
    /// Their parents did not come.
    #[error("spans hang beneath others that did not come")]
    NotReached,
    /// A damaged record.
    #[error("the request was done before it was sent, or sent before it was due")]
    OutOfOrder,
}

/// Gives all of a request's response to rows. Spans of other traces are passed over.
///
/// # Errors
/// Where the trace is not whole.
pub fn attribute(request: &Request, spans: &[Span]) -> Result<Attributed, Incomplete> {
    if request.sent < request.intended || request.done < request.sent {
        return Err(Incomplete::OutOfOrder);
    }
    let tree = Tree::of(request, spans)?;
    let placed = place::place(&tree, request);
    let shares = divide::divide(&tree, &placed);
    let mut moved = vec![0; spans.len()];
    for (node, place) in tree.nodes.iter().zip(&placed) {
        if let Some(span) = node.span {
            moved[span] = i64::try_from(place.moved).unwrap_or(0);
        }
    }
    let mut rows = rows_of(&tree, &shares, |_| true);
    rows.insert(Row::Lag, request.sent - request.intended);
    let after_wait =
        rows_of(&tree, &shares, |share| share.part == Part::AfterLast && is_above_wait(&tree, share.node));
    let count = |is: fn(&Span) -> bool| {
        tree.nodes.iter().filter_map(|node| node.span).filter(|&span| is(&spans[span])).count()
    };
    Ok(Attributed {
        rows: largest_first(rows),
        path: path(&tree, &shares),
        moved,
        segments: count(|span| &*span.service == SEGCORE),
        waits: count(|span| &*span.name == WAIT),
        after_wait: after_wait.into_iter().collect(),
    })
}

fn is_above_wait(tree: &Tree<'_>, node: usize) -> bool {
    let is_wait = |child: &usize| tree.span(*child).is_some_and(|span| &*span.name == WAIT);
    node != tree::ROOT && tree.nodes[node].children.iter().any(is_wait)
}

fn rows_of(tree: &Tree<'_>, shares: &[Share], wanted: impl Fn(&Share) -> bool) -> BTreeMap<Row, u64> {
    let mut rows = BTreeMap::new();
    for share in shares.iter().filter(|share| wanted(share)) {
        let row = tree.span(share.node).map_or(Row::Outside, |span| Row::Span {
            service: Arc::clone(&span.service),
            name: Arc::clone(&span.name),
            kind: span.kind,
            part: share.part.clone(),
        });
        *rows.entry(row).or_default() += share.end - share.start;
    }
    rows
}

fn largest_first(rows: BTreeMap<Row, u64>) -> Vec<(Row, u64)> {
    let mut rows: Vec<_> = rows.into_iter().filter(|(_, nanos)| *nanos > 0).collect();
    // Stable, so equal ones stay in the order of their rows.
    rows.sort_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
    rows
}

fn path(tree: &Tree<'_>, shares: &[Share]) -> Vec<Piece> {
    let mut path: Vec<Piece> = Vec::new();
    for &Share { node, start, end, .. } in shares {
        let span = tree.nodes[node].span;
        match path.last_mut() {
            Some(last) if last.span == span => last.end = end,
            _ => path.push(Piece { span, start, end }),
        }
    }
    path
}
