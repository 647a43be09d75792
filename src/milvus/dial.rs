//! From a target to a byte stream: name resolution, TCP, TLS. The measured transport and the control session both dial
//! here, so there is one TLS configuration.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::workload::{MilvusUri, Target};

/// How long a TCP connect and a TLS handshake may take each.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("the host {host} does not resolve: {source}; check the name in target.uri")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// Nobody answers.
    #[error("no connection to {peer}: {source}; is Milvus running there and is the port right?")]
    Connect {
        /// The address tried.
        peer: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error(
        "TLS with {host} ({peer}) failed: {source}; check target.ca_file, target.server_name and that the server speaks TLS"
    )]
    Tls {
        /// The name checked for.
        host: String,
        peer: SocketAddr,
        source: io::Error,
    },
    /// No HTTP/2 on the stream.
    #[error(
        "no HTTP/2 with {peer}: {reason}; check that this is Milvus's gRPC port, that the URI says https where it speaks \
         TLS, and target.cert_file and target.key_file where it asks for a client certificate"
    )]
    Http2 {
        peer: SocketAddr,
        /// What came instead.
        reason: String,
    },
    /// A certificate or key file cannot be used.
    #[error("{key} = {path:?}: {reason}")]
    CertificateFile {
        /// The setting.
        key: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// The server name is not one.
    #[error("{0:?} is not a server name that a certificate can carry; set target.server_name")]
    ServerName(String),
    /// TLS could not be configured.
    #[error("TLS could not be set up: {0}; check target.cert_file and target.key_file")]
    Configuration(#[from] rustls::Error),
}

/// Where Milvus is, and how to reach it.
#[derive(Clone)]
pub struct Dialer {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    /// Reads the certificate files of `target`.
    ///
    /// # Errors
    /// Where a file cannot be used or the server name is malformed.
    pub fn new(uri: &MilvusUri, target: &Target) -> Result<Self, DialError> {
        let tls = if uri.tls {
            let name = target.server_name.clone().unwrap_or_else(|| uri.host.clone());
            let server = ServerName::try_from(name.clone()).map_err(|_| DialError::ServerName(name))?;
            Some((TlsConnector::from(Arc::new(tls_config(target)?)), server))
        } else {
            None
        };
        Ok(Self { host: uri.host.clone(), port: uri.port, tls })
    }

    /// `host:port`, IPv6 in brackets: HTTP/2's authority.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Every address of the host, at least one.
    ///
    /// # Errors
    /// Where the name does not resolve.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, DialError> {
        let failed = |source| DialError::Resolve { host: self.host.clone(), source };
        let mut peers: Vec<_> =
            tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(failed)?.collect();
        peers.dedup();
        if peers.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "no address")));
        }
        Ok(peers)
    }

    /// Opens a stream to one address; at most 5 s each for TCP and TLS.
    ///
    /// # Errors
    /// Where the connection or the TLS handshake fails or takes too long.
    pub async fn dial(&self, peer: SocketAddr) -> Result<Stream, DialError> {
        let connecting = timed(TcpStream::connect(peer));
        let tcp = connecting.await.map_err(|source| DialError::Connect { peer, source })?;
        // Small requests must not wait for the acknowledgement of earlier ones.
        tcp.set_nodelay(true).map_err(|source| DialError::Connect { peer, source })?;
        let Some((connector, name)) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let handshake = timed(connector.connect(name.clone(), tcp));
        let tls = handshake.await.map_err(|source| DialError::Tls {
            host: name.to_str().into_owned(),
            peer,
            source,
        })?;
        Ok(Stream::Tls(Box::new(tls)))
    }

    /// Opens a stream to the first address that answers.
    ///
    /// # Errors
    /// The last address's failure.
    pub async fn dial_any(&self) -> Result<(Stream, SocketAddr), DialError> {
        let mut failure = None;
        for peer in self.resolve().await? {
            match self.dial(peer).await {
                Ok(stream) => return Ok((stream, peer)),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| DialError::Resolve {
            host: self.host.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, "no address"),
        }))
    }
}

async fn timed<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(DIAL_TIMEOUT, step)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s")))
}

fn tls_config(target: &Target) -> Result<rustls::ClientConfig, DialError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &target.ca_file {
        for certificate in certificates("target.ca_file", path)? {
            roots.add(certificate).map_err(|error| DialError::CertificateFile {
                key: "target.ca_file",
                path: path.clone(),
                reason: error.to_string(),
            })?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match (&target.cert_file, &target.key_file) {
        (Some(chain), Some(key)) => {
            builder.with_client_auth_cert(certificates("target.cert_file", chain)?, private_key(key)?)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, DialError> {
    let fail = |reason: String| DialError::CertificateFile { key, path: path.to_owned(), reason };
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| fail(e.to_string()))?.collect();
    let found = read.map_err(|e| fail(e.to_string()))?;
    if found.is_empty() {
        return Err(fail("no certificate in it; a PEM file with BEGIN CERTIFICATE is wanted".to_owned()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, DialError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| DialError::CertificateFile {
        key: "target.key_file",
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A connection's bytes, with or without TLS.
pub enum Stream {
    Plain(TcpStream),
    /// TLS over TCP; boxed, because its state is large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
