//! Filter expressions with places for drawn values: `category == '{category}' and price < {price}`.
//!
//! `{{` and `}}` stand for single braces. What the expression means is the server's affair.

use super::suggest::{either, nearest};
use super::{Filter, FilterPart, Scalar, ScalarKind};

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A brace without its partner.
    #[error("a brace without its partner")]
    Brace,
    /// A place for a scalar that the collection does not have.
    #[error("there is no scalar {0:?}")]
    UnknownScalar(String),
    /// A text's place without quotes around it.
    #[error("{{{0}}} is a text and stands outside quotes")]
    Unquoted(String),
    /// A number's place within quotes.
    #[error("{{{0}}} is no text and stands in quotes")]
    Quoted(String),
}

impl FilterError {
    pub fn fix(&self, scalars: &[Scalar]) -> String {
        let names: Vec<&str> = scalars.iter().map(|scalar| scalar.name.as_str()).collect();
        match self {
            Self::Brace => "write {name} for a value of the scalar `name`, {{ and }} for braces".to_owned(),
            Self::UnknownScalar(name) => match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None if names.is_empty() => {
                    format!("add to [collection] scalars = [{{ name = \"{name}\", type = \"varchar\" }}]")
                }
                None => format!("the collection has the scalars {}", either(&names)),
            },
            Self::Unquoted(name) => format!("write '{{{name}}}'"),
            Self::Quoted(name) => format!("write {{{name}}} without quotes"),
        }
    }
}

/// Cuts a filter at its places.
///
/// # Errors
/// A brace without its partner, a place for an unknown scalar, a value whose quotes do not fit its type.
pub(super) fn parse(text: &str, scalars: &[Scalar]) -> Result<Filter, FilterError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.as_str().starts_with(c) => {
                rest.next();
                plain.push(c);
            }
            '{' => {
                let (name, after) = rest.as_str().split_once('}').ok_or(FilterError::Brace)?;
                rest = after.chars();
                if !plain.is_empty() {
                    parts.push(FilterPart::Text(std::mem::take(&mut plain)));
                }
                parts.push(FilterPart::Value(place(name.trim(), quote.is_some(), scalars)?));
            }
            '}' => return Err(FilterError::Brace),
            '\\' => {
                plain.push(c);
                plain.extend(rest.next());
            }
            '\'' | '"' => {
                quote = match quote {
                    None => Some(c),
                    Some(open) if open == c => None,
                    open => open,
                };
                plain.push(c);
            }
            _ => plain.push(c),
        }
    }
    if !plain.is_empty() {
        parts.push(FilterPart::Text(plain));
    }
    Ok(Filter { text: text.to_owned(), parts })
}

fn place(name: &str, quoted: bool, scalars: &[Scalar]) -> Result<usize, FilterError> {
    let unknown = || FilterError::UnknownScalar(name.to_owned());
    let index = scalars.iter().position(|scalar| scalar.name == name).ok_or_else(unknown)?;
    match (scalars[index].kind == ScalarKind::Varchar, quoted) {
        (true, false) => Err(FilterError::Unquoted(name.to_owned())),
        (false, true) => Err(FilterError::Quoted(name.to_owned())),
        (true, true) | (false, false) => Ok(index),
    }
}

#[cfg(test)]
mod tests {
    use super::FilterPart::{Text, Value};
    use super::*;

    fn read(text: &str) -> Result<Vec<FilterPart>, FilterError> {
        let scalar = |name: &str, kind| Scalar { name: name.to_owned(), kind, distinct: 10 };
        let scalars = [scalar("category", ScalarKind::Varchar), scalar("price", ScalarKind::Int64)];
        parse(text, &scalars).map(|filter| filter.parts)
    }

    #[test]
    fn a_filter_is_cut_at_its_places() {
        assert_eq!(
            read("category == '{category}' and price < {price}"),
            Ok(vec![Text("category == '".into()), Value(0), Text("' and price < ".into()), Value(1)])
        );
        assert_eq!(read("{price}"), Ok(vec![Value(1)]));
        assert_eq!(read("id > 5"), Ok(vec![Text("id > 5".into())]));
    }

    #[test]
    fn doubled_braces_and_escaped_quotes_are_text() {
        assert_eq!(read("a == '{{x}}'"), Ok(vec![Text("a == '{x}'".into())]));
        assert_eq!(
            read(r"a == '\'{category}'"),
            Ok(vec![Text(r"a == '\'".into()), Value(0), Text("'".into())])
        );
        assert_eq!(
            read("a == \"it's {category}\""),
            Ok(vec![Text("a == \"it's ".into()), Value(0), Text("\"".into())])
        );
    }

    #[test]
    fn places_that_cannot_be_filled_are_refused() {
        assert_eq!(read("{colour} == 1"), Err(FilterError::UnknownScalar("colour".into())));
        assert_eq!(read("category == {category}"), Err(FilterError::Unquoted("category".into())));
        assert_eq!(read("price == '{price}'"), Err(FilterError::Quoted("price".into())));
        for text in ["{price", "price}", "}"] {
            assert_eq!(read(text), Err(FilterError::Brace), "{text}");
        }
    }
}
