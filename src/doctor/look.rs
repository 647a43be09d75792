//! Who listens at an address, by the first bytes that he answers.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

/// Of connecting, and of waiting for the first bytes.
const LIMIT: Duration = Duration::from_secs(3);

/// An HTTP/2 client's preface and empty SETTINGS (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What answers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The name has no address: the resolver's words.
    NoName(String),
    /// No connection comes about: the system's words.
    Refused(String),
    /// HTTP/2 without TLS.
    Http2,
    /// HTTP/1 without TLS.
    Http1,
    Tls,
    /// The connection ends without a word, whether TLS is spoken or not.
    Ended,
    /// It stays open without a word.
    Silent,
    /// Something else.
    Other,
}

/// Looks who listens there. Blocks, for some 12 s at most.
pub(super) fn look(host: &str, port: u16) -> Answer {
    let plain = say(host, port, PREFACE);
    // A server of TLS hangs up on, or waits for more of, what is none.
    match plain {
        Answer::Ended | Answer::Silent | Answer::Other => match hello(host) {
            Some(hello) if say(host, port, &hello) == Answer::Tls => Answer::Tls,
            _ => plain,
        },
        known => known,
    }
}

fn say(host: &str, port: u16, opening: &[u8]) -> Answer {
    let addresses = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Answer::NoName(error.to_string()),
    };
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => return first_words(stream, opening),
            Err(error) => last = error.kind().to_string(),
        }
    }
    Answer::Refused(last)
}

fn first_words(mut stream: TcpStream, opening: &[u8]) -> Answer {
    let mut heard = Vec::new();
    let mut hear = || -> io::Result<()> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(opening)?;
        let mut buffer = [0; 64];
        while heard.len() < 9 {
            match stream.read(&mut buffer)? {
                0 => break,
                read => heard.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(())
    };
    let waited = match hear() {
        Ok(()) => false,
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    };
    match speaks(&heard) {
        None if heard.is_empty() && waited => Answer::Silent,
        None if heard.is_empty() => Answer::Ended,
        None => Answer::Other,
        Some(answer) => answer,
    }
}

/// `None`: too little to tell, or nothing that is known.
fn speaks(heard: &[u8]) -> Option<Answer> {
    match heard {
        // An alert, or the beginning of a handshake (RFC 8446, section 5.1).
        [0x15 | 0x16, 0x03, ..] => Some(Answer::Tls),
        [b'H', b'T', b'T', b'P', b'/', ..] => Some(Answer::Http1),
        // SETTINGS or GOAWAY on stream 0.
        [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(Answer::Http2),
        _ => None,
    }
}

/// The first message of a TLS handshake; nothing is checked, since nothing is said after it. `None` where the name is none.
fn hello(host: &str) -> Option<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).ok()?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

/// What kind of HTTP/1 server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http1 {
    /// It answers Jaeger's query API.
    JaegersPage,
    /// It takes OTLP over HTTP.
    Otlp,
    Other,
}

/// Asks an HTTP/1 server for what only these two have. Blocks, for 6 s at most.
pub(super) fn kind_of_http1(host: &str, port: u16) -> Http1 {
    let agent = agent();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let base = format!("http://{host}:{port}");
    if let Ok(mut answer) = agent.get(format!("{base}/api/services")).call()
        && answer
            .body_mut()
            .with_config()
            .limit(1 << 20)
            .read_json()
            .is_ok_and(|body: serde_json::Value| body.get("data").is_some())
    {
        return Http1::JaegersPage;
    }
    let export = agent.post(format!("{base}/v1/traces")).content_type("application/x-protobuf");
    match export.send(&[][..]) {
        // A page that answers everything is no receiver: what one says is in protobuf (OTLP specification, "OTLP/HTTP").
        Ok(answer) if answer.status().is_success() && is_protobuf(answer.headers()) => Http1::Otlp,
        _ => Http1::Other,
    }
}

fn is_protobuf(headers: &http::HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("protobuf"))
}

/// As directly as Milvus itself is talked to, whatever proxy the environment names; redirections are answers.
pub(super) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("milvus-load/", env!("CARGO_PKG_VERSION")))
        .proxy(None)
        .build();
    config.new_agent()
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::*;
    use crate::trace::closed_port::ClosedPort;

    fn at(address: std::net::SocketAddr) -> Answer {
        look(&address.ip().to_string(), address.port())
    }

    #[test]
    fn everyone_who_may_listen_is_told_from_the_others() {
        let closed = ClosedPort::new();
        assert!(matches!(at(closed.address()), Answer::Refused(_)));
        assert!(matches!(look("no-such-host.invalid", 1), Answer::NoName(_)));
        assert_eq!(at(fakes::hangs_up()), Answer::Ended);
        assert_eq!(at(fakes::says(b"SSH-2.0-OpenSSH_9.6\r\n")), Answer::Other);
        assert_eq!(at(fakes::http1("200 OK", "text/html", "<html>")), Answer::Http1);
        assert_eq!(at(fakes::http2()), Answer::Http2);
        assert_eq!(at(fakes::tls()), Answer::Tls);
    }

    #[test]
    fn one_who_says_nothing_is_told_from_one_who_hangs_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(at(silent.local_addr().unwrap()), Answer::Silent);
    }

    #[test]
    fn jaegers_page_is_told_from_a_receiver_of_otlp_and_from_any_other_page() {
        let kind = |address: std::net::SocketAddr| kind_of_http1("127.0.0.1", address.port());
        assert_eq!(kind(fakes::jaeger(vec![])), Http1::JaegersPage);
        assert_eq!(
            kind(fakes::http1_by_path(|path| match path {
                "/v1/traces" => ("200 OK", "application/x-protobuf", String::new()),
                _ => ("404 Not Found", "text/plain", "404 page not found".to_owned()),
            })),
            Http1::Otlp
        );
        assert_eq!(kind(fakes::http1("404 Not Found", "text/plain", "no")), Http1::Other);
    }
}
