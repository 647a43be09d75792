//! What a report of an experiment says, in blocks that a terminal and Markdown both can show.
//!
//! Belongs here: the order of blocks and their two renderings. Invariant: both show the same words and numbers, and no foreign word
//! steers a terminal or is taken for markup.

use std::io::{self, Write};

use super::terminal::table::{Cell, Style, Tone, aligned, wrap};
use super::terminal::{WIDTH, clean};

#[derive(Clone, Debug)]
pub(in crate::report) enum Block {
    /// What it is about; the first block.
    Title(String),
    /// Over the blocks that follow.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// One paragraph a line.
    List(Vec<String>),
    /// Names and what they stand for.
    Facts(Vec<(String, String)>),
    /// Rows, the heading first; so many columns to the left, the others to the right.
    Table(usize, Vec<Vec<Cell>>),
    /// Lines in which every character has one width.
    Drawing(Vec<String>),
}

/// Blocks from top to bottom.
#[derive(Clone, Debug, Default)]
pub struct Document {
    blocks: Vec<Block>,
}

impl Document {
    pub(in crate::report) fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// What it is about.
    pub(in crate::report) fn title(&self) -> Option<&str> {
        self.blocks.iter().find_map(|block| match block {
            Block::Title(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// What it says before it tells any number in full.
    pub(in crate::report) fn first_text(&self) -> Option<&str> {
        let before =
            self.blocks.iter().take_while(|block| !matches!(block, Block::Heading(_) | Block::Table(..)));
        before.into_iter().find_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// For a terminal, at most 100 columns wide but for drawings and tables that need more.
    ///
    /// # Errors
    /// Where the writer fails.
    pub fn terminal(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            terminal_lines(block, style).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(())
    }

    /// Markdown as GitHub reads it; readable as plain text.
    ///
    /// # Errors
    /// Where the writer fails.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            markdown_lines(block).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(())
    }
}

fn terminal_lines(block: &Block, style: Style) -> Vec<String> {
    match block {
        Block::Title(text) => vec![style.paint(Tone::Strong, &clean(text))],
        Block::Heading(text) => vec![style.paint(Tone::Strong, &format!("  {}", clean(text)))],
        Block::Text(text) => indented(text, "  ", "  "),
        Block::List(items) => items.iter().flat_map(|item| indented(item, "  - ", "    ")).collect(),
        Block::Facts(facts) => {
            let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            let of = |(name, value): &(String, String)| {
                let first = format!("  {}  ", style.paint(Tone::Dim, &format!("{name:<width$}")));
                indented(value, &first, &" ".repeat(width + 4))
            };
            facts.iter().flat_map(of).collect()
        }
        Block::Table(left, rows) => aligned(style, *left, &with_words_to_the_left(cleaned(rows))),
        Block::Drawing(lines) => {
            lines.iter().map(|line| format!("  {}", clean(line)).trim_end().to_owned()).collect()
        }
    }
}

fn indented(text: &str, first: &str, others: &str) -> Vec<String> {
    // A percent sign stays with its number.
    let lines = wrap(&clean(text).replace(" %", "\u{a0}%"), WIDTH - others.len());
    let lines = lines.into_iter().map(|line| line.replace('\u{a0}', " ")).collect::<Vec<_>>();
    let with = |(index, line): (usize, String)| {
        if index == 0 { format!("{first}{line}") } else { format!("{others}{line}") }
    };
    lines.into_iter().enumerate().map(with).collect()
}

/// Whether a table's last column, beyond the numbers, holds words alone.
fn ends_with_words(rows: &[Vec<Cell>]) -> bool {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let is_word = |cell: &Cell| cell.0.chars().next().is_none_or(char::is_alphabetic);
    let mut last = rows.iter().skip(1).filter_map(|row| row.get(columns.checked_sub(1)?)).peekable();
    last.peek().is_some() && last.all(is_word)
}

/// Such a column is read from the left.
fn with_words_to_the_left(mut rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    if ends_with_words(&rows) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut last: Vec<&mut Cell> =
            rows.iter_mut().filter(|row| row.len() == columns).filter_map(|row| row.last_mut()).collect();
        let width = last.iter().map(|Cell(text, _)| text.chars().count()).max().unwrap_or(0);
        for Cell(text, _) in &mut last {
            let padding = width - text.chars().count();
            text.push_str(&" ".repeat(padding));
        }
    }
    rows
}

fn cleaned(rows: &[Vec<Cell>]) -> Vec<Vec<Cell>> {
    rows.iter().map(|row| row.iter().map(|Cell(text, tone)| Cell(clean(text), *tone)).collect()).collect()
}

fn markdown_lines(block: &Block) -> Vec<String> {
    match block {
        Block::Title(text) => vec![format!("## {}", escaped(text))],
        Block::Heading(text) => vec![format!("### {}", escaped(text))],
        Block::Text(text) => vec![escaped(text)],
        Block::List(items) => items.iter().map(|item| format!("- {}", escaped(item))).collect(),
        Block::Facts(facts) => {
            facts.iter().map(|(name, value)| format!("- {}: {}", escaped(name), escaped(value))).collect()
        }
        Block::Table(left, rows) => markdown_table(*left, rows),
        Block::Drawing(lines) => {
            // A fence ends at a line of as many backquotes; what is drawn here has none.
            let drawn = lines.iter().map(|line| clean(line).replace('`', "'"));
            ["```text".to_owned()].into_iter().chain(drawn).chain(["```".to_owned()]).collect()
        }
    }
}

fn markdown_table(left: usize, rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let last_left = usize::from(ends_with_words(rows));
    let is_left = |column: usize| column < left || column + last_left >= columns;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut row: Vec<String> = row.iter().map(|Cell(text, _)| escaped_cell(text)).collect();
            row.resize(columns, String::new());
            row
        })
        .collect();
    let widths: Vec<usize> = (0..columns)
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (text, width))| {
            let padding = " ".repeat(width - text.chars().count());
            if is_left(column) { format!("{text}{padding}") } else { format!("{padding}{text}") }
        });
        format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        if is_left(column) { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
    });
    let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
    let mut lines: Vec<String> = cells.iter().map(line).collect();
    lines.insert(lines.len().min(1), rule);
    lines
}

