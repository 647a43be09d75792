//! A closed loop over bare h2.

use std::net::SocketAddr;

use bytes::Bytes;

use super::Shape;
use super::closed::{Turn, closed_loop};
use super::support::{self, Failure, bare};

/// One turn with the same connections, in flight, windows and bytes as the tool's.
pub fn turn(addr: SocketAddr, frame: &Bytes, shape: Shape) -> Result<Turn, Failure> {
    support::runtime()?.block_on(async {
        let template = bare::template(addr)?;
        let mut senders = Vec::new();
        for _ in 0..shape.connections {
            senders.push(bare::connect(addr).await?);
        }
        closed_loop(shape, |slot| {
            let (sender, template, frame) =
                (senders[slot % senders.len()].clone(), template.clone(), frame.clone());
            async move || bare::request(&sender, &template, &frame).await
        })
        .await
    })
}

/// What the server answers to `frame`, a gRPC message with its five bytes in front.
pub fn reply(addr: SocketAddr, frame: &Bytes) -> Result<Vec<u8>, Failure> {
    let runtime = support::runtime()?;
    runtime.block_on(async {
        let (sender, template) = (bare::connect(addr).await?, bare::template(addr)?);
        let mut reply = Vec::new();
        bare::exchange(&sender, &template, frame, |part| reply.extend_from_slice(part)).await?;
        Ok(reply)
    })
}
