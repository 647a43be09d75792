//! One trace as a waterfall: its spans as a tree, each with a bar to scale, and the critical path marked.
//!
//! Belongs here: how it looks. Does not belong: which path is the critical one; that is handed in.

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use super::super::waterfall::{Layout, Line, Waterfall, What, shortened};
use super::fetched::plural;
use super::slow::cut;
use super::table::{Style, Tone, wrap};
use super::words::clean;
use crate::trace::attribution::Request;
use crate::units::{Nanos, SignedNanos};

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

/// Draws it, `width` columns wide where that is neither too narrow nor too wide.
///
/// # Errors
/// Where the writer fails.
pub fn render(waterfall: &Waterfall<'_>, width: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let layout = Layout::new(waterfall);
    let picture = Picture { layout: &layout, width: width.clamp(NARROWEST, WIDEST), style };
    picture.heading(out)?;
    layout.lines.iter().try_for_each(|line| picture.line(line, out))?;
    if !layout.apart.is_empty() {
        picture.note("not beneath the request:", out)?;
        layout.apart.iter().try_for_each(|line| picture.line(line, out))?;
    }
    picture.footer(out)
}

struct Picture<'a> {
    layout: &'a Layout<'a>,
    width: usize,
    style: Style,
}

impl Picture<'_> {
    /// Columns for names, and for bars.
    fn columns(&self) -> (usize, usize) {
        let room = self.width - BEFORE - 2;
        (room * 2 / 3, room - room * 2 / 3)
    }

    fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        let (names, bars) = self.columns();
        let Request { intended, done, .. } = self.layout.request;
        let whole = Nanos::new(done.saturating_sub(intended)).to_string();
        let scale = format!("0{whole:>rest$}", rest = bars - 1);
        let text = format!(
            "    {:>TIME$}  {:>TIME$}  {:>TIME$}  {:<names$}  {scale}",
            "start", "length", "on path", "span"
        );
        writeln!(out, "{}", self.style.paint(Tone::Dim, &text))
    }

    fn line(&self, line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (names, _) = self.columns();
        let on_path = line.on_path();
        let is_on_path = on_path > 0;
        let start = SignedNanos::difference(Nanos::new(line.start), Nanos::new(self.layout.request.intended));
        let start = match start.is_negative {
            true => start.to_string(),
            false => start.length.to_string(),
        };
        let on_path = if is_on_path { Nanos::new(on_path).to_string() } else { String::new() };
        let times = [start, Nanos::new(line.length()).to_string(), on_path];
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
        let bar = self.bar(line);
        let text = format!("  {mark} {start}  {length}  {on_path}  {}  {}", paint(&name), paint(&bar));
        writeln!(out, "{}", text.trim_end())
    }

    fn bar(&self, line: &Line<'_>) -> String {
        let mut bar = Bar::new(self);
        match line.what {
            What::Lag => bar.fill(line.start, line.end, LAG),
            What::Span => {
                bar.fill(line.start, line.end, OPEN);
                bar.own(&line.own);
            }
        }
        bar.text()
    }

    fn note(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        for line in wrap(&clean(text), self.width - 4) {
            writeln!(out, "    {}", self.style.paint(Tone::Dim, &line))?;
        }
        Ok(())
    }

    fn footer(&self, out: &mut dyn Write) -> io::Result<()> {
        let Layout { left_out, moved, unknown, has_error, .. } = self.layout;
        if !left_out.is_empty() {
            let on_path: u64 = left_out.iter().map(Line::on_path).sum();
            let longest = left_out.iter().map(Line::length).max().unwrap_or(0);
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
        match unknown {
            Some(why) => self.note(&format!("the critical path is not known: {why}"), out)?,
            None => self.note(
                &format!("* and {OWN}: the critical path, whose parts add up to the response; {OPEN}: within the span, but another's part"),
                out,
            )?,
        }
        if *has_error {
            self.note("!: it failed", out)?;
        }
        match moved.iter().max() {
            None => Ok(()),
            Some(most) => self.note(
                &format!(
                    "{} moved by up to {} to lie within what called them: clocks of machines differ",
                    plural(moved.len(), "span"),
                    Nanos::new(*most)
                ),
                out,
            ),
        }
    }
}

/// Service, where it is another than that above, and name, with what fits of them.
fn label(line: &Line<'_>, room: usize) -> String {
    let indent = " ".repeat(line.indent.min(DEEPEST));
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

/// The time from intended to done in so many cells.
struct Bar {
    start: u64,
    length: u64,
    cells: Vec<char>,
}

impl Bar {
    fn new(picture: &Picture<'_>) -> Self {
        let Request { intended, done, .. } = picture.layout.request;
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
