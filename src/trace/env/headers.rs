//! Headers in environment variables. Their values are secrets.

use http::{HeaderName, HeaderValue};

use super::pairs;

/// Headers for Jaeger's query API, where that stands behind a login: `name=value,name=value`, percent-encoded.
pub const JAEGER_HEADERS: &str = "MILVUS_LOAD_JAEGER_HEADERS";

/// Why they cannot be used. Shows nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {entry} of {JAEGER_HEADERS} is no header (its value is not shown): write name=value,name=value, percent-encoded"
)]
pub struct HeadersError {
    /// From 1.
    entry: usize,
}

/// What [`JAEGER_HEADERS`] holds; nothing where it is not set.
///
/// # Errors
/// Where any of it is no header.
pub fn jaeger_headers(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(HeaderName, HeaderValue)>, HeadersError> {
    let text = lookup(JAEGER_HEADERS).unwrap_or_default();
    let headers = parse(&text).into_iter();
    headers.map(|header| header.map_err(|entry| HeadersError { entry })).collect()
}

/// Each entry as a header, or as its number, from 1, where it is none.
pub(super) fn parse(text: &str) -> Vec<Result<(HeaderName, HeaderValue), usize>> {
    let pairs = pairs::parse(text).into_iter().enumerate();
    pairs.map(|(index, pair)| pair.ok().and_then(header).ok_or(index + 1)).collect()
}

fn header((name, value): (String, String)) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    // What gRPC takes for a text header; names in -bin want base64 of bytes, which no such variable can mean.
    let is_text = value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !name.as_str().ends_with("-bin");
    let mut value = HeaderValue::from_str(&value).ok().filter(|_| is_text)?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, HeadersError> {
        jaeger_headers(&|name| (name == JAEGER_HEADERS).then(|| text.to_owned()))
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers = of("Authorization=Bearer%20hunter2,x-scope=a").unwrap();
        let text: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(text, [("authorization", &b"Bearer hunter2"[..]), ("x-scope", b"a")]);
        assert!(!format!("{headers:?}").contains("hunter2"));
        assert_eq!(of(""), Ok(vec![]));
        assert_eq!(jaeger_headers(&|_| None), Ok(vec![]));
    }

    #[test]
    fn what_is_none_is_named_by_its_number_alone() {
        for (text, entry) in [("a=1,hunter2", 2), ("hun ter2=x", 1), ("a=%zz", 1), ("a=hunter2%0a", 1)] {
            let error = of(text).unwrap_err();
            assert_eq!(error, HeadersError { entry });
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
