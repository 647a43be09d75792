//! A gRPC server that answers everything alike and keeps every body: a collector, or a Milvus whose requests are read.

use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub struct Scribe {
    pub uri: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
    _stop: oneshot::Sender<()>,
}

impl Scribe {
    /// Answers every call with this message.
    pub fn start(reply: &impl prost::Message) -> Self {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(reply.encoded_len() as u32);
        reply.encode(&mut frame).unwrap();
        let reply = frame.freeze();
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let bodies = Arc::default();
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, reply, kept) => {}
                }
            });
        });
        Self { uri, bodies, _stop: stop }
    }

    /// The messages received, without their gRPC heads, in order of arrival.
    pub fn messages(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap().iter().map(|body| body.slice(5..)).collect()
    }
}

async fn accept(listener: TcpListener, reply: Bytes, kept: Arc<Mutex<Vec<Bytes>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (reply, kept) = (reply.clone(), Arc::clone(&kept));
        tokio::spawn(async move {
            // Whoever only knocks is gone by now.
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(answer(request, respond, reply.clone(), Arc::clone(&kept)));
            }
        });
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    reply: Bytes,
    kept: Arc<Mutex<Vec<Bytes>>>,
) {
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    kept.lock().unwrap().push(bytes.freeze());
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    let _ = stream.send_data(reply, false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let _ = stream.send_trailers(trailers);
}
