//! The metadata that every call carries: who asks, and of which database.

use base64::Engine as _;
use http::{HeaderName, HeaderValue};

use crate::workload::Secret;

/// `authorization` and `dbname`, ready for the wire. Deliberately without `client_request_id`: newer servers take it
/// for an unsampled remote parent and then never sample the request.
#[derive(Clone, Default)]
pub struct CallHeaders(Vec<(&'static str, HeaderValue)>);

impl CallHeaders {
    /// `token` is `user:password` or an API key; either way Milvus wants its base64. An empty database is the default one.
    ///
    /// # Errors
    /// Where the database name has characters that no HTTP header can carry.
    pub fn new(token: Option<&Secret>, database: &str) -> Result<Self, http::header::InvalidHeaderValue> {
        let mut headers = Vec::new();
        if let Some(token) = token {
            let encoded = base64::engine::general_purpose::STANDARD.encode(token.reveal());
            let mut value = HeaderValue::from_str(&encoded)?;
            value.set_sensitive(true);
            headers.push(("authorization", value));
        }
        if !database.is_empty() {
            headers.push(("dbname", HeaderValue::from_str(database)?));
        }
        Ok(Self(headers))
    }

    /// These and one more.
    pub fn with(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.0.push((name, value));
        self
    }

    /// The headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &HeaderValue)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub fn extend(&self, headers: &mut http::HeaderMap) {
        for (key, value) in self.iter() {
            headers.insert(HeaderName::from_static(key), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_as_base64_and_never_shown() {
        let secret = Secret::new("root:Milvus".to_owned());
        let headers = CallHeaders::new(Some(&secret), "sales").unwrap();
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all[0].1.as_bytes(), b"cm9vdDpNaWx2dXM=");
        assert!(!format!("{all:?}").contains("cm9vdDpNaWx2dXM="), "sensitive values are not printed");
        assert_eq!(all[1].1, "sales");
    }
}
