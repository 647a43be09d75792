//! Aligned columns and the few words of style that a terminal understands.

use std::io::{self, Write};

/// Whether to colour. The caller decides, from `NO_COLOR` and from whether the output is a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With ANSI colours.
    Color,
}

/// What a text means; decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Warning,
    Bad,
}

impl Style {
    /// The text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Color => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// One cell: text and tone; its width is counted without colour.
#[derive(Clone, Debug)]
pub(in crate::report) struct Cell(pub(in crate::report) String, pub(in crate::report) Tone);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(text.to_owned(), Tone::Plain)
    }
}

/// Writes rows as [`aligned`] lines.
pub(super) fn table(out: &mut dyn Write, style: Style, left: usize, rows: &[Vec<Cell>]) -> io::Result<()> {
    aligned(style, left, rows).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// One line for each row, every column as wide as its widest cell, two spaces in front: the first `left` columns to the
/// left, the others to the right. The first row is the heading.
pub(in crate::report) fn aligned(style: Style, left: usize, rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.0.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |(index, row): (usize, &Vec<Cell>)| {
        let mut line = String::new();
        for (column, (Cell(text, tone), width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - text.chars().count());
            let tone = if index == 0 { Tone::Dim } else { *tone };
            let painted = style.paint(tone, text);
            line.push_str("  ");
            line.push_str(&if column < left { painted + &padding } else { padding + &painted });
        }
        line.trim_end().to_owned()
    };
    rows.iter().enumerate().map(line).collect()
}

/// Cuts a text into lines of at most `width` characters, between words where there are any, and not at a no-break space.
pub(in crate::report) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let is_break = |c: char| c.is_whitespace() && c != '\u{a0}';
    for word in text.split(is_break).filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            // There is always a last line: it starts with one, and only gains.
            let Some(line) = lines.last_mut() else { return lines };
            let room = width.saturating_sub(line.chars().count() + usize::from(!line.is_empty()));
            if word.len() <= room {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(word);
                break;
            }
            if line.is_empty() {
                line.extend(word.drain(..width.max(1).min(word.len())));
            }
            lines.push(String::new());
            if word.is_empty() {
                break;
            }
        }
    }
    if lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// `1234567` as `1,234,567`.
pub(in crate::report) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_colour() {
        let rows = [
            vec!["name".into(), "p50".into()],
            vec!["a".into(), Cell("1.00 ms".into(), Tone::Bad)],
            vec!["longer".into(), "7 us".into()],
        ];
        let text = |style| {
            let mut bytes = Vec::new();
            table(&mut bytes, style, 1, &rows).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(text(Style::Plain), "  name        p50\n  a       1.00 ms\n  longer     7 us\n");
        let colored = text(Style::Color);
        assert!(colored.contains("\u{1b}[31m1.00 ms\u{1b}[0m"));
        let bare = ["\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"]
            .iter()
            .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(bare, text(Style::Plain));
    }

    #[test]
    fn long_text_is_cut_between_words_and_long_words_within() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("a 5\u{a0}% b", 4), ["a", "5\u{a0}%", "b"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("abcd", 4), ["abcd"]);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
