//! The floor: a loop over h2 that frames nothing, names nothing and records nothing.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request};
use milvus_load::milvus::transport::{CONNECTION_WINDOW, STREAM_WINDOW};
use tokio::net::TcpStream;

use super::Shape;
use super::closed::Turn;
use super::engine::thread_cpu;

/// One turn of a closed loop with the same connections, in flight, windows and bytes as the tool's.
pub fn turn(addr: SocketAddr, frame: &Bytes, shape: Shape) -> Result<Turn, Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async {
        let mut senders = Vec::new();
        for _ in 0..shape.connections {
            senders.push(connect(addr).await?);
        }
        let (requests, stop) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(false)));
        let (begun, cpu) = (Instant::now(), thread_cpu());
        let slots: Vec<_> = (0..shape.in_flight as usize)
            .map(|slot| {
                let sender = senders[slot % senders.len()].clone();
                tokio::task::spawn_local(slot_loop(
                    sender,
                    addr,
                    frame.clone(),
                    requests.clone(),
                    stop.clone(),
                ))
            })
            .collect();
        tokio::time::sleep(shape.turn).await;
        stop.set(true);
        for slot in slots {
            slot.await??;
        }
        Ok(Turn { requests: requests.get(), wall: begun.elapsed().into(), cpu: thread_cpu() - cpu })
    })
}

async fn connect(addr: SocketAddr) -> Result<SendRequest<Bytes>, Box<dyn std::error::Error>> {
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

/// Request after request, as lean as h2 allows: whatever the answer is, it is read to its end.
async fn slot_loop(
    sender: SendRequest<Bytes>,
    addr: SocketAddr,
    frame: Bytes,
    requests: Rc<Cell<u64>>,
    stop: Rc<Cell<bool>>,
) -> Result<(), h2::Error> {
    let uri: http::Uri = match format!("http://{addr}/milvus.proto.milvus.MilvusService/Search").parse() {
        Ok(uri) => uri,
        Err(_) => return Ok(()),
    };
    let mut template = Request::new(());
    *template.method_mut() = Method::POST;
    *template.uri_mut() = uri;
    template.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    template.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    while !stop.get() {
        let mut sender = sender.clone();
        let (response, mut body) = sender.send_request(template.clone(), false)?;
        body.send_data(frame.clone(), true)?;
        let mut answer = response.await?.into_body();
        while let Some(chunk) = answer.data().await {
            let chunk = chunk?;
            answer.flow_control().release_capacity(chunk.len())?;
        }
        answer.trailers().await?;
        requests.set(requests.get() + 1);
    }
    Ok(())
}
