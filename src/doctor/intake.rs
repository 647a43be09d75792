//! A collector of doctor's own: it keeps every span, hands the exports on, and tells who knocked in another language.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::grpc;
use crate::trace::endpoint::Endpoint;
use crate::trace::spans::{self, Span};

/// Of one export.
const MOST_BYTES: usize = 16 << 20;
/// Spans that are kept; doctor's own probes make far fewer.
const MOST_SPANS: usize = 200_000;
/// How long the first bytes of a connection, and handing on, may take.
const LIMIT: Duration = Duration::from_secs(5);

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Connections by the language of their first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Knocks {
    pub http2: u64,
    pub tls: u64,
    pub http1: u64,
}

#[derive(Default)]
struct Held {
    spans: Vec<Span>,
    knocks: Knocks,
}

struct Shared {
    held: Mutex<Held>,
    hand_on: Option<Endpoint>,
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        // What is done under it cannot leave it half done.
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Listens until it is dropped.
pub(super) struct Intake {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

impl Intake {
    /// Listens there; port 0 is any that is free. What comes is handed on to `hand_on`, which must speak gRPC without TLS.
    ///
    /// # Errors
    /// Where nobody can listen there.
    pub fn start(address: SocketAddr, hand_on: Option<Endpoint>) -> std::io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { held: Mutex::default(), hand_on });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::Builder::new().name("intake".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, serving) => {}
                }
            });
        })?;
        Ok(Self { address, shared, _stop: stop })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn knocks(&self) -> Knocks {
        self.shared.with(|held| held.knocks)
    }

    /// The spans of one trace that have come so far.
    pub fn trace(&self, trace_id: u128) -> Vec<Span> {
        self.select(|span| span.trace_id == trace_id)
    }

    pub fn select(&self, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        self.shared.with(|held| held.spans.iter().filter(|span| wanted(span)).cloned().collect())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&shared)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0; 3];
    let peeked = tokio::time::timeout(LIMIT, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1..))) {
        return;
    }
    match first {
        // The beginning of a TLS handshake (RFC 8446, section 5.1).
        [0x16, ..] => {
            shared.with(|held| held.knocks.tls += 1);
            // As a server without TLS answers, so that the other side says in its log what is wrong.
            let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        }
        [b'P', b'R', ..] => {
            shared.with(|held| held.knocks.http2 += 1);
            exports(stream, shared).await;
        }
        _ => {
            shared.with(|held| held.knocks.http1 += 1);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    }
}

async fn exports(stream: TcpStream, shared: Arc<Shared>) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(4 << 20);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let is_export = request.uri().path() == EXPORT;
            let encoding = request.headers().get("grpc-encoding").cloned();
            let taken = match whole(request.into_body()).await {
                _ if !is_export => Err(grpc::UNIMPLEMENTED),
                None => Err(grpc::RESOURCE_EXHAUSTED),
                Some(body) => take(&shared, &body).map(|()| body),
            };
            let mut head = Response::new(());
            head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            if let Ok(mut stream) = respond.send_response(head, false) {
                if taken.is_ok() {
                    let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
                }
                let mut trailers = HeaderMap::new();
                let code = taken.as_ref().err().copied().unwrap_or(grpc::OK);
                trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
                let _ = stream.send_trailers(trailers);
            }
            if let (Ok(body), Some(to)) = (taken, &shared.hand_on) {
                // Whether it arrives is seen in Jaeger.
                let _ = tokio::time::timeout(LIMIT, hand_on(to, encoding, body)).await;
            }
        });
    }
}

/// `None`: too long, or cut off.
async fn whole(mut body: h2::RecvStream) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return None;
        }
    }
    Some(bytes.freeze())
}

fn take(shared: &Shared, body: &[u8]) -> Result<(), u8> {
    let (&[packed, _, _, _, _], message) = body.split_first_chunk().ok_or(grpc::INVALID_ARGUMENT)?;
    let mut unpacked = Vec::new();
    let message = match packed {
        0 => message,
        _ => {
            let packed = flate2::read::GzDecoder::new(message);
            std::io::Read::read_to_end(&mut std::io::Read::take(packed, MOST_BYTES as u64), &mut unpacked)
                .map_err(|_| grpc::INVALID_ARGUMENT)?;
            &unpacked
        }
    };
    let export = ExportTraceServiceRequest::decode(message).map_err(|_| grpc::INVALID_ARGUMENT)?;
    let spans = spans::of_otlp(&export.resource_spans);
    shared.with(|held| {
        let room = MOST_SPANS.saturating_sub(held.spans.len());
        held.spans.extend(spans.into_iter().take(room));
    });
    Ok(())
}

/// Sends an export as it came.
async fn hand_on(to: &Endpoint, encoding: Option<HeaderValue>, body: Bytes) -> Result<(), h2::Error> {
    let Ok(stream) = TcpStream::connect((to.host(), to.port())).await else { return Ok(()) };
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let mut client = client.ready().await?;
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    let host = if to.host().contains(':') { format!("[{}]", to.host()) } else { to.host().to_owned() };
    let Ok(uri) = format!("http://{host}:{}{EXPORT}", to.port()).parse() else { return Ok(()) };
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    encoding.map(|encoding| headers.insert("grpc-encoding", encoding));
    let (response, mut send) = client.send_request(request, false)?;
    send.send_data(body, true)?;
    let mut body = response.await?.into_body();
    while let Some(chunk) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk?.len());
    }
    body.trailers().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn intake(hand_on: Option<&Intake>) -> Intake {
        let to = hand_on.map(|to| Endpoint::parse(&to.endpoint()).unwrap());
        Intake::start(([127, 0, 0, 1], 0).into(), to).unwrap()
    }

    fn until(condition: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn knock(intake: &Intake, words: &[u8]) -> Vec<u8> {
        let mut stream = std::net::TcpStream::connect(intake.address()).unwrap();
        stream.write_all(words).unwrap();
        let mut heard = [0; 64];
        let read = stream.read(&mut heard).unwrap();
        heard[..read].to_vec()
    }

    #[test]
    fn who_knocks_in_another_language_is_counted_by_it() {
        let intake = intake(None);
        knock(&intake, &[0x16, 0x03, 0x01, 0x00, 0x05]);
        assert!(knock(&intake, b"POST /v1/traces HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 400"));
        assert_eq!(intake.knocks(), Knocks { http2: 0, tls: 1, http1: 1 });
    }

    #[test]
    fn spans_are_kept_and_handed_on() {
        use crate::trace::TraceRef;
        let behind = intake(None);
        let first = intake(Some(&behind));
        let flag = crate::workload::Override::flag("--set", "trace.otlp_endpoint", first.endpoint());
        let settings = crate::run::Settings::without_file(vec![flag]).unwrap();
        let trace = TraceRef { trace_id: 7, span_id: 8, sampled: true };
        let span = super::super::collector::span(trace, "GetVersion", (1, 2));
        assert!(super::super::collector::send(&settings, &[span]).unwrap().exported);
        assert_eq!((first.trace(7).len(), first.trace(8).len()), (1, 0));
        until(|| behind.trace(7).len() == 1);
        assert_eq!(behind.trace(7), first.trace(7));
    }
}
