//! Where spans go: the collector's address and the protocol spoken with it.

use http::Uri;

/// How spans travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC, port 4317 by custom.
    #[default]
    Grpc,
    /// OTLP over HTTP/1.1 with protobuf bodies, port 4318 by custom.
    HttpProtobuf,
}

impl Protocol {
    /// The endpoint where nobody has named one (OTLP exporter specification).
    pub const fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::HttpProtobuf => "http://localhost:4318",
        }
    }

    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}

/// Whether an endpoint is already the address of the traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointForm {
    /// The collector's base address: over HTTP, `/v1/traces` is appended.
    Base,
    /// Used as it is: the value of `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    Exact,
}

/// Why an endpoint cannot be used. Never quotes what stands before an `@`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URI with a host.
    #[error("{0:?} is no address of a collector: write for example http://localhost:4317")]
    NotAnAddress(String),
    /// A scheme other than http and https.
    #[error("{0:?} is neither http:// nor https://: write for example http://localhost:4317")]
    Scheme(String),
    /// User and password in the URI.
    #[error("a user or password does not belong in an endpoint: send it with OTEL_EXPORTER_OTLP_HEADERS")]
    UserInfo,
}

/// A collector's address: http or https, with a host, without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
}

impl Endpoint {
    /// Reads `http(s)://host[:port][/path]`.
    ///
    /// # Errors
    /// Where it is something else, or carries a user or a password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        // Before anything is quoted in an error.
        if text.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let uri: Uri = text.parse().map_err(|_| EndpointError::NotAnAddress(text.to_owned()))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err(EndpointError::Scheme(text.to_owned())),
            None => return Err(EndpointError::NotAnAddress(text.to_owned())),
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(EndpointError::NotAnAddress(text.to_owned()));
        }
        Ok(Self { uri })
    }

    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Host name or address; IPv6 without its brackets.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// Port; 443 for https and 80 for http where none is written, as for any URI of these schemes.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// The URL to post traces to over HTTP: a base address gets `/v1/traces` appended (once), an exact one stays.
    pub fn traces_url(&self, form: EndpointForm) -> String {
        let text = self.uri.to_string();
        let trimmed = text.trim_end_matches('/');
        match form {
            EndpointForm::Exact => text,
            EndpointForm::Base if trimmed.ends_with("/v1/traces") => trimmed.to_owned(),
            EndpointForm::Base => format!("{trimmed}/v1/traces"),
        }
    }
}

/// The address itself; it cannot hold a secret.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_http_address_with_a_host() {
        for (text, host, port, tls) in [
            ("http://localhost:4317", "localhost", 4317, false),
            ("https://otel.example", "otel.example", 443, true),
            (" http://[::1]:4318/x ", "::1", 4318, false),
            ("http://127.0.0.1", "127.0.0.1", 80, false),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.is_tls()), (host, port, tls), "{text}");
        }
        for bad in
            ["", "localhost", "localhost:4317", "unix:///x", "ftp://x", "http://", "http:// x", "//x:1"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
        for text in
            ["http://me:hunter2@host:4317", "me:hunter2@host", "ftp://hunter2@host/", "hunter2@ http://x"]
        {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error, EndpointError::UserInfo);
            assert!(!format!("{error}{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_base_address_gets_the_path_of_the_traces_and_an_exact_one_stays() {
        for (text, base, exact) in [
            ("http://h:4318", "http://h:4318/v1/traces", "http://h:4318/"),
            ("http://h:4318/", "http://h:4318/v1/traces", "http://h:4318/"),
            ("http://h/otlp", "http://h/otlp/v1/traces", "http://h/otlp"),
            ("http://h/otlp/", "http://h/otlp/v1/traces", "http://h/otlp/"),
            ("http://h/v1/traces", "http://h/v1/traces", "http://h/v1/traces"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.traces_url(EndpointForm::Base), base, "{text}");
            assert_eq!(endpoint.traces_url(EndpointForm::Exact), exact, "{text}");
        }
    }
}
