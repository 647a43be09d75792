//! The file as it was written: TOML values with the place of each, in file order. Judges nothing but syntax.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Origin;

/// Where something was said.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub origin: Origin,
    /// Bytes of the file that say it; empty for what does not come from the file.
    pub span: Range<usize>,
}

impl At {
    /// Said by an override, or by nobody.
    pub fn outside(origin: Origin) -> Self {
        Self { origin, span: 0..0 }
    }

    /// Bytes of the file; for one place, else see [`Lines`].
    #[cfg(test)]
    pub fn file(text: &str, span: Range<usize>) -> Self {
        Lines::of(text).at(span)
    }
}

/// Where the lines of a text begin, so that a place is found without counting from the top.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(newlines.map(|(n, _)| n + 1)).collect() }
    }

    /// Line and column from 1; columns count characters.
    fn at(&self, span: Range<usize>) -> At {
        let byte = span.start.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let before = self.text.get(self.starts[line - 1]..byte).unwrap_or("");
        At { origin: Origin::File { line, column: before.chars().count() + 1 }, span }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub raw: Raw,
    pub at: At,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    /// A date or time, or a number beyond what its type holds: nothing here takes either. As written.
    Other(String),
    Array(Vec<Node>),
    Table(Vec<Field>),
}

/// `key = value`.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub key: String,
    pub at: At,
    pub node: Node,
}

/// Text that is not TOML.
#[derive(Debug)]
pub(super) struct Syntax {
    pub message: String,
    pub at: At,
}

impl Node {
    /// The value in words, for "found ...".
    pub fn found(&self) -> String {
        match &self.raw {
            Raw::Text(text) => format!("the text {text:?}"),
            Raw::Integer(n) => format!("the number {n}"),
            Raw::Float(n) => format!("the number {n:?}"),
            Raw::Bool(b) => b.to_string(),
            Raw::Other(text) => text.clone(),
            Raw::Array(_) => "a list".to_owned(),
            Raw::Table(_) => "a table".to_owned(),
        }
    }

    /// The text of a field of this table, where it has that.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        let Raw::Table(fields) = &self.raw else { return None };
        fields.iter().find(|field| field.key == key).and_then(|field| match &field.node.raw {
            Raw::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Reads a whole file.
pub(super) fn document(text: &str) -> Result<Node, Syntax> {
    let lines = Lines::of(text);
    let at = |span| lines.at(span);
    match DeTable::parse(text) {
        Ok(table) => Ok(Node { raw: table_of(table.get_ref(), &at), at: at(0..0) }),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err(Syntax { message: error.message().to_owned(), at: at(span) })
        }
    }
}

/// Reads the value of an override: as TOML; where it is none, or where only `text` is wanted, as a plain string.
pub(super) fn value(text: &str, wants_text: bool, origin: &Origin) -> Node {
    let at = |_| At::outside(origin.clone());
    let plain = || Node { raw: Raw::Text(text.to_owned()), at: at(0..0) };
    match DeValue::parse(text.trim()) {
        Ok(parsed) => match parsed.get_ref() {
            // Only `--set` speaks TOML where text is wanted: an environment variable's quotes are its own.
            DeValue::String(inner) if !wants_text || *origin == Origin::Set => {
                Node { raw: Raw::Text(inner.to_string()), at: at(0..0) }
            }
            _ if wants_text => plain(),
            other => Node { raw: raw_of(other, &at), at: at(0..0) },
        },
        Err(_) => plain(),
    }
}

fn table_of(table: &DeTable<'_>, at: &dyn Fn(Range<usize>) -> At) -> Raw {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let fields = entries.into_iter().map(|(key, value)| Field {
        key: key.get_ref().to_string(),
        at: at(key.span()),
        node: Node { raw: raw_of(value.get_ref(), at), at: at(value.span()) },
    });
    Raw::Table(fields.collect())
}

fn raw_of(value: &DeValue<'_>, at: &dyn Fn(Range<usize>) -> At) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(n) => match i128::from_str_radix(n.as_str(), n.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other(format!("the number {n}")),
        },
        DeValue::Float(n) => match n.as_str().parse() {
            Ok(number) => Raw::Float(number),
            Err(_) => Raw::Other(format!("the number {n}")),
        },
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Datetime(time) => Raw::Other(format!("the time {time}")),
        DeValue::Array(items) => Raw::Array(
            items.iter().map(|item| Node { raw: raw_of(item.get_ref(), at), at: at(item.span()) }).collect(),
        ),
        DeValue::Table(table) => table_of(table, at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_file_order_with_line_and_column_in_characters() {
        let node = document("b = 1\n[t]\n\"é\" = 2 # x\n").expect("is TOML");
        let Raw::Table(fields) = &node.raw else { panic!("a file is a table") };
        assert_eq!(fields.iter().map(|f| f.key.as_str()).collect::<Vec<_>>(), ["b", "t"]);
        let Raw::Table(inner) = &fields[1].node.raw else { panic!("[t] is a table") };
        assert_eq!(inner[0].at.origin, Origin::File { line: 3, column: 1 });
        assert_eq!(inner[0].node.at.origin, Origin::File { line: 3, column: 7 });
    }

    #[test]
    fn an_override_is_toml_or_else_plain_text() {
        let set = |text, wants_text| value(text, wants_text, &Origin::Set).raw;
        assert!(matches!(set("200", false), Raw::Integer(200)));
        assert!(matches!(set("30s", false), Raw::Text(t) if t == "30s"));
        assert!(matches!(set("{ ef = 1 }", false), Raw::Table(_)));
        assert!(matches!(set("123", true), Raw::Text(t) if t == "123"));
        assert!(matches!(set("\"a b\"", true), Raw::Text(t) if t == "a b"));
        let environment = value("\"a\"", true, &Origin::Environment("X".into()));
        assert!(matches!(environment.raw, Raw::Text(t) if t == "\"a\""));
    }

    #[test]
    fn deep_nesting_is_refused_not_overflown() {
        for text in ["a.".repeat(100_000) + "a=1", "a=".to_owned() + &"[".repeat(100_000)] {
            assert!(document(&text).is_err());
        }
    }
}
