//! Puts spans of clocks that run apart in line with the request.
//!
//! Belongs here: moving and clipping. Does not belong: who an instant belongs to.

use std::collections::BTreeMap;

use super::Request;
use super::tree::{ROOT, Tree};

/// Where a node lies by the client's clock. Wide enough for any two moments' difference.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// By how much it was moved.
    pub moved: i128,
    /// Clipped to its parent; where nothing is left, start = end.
    pub start: i128,
    pub end: i128,
    /// As it is without clipping.
    whole: (i128, i128),
}

impl Place {
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// Of every node, in their order.
///
/// Children of a process other than their parent's move by the least that puts them within it. All children of one process move
/// together: it has one clock, and what they overlap by is true.
pub(super) fn place(tree: &Tree<'_>, request: &Request) -> Vec<Place> {
    let mut places = vec![Place::default(); tree.nodes.len()];
    let (start, end) = (i128::from(request.sent), i128::from(request.done));
    places[ROOT] = Place { moved: 0, start, end, whole: (start, end) };
    for (node, parent) in tree.nodes.iter().enumerate() {
        let above = places[node];
        let moves = moves(tree, node, &above);
        for &child in &parent.children {
            let Some(span) = tree.span(child) else { continue };
            let apart = tree.nodes[child].resource.and_then(|resource| moves.get(&resource));
            let moved = above.moved + apart.copied().unwrap_or(0);
            let whole = (i128::from(span.start) + moved, i128::from(span.end) + moved);
            let (start, end) = (whole.0.max(above.start), whole.1.min(above.end));
            places[child] = Place { moved, start, end: end.max(start), whole };
        }
    }
    places
}

/// How far the children of each other process move, beyond what their parent has moved.
fn moves(tree: &Tree<'_>, node: usize, above: &Place) -> BTreeMap<u64, i128> {
    let mut reach: BTreeMap<u64, (i128, i128)> = BTreeMap::new();
    for &child in &tree.nodes[node].children {
        let (Some(span), Some(resource)) = (tree.span(child), tree.nodes[child].resource) else { continue };
        if tree.nodes[child].resource == tree.nodes[node].resource || span.length() == 0 {
            continue;
        }
        let (start, end) = (i128::from(span.start) + above.moved, i128::from(span.end) + above.moved);
        let all = reach.entry(resource).or_insert((start, end));
        *all = (all.0.min(start), all.1.max(end));
    }
    reach.into_iter().map(|(resource, reach)| (resource, least_move(reach, above.whole))).collect()
}

/// The least that puts one span of time within another; where it is longer, their starts are aligned.
fn least_move((start, end): (i128, i128), (from, to): (i128, i128)) -> i128 {
    if start < from || end - start > to - from {
        from - start
    } else if end > to {
        to - end
    } else {
        0
    }
}
