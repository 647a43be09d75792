//! OTLP/gRPC, the receiving end: `TraceService/Export` over HTTP/2, gzip accepted.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::GzDecoder;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};

use super::tally::Tally;
use crate::grpc;

/// Of one message, packed or not: what an OpenTelemetry Collector takes by default.
const MOST_BYTES: usize = 16 << 20;

/// What all connections share.
pub(super) struct Receiver {
    tally: Mutex<Tally>,
    /// The name of the client's service.
    client: String,
}

impl Receiver {
    pub(super) fn new(client: String) -> Arc<Self> {
        Arc::new(Self { tally: Mutex::default(), client })
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, body: &[u8]) -> Result<(), u8> {
        let decoded = decode(body);
        // Counting cannot panic; were it to, the counts would still be as good as before.
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        match &decoded {
            Ok(request) => tally.take(request, body.len(), &self.client),
            Err(_) => tally.refused += 1,
        }
        decoded.map(drop)
    }
}

/// Serves whoever connects, until it is dropped.
pub(super) async fn serve(listener: TcpListener, receiver: Arc<Receiver>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&receiver)))),
            // A client that left at once, or no descriptor free: neither is for ever.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, receiver: Arc<Receiver>) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(4 << 20);
    // Whoever only knocks is gone by now.
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(export(request, respond, Arc::clone(&receiver)));
    }
}

async fn export(request: Request<RecvStream>, respond: SendResponse<Bytes>, receiver: Arc<Receiver>) {
    let is_export = request.uri().path() == "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let code = match (is_export, whole(request.into_body()).await) {
        (false, _) => grpc::UNIMPLEMENTED,
        (true, None) => grpc::RESOURCE_EXHAUSTED,
        (true, Some(body)) => receiver.take(&body).err().unwrap_or(grpc::OK),
    };
    answer(respond, code);
}

/// `None`: too long, or cut off.
async fn whole(mut body: RecvStream) -> Option<BytesMut> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return None;
        }
    }
    Some(bytes)
}

/// A gRPC message: one byte that says whether it is packed, four of its length, the message.
fn decode(body: &[u8]) -> Result<ExportTraceServiceRequest, u8> {
    let (&[packed, a, b, c, d], message) = body.split_first_chunk().ok_or(grpc::INVALID_ARGUMENT)?;
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return Err(grpc::INVALID_ARGUMENT);
    }
    let mut unpacked = Vec::new();
    let message = match packed {
        0 => message,
        _ => {
            let most = MOST_BYTES as u64 + 1;
            GzDecoder::new(message)
                .take(most)
                .read_to_end(&mut unpacked)
                .map_err(|_| grpc::INVALID_ARGUMENT)?;
            &unpacked
        }
    };
    if message.len() > MOST_BYTES {
        return Err(grpc::RESOURCE_EXHAUSTED);
    }
    ExportTraceServiceRequest::decode(message).map_err(|_| grpc::INVALID_ARGUMENT)
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
