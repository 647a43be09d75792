//! The server from outside: over tonic's client where a call is ordinary, over bare h2 where a frame matters.

mod control;
mod faults;
mod timing;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use super::replies::framed;
use super::*;
use crate::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;
use crate::milvus::proto::{common, milvus};

fn start(script: Script) -> TruthServer {
    TruthServer::start(script).unwrap()
}

/// Over the generated client.
async fn client(server: &TruthServer) -> MilvusServiceClient<Channel> {
    MilvusServiceClient::new(Channel::from_shared(server.uri()).unwrap().connect().await.unwrap())
}

fn search(nq: i64, top_k: u32) -> milvus::SearchRequest {
    milvus::SearchRequest {
        collection_name: "c".into(),
        nq,
        search_params: vec![common::KeyValuePair { key: "topk".into(), value: top_k.to_string() }],
        ..Default::default()
    }
}

fn insert(collection: &str, rows: u32) -> milvus::InsertRequest {
    milvus::InsertRequest { collection_name: collection.into(), num_rows: rows, ..Default::default() }
}

/// A connection on which every frame's fate is seen.
struct Raw {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// A response received to its end.
struct Whole {
    headers: HeaderMap,
    /// DATA frames as they came.
    frames: Vec<Bytes>,
    trailers: HeaderMap,
}

impl Whole {
    fn message(&self) -> Bytes {
        self.frames
            .iter()
            .fold(BytesMut::new(), |mut all, frame| {
                all.extend_from_slice(frame);
                all
            })
            .freeze()
    }
}

impl Raw {
    async fn connect(server: &TruthServer) -> Self {
        Self::over(TcpStream::connect(server.addr()).await.unwrap()).await
    }

    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(io).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    /// Sends a request of these bytes, gRPC head included.
    async fn send(
        &mut self,
        rpc: &str,
        frame: Bytes,
        headers: &[(&'static str, &'static str)],
    ) -> ResponseFuture {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let uri = format!("http://truth/milvus.proto.milvus.MilvusService/{rpc}");
        let mut request = Request::post(uri).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (response, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(frame, true).unwrap();
        response
    }

    async fn search(&mut self) -> ResponseFuture {
        self.send("Search", framed(&search(1, 10)), &[]).await
    }

    /// A search and its answer: whatever was sent before on this connection has been received by then.
    async fn fence(&mut self) {
        let whole = whole(self.search().await).await.unwrap();
        assert_eq!(whole.trailers["grpc-status"], "0");
    }
}

async fn whole(response: ResponseFuture) -> Result<Whole, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let frames = data(&mut body).await?;
    let trailers = body.trailers().await?.unwrap_or_default();
    Ok(Whole { headers: head.headers, frames, trailers })
}

async fn data(body: &mut RecvStream) -> Result<Vec<Bytes>, h2::Error> {
    let mut frames = vec![];
    while let Some(frame) = body.data().await {
        frames.push(frame?);
        body.flow_control().release_capacity(frames[frames.len() - 1].len())?;
    }
    Ok(frames)
}

/// One look, without waiting.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}
