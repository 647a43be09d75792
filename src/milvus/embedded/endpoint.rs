//! Where the server exports its spans to, in the shape that Milvus wants: `host:port` without a scheme.

use std::fmt;
use std::str::FromStr;

use super::error::EmbeddedError;

/// Where a server exports its spans to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exports {
    #[default]
    Nowhere,
    /// A collector that somebody else runs.
    To(OtlpEndpoint),
    /// A port of the server's own on this machine, where the collector of whichever run uses it listens.
    ToTheRun,
}

/// An OTLP/gRPC endpoint for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint {
    host: String,
    port: u16,
    tls: bool,
}

impl OtlpEndpoint {
    /// A port of this machine.
    pub(super) fn here(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port, tls: false }
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether the collector is to be talked to over TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }
}

/// As a URL.
impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

impl FromStr for OtlpEndpoint {
    type Err = EmbeddedError;

    /// Reads `http://host:port`, `https://host:port` or `host:port` (no TLS). There is no default port: 4317 and
    /// the one that was meant are too easily mistaken for each other.
    fn from_str(text: &str) -> Result<Self, EmbeddedError> {
        // The value is shown only where it cannot hold a password.
        let bad = |value: &str, reason| EmbeddedError::Endpoint { value: value.to_owned(), reason };
        if text.contains('@') {
            return Err(bad("", "user and password in an endpoint cannot be given to Milvus"));
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(bad(text, "the scheme must be http or https")),
            None => (false, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| bad(text, "the port is missing"))?;
        let port: u16 = port.parse().map_err(|_| bad(text, "the port must be a number from 1 to 65535"))?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let valid = match inner {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        };
        if !valid {
            return Err(bad(text, "the host must be a name, an IPv4 address or an IPv6 address in brackets"));
        }
        if port == 0 {
            return Err(bad(text, "the port must be a number from 1 to 65535"));
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_with_and_without_a_scheme_are_read() {
        for (text, authority, tls) in [
            ("http://localhost:4317", "localhost:4317", false),
            ("https://otel.example:443/", "otel.example:443", true),
            ("127.0.0.1:40001", "127.0.0.1:40001", false),
            ("http://[::1]:4317", "[::1]:4317", false),
        ] {
            let read: OtlpEndpoint = text.parse().unwrap();
            assert_eq!((read.authority().as_str(), read.tls()), (authority, tls), "{text}");
            assert_eq!(read.to_string().parse::<OtlpEndpoint>().unwrap(), read);
        }
    }

    #[test]
    fn what_milvus_could_not_use_or_what_would_break_its_configuration_is_refused() {
        for text in [
            "",
            "localhost",
            "http://localhost",
            "grpc://localhost:4317",
            "http://localhost:0",
            "http://localhost:99999",
            "http://localhost:4317/v1/traces",
            "http://::1:4317",
            "http://[::g]:4317",
            "a\nb:1",
            "a\" :1",
            ":4317",
        ] {
            assert!(text.parse::<OtlpEndpoint>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
        let error = "http://user:geheim@host:4317".parse::<OtlpEndpoint>().unwrap_err().to_string();
        assert!(!error.contains("geheim"), "{error}");
    }
}
