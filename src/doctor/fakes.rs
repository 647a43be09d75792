//! Those who may listen at a port, each as a thread of a test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What an HTTP server answers: status, type, body.
pub(super) type Page = (&'static str, &'static str, String);

fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                serve(stream);
            });
        }
    });
    address
}

/// As Docker does for a port behind which nobody listens: takes the connection and ends it.
pub(super) fn hangs_up() -> SocketAddr {
    listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
    })
}

pub(super) fn says(words: &'static [u8]) -> SocketAddr {
    listen(move |mut stream| {
        let _ = stream.write_all(words);
        let _ = stream.read(&mut [0; 1024]);
    })
}

pub(super) fn http1(status: &'static str, kind: &'static str, body: &'static str) -> SocketAddr {
    http1_by_path(move |_| (status, kind, body.to_owned()))
}

/// `page` is asked for each path, with what follows a `?`.
pub(super) fn http1_by_path(page: impl Fn(&str) -> Page + Send + Sync + 'static) -> SocketAddr {
    listen(move |stream| {
        let mut stream = BufReader::new(stream);
        while let Some((path, length)) = request(&mut stream) {
            let _ = std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink());
            let (status, kind, body) = page(&path);
            // A status may bring a header of its own with it.
            let (status, more) = status.split_once('|').unwrap_or((status, ""));
            let more = if more.is_empty() { String::new() } else { format!("{more}\r\n") };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n{body}",
                body.len()
            );
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
            // Go's server hangs up on an HTTP/2 preface.
            if path == "*" {
                return;
            }
        }
    })
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, u64)> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Some((first.split(' ').nth(1)?.to_owned(), length));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}

/// HTTP/2 that answers every request with that HTTP status and nothing else.
pub(super) fn http2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        let head = http::Response::builder().status(404).body(()).unwrap();
                        let _ = respond.send_response(head, true);
                    }
                });
            }
        });
    });
    address
}

/// A server of TLS that hangs up on whoever speaks none, as Go's do.
pub(super) fn tls() -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .map(|mut config| {
                config.alpn_protocols = vec![b"h2".to_vec()];
                Arc::new(config)
            })
            .unwrap();
    listen(move |mut stream| {
        let mut first = [0];
        if stream.peek(&mut first).is_err() || first != [0x16] {
            return;
        }
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while connection.complete_io(&mut stream).is_ok() && connection.is_handshaking() {}
        let _ = stream.read(&mut [0; 1024]);
    })
}

/// A Jaeger with these traces, by their IDs.
pub(super) fn jaeger(traces: Vec<(u128, serde_json::Value)>) -> SocketAddr {
    let traces: BTreeMap<String, serde_json::Value> =
        traces.into_iter().map(|(id, trace)| (format!("/api/traces/{id:032x}"), trace)).collect();
    http1_by_path(move |path| match traces.get(path) {
        _ if path == "/api/services" => {
            ("200 OK", "application/json", r#"{"data":["jaeger-query"],"total":1,"errors":null}"#.to_owned())
        }
        Some(trace) => ("200 OK", "application/json", trace.to_string()),
        None => (
            "404 Not Found",
            "application/json",
            r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#.to_owned(),
        ),
    })
}
