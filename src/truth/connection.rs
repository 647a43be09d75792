//! One client's connection: requests are received whole, flow control released as they come, and handed to the server.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::Request;
use tokio::net::TcpStream;

use super::body::Body;
use super::rpc::Rpc;
use super::script::Limits;
use super::server::{Call, MAX_MESSAGE, Server};
use super::wire::{Severable, Signals};

/// Of a request body that a client may send ahead, where the script names no other.
const STREAM_WINDOW: u32 = 16 << 20;
/// All streams of a connection together.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Serves one connection to its end, whoever ends it.
pub(super) async fn serve(server: Arc<Server>, stream: TcpStream) {
    // Refused only by a socket that has gone already, as the next read will tell.
    let _ = stream.set_nodelay(true);
    let signals = Arc::new(Signals::default());
    let io = Severable::new(stream, Arc::clone(&signals));
    let Ok(mut connection) = builder(&server.script().limits).handshake(io).await else { return };
    let number = server.connected();
    let mut goaway = pin!(signals.goaway.notified());
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                receive(&server, Incoming::new(request, respond, number, &signals)).await;
            }
            () = &mut goaway, if !leaving => {
                leaving = true;
                connection.graceful_shutdown();
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(limits.initial_window.unwrap_or(STREAM_WINDOW))
        .initial_connection_window_size(CONNECTION_WINDOW);
    if let Some(streams) = limits.concurrent_streams {
        builder.max_concurrent_streams(streams);
    }
    if let Some(bytes) = limits.header_list {
        builder.max_header_list_size(bytes);
    }
    builder
}

/// Most bodies came with their headers and are served at once; the others get a task, so that they hold nobody up.
async fn receive(server: &Arc<Server>, mut incoming: Incoming) {
    match poll_fn(|cx| Poll::Ready(incoming.poll_whole(cx))).await {
        Poll::Ready(Ok(())) => server.take(incoming.call),
        Poll::Ready(Err(_reset)) => {}
        Poll::Pending => {
            let server = Arc::clone(server);
            tokio::spawn(async move {
                if poll_fn(|cx| incoming.poll_whole(cx)).await.is_ok() {
                    server.take(incoming.call);
                }
            });
        }
    }
}

/// A request of which the body is being received.
struct Incoming {
    stream: RecvStream,
    call: Call,
}

impl Incoming {
    fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        connection: usize,
        signals: &Arc<Signals>,
    ) -> Self {
        let (head, stream) = request.into_parts();
        let call = Call {
            rpc: Rpc::from_path(head.uri.path()),
            headers: head.headers,
            body: Body::default(),
            respond,
            connection,
            signals: Arc::clone(signals),
        };
        Self { stream, call }
    }

    /// Receives to the end of the body, or to where it is too large to be taken.
    fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while self.call.body.len() <= 5 + MAX_MESSAGE {
            let Some(part) = ready!(self.stream.poll_data(cx)) else { break };
            let part = part?;
            self.stream.flow_control().release_capacity(part.len())?;
            self.call.body.push(part);
        }
        Poll::Ready(Ok(()))
    }
}
