//! How an answer goes out: whole, or as the script spoils it.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::script::Effect;
use super::wire::Signals;

/// What a call is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A framed message, then trailers with gRPC status 0.
    Message(Bytes),
    /// Trailers only.
    Status {
        /// gRPC status code.
        code: u8,
        /// Its message.
        message: String,
    },
}

impl Answer {
    pub(super) fn status(code: u8, message: impl Into<String>) -> Self {
        Self::Status { code, message: message.into() }
    }
}

/// gRPC status codes that this server itself gives.
pub(super) mod code {
    pub(in super::super) const RESOURCE_EXHAUSTED: u8 = 8;
    pub(in super::super) const UNIMPLEMENTED: u8 = 12;
    pub(in super::super) const INTERNAL: u8 = 13;
    pub(in super::super) const UNAUTHENTICATED: u8 = 16;
}

/// An answer with its way out.
pub(super) struct Delivery {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) answer: Answer,
    pub(super) effect: Option<Effect>,
    pub(super) signals: Arc<Signals>,
}

impl Delivery {
    /// Hands it to the connection.
    pub(super) fn deliver(self) {
        let Self { mut respond, answer, effect, signals } = self;
        // Errors are those of a client that has gone, to whom there is nothing left to say.
        let _ = match effect {
            Some(Effect::Withhold) => {
                tokio::spawn(async move { poll_fn(|cx| respond.poll_reset(cx)).await });
                Ok(())
            }
            Some(Effect::WithholdTrailers) => message_only(&mut respond, answer),
            Some(Effect::Reset(reason)) => {
                respond.send_reset(Reason::from(reason));
                Ok(())
            }
            Some(Effect::CutMidFrame) => {
                signals.cut();
                send(&mut respond, answer, usize::MAX)
            }
            Some(Effect::GoAway) => {
                let sent = send(&mut respond, answer, usize::MAX);
                signals.goaway.notify_one();
                sent
            }
            Some(Effect::Split(bytes)) => send(&mut respond, answer, bytes.max(1)),
            Some(Effect::Compressed) => send(&mut respond, marked_compressed(answer), usize::MAX),
            Some(Effect::Http(status)) => {
                let mut head = Response::new(());
                *head.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                respond.send_response(head, true).map(|_| ())
            }
            // These have changed the answer or its time already.
            None | Some(Effect::Milvus { .. } | Effect::Grpc { .. } | Effect::Count(_) | Effect::Late(_)) => {
                send(&mut respond, answer, usize::MAX)
            }
        };
    }
}

/// Sends a whole answer, its message in DATA frames of at most `piece` bytes (and of what HTTP/2 allows).
fn send(respond: &mut SendResponse<Bytes>, answer: Answer, piece: usize) -> Result<(), h2::Error> {
    match answer {
        Answer::Message(message) => {
            let mut stream = send_message(respond, message, piece)?;
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
            stream.send_trailers(trailers)
        }
        Answer::Status { code, message } => {
            let mut head = head();
            head.headers_mut().insert(GRPC_STATUS, HeaderValue::from(u16::from(code)));
            if let Ok(message) = HeaderValue::from_str(&message) {
                head.headers_mut().insert("grpc-message", message);
            }
            respond.send_response(head, true).map(|_| ())
        }
    }
}

/// The same message with the flag of gRPC's prefix set.
fn marked_compressed(answer: Answer) -> Answer {
    match answer {
        Answer::Message(message) => {
            let mut message = BytesMut::from(message);
            message[..1].fill(1);
            Answer::Message(message.freeze())
        }
        status @ Answer::Status { .. } => status,
    }
}

/// Sends all but the trailers, and keeps the stream open until the client gives it up.
fn message_only(respond: &mut SendResponse<Bytes>, answer: Answer) -> Result<(), h2::Error> {
    let message = match answer {
        Answer::Message(message) => message,
        Answer::Status { .. } => Bytes::new(),
    };
    let mut stream = send_message(respond, message, usize::MAX)?;
    tokio::spawn(async move { poll_fn(|cx| stream.poll_reset(cx)).await });
    Ok(())
}

fn send_message(
    respond: &mut SendResponse<Bytes>,
    mut message: Bytes,
    piece: usize,
) -> Result<SendStream<Bytes>, h2::Error> {
    let mut stream = respond.send_response(head(), false)?;
    while message.len() > piece {
        stream.send_data(message.split_to(piece), false)?;
    }
    stream.send_data(message, false)?;
    Ok(stream)
}

const GRPC_STATUS: &str = "grpc-status";

fn head() -> Response<()> {
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head
}
