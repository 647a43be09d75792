//! What one gets for the asking: tonic's generated client, encoding each request.

use std::net::SocketAddr;

use bytes::Bytes;
use milvus_load::milvus::frame::PREFIX;
use milvus_load::milvus::proto::milvus::SearchRequest;
use milvus_load::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;
use prost::Message as _;
use tonic::transport::Endpoint;

use super::Shape;
use super::closed::{Turn, closed_loop};
use super::support::{self, Failure};

/// One turn of a closed loop with the same connections and in flight.
pub fn turn(addr: SocketAddr, frame: &Bytes, shape: Shape) -> Result<Turn, Failure> {
    let message = SearchRequest::decode(frame.slice(PREFIX..))?;
    support::runtime()?.block_on(async {
        let mut channels = Vec::new();
        for _ in 0..shape.connections {
            channels.push(Endpoint::from_shared(format!("http://{addr}"))?.connect().await?);
        }
        closed_loop(shape, |slot| {
            let mut client = MilvusServiceClient::new(channels[slot % channels.len()].clone());
            let message = message.clone();
            async move || client.search(message.clone()).await.map(drop)
        })
        .await
    })
}
