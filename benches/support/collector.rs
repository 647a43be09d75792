//! A collector that takes everything, keeps nothing, and costs next to nothing.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

/// Starts it on a thread of its own, for as long as the process lives.
pub fn start() -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("null-collector".into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    })?;
    Ok(addr)
}

/// Errors are those of a client that has gone.
async fn serve(stream: TcpStream) -> Option<()> {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(16 << 20).initial_connection_window_size(64 << 20);
    let mut connection = builder.handshake::<_, Bytes>(stream).await.ok()?;
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.ok()?;
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(chunk) = body.data().await {
                body.flow_control().release_capacity(chunk.ok()?.len()).ok()?;
            }
            let mut head = Response::new(());
            head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            let mut answer = respond.send_response(head, false).ok()?;
            // An empty ExportTraceServiceResponse: all taken.
            answer.send_data(Bytes::from_static(&[0; 5]), false).ok()?;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            answer.send_trailers(trailers).ok()
        });
    }
    Some(())
}
