//! Gives every instant of a request to one node.
//!
//! An instant belongs to the child that ends last among those that cover it (of equal ends the one that starts later, then the smaller
//! ID), and within it by the same rule; where no child covers it, to the node itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::Part;
use super::place::Place;
use super::tree::{ROOT, Tree};

/// Some of a node's own time.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub node: usize,
    pub part: Part,
    pub start: u64,
    pub end: u64,
}

/// In order of time and without gaps.
pub(super) fn divide(tree: &Tree<'_>, places: &[Place]) -> Vec<Share> {
    let mut shares = Vec::new();
    // Each node is given one stretch of time at most: once a child that ends later has started, it never comes back.
    let mut open = vec![(ROOT, places[ROOT].start, places[ROOT].end)];
    while let Some((node, start, end)) = open.pop() {
        let children = Children::of(tree, places, node);
        children.sweep(start, end, |owner, start, end| match owner {
            Owner::Child(child) => open.push((child, start, end)),
            Owner::Itself(part) => {
                // Within C, whose moments are of 64 bits.
                let nanos = |moment: i128| u64::try_from(moment).unwrap_or_default();
                shares.push(Share { node, part, start: nanos(start), end: nanos(end) });
            }
        });
    }
    shares.sort_by_key(|share| share.start);
    shares
}

enum Owner {
    Child(usize),
    Itself(Part),
}

/// The children of a node that cover any of its time, by their start.
struct Children<'a> {
    all: Vec<Child>,
    /// Starts and names of those of the node's own process.
    inner: Vec<(i128, &'a Arc<str>)>,
}

/// Compares by who an instant belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    end: i128,
    start: i128,
    id: Reverse<u64>,
    node: usize,
}

impl<'a> Children<'a> {
    fn of(tree: &Tree<'a>, places: &[Place], parent: usize) -> Self {
        let of = |&node: &usize| {
            let (span, place) = (tree.span(node)?, places[node]);
            let child = Child { end: place.end, start: place.start, id: Reverse(span.span_id), node };
            (!place.is_empty()).then_some((child, span))
        };
        let mut all: Vec<_> = tree.nodes[parent].children.iter().filter_map(of).collect();
        all.sort_by_key(|(child, _)| (child.start, Reverse(*child)));
        let is_inner = |child: &Child| tree.nodes[child.node].resource == tree.nodes[parent].resource;
        let inner =
            all.iter().filter(|(child, _)| is_inner(child)).map(|(child, span)| (child.start, &span.name));
        Self { inner: inner.collect(), all: all.iter().map(|(child, _)| *child).collect() }
    }

    fn sweep(&self, from: i128, to: i128, mut give: impl FnMut(Owner, i128, i128)) {
        let (mut now, mut coming) = (from, self.all.iter().copied().peekable());
        let mut covering: BinaryHeap<Child> = BinaryHeap::new();
        while now < to {
            while let Some(child) = coming.next_if(|child| child.start <= now) {
                covering.push(child);
            }
            while covering.peek().is_some_and(|child| child.end <= now) {
                covering.pop();
            }
            let next = coming.peek().map_or(to, |child| child.start.min(to));
            let Some(&child) = covering.peek() else {
                give(Owner::Itself(self.part(now)), now, next);
                now = next;
                continue;
            };
            let start = now;
            now = self.until(child, to, &mut coming, &mut covering);
            give(Owner::Child(child.node), start, now);
        }
    }

    /// Until when an instant goes on to belong to a child: others may come, and end before it.
    fn until(
        &self,
        child: Child,
        to: i128,
        coming: &mut std::iter::Peekable<impl Iterator<Item = Child>>,
        covering: &mut BinaryHeap<Child>,
    ) -> i128 {
        let end = child.end.min(to);
        while let Some(next) = coming.next_if(|next| next.start < end) {
            covering.push(next);
            if next > child {
                return next.start;
            }
        }
        end
    }

    /// What an instant that no child covers comes before.
    fn part(&self, now: i128) -> Part {
        if self.inner.is_empty() {
            return Part::Whole;
        }
        let started = self.inner.partition_point(|(start, _)| *start <= now);
        self.inner.get(started).map_or(Part::AfterLast, |(_, name)| Part::Before(Arc::clone(name)))
    }
}
