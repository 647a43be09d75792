//! Whose port it is. A server that lost a port to another Milvus would otherwise be taken for that other one:
//! the proxy of 2.3.5 moves to another port without a word, and the metrics are simply not served.

use std::collections::BTreeSet;

/// Whether the process listens on that TCP port. False, too, where that cannot be found out.
pub(super) fn listens(pid: u32, port: u16) -> bool {
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let wanted: BTreeSet<u64> = tables.iter().flatten().flat_map(|table| listeners(table, port)).collect();
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .filter_map(|target| socket_inode(target.to_str()?))
        .any(|inode| wanted.contains(&inode))
}

/// The inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6 (proc_net_tcp in the
/// kernel's documentation): `sl local_address rem_address st queues timer retransmits uid timeout inode ...`.
fn listeners(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTEN;
        matches.then(|| fields.get(9)?.parse().ok()).flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Two lines as the kernel prints them: 127.0.0.1:2379 listening, and a connection to port 19530 (0x4C4A).
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 54321 1 0000000000000000 100 0 0 10 0
   1: 0100007F:4C4A 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 54322 1 0000000000000000 100 0 0 10 0
";

    #[test]
    fn only_listening_sockets_of_that_port_are_found() {
        assert_eq!(listeners(TABLE, 2379), [54321]);
        assert_eq!(listeners(TABLE, 19530), [0; 0], "a connection is no listener");
        assert_eq!(listeners(TABLE, 1), [0; 0]);
        assert_eq!(listeners("", 1), [0; 0]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_is_its_own_processs_and_nobody_elses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        assert!(!listens(other.id(), port));
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
