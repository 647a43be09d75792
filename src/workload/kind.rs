//! What a key takes: type, range, unit; reading a TOML value as that, and saying what was expected.
//!
//! Everything that can be judged by looking at one value alone is judged here; what needs two is in `build`.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::raw::{At, Node, Raw};
use super::stages::{self, Stage};
use super::suggest::{either, nearest};
use super::uri::UriWithDatabase;
use super::{Slow, quantile, uri};
use crate::units::{Fraction, Rate, parse_duration};

/// The type and range of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Any text but the empty one; `description` alone may be empty.
    Text {
        /// Whether `""` is taken.
        empty: bool,
    },
    /// A Milvus name: [`uri::is_identifier`].
    Identifier,
    /// An operation's name: `[a-z0-9_]+`.
    OperationName,
    /// An index type, in whatever case.
    IndexType,
    /// A path; relative ones in the file start from the file's directory.
    Path,
    /// The address of a Milvus.
    Uri,
    /// `http(s)://...`.
    Url,
    /// A URL with the place `{trace_id}`.
    Link,
    Bool,
    /// A whole number within a range, both ends included.
    Integer {
        min: u64,
        max: u64,
    },
    /// A finite number above 0.
    Positive,
    /// Requests per second.
    Rate,
    /// Requests per second, or none at all.
    RateOrZero,
    /// 0 to 1.
    Fraction,
    /// A number with its unit.
    Duration {
        /// Whether "0s" is taken.
        zero: bool,
    },
    /// One of some words; `later` are known but not built.
    Choice {
        /// What works.
        built: &'static [&'static str],
        /// What will.
        later: &'static [&'static str],
    },
    /// A percentile or a duration.
    Slow,
    Texts,
    Urls,
    Stages,
    /// A free table whose values are sent as JSON.
    Params,
    /// A free table of texts.
    TextMap,
    /// A free table of thresholds.
    Thresholds,
    /// A list of tables, whose keys are in the table of keys as `path[].key`.
    Tables,
}

/// A value that was read, in its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    Integer(u64),
    Number(f64),
    /// With the text it was read from.
    Duration(Duration, String),
    Uri(UriWithDatabase, String),
    Slow(Slow, String),
    Texts(Vec<String>),
    /// With the list as it was said.
    Stages(Vec<Stage>, Json),
    Json(Json),
}

impl Value {
    /// For the list of settings.
    pub fn json(&self) -> Json {
        match self {
            Self::Text(text) | Self::Duration(_, text) | Self::Uri(_, text) | Self::Slow(_, text) => {
                text.as_str().into()
            }
            Self::Bool(b) => (*b).into(),
            Self::Integer(n) => (*n).into(),
            Self::Number(n) => (*n).into(),
            Self::Texts(texts) => texts.clone().into(),
            Self::Stages(_, json) | Self::Json(json) => json.clone(),
        }
    }
}

/// Why a value cannot be taken.
#[derive(Debug)]
pub(super) struct Wrong {
    pub message: String,
    pub fix: String,
    /// Where, if it is only a part of the value.
    pub at: Option<At>,
    /// Which part, as it is added to the key: `[1].duration`.
    pub within: String,
}

impl Wrong {
    pub fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into(), at: None, within: String::new() }
    }
}

impl Kind {
    /// What the key takes, in words.
    pub fn expects(&self) -> String {
        match self {
            Self::Text { .. } => "a text".to_owned(),
            Self::Identifier => {
                "a name of letters, digits and _, not starting with a digit, up to 255".to_owned()
            }
            Self::OperationName => "a name of lower-case letters, digits and _".to_owned(),
            Self::IndexType => "an index type such as \"HNSW\"".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::Uri => "an address such as \"http://localhost:19530\"".to_owned(),
            Self::Url => "a URL such as \"http://localhost:4317\"".to_owned(),
            Self::Link => "a URL with {trace_id} in it".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max: u64::MAX | TOML_MAX } => format!("a whole number of at least {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Positive => "a number above 0".to_owned(),
            Self::Rate => "requests per second: a number above 0, at most 10000000".to_owned(),
            Self::RateOrZero => "requests per second: a number from 0 to 10000000".to_owned(),
            Self::Fraction => "a number from 0 to 1".to_owned(),
            Self::Duration { zero: true } => "a duration with its unit, such as \"5s\" or \"0s\"".to_owned(),
            Self::Duration { zero: false } => "a duration above 0 with its unit, such as \"30s\"".to_owned(),
            Self::Choice { built, .. } => either(
                &built
                    .iter()
                    .map(|word| format!("{word:?}"))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            ),
            Self::Slow => "a percentile such as \"p99\" or a duration such as \"50ms\"".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Urls => "a list of URLs".to_owned(),
            Self::Stages => format!("a list of stages such as {}", stages::EXAMPLE),
            Self::Params => "a table of parameters".to_owned(),
            Self::TextMap => "a table of texts".to_owned(),
            Self::Thresholds => "a table such as { \"search.response.p99\" = \"< 50ms\" }".to_owned(),
            Self::Tables => "a list of tables".to_owned(),
        }
    }

