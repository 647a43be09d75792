//! One request's trace as lines of a waterfall, whatever draws them: which spans, in which order, and what of each is on the critical path.
//!
//! Belongs here: the layout. Does not belong: how a line looks; which path is the critical one, which is handed in.

mod tree;

use super::model;
use crate::trace::attribution::{Attributed, Piece, Request};
use crate::trace::spans::{Kind, Span};
use tree::{Node, Tree, chosen};

/// Lines at most: the lag, the request, what is beneath it and what is apart.
pub(super) const MOST_LINES: usize = 2 + MOST + MOST_APART;
/// Spans drawn at most, the request's own left aside.
const MOST: usize = 100;
/// Of those that do not hang beneath it, at most so many where the others take all the room.
const MOST_APART: usize = 10;

/// A request with what is known of its trace.
#[derive(Clone, Debug)]
pub struct Waterfall<'a> {
    pub request: Request,
    /// What the request is called where its own span is missing.
    pub operation: &'a str,
    pub spans: &'a [Span],
    /// Or why it is not known.
    pub path: Result<Path<'a>, String>,
}

/// The critical path, and clocks put in line for it. Indexes are those of the spans.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// From sent to done without gaps.
    pub pieces: &'a [Piece],
    /// By how many nanoseconds each span was moved; one that is missing here was not.
    pub moved: &'a [i64],
}

impl<'a> From<&'a Attributed> for Path<'a> {
    fn from(attributed: &'a Attributed) -> Self {
        Self { pieces: &attributed.path, moved: &attributed.moved }
    }
}

/// When it was due, sent and done: by its own span where that is there, for the report knows whole microseconds of the first.
pub fn moments(id: u128, request: Option<&model::Request>, spans: &[Span]) -> Option<Request> {
    // To a float and back: none of these is longer than an hour or so.
    let nanos = |micros: f64| (micros * 1e3).round() as u64;
    let Some(request) = request else {
        // Of a request that the report does not name, its own span tells all that is known.
        let is_own = |span: &&Span| span.parent.is_none() && span.kind == Kind::Client;
        let own = spans.iter().find(is_own).or_else(|| spans.iter().find(|span| span.parent.is_none()))?;
        let (sent, done) = (own.start, own.end);
        return Some(Request { trace_id: id, span_id: own.span_id, intended: sent, sent, done });
    };
    let span_id = u64::from_str_radix(request.span_id.as_deref()?, 16).ok()?;
    let lag = nanos(request.lag_us?);
    let (sent, done) = match spans.iter().find(|span| span.span_id == span_id) {
        Some(own) => (own.start, own.end),
        None => {
            let intended = request.intended_unix_us.saturating_mul(1_000);
            (intended.saturating_add(lag), intended.saturating_add(nanos(request.response_us)))
        }
    };
    Some(Request { trace_id: id, span_id, intended: sent.saturating_sub(lag), sent, done })
}

/// Of `milvus.proto.query.QueryNode/Search` the package tells least, and the method most.
pub(super) fn shortened(name: &str, room: usize) -> String {
    let parts = name.split_once('/').and_then(|(path, method)| Some((path.rsplit_once('.')?.1, method)));
    let Some((service, method)) = parts else { return name.to_owned() };
    let forms = [name.to_owned(), format!("{service}/{method}"), format!("…/{method}")];
    let fits = |form: &&String| form.chars().count() <= room;
    forms.iter().find(fits).unwrap_or(&forms[2]).clone()
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Due, and not yet sent.
    Lag,
    Span,
}

/// A line; times are nanoseconds since 1970.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) what: What,
    pub(super) start: u64,
    pub(super) end: u64,
    /// What of it is on the critical path.
    pub(super) own: Vec<(u64, u64)>,
    /// How many spans are above it.
    pub(super) indent: usize,
    /// Where it is another than that above.
    pub(super) service: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) is_error: bool,
    /// The span, and by how many nanoseconds it was moved; `None`: it is none, or is missing.
    pub(super) span: Option<(u64, i64)>,
}

impl Line<'_> {
    pub(super) const fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Its time on the critical path.
    pub(super) fn on_path(&self) -> u64 {
        self.own.iter().map(|(start, end)| end.saturating_sub(*start)).sum()
    }
}

