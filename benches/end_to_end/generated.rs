//! What one gets for the asking: tonic's generated client, encoding each request.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use milvus_load::measure::cpu_of_this_thread;
use milvus_load::milvus::frame::PREFIX;
use milvus_load::milvus::proto::milvus::SearchRequest;
use milvus_load::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;
use prost::Message as _;
use tonic::transport::{Channel, Endpoint};

use super::Shape;
use super::closed::Turn;
use super::support::{self, Failure};

/// One turn of a closed loop with the same connections and in flight.
pub fn turn(addr: SocketAddr, frame: &Bytes, shape: Shape) -> Result<Turn, Failure> {
    let message = SearchRequest::decode(frame.slice(PREFIX..))?;
    support::runtime()?.block_on(async {
        let mut channels = Vec::new();
        for _ in 0..shape.connections {
            channels.push(Endpoint::from_shared(format!("http://{addr}"))?.connect().await?);
        }
        let (requests, stop) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(false)));
        let (begun, cpu) = (Instant::now(), cpu_of_this_thread());
        let slots: Vec<_> = (0..shape.in_flight as usize)
            .map(|slot| {
                let client = MilvusServiceClient::new(channels[slot % channels.len()].clone());
                tokio::task::spawn_local(slot_loop(client, message.clone(), requests.clone(), stop.clone()))
            })
            .collect();
        tokio::time::sleep(shape.turn).await;
        stop.set(true);
        for slot in slots {
            slot.await??;
        }
        Ok(Turn { requests: requests.get(), wall: begun.elapsed().into(), cpu: cpu_of_this_thread() - cpu })
    })
}

async fn slot_loop(
    mut client: MilvusServiceClient<Channel>,
    message: SearchRequest,
    requests: Rc<Cell<u64>>,
    stop: Rc<Cell<bool>>,
) -> Result<(), tonic::Status> {
    while !stop.get() {
        client.search(message.clone()).await?;
        requests.set(requests.get() + 1);
    }
    Ok(())
}