/// Text that stays text: what Markdown or HTML would take for markup is escaped, and nothing else is, so that the source can be read
/// as it stands.
fn escaped(text: &str) -> String {
    escaped_after(None, text)
}

/// In a table's cell, which a space stands before and after.
fn escaped_cell(text: &str) -> String {
    escaped_after(Some(' '), text)
}

fn escaped_after(mut before: Option<char>, text: &str) -> String {
    let mut escaped = String::new();
    let text = clean(text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if !is_markup(before, c, rest.peek().copied()) => escaped.push(c),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            // A mention would notify somebody.
            '@' => escaped.push_str("@\u{200b}"),
            _ => escaped.extend(['\\', c]),
        }
        before = Some(c);
    }
    escaped
}

/// Whether GitHub could act on the character between these two; `None` before it: a line begins with it.
fn is_markup(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '`' | '[' | ']' | '|' | '#' | '~' | '@' => true,
        '\\' => after != Some(' '),
        // Emphasis takes a word beside it.
        '*' => before.is_none() || !(is_space(before) && is_space(after)),
        // Within a word it is a part of it.
        '_' => !(is_word(before) && is_word(after)),
        '<' => after.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c)),
        '&' => after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '#'),
        // A list, a quotation.
        '-' | '+' => before.is_none() && is_space(after),
        '>' => before.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        let mut document = Document::default();
        document.push(Block::Title("A title".into()));
        document.push(Block::Text("word ".repeat(30)));
        document.push(Block::Facts(vec![("a".into(), "first".into()), ("longer".into(), "second".into())]));
        let rows =
            vec![vec!["name".into(), "p50".into()], vec!["a|b".into(), Cell("1.00 ms".into(), Tone::Bad)]];
        document.push(Block::Table(1, rows));
        document.push(Block::Drawing(vec!["  |--o--|".into()]));
        document
    }

    fn text(render: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        render(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_terminal_gets_lines_of_at_most_a_hundred_columns() {
        let text = text(|out| document().terminal(Style::Plain, out));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.starts_with("A title\n\n  word word"), "{text}");
        assert!(text.contains("\n  a       first\n  longer  second\n"), "{text}");
        assert!(text.contains("\n  name      p50\n  a|b   1.00 ms\n"), "{text}");
    }

    #[test]
    fn markdown_aligns_its_tables_and_takes_no_word_for_markup() {
        let text = text(|out| document().markdown(out));
        assert!(text.contains("\n| name |     p50 |\n| ---- | ------: |\n| a\\|b | 1.00 ms |\n"), "{text}");
        assert!(text.contains("```text\n  |--o--|\n```\n"), "{text}");
        assert_eq!(escaped("<b>*x* @all\u{1b}[2J"), "&lt;b>\\*x\\* @\u{200b}all");
        // What opens nothing stays as people write it.
        assert_eq!(escaped("p99 < 20ms <=1 a_b & c \\ d"), "p99 < 20ms <=1 a_b & c \\ d");
        assert_eq!(escaped("_a_ __b__ a_ &lt; <!-- \\"), "\\_a\\_ \\_\\_b\\_\\_ a\\_ &amp;lt; &lt;!-- \\\\");
    }

    #[test]
    fn what_is_no_markup_where_it_stands_is_left_as_it_is() {
        for text in [
            "p99 < 50ms",
            "recall <= 0.95",
            "linux x86_64",
            "cpu_us_per_request",
            "+5 %",
            "A & B",
            "3 * 4",
            "oh!",
        ] {
            assert_eq!(escaped(text), text);
        }
        assert_eq!(escaped_cell("* search.response.p50"), "* search.response.p50");
        for (text, safe) in [
            ("* a list", "\\* a list"),
            ("- a list", "\\- a list"),
            ("> a quotation", "\\> a quotation"),
            ("_emphasis_", "\\_emphasis\\_"),
            ("a__b", "a\\_\\_b"),
            ("*a*", "\\*a\\*"),
            ("</td><!--<?", "&lt;/td>&lt;!--&lt;?"),
            ("&lt;&#60;", "&amp;lt;&amp;\\#60;"),
            ("![x](y)", "!\\[x\\](y)"),
            ("a|b ~x~ `y` #1", "a\\|b \\~x\\~ \\`y\\` \\#1"),
        ] {
            assert_eq!(escaped(text), safe);
        }
    }
}
