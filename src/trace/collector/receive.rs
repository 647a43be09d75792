//! OTLP/gRPC, the receiving end: `TraceService/Export` over HTTP/2, gzip accepted.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::GzDecoder;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::grpc;

/// Of one message, packed or not: what an OpenTelemetry Collector takes by default.
const MOST_BYTES: usize = 16 << 20;
/// Connections at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 64;
/// Exports that are read at once, on all connections; what others send waits in their windows, or with them.
const MOST_AT_ONCE: usize = 8;
/// Exports at once on one connection: those that are read, and some that wait.
const MOST_STREAMS: u32 = 32;

/// How long others may take.
#[derive(Clone, Copy)]
struct Times {
    /// From the connection to HTTP/2.
    handshake: Duration,
    /// An export, from its headers to its last byte, with the wait for its turn.
    export: Duration,
    /// Between two exports: those that we know send one every 5 s to 60 s. A client connects again when it needs to.
    idle: Duration,
}

const TIMES: Times = Times {
    handshake: Duration::from_secs(10),
    export: Duration::from_secs(30),
    idle: Duration::from_secs(300),
};

/// Takes what all connections bring.
pub trait Take: Send + Sync + 'static {
    /// An export, unpacked, that came as so many bytes; the gRPC code with which it is refused.
    fn take(&self, export: Bytes, bytes: usize) -> Result<(), u8>;

    /// A message that was refused before it could be looked at, or by [`Take::take`].
    fn refused(&self);
}

/// Serves whoever connects, until it is dropped.
pub(super) async fn serve(listener: TcpListener, receiver: Arc<impl Take>) {
    let (room, turns) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), Arc::new(Semaphore::new(MOST_AT_ONCE)));
    // Neither is ever closed.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (receiver, turns) = (Arc::clone(&receiver), Arc::clone(&turns));
                tokio::spawn(async move {
                    connection(stream, receiver, turns, TIMES).await;
                    drop(place);
                });
            }
            // A client that left at once, or no descriptor free: neither is for ever.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection to its end, for whoever accepts connections himself.
pub async fn serve_one(stream: TcpStream, receiver: Arc<impl Take>) {
    connection(stream, receiver, Arc::new(Semaphore::new(MOST_AT_ONCE)), TIMES).await;
}

async fn connection(stream: TcpStream, receiver: Arc<impl Take>, turns: Arc<Semaphore>, times: Times) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(4 << 20);
    builder.max_concurrent_streams(MOST_STREAMS);
    // Whoever only knocks is gone by now, or is sent away.
    let Ok(Ok(mut connection)) = timeout(times.handshake, builder.handshake(stream)).await else { return };
    let (mut limit, mut is_ending) = (times.idle, false);
    loop {
        match timeout(limit, connection.accept()).await {
            Ok(Some(Ok((request, respond)))) => {
                let (receiver, turns) = (Arc::clone(&receiver), Arc::clone(&turns));
                tokio::spawn(async move { export(request, respond, receiver, &turns, times.export).await });
            }
            Ok(_) => return,
            Err(_) if is_ending => return,
            // Told beforehand, so that no export is lost that is on its way.
            Err(_) => {
                connection.graceful_shutdown();
                (limit, is_ending) = (times.export, true);
            }
        }
    }
}

async fn export(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    receiver: Arc<impl Take>,
    turns: &Semaphore,
    limit: Duration,
) {
    let is_export = request.uri().path() == "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let arrival = async {
        // Never closed. The turn lasts until the export is taken.
        let turn = turns.acquire().await;
        (whole(request.into_body()).await, turn)
    };
    let (body, _turn) = timeout(limit, arrival)
        .await
        .map_or_else(|late| (Err(late), None), |(body, turn)| (Ok(body), turn.ok()));
    let taken = match (is_export, body) {
        (false, _) => Err(grpc::UNIMPLEMENTED),
        (true, Err(_)) => Err(grpc::DEADLINE_EXCEEDED),
        (true, Ok(None)) => Err(grpc::RESOURCE_EXHAUSTED),
        (true, Ok(Some(body))) => {
            let bytes = body.len();
            unpacked(body).and_then(|export| receiver.take(export, bytes))
        }
    };
    if taken.is_err() {
        receiver.refused();
    }
    answer(respond, taken.err().unwrap_or(grpc::OK));
}

/// `None`: too long, or cut off. What is too long is read to its end all the same: whoever sends it hears the answer then.
async fn whole(mut body: RecvStream) -> Option<Bytes> {
    let (mut bytes, mut is_too_long) = (BytesMut::new(), false);
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        is_too_long |= bytes.len() + chunk.len() > MOST_BYTES;
        if is_too_long {
            bytes.clear();
        } else {
            bytes.extend_from_slice(&chunk);
        }
    }
    (!is_too_long).then(|| bytes.freeze())
}

/// The message within a gRPC frame: one byte that says whether it is packed, four of its length, the message.
fn unpacked(mut body: Bytes) -> Result<Bytes, u8> {
    let &[packed, a, b, c, d] = body.first_chunk().ok_or(grpc::INVALID_ARGUMENT)?;
    let message = body.split_off(5);
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return Err(grpc::INVALID_ARGUMENT);
    }
    if packed == 0 {
        return Ok(message);
    }
    let mut unpacked = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    GzDecoder::new(&message[..]).take(most).read_to_end(&mut unpacked).map_err(|_| grpc::INVALID_ARGUMENT)?;
    if unpacked.len() > MOST_BYTES { Err(grpc::RESOURCE_EXHAUSTED) } else { Ok(unpacked.into()) }
}

/// An empty `ExportTraceServiceResponse`, or an error. The caller may have gone meanwhile.
fn answer(mut respond: SendResponse<Bytes>, code: u8) {
    let mut head = Response::new(());
    head.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    if code == grpc::OK {
        let mut empty = BytesMut::new();
        empty.put_bytes(0, 5);
        let _ = stream.send_data(empty.freeze(), false);
    }
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    let _ = stream.send_trailers(trailers);
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
