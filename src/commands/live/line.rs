//! A line of toned text whose width is known, and which can be cut.

use crate::report::terminal::{Style, Tone};

/// Pieces beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(String, Tone)>);

impl Line {
    pub fn of(text: impl Into<String>, tone: Tone) -> Self {
        Self(vec![(text.into(), tone)])
    }

    pub fn push(&mut self, text: impl Into<String>, tone: Tone) -> &mut Self {
        self.0.push((text.into(), tone));
        self
    }

    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| columns(text)).sum()
    }

    /// Its text, no wider than that, painted.
    pub fn painted(&self, width: usize, style: Style) -> String {
        let (mut painted, mut room) = (String::new(), width);
        for (text, tone) in &self.0 {
            let cut = cut(text, room);
            room -= columns(&cut).min(room);
            painted += &style.paint(*tone, &cut);
        }
        painted
    }
}

/// Lines of pieces, two spaces between them, each no wider than `width` where no piece is.
pub(super) fn wrapped(pieces: impl IntoIterator<Item = Line>, width: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.width() + 2 + piece.width() <= width => {
                line.push("  ", Tone::Plain).append(piece);
            }
            _ => lines.push(piece),
        }
    }
    lines
}

/// How many columns a text takes at most. Beyond the scripts and signs that take one, any character may take two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\0'..'\u{1100}' | '\u{2000}'..'\u{2e80}') { 1 } else { 2 }).sum()
}

/// A text that takes no more than so many columns, its end left out for `…` where need be.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if columns(&kept) + columns(c.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 { kept + "\u{2026}" } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_its_room_whatever_its_script() {
        let told = [("abc", 3), ("abcd", 3), ("abcd", 1), ("abcd", 0), ("\u{65e5}\u{672c}\u{8a9e}", 5)]
            .map(|(text, width)| cut(text, width));
        assert_eq!(told, ["abc", "ab\u{2026}", "\u{2026}", "", "\u{65e5}\u{672c}\u{2026}"]);
    }

    #[test]
    fn pieces_are_wrapped_whole() {
        let piece = |text: &str| Line::of(text, Tone::Plain);
        let lines = wrapped([piece("abc"), piece("de"), piece("fgh"), piece("long one")], 7);
        let text: Vec<String> = lines.iter().map(|line| line.painted(7, Style::Plain)).collect();
        assert_eq!(text, ["abc  de", "fgh", "long o\u{2026}"]);
    }

    #[test]
    fn colours_take_no_room() {
        let mut line = Line::of("ab", Tone::Bad);
        line.push("cd", Tone::Plain);
        assert_eq!((line.width(), line.painted(4, Style::Color)), (4, "\u{1b}[31mab\u{1b}[0mcd".to_owned()));
        assert_eq!(line.painted(3, Style::Color), "\u{1b}[31mab\u{1b}[0m\u{2026}");
    }
}
