//! One request: from the wait for a stream slot to the trailers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use super::pool::Pool;
use crate::grpc;
use crate::milvus::frame::PREFIX;
use crate::milvus::ops::Scan;
use crate::milvus::scan::Scanned;
use crate::milvus::{CallHeaders, Dialer, Frame};

/// Largest reply taken: what a 2.5 server may send.
const MAX_REPLY: usize = 256 << 20;

/// Method path and headers of one RPC; everything but the trace header is the same for each of its requests.
#[derive(Clone)]
pub struct Route {
    uri: Uri,
    headers: HeaderMap,
    scan: Scan,
}

impl Route {
    /// `rpc` is the method's name, such as `Search`, and `scan` reads its replies.
    ///
    /// # Errors
    /// Where the target's host cannot stand in a URI.
    pub fn new(
        dialer: &Dialer,
        rpc: &str,
        scan: Scan,
        headers: &CallHeaders,
    ) -> Result<Self, http::uri::InvalidUri> {
        let (scheme, authority) = (dialer.scheme(), dialer.authority());
        let uri: Uri = format!("{scheme}://{authority}/milvus.proto.milvus.MilvusService/{rpc}").parse()?;
        let mut all = HeaderMap::new();
        all.insert(header::TE, HeaderValue::from_static("trailers"));
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let agent = concat!("milvus-load/", env!("CARGO_PKG_VERSION"));
        all.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(&mut all);
        Ok(Self { uri, headers: all, scan })
    }

    fn request(&self, traceparent: Option<HeaderValue>) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(value) = traceparent {
            request.headers_mut().insert("traceparent", value);
        }
        request
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// gRPC, the transport, or Milvus inside gRPC OK (`grpc` 0) said no.
    Failed {
        /// gRPC status code, 0 to 16.
        grpc: u8,
        /// Milvus's code; 0 where gRPC itself failed.
        milvus: i32,
        /// The server's or the transport's words.
        message: String,
    },
    /// No complete answer within the timeout after *sent*.
    TimedOut,
}

/// What became of one request.
#[derive(Debug)]
pub struct Reply {
    /// Just before the headers went out; `None`: there was no connection to send it on.
    pub sent: Option<Instant>,
    /// How long it waited for a stream slot or a connection.
    pub waited: Duration,
    /// When the trailers had been read, or the request was given up.
    pub done: Instant,
    /// Number of the connection that carried it.
    pub connection: u16,
    /// That connection's address.
    pub peer: Option<SocketAddr>,
    /// The answer, or why there is none.
    pub result: Result<Scanned, CallError>,
}

impl Pool {
    /// Sends one request and reads its answer; `timeout` counts from *sent*. `note_sent` is told that moment and the
    /// connection, so that a caller who gives up knows them.
    pub async fn call(
        &self,
        route: &Route,
        frame: &Frame,
        last_write: Option<u64>,
        traceparent: Option<HeaderValue>,
        timeout: Duration,
        note_sent: impl Fn(Instant, u16),
    ) -> Reply {
        let mut ticket = self.ticket();
        loop {
            let slot = match ticket.slot().await {
                Ok(slot) => slot,
                Err(error) => return never_sent(error, ticket.waited),
            };
            let mut sender = slot.link.sender();
            // Pending only while h2 still queues a stream of this handle: never, since a slot is free. An error means
            // GOAWAY or a connection about to end: nothing was sent, so another connection may take the request.
            if std::future::poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                slot.connection.retire(&slot.link);
                continue;
            }
            let request = route.request(traceparent);
            let (head, tail) = frame.pieces(last_write);
            let sent = Instant::now();
            note_sent(sent, slot.connection.index);
            let exchange = async {
                let (response, mut body) = sender.send_request(request, false).map_err(broken)?;
                body.send_data(head, tail.is_none()).map_err(broken)?;
                if let Some(tail) = tail {
                    body.send_data(tail, true).map_err(broken)?;
                }
                read(route.scan, response.await.map_err(broken)?).await
            };
            let result = tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(CallError::TimedOut));
            let done = Instant::now();
            // Tokio's timer is up to 2 ms late, and answers that came meanwhile win: they are late all the same.
            let in_time = done.duration_since(sent) <= timeout;
            return Reply {
                sent: Some(sent),
                waited: ticket.waited,
                done,
                connection: slot.connection.index,
                peer: Some(slot.link.peer),
                result: if in_time { result } else { Err(CallError::TimedOut) },
            };
        }
    }
}

fn never_sent(error: String, waited: Duration) -> Reply {
    let failure = CallError::Failed { grpc: grpc::UNAVAILABLE, milvus: 0, message: error };
    Reply { sent: None, waited, done: Instant::now(), connection: 0, peer: None, result: Err(failure) }
}

