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
