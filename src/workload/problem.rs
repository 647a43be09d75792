//! What is wrong with a workload, and how it is told: place, key, cause, the line itself, the fix.
//!
//! Invariant: no secret is ever told. A line that may hold one is not quoted; the test
//! `lines_that_may_hold_a_secret_are_not_quoted` guards it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::Origin;
use super::raw::At;

/// Why there is no workload.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("cannot read the workload file {}: {source}; give the path of an existing file, or make one with `milvus-load init`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    #[error("the workload file {} is not UTF-8 text; save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// What the file and the overrides say cannot be done; at least one problem, in file order.
    #[error("{}", told(.0))]
    Invalid(Vec<Problem>),
}

impl WorkloadError {
    /// The single problems, none where the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } | Self::NotText { .. } => &[],
        }
    }
}

fn told(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "the workload cannot be run as it is:".to_owned(),
        count => format!("the workload cannot be run as it is, {count} problems:"),
    };
    for problem in problems {
        text.push_str("\n\n");
        text.push_str(&problem.to_string());
    }
    text
}

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Dotted key, `load.rate`; empty where the text is not TOML.
    pub key: String,
    /// Where it was said.
    pub at: Origin,
    pub message: String,
    pub fix: String,
    excerpt: Option<Excerpt>,
}

/// The line that says it.
#[derive(Debug, Clone, PartialEq)]
struct Excerpt {
    file: String,
    line: String,
    /// Characters to mark, from 0.
    marked: Range<usize>,
}

/// `file:line:column: key: message`, the marked line, the fix.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.at, &self.excerpt) {
            (Origin::File { line, column }, Some(excerpt)) => write!(f, "{}:{line}:{column}", excerpt.file)?,
            (at, _) => write!(f, "{at}")?,
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        writeln!(f, ": {}", self.message)?;
        if let (Origin::File { line, .. }, Some(excerpt)) = (&self.at, &self.excerpt) {
            excerpt.draw(f, *line)?;
        }
        write!(f, "  fix: {}", self.fix)
    }
}

impl Excerpt {
    fn draw(&self, f: &mut fmt::Formatter<'_>, line: usize) -> fmt::Result {
        let gutter = line.to_string().len();
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line} | {}", self.line)?;
        let marks = "^".repeat(self.marked.len().max(1));
        // A tab before the mark stays a tab, so that the marks stand under what they mean.
        let lead: String =
            self.line.chars().take(self.marked.start).map(|c| if c == '\t' { c } else { ' ' }).collect();
        writeln!(f, "{:gutter$} | {lead}{marks}", "")
    }
}

/// How an origin is named: `--rate`, `--set`, `MILVUS_URI`, `line 3, column 7`, `default`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.pad(name),
            Self::Set => f.pad("--set"),
            Self::File { line, column } => f.pad(&format!("line {line}, column {column}")),
            Self::Default => f.pad("default"),
        }
    }
}

/// Collects problems while reading goes on.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    list: Vec<Problem>,
}

impl<'a> Problems<'a> {
    /// `file` as it is to be named, and its text.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, list: Vec::new() }
    }

    /// The file as it is to be named.
    pub fn file(&self) -> &'a str {
        self.file
    }

    pub fn add(
        &mut self,
        key: impl Into<String>,
        at: &At,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(key.into(), at, message.into(), fix.into(), false);
    }

    /// Adds a problem about an unknown key: nothing of its value is shown, for it may be a misspelt secret.
    pub fn add_unknown(
        &mut self,
        key: impl Into<String>,
        at: &At,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(key.into(), at, message.into(), fix.into(), true);
    }

    fn push(&mut self, key: String, at: &At, message: String, fix: String, cut: bool) {
        let excerpt = matches!(at.origin, Origin::File { .. }).then(|| self.excerpt(&at.span, cut));
        self.list.push(Problem { key, at: at.origin.clone(), message, fix, excerpt });
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether something is said to be wrong with this very key.
    pub fn has(&self, key: &str) -> bool {
        self.list.iter().any(|problem| problem.key == key)
    }

    /// All of them: those of the file in its order, then the others.
    pub fn into_error(mut self) -> WorkloadError {
        self.list.sort_by_key(|problem| match problem.at {
            Origin::File { line, column } => (0, line, column),
            _ => (1, 0, 0),
        });
        WorkloadError::Invalid(self.list)
    }

    fn excerpt(&self, span: &Range<usize>, cut: bool) -> Excerpt {
        let before = self.text.get(..span.start).unwrap_or("");
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let marked_from = before.get(start..).unwrap_or("").chars().count();
        let end = span.end.clamp(span.start, start.max(span.start).max(start + line.len()));
        let marked_len = self.text.get(span.start..end).unwrap_or("").chars().count();
        let marked = marked_from..marked_from + marked_len;
        let line = match cut {
            true => line.chars().take(marked.end).chain(" ...".chars()).collect(),
            false if may_hold_secret(line) => {
                return Excerpt {
                    file: self.file.to_owned(),
                    line: "(not shown: this line may hold a secret)".to_owned(),
                    marked: 0..0,
                };
            }
            false => line.to_owned(),
        };
        Excerpt { file: self.file.to_owned(), line, marked }
    }
}

fn may_hold_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    // A token may have been written in place of its file's name, too.
    ["token", "password", "secret", "api_key", "apikey", "@"].iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        let mut problems = Problems::new("w.toml", text);
        problems.add("load.rate", &At::file(text, span), "-5 is not a rate", "write a number above 0");
        problems.into_error().to_string()
    }

    #[test]
    fn a_problem_shows_its_line_with_marks_under_the_value() {
        assert_eq!(
            shown("[load]\n\trate = -5 # no\n", 15..17),
            "the workload cannot be run as it is:\n\nw.toml:2:9: load.rate: -5 is not a rate\n  |\n\
             2 | \trate = -5 # no\n  | \t       ^^\n  fix: write a number above 0"
        );
    }

    #[test]
    fn lines_that_may_hold_a_secret_are_not_quoted() {
        for line in ["token = \"hunter2\"", "uri = \"http://me:hunter2@host\"", "password='hunter2'"] {
            assert!(!shown(line, 0..5).contains("hunter2"), "{line}");
        }
        let mut problems = Problems::new("w.toml", "tokn = \"hunter2\"");
        problems.add_unknown("target.tokn", &At::file("tokn = \"hunter2\"", 0..4), "unknown", "remove it");
        let shown = problems.into_error().to_string();
        assert!(shown.contains("1 | tokn ...") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn any_span_can_be_drawn() {
        let text = "é = 1\r\n\nx";
        for start in 0..=text.len() + 2 {
            for end in start..=text.len() + 2 {
                shown(text, start..end);
            }
        }
    }
}
