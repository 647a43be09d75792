//! The spans of a trace as a tree, in the order in which they are drawn.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::trace::spans::Span;

/// A span's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Its index.
    pub(super) span: usize,
    /// Nodes above it; the request's own span is at 0, whether it is there or not.
    pub(super) depth: usize,
    /// Place among the nodes of the one above it; `None`: the request, or nothing.
    pub(super) above: Option<usize>,
}

/// Spans in the order in which they started, each beneath its parent. Of equal IDs the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// Index of the request's own span.
    pub(super) client: Option<usize>,
    /// What hangs beneath the request.
    pub(super) beneath: Vec<Node>,
    /// What does not: other roots, spans whose parents are missing, and rings.
    pub(super) apart: Vec<Node>,
}

impl Tree {
    pub(super) fn new(spans: &[Span], client: u64) -> Self {
        let mut places = HashMap::new();
        for (index, span) in spans.iter().enumerate() {
            places.entry(span.span_id).or_insert(index);
        }
        let mut order: Vec<usize> = places.values().copied().collect();
        order.sort_unstable_by_key(|index| {
            let span = &spans[*index];
            (span.start, Reverse(span.end), span.span_id)
        });
        let mut children: HashMap<u64, Vec<usize>> = HashMap::new();
        for &index in &order {
            if let Some(parent) = spans[index].parent {
                children.entry(parent).or_default().push(index);
            }
        }
        let mut walk = Walk { spans, children, is_drawn: vec![false; spans.len()] };
        let own = places.get(&client).copied();
        if let Some(own) = own {
            walk.is_drawn[own] = true;
        }
        let mut beneath = Vec::new();
        walk.beneath(client, None, &mut beneath);
        let mut apart = Vec::new();
        let is_root = |index: &usize| spans[*index].parent.is_none_or(|parent| !places.contains_key(&parent));
        // Roots first, so that a ring is entered only where nothing else leads to it.
        for index in order.iter().copied().filter(is_root).chain(order.iter().copied()) {
            if !walk.is_drawn[index] {
                walk.is_drawn[index] = true;
                apart.push(Node { span: index, depth: 1, above: None });
                walk.beneath(spans[index].span_id, Some(apart.len() - 1), &mut apart);
            }
        }
        Self { client: own, beneath, apart }
    }
}

struct Walk<'a> {
    spans: &'a [Span],
    children: HashMap<u64, Vec<usize>>,
    is_drawn: Vec<bool>,
}

impl Walk<'_> {
    /// Adds all that hangs beneath a span. Not recursive: a trace may be deeper than a stack.
    fn beneath(&mut self, id: u64, above: Option<usize>, nodes: &mut Vec<Node>) {
        let mut waiting = self.children_of(id, above);
        while let Some((span, above)) = waiting.pop() {
            if std::mem::replace(&mut self.is_drawn[span], true) {
                continue;
            }
            let depth = above.map_or(0, |above: usize| nodes[above].depth) + 1;
            nodes.push(Node { span, depth, above });
            waiting.extend(self.children_of(self.spans[span].span_id, Some(nodes.len() - 1)));
        }
    }

    /// The last of them first.
    fn children_of(&mut self, id: u64, above: Option<usize>) -> Vec<(usize, Option<usize>)> {
        let children = self.children.remove(&id).unwrap_or_default();
        children.into_iter().rev().map(|child| (child, above)).collect()
    }
}

/// Which nodes are drawn where not all can be: those of the greatest weight, each with all that is above it.
pub(super) fn chosen<W: Ord>(nodes: &[Node], most: usize, weight: impl Fn(&Node) -> W) -> Vec<bool> {
    let mut is_chosen = vec![false; nodes.len()];
    let mut left = most;
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|index| Reverse(weight(&nodes[*index])));
    for index in order {
        let mut new = Vec::new();
        let mut next = Some(index);
        while let Some(node) = next.filter(|node| !is_chosen[*node] && new.len() <= left) {
            new.push(node);
            next = nodes[node].above;
        }
        if new.len() <= left {
            left -= new.len();
            new.into_iter().for_each(|node| is_chosen[node] = true);
        }
    }
    is_chosen
}
