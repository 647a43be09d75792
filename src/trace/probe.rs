//! Is anybody listening where spans are to go?

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;

/// How long a connection may take, for all addresses of a name together. Resolving the name is not bounded by it.
const LIMIT: Duration = Duration::from_secs(1);

/// Why nobody can be reached.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The name has no address.
    #[error("{endpoint}: the name cannot be resolved ({source}); check the host in the endpoint")]
    Name {
        /// What was probed.
        endpoint: String,
        /// Why.
        source: std::io::Error,
    },
    /// No address answers.
    #[error("{endpoint}: nobody is listening ({source}); start the collector or name another endpoint")]
    Connect {
        endpoint: String,
        /// What the last address said.
        source: std::io::Error,
    },
}

/// Connects to the endpoint and hangs up again; blocks for a second at most. That somebody listens does not say that it
/// is a collector: that is known once an export has succeeded.
///
/// # Errors
/// Where the name does not resolve or no address of it takes a connection.
pub fn probe(endpoint: &Endpoint) -> Result<(), ProbeError> {
    let shown = || endpoint.to_string();
    let resolved = (endpoint.host(), endpoint.port()).to_socket_addrs();
    let addresses = resolved.map_err(|source| ProbeError::Name { endpoint: shown(), source })?;
    connect_any(addresses).map_err(|source| ProbeError::Connect { endpoint: shown(), source })
}

fn connect_any(addresses: impl Iterator<Item = SocketAddr>) -> std::io::Result<()> {
    let start = Instant::now();
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        // At least a little for each, so that the last of many is not refused without having been asked.
        let left = LIMIT.saturating_sub(start.elapsed()).max(Duration::from_millis(50));
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::closed_port::ClosedPort;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_found_and_its_absence_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        probe(&endpoint).unwrap();
        let closed = ClosedPort::new();
        let endpoint = Endpoint::parse(&format!("http://{}", closed.address())).unwrap();
        let error = probe(&endpoint).unwrap_err();
        assert!(matches!(error, ProbeError::Connect { .. }));
        assert!(error.to_string().contains(&endpoint.to_string()));
    }

    #[test]
    fn one_answering_address_of_several_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let held = ClosedPort::new();
        let closed = held.address();
        let both = [closed, listener.local_addr().unwrap()];
        connect_any(both.into_iter()).unwrap();
        assert!(connect_any([closed].into_iter()).is_err());
        assert!(connect_any([].into_iter()).is_err());
    }
}
