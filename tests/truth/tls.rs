//! TLS, through an encrypting front before the truth server: what is trusted, what is refused, and in which words.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::Arc;

use milvus_load::truth::{Delay, Rpc, TruthServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::support::*;

/// An authority with what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

struct Signed {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn sign(&self, name: &str) -> Signed {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed { pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }
}

/// Takes TLS off and hands the rest on.
struct Front {
    port: u16,
    _stop: oneshot::Sender<()>,
}

impl Front {
    /// With `clients`, only those with a certificate of that authority are let in.
    fn start(server: &TruthServer, signed: Signed, clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().unwrap(),
            ),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.key.serialize_der()));
        let mut config = builder.with_single_cert(vec![signed.certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), server.addr());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, acceptor, behind) => {}
                }
            });
        });
        Self { port, _stop: stop }
    }

    fn uri(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let mut server = TcpStream::connect(behind).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

const LOAD: &str = "[load]\nrate = 100\narrival = \"constant\"\nwarmup = \"0s\"\nduration = \"300ms\"\n[trace]\nenabled = false";

/// A run through the front; `target` are lines of `[target]`, in which the directory holds the files.
fn run(front: &Front, files: &[(&str, &str)], target: impl Fn(&Path) -> String) -> Ended {
    BinaryRun::start(&front.uri(), LOAD, |command, directory| {
        for (name, text) in files {
            std::fs::write(directory.join(name), text).unwrap();
        }
        for line in target(directory).lines() {
            command.args(["--set", line]);
        }
    })
    .end()
}

fn file(key: &str, directory: &Path, name: &str) -> String {
    format!("target.{key}={}\n", directory.join(name).display())
}

#[test]
fn a_server_whose_authority_is_given_is_trusted_and_any_other_is_not() {
    let (server, authority) = (start(script(Delay::None)), Authority::new());
    let front = Front::start(&server, authority.sign("localhost"), None);
    let ca = authority.issuer.pem();
    let trusted = run(&front, &[("ca.pem", &ca)], |directory| file("ca_file", directory, "ca.pem"));
    assert_eq!(trusted.done().operations["search"].succeeded, 30);
    assert_eq!(server.log().count(Rpc::Search), 30);

    let unknown = run(&front, &[], |_| String::new());
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("UnknownIssuer"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("target.ca_file"), "{}", unknown.stderr);
    assert_eq!(server.stop().count(Rpc::Search), 30);
}

#[test]
fn a_certificate_for_another_name_is_refused_unless_that_name_is_given() {
    let (server, authority) = (start(script(Delay::None)), Authority::new());
    let front = Front::start(&server, authority.sign("milvus.example"), None);
    let ca = authority.issuer.pem();
    let files = [("ca.pem", ca.as_str())];
    let refused = run(&front, &files, |directory| file("ca_file", directory, "ca.pem"));
    assert_eq!(refused.code, 1);
    for word in ["localhost", "milvus.example", "target.server_name"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let named = run(&front, &files, |directory| {
        file("ca_file", directory, "ca.pem") + "target.server_name=milvus.example"
    });
    named.done();
}

#[test]
fn a_server_that_asks_for_a_client_certificate_gets_ours_or_hangs_up() {
    let (server, authority, clients) = (start(script(Delay::None)), Authority::new(), Authority::new());
    let front = Front::start(&server, authority.sign("localhost"), Some(&clients));
    let (ca, mine) = (authority.issuer.pem().to_owned(), clients.sign("milvus-load"));
    let key = mine.key.serialize_pem();
    let files = [("ca.pem", ca.as_str()), ("mine.pem", &mine.pem), ("mine.key", &key)];
    let let_in = run(&front, &files, |directory| {
        file("ca_file", directory, "ca.pem")
            + &file("cert_file", directory, "mine.pem")
            + &file("key_file", directory, "mine.key")
    });
    let_in.done();
    let shut_out = run(&front, &files, |directory| file("ca_file", directory, "ca.pem"));
    assert_eq!(shut_out.code, 1);
    assert!(shut_out.stderr.to_lowercase().contains("certificate"), "{}", shut_out.stderr);
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let (server, authority) = (start(script(Delay::None)), Authority::new());
    let front = Front::start(&server, authority.sign("localhost"), None);
    let wrong = run(&front, &[("ca.pem", "no PEM")], |directory| file("ca_file", directory, "ca.pem"));
    assert!([1, 2].contains(&wrong.code));
    for word in ["target.ca_file", "ca.pem", "BEGIN CERTIFICATE"] {
        assert!(wrong.stderr.contains(word), "{word}: {}", wrong.stderr);
    }
}
