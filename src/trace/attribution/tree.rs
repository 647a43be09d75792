//! Which spans hang beneath a request, and under which.
//!
//! Belongs here: parents and children. Does not belong: moments, but for telling which of two spans holds the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Incomplete, Request, SEGCORE};
use crate::trace::spans::{Kind, Span};

/// The request itself.
pub(super) const ROOT: usize = 0;
/// What the proxy's handlers of calls are named, and the phases of their tasks.
const HANDLER: &str = "Proxy-";

/// The request and all that hangs beneath it; every node comes after its parent.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    spans: &'a [Span],
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    /// Index of the span; `None`: the request.
    pub span: Option<usize>,
    /// In no order.
    pub children: Vec<usize>,
    /// Whose clock it was made by; `None`: the client's, of which no span came.
    pub resource: Option<u64>,
}

impl<'a> Tree<'a> {
    pub fn of(request: &Request, spans: &'a [Span]) -> Result<Self, Incomplete> {
        let by_id = first_of_each(request.trace_id, spans);
        let own = by_id.get(&request.span_id).copied();
        let parents = parents(request.span_id, spans, &by_id);
        let mut children: HashMap<u64, Vec<usize>> = HashMap::new();
        for (&span, &parent) in &parents {
            children.entry(parent).or_default().push(span);
        }
        let is_server = |&span: &usize| spans[span].kind == Kind::Server && spans[span].length() > 0;
        if !children.get(&request.span_id).is_some_and(|hanging| hanging.iter().any(is_server)) {
            return Err(Incomplete::NoServerSpan);
        }
        let root = Node { span: None, children: Vec::new(), resource: own.map(|own| spans[own].resource) };
        let mut tree = Self { spans, nodes: vec![root] };
        tree.hang(request.span_id, &children);
        let beside = beside(request.span_id, spans, &by_id, &children);
        if tree.nodes.len() - 1 + beside < by_id.len() - usize::from(own.is_some()) {
            return Err(Incomplete::NotReached);
        }
        Ok(tree)
    }

    pub fn span(&self, node: usize) -> Option<&'a Span> {
        self.nodes[node].span.map(|span| &self.spans[span])
    }

    /// Breadth first. It ends: every span has one parent, so none is met twice, and a ring of them is never met.
    fn hang(&mut self, root: u64, children: &HashMap<u64, Vec<usize>>) {
        let mut next = ROOT;
        while next < self.nodes.len() {
            let (id, resource) =
                (self.span(next).map_or(root, |span| span.span_id), self.nodes[next].resource);
            for &span in children.get(&id).into_iter().flatten() {
                let own = Some(self.spans[span].resource);
                let resource = if &*self.spans[span].service == SEGCORE { resource } else { own };
                let child = self.nodes.len();
                self.nodes[next].children.push(child);
                self.nodes.push(Node { span: Some(span), children: Vec::new(), resource });
            }
            next += 1;
        }
    }
}

/// The spans of a trace by their IDs. Of equal IDs the first to start counts, and among those the first by all that is told of them, so
/// that the order in which they came is all the same.
fn first_of_each(trace_id: u128, spans: &[Span]) -> BTreeMap<u64, usize> {
    let mut by_id: BTreeMap<u64, usize> = BTreeMap::new();
    for (index, span) in spans.iter().enumerate().filter(|(_, span)| span.trace_id == trace_id) {
        let kept = by_id.entry(span.span_id).or_insert(index);
        if rank(span) < rank(&spans[*kept]) {
            *kept = index;
        }
    }
    by_id
}

fn rank(span: &Span) -> impl Ord + '_ {
    (span.start, span.end, span.parent, &span.service, &span.name, span.kind, span.resource)
}

/// The parent of each span that has one, by its ID, after adoption.
fn parents(root: u64, spans: &[Span], by_id: &BTreeMap<u64, usize>) -> BTreeMap<usize, u64> {
    let hanging = by_id.iter().filter(|(id, _)| **id != root);
    let given: BTreeMap<usize, u64> =
        hanging.filter_map(|(_, &span)| Some((span, spans[span].parent?))).collect();
    let with_length = given.iter().filter(|(span, _)| spans[**span].length() > 0);
    let with_children: BTreeSet<u64> = with_length.map(|(_, parent)| *parent).collect();
    // By the spans beneath which they look, with after which moment: their own parent, and that one's.
    let mut handlers: BTreeMap<u64, Vec<(&Span, Option<u64>)>> = BTreeMap::new();
    for (&span, &parent) in &given {
        let span = &spans[span];
        if span.name.starts_with(HANDLER) && span.length() > 0 && !with_children.contains(&span.span_id) {
            handlers.entry(parent).or_default().push((span, None));
            let task = by_id.get(&parent).filter(|_| parent != root);
            if let Some((task, &above)) = task.and_then(|task| Some((task, given.get(task)?))) {
                handlers.entry(above).or_default().push((span, Some(spans[*task].start)));
            }
        }
    }
    let adopted = |(&span, &parent): (&usize, &u64)| {
        let handler = handlers.get(&parent).and_then(|near| adopting(&spans[span], near));
        (span, handler.map_or(parent, |handler| handler.span_id))
    };
    given.iter().map(adopted).collect()
}

/// Milvus hangs what a handler waits for beside it (a query's task), and what a task's phase does beside the task (an insert's
/// `SendMsg`): a handler or phase without children takes what starts within it, of several the one that started last. What it takes may
/// end after it, for a task tells that it is done before its span ends.
///
/// They do not take each other, and a phase takes only what started after its task did, so nothing can come to hang beneath itself.
fn adopting<'a>(span: &Span, handlers: &[(&'a Span, Option<u64>)]) -> Option<&'a Span> {
    let holds = |(handler, after): &&(&Span, Option<u64>)| {
        handler.resource == span.resource
            && (handler.start..handler.end).contains(&span.start)
            && after.is_none_or(|after| span.start > after)
    };
    let tightest = |handler: &&Span| (handler.start, u64::MAX - handler.end, u64::MAX - handler.span_id);
    if span.name.starts_with(HANDLER) {
        return None;
    }
    handlers.iter().filter(holds).map(|(handler, _)| *handler).max_by_key(tightest)
}

/// How many spans belong to what the request is a part of, and not to it: its ancestors, and all that hangs beneath these.
fn beside(
    root: u64,
    spans: &[Span],
    by_id: &BTreeMap<u64, usize>,
    children: &HashMap<u64, Vec<usize>>,
) -> usize {
    let mut seen: BTreeSet<u64> = BTreeSet::from([root]);
    let mut above = by_id.get(&root).and_then(|&own| spans[own].parent);
    let mut open = Vec::new();
    while let Some(id) = above.filter(|id| seen.insert(*id)) {
        open.push(id);
        above = by_id.get(&id).and_then(|&span| spans[span].parent);
    }
    while let Some(id) = open.pop() {
        let hanging = children.get(&id).into_iter().flatten().map(|&span| spans[span].span_id);
        open.extend(hanging.filter(|id| seen.insert(*id)));
    }
    seen.iter().filter(|id| **id != root && by_id.contains_key(id)).count()
}