/// A waterfall's lines, from top to bottom.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) request: Request,
    /// The lag, the request's own span, and all beneath it.
    pub(super) lines: Vec<Line<'a>>,
    /// Spans that do not hang beneath the request.
    pub(super) apart: Vec<Line<'a>>,
    /// What there was no room for.
    pub(super) left_out: Vec<Line<'a>>,
    /// By how much spans were moved, those that were.
    pub(super) moved: Vec<u64>,
    /// Why the critical path is not known.
    pub(super) unknown: Option<&'a str>,
    pub(super) has_error: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn new(of: &'a Waterfall<'a>) -> Self {
        let Tree { client, beneath, apart } = Tree::new(of.spans, of.request.span_id);
        let source = Source { of, pieces: pieces(of, client) };
        let mut lines: Vec<Line<'a>> = source.request(client).into_iter().collect();
        let (drawn, mut left_out) = source.lines(&beneath, client, MOST);
        lines.extend(drawn);
        let (apart, more) = source.lines(&apart, None, MOST.saturating_sub(beneath.len()).max(MOST_APART));
        left_out.extend(more);
        let moved =
            (0..of.spans.len()).map(|span| source.moved(span).unsigned_abs()).filter(|by| *by > 0).collect();
        Self {
            request: of.request,
            lines,
            apart,
            left_out,
            moved,
            unknown: of.path.as_ref().err().map(String::as_str),
            has_error: of.spans.iter().any(|span| span.is_error),
        }
    }
}

/// Pieces of the critical path, by span; those of the request itself last.
fn pieces(of: &Waterfall<'_>, client: Option<usize>) -> Vec<Vec<(u64, u64)>> {
    let request = of.spans.len();
    let mut pieces = vec![Vec::new(); request + 1];
    for piece in of.path.iter().flat_map(|path| path.pieces) {
        let owner = piece.span.filter(|span| *span < request && Some(*span) != client);
        pieces[owner.unwrap_or(request)].push((piece.start, piece.end));
    }
    pieces
}

struct Source<'a> {
    of: &'a Waterfall<'a>,
    pieces: Vec<Vec<(u64, u64)>>,
}

impl<'a> Source<'a> {
    /// The lag, where there is any, and the request's own span.
    fn request(&self, client: Option<usize>) -> Vec<Line<'a>> {
        let Request { intended, sent, done, .. } = self.of.request;
        let span = client.map(|index| &self.of.spans[index]);
        let lag = Line {
            what: What::Lag,
            start: intended,
            end: sent,
            own: vec![(intended, sent)],
            indent: 0,
            service: None,
            name: "lag: due, and not yet sent",
            is_error: false,
            span: None,
        };
        let own = Line {
            what: What::Span,
            start: sent,
            end: done,
            own: self.pieces[self.of.spans.len()].clone(),
            indent: 0,
            service: span.map(|span| &*span.service),
            name: span.map_or(self.of.operation, |span| &span.name),
            is_error: span.is_some_and(|span| span.is_error),
            span: span.map(|span| (span.span_id, 0)),
        };
        [(lag.length() > 0).then_some(lag), Some(own)].into_iter().flatten().collect()
    }

    /// At most so many lines, all of them beneath `top`; and those that are left out.
    fn lines(&self, nodes: &[Node], top: Option<usize>, most: usize) -> (Vec<Line<'a>>, Vec<Line<'a>>) {
        let on_path = |span: usize| {
            self.pieces[span].iter().map(|(start, end)| end.saturating_sub(*start)).sum::<u64>()
        };
        let is_drawn =
            chosen(nodes, most, |node: &Node| (on_path(node.span), self.of.spans[node.span].length()));
        let (mut drawn, mut left_out) = (Vec::new(), Vec::new());
        for (node, is_drawn) in nodes.iter().zip(is_drawn) {
            let above = node.above.map_or(top, |above| Some(nodes[above].span));
            let line = self.line(node, above);
            if is_drawn { drawn.push(line) } else { left_out.push(line) }
        }
        (drawn, left_out)
    }

    fn line(&self, node: &Node, above: Option<usize>) -> Line<'a> {
        let span = &self.of.spans[node.span];
        let [start, end] =
            [span.start, span.end].map(|moment| moment.saturating_add_signed(self.moved(node.span)));
        let is_same = above.is_some_and(|above| self.of.spans[above].service == span.service);
        Line {
            what: What::Span,
            start,
            end,
            own: self.pieces[node.span].clone(),
            indent: node.depth,
            service: (!is_same).then_some(&*span.service),
            name: &span.name,
            is_error: span.is_error,
            span: Some((span.span_id, self.moved(node.span))),
        }
    }

    fn moved(&self, span: usize) -> i64 {
        self.of.path.as_ref().ok().and_then(|path| path.moved.get(span)).copied().unwrap_or(0)
    }
}
