//! One trace as a waterfall: its spans as a tree, each with a bar to scale, and the critical path marked.
//!
//! Belongs here: how it looks. Does not belong: which path is the critical one; that is handed in.

mod tree;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use super::fetched::plural;
use super::slow::cut;
use super::table::{Style, Tone, wrap};
use super::words::clean;
use crate::trace::attribution::{Piece, Request};
use crate::trace::spans::Span;
use crate::units::{Nanos, SignedNanos};
use tree::{Node, Tree, chosen};

/// Spans drawn at most, the request's own left aside.
const MOST: usize = 100;
/// Of those that do not hang beneath it, at most so many where the others take all the room.
const MOST_APART: usize = 10;
/// Deeper ones are not moved further to the right.
const DEEPEST: usize = 12;
/// Columns that a waterfall can be drawn in.
const NARROWEST: usize = 60;
const WIDEST: usize = 160;
/// A column of times.
const TIME: usize = 7;
/// Columns before the names: two spaces, the mark, and three times.
const BEFORE: usize = 4 + 3 * (TIME + 2);

/// Time that is the span's own part of the path.
const OWN: char = '\u{2588}';
/// Time within the span that is another's part.
const OPEN: char = '\u{2500}';
/// Due, and not yet sent.
const LAG: char = '\u{2591}';

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

/// Draws it, `width` columns wide where that is neither too narrow nor too wide.
///
/// # Errors
/// Where the writer fails.
pub fn render(waterfall: &Waterfall<'_>, width: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let picture = Picture::new(waterfall, width.clamp(NARROWEST, WIDEST), style);
    picture.heading(out)?;
    picture.request(out)?;
    let Tree { client, beneath, apart } = &picture.tree;
    let mut left_out = picture.nodes(beneath, *client, MOST, out)?;
    if !apart.is_empty() {
        picture.note("not beneath the request:", out)?;
        let room = MOST.saturating_sub(beneath.len()).max(MOST_APART);
        left_out.extend(picture.nodes(apart, None, room, out)?);
    }
    picture.footer(&left_out, out)
}

struct Picture<'a> {
    of: &'a Waterfall<'a>,
    tree: Tree,
    /// Of each span, its time on the path; last that of the request itself.
    on_path: Vec<u64>,
    /// Of each span, its pieces; last those of the request itself.
    pieces: Vec<Vec<(u64, u64)>>,
    width: usize,
    style: Style,
}

/// What stands in a line.
struct Line<'a> {
    start: SignedNanos,
    length: u64,
    on_path: u64,
    indent: usize,
    service: Option<&'a str>,
    name: &'a str,
    is_error: bool,
    bar: String,
}

impl<'a> Picture<'a> {
    fn new(of: &'a Waterfall<'a>, width: usize, style: Style) -> Self {
        let tree = Tree::new(of.spans, of.request.span_id);
        let request = of.spans.len();
        let mut pieces = vec![Vec::new(); request + 1];
        for piece in of.path.iter().flat_map(|path| path.pieces) {
            let owner = piece.span.filter(|span| *span < request && Some(*span) != tree.client);
            pieces[owner.unwrap_or(request)].push((piece.start, piece.end));
        }
        let length =
            |pieces: &Vec<(u64, u64)>| pieces.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
        Self { of, tree, on_path: pieces.iter().map(length).collect(), pieces, width, style }
    }

    /// Columns for names, and for bars.
    fn columns(&self) -> (usize, usize) {
        let room = self.width - BEFORE - 2;
        (room * 2 / 3, room - room * 2 / 3)
    }

    fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        let (names, bars) = self.columns();
        let Request { intended, done, .. } = self.of.request;
        let whole = Nanos::new(done.saturating_sub(intended)).to_string();
        let scale = format!("0{whole:>rest$}", rest = bars - 1);
        let text = format!(
            "    {:>TIME$}  {:>TIME$}  {:>TIME$}  {:<names$}  {scale}",
            "start", "length", "on path", "span"
        );
        writeln!(out, "{}", self.style.paint(Tone::Dim, &text))
    }

    /// The lag, and the request's own span.
    fn request(&self, out: &mut dyn Write) -> io::Result<()> {
        let Request { intended, sent, done, .. } = self.of.request;
        let lag = sent.saturating_sub(intended);
        if lag > 0 {
            let mut bar = Bar::new(self);
            bar.fill(intended, sent, LAG);
            let name = "lag: due, and not yet sent";
            let line = Line {
                start: self.offset(intended),
                length: lag,
                on_path: lag,
                indent: 0,
                service: None,
                name,
                is_error: false,
                bar: bar.text(),
            };
            self.line(&line, out)?;
        }
        let span = self.tree.client.map(|index| &self.of.spans[index]);
        let mut bar = Bar::new(self);
        bar.fill(sent, done, OPEN);
        bar.own(&self.pieces[self.of.spans.len()]);
        let line = Line {
            start: self.offset(sent),
            length: done.saturating_sub(sent),
            on_path: self.on_path[self.of.spans.len()],
            indent: 0,
            service: span.map(|span| &*span.service),
            name: span.map_or(self.of.operation, |span| &span.name),
            is_error: span.is_some_and(|span| span.is_error),
            bar: bar.text(),
        };
        self.line(&line, out)
    }

    /// Draws at most so many, all of them beneath `top`, and gives back the indexes of the spans that are left out.
    fn nodes(
        &self,
        nodes: &[Node],
        top: Option<usize>,
        most: usize,
        out: &mut dyn Write,
    ) -> io::Result<Vec<usize>> {
        let weight = |node: &Node| (self.on_path[node.span], self.of.spans[node.span].length());
        let is_drawn = chosen(nodes, most, weight);
        for (node, _) in nodes.iter().zip(&is_drawn).filter(|(_, is_drawn)| **is_drawn) {
            let span = &self.of.spans[node.span];
            let [start, end] =
                [span.start, span.end].map(|moment| moment.saturating_add_signed(self.moved(node.span)));
            let above = node.above.map_or(top, |above| Some(nodes[above].span));
            let is_same = above.is_some_and(|above| self.of.spans[above].service == span.service);
            let mut bar = Bar::new(self);
            bar.fill(start, end, OPEN);
            bar.own(&self.pieces[node.span]);
            let line = Line {
                start: self.offset(start),
                length: span.length(),
                on_path: self.on_path[node.span],
                indent: node.depth.min(DEEPEST),
                service: (!is_same).then_some(&*span.service),
                name: &span.name,
                is_error: span.is_error,
                bar: bar.text(),
            };
            self.line(&line, out)?;
        }
        let left_out = nodes.iter().zip(&is_drawn).filter(|(_, is_drawn)| !**is_drawn);
        Ok(left_out.map(|(node, _)| node.span).collect())
    }

    fn moved(&self, span: usize) -> i64 {
        self.of.path.as_ref().ok().and_then(|path| path.moved.get(span)).copied().unwrap_or(0)
    }

    fn offset(&self, moment: u64) -> SignedNanos {
        SignedNanos::difference(Nanos::new(moment), Nanos::new(self.of.request.intended))
    }

    fn line(&self, line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (names, _) = self.columns();
        let is_on_path = line.on_path > 0;
        let start = match line.start.is_negative {
            true => line.start.to_string(),
            false => line.start.length.to_string(),
        };
        let on_path = if is_on_path { Nanos::new(line.on_path).to_string() } else { String::new() };
        let times = [start, Nanos::new(line.length).to_string(), on_path];
        let [start, length, on_path] = times.map(|time| match time.chars().count() <= TIME {
            true => format!("{time:>TIME$}"),
            // A minus, or an hour: the space gives way.
            false => cut(&time.replace(' ', ""), TIME),
        });
        let name = format!("{:<names$}", label(line, names));
        let tone = match (line.is_error, is_on_path) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Strong,
            (false, false) => Tone::Dim,
        };
        let mark = if is_on_path { '*' } else { ' ' };
        let paint = |text: &str| self.style.paint(tone, text);
        let text = format!("  {mark} {start}  {length}  {on_path}  {}  {}", paint(&name), paint(&line.bar));
        writeln!(out, "{}", text.trim_end())
    }

    fn note(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        for line in wrap(&clean(text), self.width - 4) {
            writeln!(out, "    {}", self.style.paint(Tone::Dim, &line))?;
        }
        Ok(())
    }

    fn footer(&self, left_out: &[usize], out: &mut dyn Write) -> io::Result<()> {
        if !left_out.is_empty() {
            let on_path: u64 = left_out.iter().map(|span| self.on_path[*span]).sum();
            let longest = left_out.iter().map(|span| self.of.spans[*span].length()).max().unwrap_or(0);
            let theirs = match on_path {
                0 => "none of them on the path".to_owned(),
                _ => format!("{} of the path are theirs", Nanos::new(on_path)),
            };
            let text = format!(
                "{} left out: {theirs}, the longest {}",
                plural(left_out.len(), "span"),
                Nanos::new(longest)
            );
            self.note(&text, out)?;
        }
        match &self.of.path {
            Err(why) => self.note(&format!("the critical path is not known: {why}"), out)?,
            Ok(_) => self.note(
                &format!("* and {OWN}: the critical path, whose parts add up to the response; {OPEN}: within the span, but another's part"),
                out,
            )?,
        }
        if self.of.spans.iter().any(|span| span.is_error) {
            self.note("!: it failed", out)?;
        }
        let moves = (0..self.of.spans.len()).map(|span| self.moved(span).unsigned_abs());
        let moves: Vec<u64> = moves.filter(|by| *by > 0).collect();
        match moves.iter().max() {
            None => Ok(()),
            Some(most) => self.note(
                &format!(
                    "{} moved by up to {} to lie within what called them: clocks of machines differ",
                    plural(moves.len(), "span"),
                    Nanos::new(*most)
                ),
                out,
            ),
        }
    }
}