    /// Whether an override's value is plain text rather than TOML.
    pub fn wants_text(&self) -> bool {
        match self {
            Self::Text { .. } | Self::Identifier | Self::OperationName | Self::IndexType | Self::Path => true,
            Self::Uri | Self::Url | Self::Link | Self::Duration { .. } | Self::Choice { .. } | Self::Slow => {
                true
            }
            Self::TextMap | Self::Thresholds => true,
            Self::Bool | Self::Integer { .. } | Self::Positive | Self::Fraction => false,
            Self::Rate | Self::RateOrZero | Self::Stages => false,
            Self::Texts | Self::Urls | Self::Params | Self::Tables => false,
        }
    }

    /// Reads a value; for the free tables, one of their entries.
    ///
    /// # Errors
    /// What is wrong with it and what to write.
    pub fn read(&self, node: &Node) -> Result<Value, Wrong> {
        match self {
            Self::Text { empty } => match self.text(node)? {
                "" if !empty => Err(self.unfit("an empty text")),
                text => Ok(Value::Text(text.to_owned())),
            },
            Self::Identifier => self.text_if(node, uri::is_identifier),
            Self::OperationName => self.text_if(node, is_operation_name),
            Self::IndexType => match self.text_if(node, is_index_type)? {
                Value::Text(text) => Ok(Value::Text(text.to_ascii_uppercase())),
                other => Ok(other),
            },
            Self::Path => self.text_if(node, |text| !text.is_empty()),
            Self::Uri => self.uri(node),
            Self::Url => self.url(node),
            Self::Link => match self.url(node)? {
                Value::Text(text) if !text.contains("{trace_id}") => {
                    Err(Wrong::new("it has no place for the trace ID", "put {trace_id} where the ID goes"))
                }
                value => Ok(value),
            },
            Self::Bool => match node.raw {
                Raw::Bool(b) => Ok(Value::Bool(b)),
                _ => Err(self.mismatch(node)),
            },
            Self::Integer { min, max } => self.integer(node, *min, *max),
            Self::Positive => self.number(node, |n| n > 0.0),
            Self::Rate => self.number(node, |n| Rate::per_second(n).is_ok()),
            Self::RateOrZero => self.number(node, |n| n == 0.0 || Rate::per_second(n).is_ok()),
            Self::Fraction => self.number(node, |n| Fraction::new(n).is_ok()),
            Self::Duration { zero } => self.duration(node, *zero),
            Self::Choice { built, later } => self.choice(node, built, later),
            Self::Slow => self.slow(node),
            Self::Texts | Self::Urls => self.texts(node),
            Self::Stages => stages::read(node),
            Self::Params => json(node).map(Value::Json),
            Self::TextMap | Self::Thresholds => match &node.raw {
                Raw::Text(text) => Ok(Value::Text(text.clone())),
                Raw::Table(_) => Err(Wrong::new(
                    format!("expected a text, found {}", node.found()),
                    "put a key with dots in it in quotes, such as \"search.response.p99\" = \"< 50ms\"",
                )),
                _ => Err(Wrong::new(
                    format!("expected a text, found {}", node.found()),
                    "put the value in quotes",
                )),
            },
            Self::Tables => Err(self.mismatch(node)),
        }
    }

    fn mismatch(&self, node: &Node) -> Wrong {
        self.unfit(&node.found())
    }

    fn unfit(&self, found: &str) -> Wrong {
        let expects = self.expects();
        Wrong::new(format!("expected {expects}, found {found}"), format!("write {expects}"))
    }

