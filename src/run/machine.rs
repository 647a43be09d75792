//! The machine that the generator runs on, and whether something else is on it too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::report::model::Machine;

/// Cores, memory, system and processor, as far as they can be read.
pub fn describe() -> Machine {
    let proc = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = proc("/proc/cpuinfo");
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory_info = proc("/proc/meminfo");
    Machine {
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory: memory_info.lines().find_map(total_memory),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: model.map(|(_, name)| name.trim().to_owned()),
    }
}

/// The kernel's name for the time since this machine was started; `None` where it gives none.
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The kernel's bound of how far the system clock is off (adjtimex(2), `maxerror`); `None` where nothing keeps it in time.
#[cfg(target_os = "linux")]
pub fn clock_error() -> Option<crate::units::Nanos> {
    // SAFETY: all fields of the structure are numbers, for which zeros are valid.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: with `modes` 0 the kernel only writes into the structure, which is its own.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    let is_kept = state >= 0 && state != libc::TIME_ERROR;
    let micros = u64::try_from(clock.maxerror).ok().filter(|_| is_kept)?;
    Some(crate::units::Nanos::new(micros.saturating_mul(1_000)))
}

/// Not told on this system.
#[cfg(not(target_os = "linux"))]
pub fn clock_error() -> Option<crate::units::Nanos> {
    None
}

/// `MemTotal:       24105684 kB`, in bytes.
fn total_memory(line: &str) -> Option<u64> {
    let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
    Some(kilobytes.trim().parse::<u64>().ok()? * 1024)
}

/// An address of each family that is nobody's: TEST-NET-3 of RFC 5737, and the documentation prefix of RFC 3849.
const NOBODYS: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(203, 0, 113, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// Whether an address is one of this machine's, of whichever interface: no other can be bound to. Where any can be (Linux's
/// `ip_nonlocal_bind`), what would be sent to it must have it as its sender too. Nothing is sent.
pub fn is_ours(address: IpAddr) -> bool {
    let (nobodys, any): (IpAddr, IpAddr) = match address {
        IpAddr::V4(_) => (NOBODYS.0.into(), Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => (NOBODYS.1.into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    let can_bind = |address| UdpSocket::bind((address, 0)).is_ok();
    if !can_bind(nobodys) {
        return can_bind(address);
    }
    let sender = || {
        let socket = UdpSocket::bind((any, 0))?;
        // Port 9 discards; any would do.
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    let is_sender = || sender().is_ok_and(|sender: SocketAddr| sender.ip() == address);
    address.is_unspecified() || address.is_loopback() || is_sender()
}

/// Whether a host that is named so is this machine. Asks nobody: a name other than `localhost` is taken for another's.
pub fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(is_ours)
}

#[cfg(test)]
mod tests {
    use crate::workload::MilvusUri;

    use super::*;

    #[test]
    fn an_address_of_this_machine_is_told_from_anothers() {
        assert!(is_ours([127, 0, 0, 1].into()));
        // All of 127/8 is Linux's own, though but one of it ever sends.
        assert!(!cfg!(target_os = "linux") || is_ours([127, 0, 0, 2].into()));
        assert!(!is_ours(NOBODYS.0.into()) && !is_ours(NOBODYS.1.into()));
    }

    #[test]
    fn a_server_named_by_an_address_of_any_interface_is_here() {
        let here = |host: String| is_here(&format!("http://{host}:19530").parse::<MilvusUri>().unwrap().host);
        assert!(here("localhost".into()) && here("127.0.0.1".into()) && here("[::1]".into()));
        // By which one connects to oneself on Linux, and which is not loopback's.
        assert!(!cfg!(target_os = "linux") || here("0.0.0.0".into()));
        // The address that packets to others would leave by, where there is any; none is sent.
        let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        if socket.connect(("203.0.113.1", 9)).is_ok() {
            let address = socket.local_addr().unwrap().ip();
            assert!(here(address.to_string()), "{address}");
        }
        assert!(!here("203.0.113.1".into()) && !here("milvus.example".into()));
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(total_memory("MemTotal:       24105684 kB"), Some(24_684_220_416));
        assert_eq!(total_memory("MemFree:        1 kB"), None);
    }
}