/// Service, where it is another than that above, and name, with what fits of them.
fn label(line: &Line<'_>, room: usize) -> String {
    let indent = " ".repeat(line.indent);
    let error = if line.is_error { "! " } else { "" };
    let service = match line.service {
        Some("") => "(no service): ".to_owned(),
        Some(service) => format!("{}: ", clean(service)),
        None => String::new(),
    };
    let name = clean(line.name);
    let before = format!("{indent}{error}{service}");
    let rest = room.saturating_sub(before.chars().count());
    cut(&format!("{before}{}", shortened(&name, rest)), room)
}

/// Of `milvus.proto.query.QueryNode/Search` the package tells least, and the method most.
fn shortened(name: &str, room: usize) -> String {
    let parts = name.split_once('/').and_then(|(path, method)| Some((path.rsplit_once('.')?.1, method)));
    let Some((service, method)) = parts else { return name.to_owned() };
    let forms = [name.to_owned(), format!("{service}/{method}"), format!("…/{method}")];
    let fits = |form: &&String| form.chars().count() <= room;
    forms.iter().find(fits).unwrap_or(&forms[2]).clone()
}

/// The time from intended to done in so many cells.
struct Bar {
    start: u64,
    length: u64,
    cells: Vec<char>,
}

impl Bar {
    fn new(picture: &Picture<'_>) -> Self {
        let Request { intended, done, .. } = picture.of.request;
        let (_, cells) = picture.columns();
        Self { start: intended, length: done.saturating_sub(intended).max(1), cells: vec![' '; cells] }
    }

    /// Every cell that is touched; what lies beyond either end has a mark there.
    fn fill(&mut self, start: u64, end: u64, with: char) {
        let last = self.cells.len() - 1;
        let (from, to) = (self.cell(start), self.cell(end.saturating_sub(1).max(start)));
        self.cells[from.min(last)..=to.min(last)].fill(with);
        if start < self.start {
            self.cells[0] = '<';
        }
        if end > self.start.saturating_add(self.length) {
            self.cells[last] = '>';
        }
    }

    fn own(&mut self, pieces: &[(u64, u64)]) {
        let pieces = pieces.iter().filter(|(start, end)| start < end);
        pieces.for_each(|(start, end)| self.fill(*start, *end, OWN));
    }

    fn cell(&self, moment: u64) -> usize {
        let place = u128::from(moment.saturating_sub(self.start)) * self.cells.len() as u128;
        usize::try_from(place / u128::from(self.length)).unwrap_or(usize::MAX)
    }

    fn text(self) -> String {
        self.cells.into_iter().collect()
    }
}
