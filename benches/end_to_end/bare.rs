//! A closed loop over bare h2.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use milvus_load::measure::cpu_of_this_thread;

use super::Shape;
use super::closed::Turn;
use super::support::{self, Failure, bare};

/// One turn with the same connections, in flight, windows and bytes as the tool's.
pub fn turn(addr: SocketAddr, frame: &Bytes, shape: Shape) -> Result<Turn, Failure> {
    support::runtime()?.block_on(async {
        let template = bare::template(addr)?;
        let mut senders = Vec::new();
        for _ in 0..shape.connections {
            senders.push(bare::connect(addr).await?);
        }
        let (requests, stop) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(false)));
        let (begun, cpu) = (Instant::now(), cpu_of_this_thread());
        let slots: Vec<_> = (0..shape.in_flight as usize)
            .map(|slot| {
                let sender = senders[slot % senders.len()].clone();
                let (template, frame) = (template.clone(), frame.clone());
                tokio::task::spawn_local(slot_loop(sender, template, frame, requests.clone(), stop.clone()))
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
    sender: SendRequest<Bytes>,
    template: Request<()>,
    frame: Bytes,
    requests: Rc<Cell<u64>>,
    stop: Rc<Cell<bool>>,
) -> Result<(), h2::Error> {
    while !stop.get() {
        bare::request(&sender, &template, &frame).await?;
        requests.set(requests.get() + 1);
    }
    Ok(())
}
