//! A port at which nobody listens, for as long as a test needs it.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// Bound and not listened on: connections are refused, and nobody else on the machine can be given it meanwhile, as could happen to a
/// port that was only free a moment ago.
pub struct ClosedPort {
    address: SocketAddr,
    _held: TcpSocket,
}

impl ClosedPort {
    /// Of loopback.
    pub fn new() -> Self {
        let held = TcpSocket::new_v4().unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { address: held.local_addr().unwrap(), _held: held }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
