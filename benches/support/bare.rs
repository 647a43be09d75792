//! The floor: h2 as lean as it can be used, with nothing framed, named or recorded.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request};
use milvus_load::milvus::transport::{CONNECTION_WINDOW, STREAM_WINDOW};
use tokio::net::TcpStream;

use super::Failure;

/// A connection with the windows that the tool's have, driven by a task of this thread.
pub async fn connect(addr: SocketAddr) -> Result<SendRequest<Bytes>, Failure> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .handshake(stream)
        .await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// The headers without which a gRPC server answers nothing.
pub fn template(addr: SocketAddr) -> Result<Request<()>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("http://{addr}/milvus.proto.milvus.MilvusService/Search"))
        .header("content-type", HeaderValue::from_static("application/grpc"))
        .header("te", HeaderValue::from_static("trailers"))
        .body(())
}

/// One request; whatever the answer is, it is read to its end.
pub async fn request(
    sender: &SendRequest<Bytes>,
    template: &Request<()>,
    body: &Bytes,
) -> Result<(), h2::Error> {
    exchange(sender, template, body, |_| {}).await
}

/// One request whose answer is handed to `each` part by part.
pub async fn exchange(
    sender: &SendRequest<Bytes>,
    template: &Request<()>,
    body: &Bytes,
    mut each: impl FnMut(&[u8]),
) -> Result<(), h2::Error> {
    let (response, mut stream) = sender.clone().send_request(template.clone(), false)?;
    stream.send_data(body.clone(), true)?;
    let mut answer = response.await?.into_body();
    while let Some(chunk) = answer.data().await {
        let chunk = chunk?;
        each(&chunk);
        answer.flow_control().release_capacity(chunk.len())?;
    }
    answer.trailers().await?;
    Ok(())
}
