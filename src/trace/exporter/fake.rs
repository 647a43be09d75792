//! Collectors for tests that do as they are told, and keep what they have been sent.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What a collector does with a batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) enum Behaviour {
    Accept,
    /// Takes it once [`FakeCollector::open`] was called.
    AcceptOnceOpen,
    /// Says no with this gRPC code.
    Refuse(u16),
    Hang,
    /// Takes it except for so many spans.
    Reject(i64),
    /// RESOURCE_EXHAUSTED for more spans than this.
    AtMost(usize),
}

/// One export request.
#[derive(Clone, Debug)]
pub(in crate::trace) struct Received {
    pub(in crate::trace) path: String,
    pub(in crate::trace) headers: HeaderMap,
    pub(in crate::trace) compressed: bool,
    pub(in crate::trace) request: ExportTraceServiceRequest,
}

impl Received {
    pub(in crate::trace) fn spans(&self) -> impl Iterator<Item = &Span> {
        self.request.resource_spans.iter().flat_map(|one| &one.scope_spans).flat_map(|one| &one.spans)
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

/// A collector on a port of its own; gone when dropped.
pub(in crate::trace) struct FakeCollector {
    pub(in crate::trace) endpoint: String,
    log: Log,
    gate: watch::Sender<bool>,
    _stop: oneshot::Sender<()>,
}

impl FakeCollector {
    pub(in crate::trace) fn grpc(behaviour: Behaviour) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (log, gate) = (Log::default(), watch::Sender::new(false));
        let collector = Arc::new(Answering { behaviour, log: Arc::clone(&log), gate: gate.clone() });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, collector) => {}
                }
            });
        });
        Self { endpoint, log, gate, _stop: stop }
    }

    /// From now on [`Behaviour::AcceptOnceOpen`] takes all that comes and has come.
    pub(in crate::trace) fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Returns when something has been received.
    pub(in crate::trace) fn wait_for_one(&self) {
        let begun = std::time::Instant::now();
        while self.log.lock().unwrap().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(300), "nothing was ever exported");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Everything that was taken or refused, in order.
    pub(in crate::trace) fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    /// The trace IDs of all spans received.
    pub(in crate::trace) fn trace_ids(&self) -> HashSet<u128> {
        let received = self.received();
        let ids = received.iter().flat_map(Received::spans).map(|span| span.trace_id.clone());
        ids.map(|id| u128::from_be_bytes(id.try_into().unwrap())).collect()
    }
}

/// Answers the first request of every connection with a GOAWAY that has these words.
pub(in crate::trace) fn goes_away(words: &'static str) -> String {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || go_away(&mut stream, words));
        }
    });
    endpoint
}

/// HTTP/2 by hand: a frame is its length (3 bytes), type, flags and stream (4 bytes), then its payload.
fn go_away(stream: &mut std::net::TcpStream, words: &str) -> std::io::Result<u64> {
    const HEADERS: u8 = 1;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?; // SETTINGS
    stream.read_exact(&mut [0; 24])?; // the client's preface
    let mut head = [0; 9];
    while head[3] != HEADERS {
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize])?;
    }
    // Last stream 0: the request was not looked at. Reason 2: internal error.
    let payload = [&[0, 0, 0, 0, 0, 0, 0, 2], words.as_bytes()].concat();
    stream.write_all(&[0, 0, payload.len() as u8, 7, 0, 0, 0, 0, 0])?;
    stream.write_all(&payload)?;
    // Until the client has gone.
    std::io::copy(stream, &mut std::io::sink())
}

/// What all connections of a collector share.
struct Answering {
    behaviour: Behaviour,
    log: Log,
    gate: watch::Sender<bool>,
}

async fn accept(listener: TcpListener, collector: Arc<Answering>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&collector)));
    }
}

async fn serve(stream: TcpStream, collector: Arc<Answering>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, Arc::clone(&collector)));
    }
}

async fn answer(request: Request<h2::RecvStream>, respond: SendResponse<Bytes>, collector: Arc<Answering>) {
    let (parts, mut body) = request.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() < 5 {
        return; // cut off in the middle
    }
    let compressed = bytes[0] == 1;
    let request = decode(&bytes[5..], compressed);
    let received = Received { path: parts.uri.path().into(), headers: parts.headers, compressed, request };
    let spans = received.spans().count();
    collector.log.lock().unwrap().push(received);
    match collector.behaviour {
        Behaviour::Accept => reply(respond, 0, None),
        Behaviour::AcceptOnceOpen => {
            // Its sender lives as long as this does.
            let _ = collector.gate.subscribe().wait_for(|open| *open).await;
            reply(respond, 0, None);
        }
        Behaviour::Refuse(code) => reply(respond, code, None),
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Reject(rejected) => reply(respond, 0, Some(rejected)),
        Behaviour::AtMost(most) => reply(respond, if spans > most { 8 } else { 0 }, None),
    }
}

fn decode(body: &[u8], compressed: bool) -> ExportTraceServiceRequest {
    let mut plain = body.to_vec();
    if compressed {
        plain.clear();
        flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    }
    ExportTraceServiceRequest::decode(&plain[..]).unwrap()
}

fn partial(rejected: Option<i64>) -> Vec<u8> {
    let partial_success = rejected
        .map(|rejected_spans| ExportTracePartialSuccess { rejected_spans, error_message: "too old".into() });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

fn reply(mut respond: SendResponse<Bytes>, code: u16, rejected: Option<i64>) {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    // The caller may have given up meanwhile.
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    if code == 0 {
        let message = partial(rejected);
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.len() as u32);
        frame.put_slice(&message);
        let _ = stream.send_data(frame.freeze(), false);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.to_string().parse().unwrap());
    if code != 0 {
        trailers.insert("grpc-message", "no access for s3cret".parse().unwrap());
    }
    let _ = stream.send_trailers(trailers);
}

/// A collector for OTLP over HTTP/1.1 that answers every request with this status; 200 refuses `rejected` spans.
pub(in crate::trace) fn http(status: u16, rejected: Option<i64>) -> FakeCollector {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, kept) = (BufReader::new(stream.unwrap()), Arc::clone(&kept));
            std::thread::spawn(move || {
                while let Some(received) = read_http(&mut stream) {
                    kept.lock().unwrap().push(received);
                    let body = partial(rejected);
                    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
                }
            });
        }
    });
    FakeCollector { endpoint, log, gate: watch::Sender::new(true), _stop: oneshot::channel().0 }
}

fn read_http(stream: &mut BufReader<std::net::TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let pairs = lines[1..].iter().map(|line| line.split_once(':').unwrap());
    let headers: HeaderMap =
        pairs.map(|(name, value)| (name.parse().unwrap(), value.trim().parse().unwrap())).collect();
    let mut body = vec![0; headers["content-length"].to_str().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let compressed = headers.contains_key("content-encoding");
    let request = decode(&body, compressed);
    let path = lines[0].split(' ').nth(1).unwrap().to_owned();
    Some(Received { path, headers, compressed, request })
}
