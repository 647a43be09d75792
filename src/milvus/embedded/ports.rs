//! Free ports for every part of a server.
//!
//! They are found by binding them all at once and are then released for the server to bind, so another program can
//! still come in between. It rarely does: they lie below the range that the kernel takes ports of outgoing
//! connections from, and away from the defaults of the servers that people run here.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::error::EmbeddedError;

/// One port each for the parts of a server; all different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// Where clients talk to it.
    pub(super) proxy: u16,
    pub(super) proxy_internal: u16,
    pub(super) root_coord: u16,
    pub(super) query_coord: u16,
    pub(super) query_node: u16,
    pub(super) index_coord: u16,
    pub(super) index_node: u16,
    pub(super) data_coord: u16,
    pub(super) data_node: u16,
    /// Health and Prometheus metrics over HTTP.
    pub(super) metrics: u16,
    pub(super) etcd_client: u16,
    pub(super) etcd_peer: u16,
    /// Where a collector of a run listens, if the server is to export to such.
    pub(super) collector: u16,
}

/// How many ports a server needs.
const COUNT: usize = 13;

/// The ports are at least this.
const LOWEST: u16 = 10_000;

/// Where the kernel's range of outgoing ports starts unless told otherwise (Linux, ip-sysctl).
const DEFAULT_EPHEMERAL: u16 = 32_768;

/// Default ports of Milvus: left to a server that the user starts himself.
const MILVUS_DEFAULTS: [u16; 9] = [13_333, 19_121, 19_529, 19_530, 19_531, 21_121, 21_123, 21_124, 22_930];

/// Default ports of Jaeger above [`LOWEST`].
const JAEGER_DEFAULTS: [u16; 6] = [14_250, 14_268, 14_269, 16_685, 16_686, 16_687];

impl Ports {
    /// Finds ports that are free now. Give servers that start at the same time different seeds.
    ///
    /// # Errors
    /// Where there are not enough.
    pub(super) fn find(seed: u64) -> Result<Self, EmbeddedError> {
        let highest = ephemeral_start().saturating_sub(1);
        // A range moved far down leaves no room below it: then anywhere above LOWEST.
        let highest = if highest < LOWEST + 1_000 { u16::MAX } else { highest };
        let mut rng = StdRng::seed_from_u64(seed);
        Self::pick(std::iter::repeat_with(|| rng.random_range(LOWEST..=highest)).take(10_000), bind)
    }

    /// Takes the first candidates that `bind` accepts; every one stays bound until all are found.
    fn pick<L>(
        candidates: impl Iterator<Item = u16>,
        bind: impl Fn(u16) -> io::Result<L>,
    ) -> Result<Self, EmbeddedError> {
        let mut tried: BTreeSet<u16> = MILVUS_DEFAULTS.into_iter().chain(JAEGER_DEFAULTS).collect();
        let mut held = Vec::with_capacity(COUNT);
        let mut refusal = None;
        for port in candidates {
            if !tried.insert(port) {
                continue;
            }
            match bind(port) {
                Ok(listener) => held.push((port, listener)),
                Err(error) => refusal = Some(error),
            }
            if held.len() == COUNT {
                break;
            }
        }
        let numbers: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
        let numbers: [u16; COUNT] = numbers.try_into().map_err(|_| EmbeddedError::NoFreePorts {
            wanted: COUNT,
            reason: refusal.map_or_else(|| "nothing left to try".into(), |error| error.to_string()),
        })?;
        Ok(Self::from(numbers))
    }

    /// The port that the template knows by that name.
    pub(super) fn by_template_name(&self, name: &str) -> Option<u16> {
        Some(match name {
            "proxy_port" => self.proxy,
            "proxy_internal_port" => self.proxy_internal,
            "root_coord_port" => self.root_coord,
            "query_coord_port" => self.query_coord,
            "query_node_port" => self.query_node,
            "index_coord_port" => self.index_coord,
            "index_node_port" => self.index_node,
            "data_coord_port" => self.data_coord,
            "data_node_port" => self.data_node,
            "etcd_port" => self.etcd_client,
            _ => return None,
        })
    }
}

impl From<[u16; COUNT]> for Ports {
    fn from(ports: [u16; COUNT]) -> Self {
        let [
            proxy,
            proxy_internal,
            root_coord,
            query_coord,
            query_node,
            index_coord,
            index_node,
            data_coord,
            data_node,
            metrics,
            etcd_client,
            etcd_peer,
            collector,
        ] = ports;
        Self {
            proxy,
            proxy_internal,
            root_coord,
            query_coord,
            query_node,
            index_coord,
            index_node,
            data_coord,
            data_node,
            metrics,
            etcd_client,
            etcd_peer,
            collector,
        }
    }
}

/// Binds as Milvus does: on all interfaces, of both families where there are two.
fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        bound_or_taken => bound_or_taken,
    }
}

fn ephemeral_start() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(DEFAULT_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ports: Ports) -> BTreeSet<u16> {
        let Ports { proxy, proxy_internal, root_coord, query_coord, query_node, index_coord, .. } = ports;
        let Ports { index_node, data_coord, data_node, metrics, etcd_client, etcd_peer, collector, .. } =
            ports;
        [proxy, proxy_internal, root_coord, query_coord, query_node, index_coord]
            .into_iter()
            .chain([index_node, data_coord, data_node, metrics, etcd_client, etcd_peer, collector])
            .collect()
    }

    #[test]
    fn found_ports_are_all_different_and_below_those_of_outgoing_connections() {
        let found = all(Ports::find(1).unwrap());
        assert_eq!(found.len(), COUNT);
        assert!(*found.first().unwrap() >= LOWEST);
        let start = ephemeral_start();
        assert!(start < LOWEST + 1_000 || *found.last().unwrap() < start);
    }

    #[test]
    fn the_defaults_of_milvus_and_jaeger_and_taken_ports_are_passed_over() {
        let taken = 20_005;
        let bind = |port| if port == taken { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(()) };
        let candidates = [19_530, 16_686].into_iter().chain(20_000..20_014);
        let found = all(Ports::pick(candidates, bind).unwrap());
        assert_eq!(found, (20_000..20_014).filter(|port| *port != taken).collect());
    }

    #[test]
    fn too_few_ports_are_an_error_that_says_why() {
        let error = Ports::pick(20_000..20_012, |_| Ok(())).unwrap_err();
        assert!(matches!(error, EmbeddedError::NoFreePorts { wanted: COUNT, .. }));
        let refused = |_| io::Result::<()>::Err(io::ErrorKind::PermissionDenied.into());
        let text = Ports::pick(20_000..21_000, refused).unwrap_err().to_string();
        assert!(text.contains("permission denied"), "{text}");
    }

    #[test]
    fn a_port_that_is_listened_on_by_one_family_only_counts_as_taken() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = other.local_addr().unwrap().port();
        assert_eq!(bind(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