fn broken(error: h2::Error) -> CallError {
    let reset = error.reason().filter(|_| error.is_reset() && error.is_remote());
    let grpc = reset.map_or(grpc::UNAVAILABLE, code_of_reset);
    CallError::Failed { grpc, milvus: 0, message: error.to_string() }
}

/// gRPC's code for a stream that the server has reset (gRPC over HTTP/2, section Errors).
fn code_of_reset(reason: h2::Reason) -> u8 {
    match reason {
        h2::Reason::REFUSED_STREAM => grpc::UNAVAILABLE,
        h2::Reason::CANCEL => grpc::CANCELLED,
        h2::Reason::ENHANCE_YOUR_CALM => grpc::RESOURCE_EXHAUSTED,
        h2::Reason::INADEQUATE_SECURITY => grpc::PERMISSION_DENIED,
        _ => grpc::INTERNAL,
    }
}

fn malformed(message: impl Into<String>) -> CallError {
    CallError::Failed { grpc: grpc::INTERNAL, milvus: 0, message: message.into() }
}

/// gRPC's code for an answer that is not gRPC's own but a proxy's (http-grpc-status-mapping).
fn code_of_http(status: http::StatusCode) -> u8 {
    match status.as_u16() {
        400 => grpc::INTERNAL,
        401 => grpc::UNAUTHENTICATED,
        403 => grpc::PERMISSION_DENIED,
        404 => grpc::UNIMPLEMENTED,
        429 | 502 | 503 | 504 => grpc::UNAVAILABLE,
        _ => grpc::UNKNOWN,
    }
}

async fn read(scan: Scan, response: http::Response<RecvStream>) -> Result<Scanned, CallError> {
    let (head, mut body) = response.into_parts();
    if head.status != http::StatusCode::OK {
        let message = format!("HTTP status {}; is this a gRPC server?", head.status);
        return Err(CallError::Failed { grpc: code_of_http(head.status), milvus: 0, message });
    }
    let message = read_message(&mut body).await?;
    let trailers = body.trailers().await.map_err(broken)?;
    // A call that fails at once has its status in the only headers there are.
    grpc_status(trailers.as_ref().unwrap_or(&head.headers))?;
    let scanned = scan(payload(&message)?).map_err(|e| malformed(e.to_string()))?;
    if scanned.code == 0 {
        Ok(scanned)
    } else {
        Err(CallError::Failed { grpc: 0, milvus: scanned.code, message: scanned.reason })
    }
}

/// The body, without a copy where it came in one frame.
async fn read_message(body: &mut RecvStream) -> Result<Bytes, CallError> {
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(broken)?;
        body.flow_control().release_capacity(chunk.len()).map_err(broken)?;
        if parts.len() + chunk.len() > MAX_REPLY {
            return Err(malformed("the reply is larger than 256 MiB"));
        }
        if whole.is_empty() && parts.is_empty() {
            whole = chunk;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&chunk);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}

fn payload(message: &[u8]) -> Result<&[u8], CallError> {
    let Some((prefix, payload)) = message.split_at_checked(PREFIX) else {
        return Err(malformed("gRPC OK without a message"));
    };
    if prefix[0] != 0 {
        return Err(malformed("a compressed reply, though none was asked for"));
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if length != payload.len() {
        return Err(malformed(format!("a message of {length} bytes came with {}", payload.len())));
    }
    Ok(payload)
}

fn grpc_status(headers: &HeaderMap) -> Result<(), CallError> {
    let Some(status) = headers.get("grpc-status") else {
        return Err(malformed("an answer without grpc-status"));
    };
    let code = status.to_str().ok().and_then(|s| s.parse().ok()).unwrap_or(grpc::UNKNOWN);
    if code == 0 {
        return Ok(());
    }
    let words = headers.get("grpc-message").map(|m| percent_decoded(m.as_bytes())).unwrap_or_default();
    Err(CallError::Failed { grpc: code, milvus: 0, message: words })
}

/// gRPC percent-encodes `grpc-message` (gRPC over HTTP/2, section Responses).
fn percent_decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_only_whole_and_plain() {
        assert_eq!(payload(&[0, 0, 0, 0, 2, 8, 1]), Ok(&[8u8, 1][..]));
        for wrong in [&[0, 0, 0][..], &[1, 0, 0, 0, 0], &[0, 0, 0, 0, 9, 1]] {
            assert!(matches!(payload(wrong), Err(CallError::Failed { grpc: grpc::INTERNAL, .. })));
        }
    }

    #[test]
    fn the_status_and_its_words_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", HeaderValue::from_static("too %E2%82%AC large%"));
        let message = "too € large%".to_owned();
        assert_eq!(grpc_status(&headers), Err(CallError::Failed { grpc: 8, milvus: 0, message }));
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(grpc_status(&headers), Ok(()));
        assert!(grpc_status(&HeaderMap::new()).is_err(), "no status is no success");
    }
}