    fn text<'n>(&self, node: &'n Node) -> Result<&'n str, Wrong> {
        match &node.raw {
            Raw::Text(text) => Ok(text),
            _ => Err(self.mismatch(node)),
        }
    }

    fn text_if(&self, node: &Node, fits: impl Fn(&str) -> bool) -> Result<Value, Wrong> {
        match self.text(node)? {
            text if fits(text) => Ok(Value::Text(text.to_owned())),
            _ => Err(self.mismatch(node)),
        }
    }

    fn uri(&self, node: &Node) -> Result<Value, Wrong> {
        let text = self.text(node)?.trim();
        match text.parse() {
            Ok(uri) => Ok(Value::Uri(uri, text.to_owned())),
            Err(error) => Err(split_fix(&format!("not an address of a Milvus: {error}"))),
        }
    }

    fn url(&self, node: &Node) -> Result<Value, Wrong> {
        let text = self.text(node)?.trim();
        match uri::check_http_url(text) {
            Ok(()) => Ok(Value::Text(text.to_owned())),
            Err(error) => Err(split_fix(&format!("not a URL: {error}"))),
        }
    }

    fn integer(&self, node: &Node, min: u64, max: u64) -> Result<Value, Wrong> {
        match node.raw {
            Raw::Integer(n) => match u64::try_from(n) {
                Ok(n) if (min..=max).contains(&n) => Ok(Value::Integer(n)),
                _ => Err(Wrong::new(format!("{n} is out of range"), format!("write {}", self.expects()))),
            },
            _ => Err(self.mismatch(node)),
        }
    }

    fn number(&self, node: &Node, fits: impl Fn(f64) -> bool) -> Result<Value, Wrong> {
        let number = match node.raw {
            Raw::Integer(n) => n as f64,
            Raw::Float(n) => n,
            _ => return Err(self.mismatch(node)),
        };
        match number.is_finite() && fits(number) {
            true => Ok(Value::Number(number)),
            false => {
                Err(Wrong::new(format!("{number} is out of range"), format!("write {}", self.expects())))
            }
        }
    }

    fn duration(&self, node: &Node, zero: bool) -> Result<Value, Wrong> {
        let text = match &node.raw {
            Raw::Text(text) => text,
            Raw::Integer(n) => {
                return Err(Wrong::new(
                    format!("the duration {n} has no unit"),
                    format!("write \"{n}s\" or \"{n}ms\""),
                ));
            }
            _ => return Err(self.mismatch(node)),
        };
        match parse_duration(text) {
            Ok(duration) if duration.is_zero() && !zero => Err(self.unfit(&format!("{text:?}"))),
            Ok(duration) => Ok(Value::Duration(duration, text.trim().to_owned())),
            Err(error) => Err(Wrong::new(error.to_string(), format!("write {}", self.expects()))),
        }
    }

    fn choice(&self, node: &Node, built: &[&'static str], later: &[&'static str]) -> Result<Value, Wrong> {
        let text = self.text(node)?;
        if let Some(word) = built.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            return Ok(Value::Text((*word).to_owned()));
        }
        let built_words = self.expects();
        if later.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return Err(Wrong::new(format!("{text:?} is not built yet"), format!("write {built_words}")));
        }
        let fix = match nearest(text, built.iter().chain(later).copied()) {
            Some(near) => format!("did you mean {near:?}? It takes {built_words}"),
            None => format!("write {built_words}"),
        };
        Err(Wrong::new(format!("{text:?} is not known here"), fix))
    }

    fn slow(&self, node: &Node) -> Result<Value, Wrong> {
        let text = self.text(node)?.trim();
        let slow = match quantile::parse(text) {
            Some(Ok(quantile)) => Slow::Quantile(quantile),
            Some(Err(error)) => {
                return Err(Wrong::new(error.to_string(), format!("write {}", self.expects())));
            }
            None => match self.duration(node, false)? {
                Value::Duration(duration, _) => Slow::Duration(duration),
                _ => return Err(self.mismatch(node)),
            },
        };
        Ok(Value::Slow(slow, text.to_owned()))
    }

    fn texts(&self, node: &Node) -> Result<Value, Wrong> {
        let Raw::Array(items) = &node.raw else { return Err(self.mismatch(node)) };
        let item_kind = if *self == Self::Urls { Self::Url } else { Self::Text { empty: false } };
        let read = items.iter().map(|item| match item_kind.read(item) {
            Ok(Value::Text(text)) => Ok(text),
            Ok(_) => Err(self.mismatch(node)),
            Err(wrong) => Err(Wrong { at: Some(item.at.clone()), ..wrong }),
        });
        read.collect::<Result<_, _>>().map(Value::Texts)
    }
}

/// The largest whole number of a TOML file.
pub(super) const TOML_MAX: u64 = i64::MAX as u64;

/// An address error says cause and remedy in one sentence, with a semicolon between.
fn split_fix(sentence: &str) -> Wrong {
    match sentence.rsplit_once("; ") {
        Some((message, fix)) => Wrong::new(message, fix),
        None => Wrong::new(sentence, "write an address such as \"http://localhost:19530\""),
    }
}

fn is_operation_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_index_type(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// As JSON, for what the server reads.
fn json(node: &Node) -> Result<Json, Wrong> {
    let unfit = || Wrong {
        at: Some(node.at.clone()),
        ..Wrong::new(
            format!("{} cannot be sent as JSON", node.found()),
            "write a text, a finite number, true, false, a list or a table",
        )
    };
    match &node.raw {
        Raw::Text(text) => Ok(text.as_str().into()),
        Raw::Integer(n) => i64::try_from(*n).map(Json::from).map_err(|_| unfit()),
        Raw::Float(n) => serde_json::Number::from_f64(*n).map(Json::Number).ok_or_else(unfit),
        Raw::Bool(b) => Ok((*b).into()),
        Raw::Other(_) => Err(unfit()),
        Raw::Array(items) => items.iter().map(json).collect::<Result<Vec<_>, _>>().map(Json::Array),
        Raw::Table(fields) => {
            let entries = fields.iter().map(|field| Ok((field.key.clone(), json(&field.node)?)));
            entries.collect::<Result<Map<_, _>, _>>().map(Json::Object)
        }
    }
}
