//! Where a server exports its spans to while it lasts: to the collector of the run that uses it, and between runs to a stand-in.
//!
//! A server's exporter that finds nobody listening waits longer and longer before it tries again, up to two minutes. So somebody always
//! listens: the supervisor does, unless a run holds the lock of the place. The kernel takes that lock from a run that ends, however it
//! ends. Both may listen on the port for a moment, so that no attempt to connect is refused when a run takes the place over.

use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::cache::Lock;
use super::error::EmbeddedError;
use super::kept::ServerInfo;
use super::server_dir::ServerDir;

/// How often the supervisor looks whether the place is taken.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// How often a lock is tried for that the supervisor may just be looking at.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Takes what a server exports, and forgets it: begins to with a listener, and ends when what it returns is dropped.
pub type StandIn = fn(TcpListener) -> io::Result<Box<dyn Any + Send>>;

/// The place where a server exports its spans to, taken over from the stand-in until this is dropped.
#[derive(Debug)]
pub struct ExportPlace {
    _lock: Lock,
}

impl ServerInfo {
    /// Takes over the place where this server exports its spans to, with a listener there; `None`: another run has it.
    ///
    /// # Errors
    /// Where it exports to no such place, or the port is somebody else's by now.
    pub fn take_export_place(&self) -> Result<Option<(TcpListener, ExportPlace)>, EmbeddedError> {
        let dir = ServerDir::new(self.data_dir.clone());
        let path = dir.collector();
        let failed = || EmbeddedError::io("listen for the spans of the server in", dir.path());
        let Some(port) = self.export_port else {
            return Err(failed()(io::ErrorKind::NotFound.into()));
        };
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            if let Some(lock) = Lock::attempt(&path).map_err(EmbeddedError::io("lock", &path))? {
                let listener = listener(port).map_err(failed())?;
                // The supervisor has looked by then, and the server's connections have ended with its stand-in.
                std::thread::sleep(2 * LOOK);
                return Ok(Some((listener, ExportPlace { _lock: lock })));
            }
        }
        Ok(None)
    }
}

/// On a port that the other process of ours may be listening on too.
fn listener(port: u16) -> io::Result<TcpListener> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// The supervisor's side.
pub(super) struct Standing<'a> {
    dir: &'a ServerDir,
    port: u16,
    stand_in: StandIn,
    listening: Option<Box<dyn Any + Send>>,
}

impl<'a> Standing<'a> {
    pub(super) const fn new(dir: &'a ServerDir, port: u16, stand_in: StandIn) -> Self {
        Self { dir, port, stand_in, listening: None }
    }

    /// Gives the place up where a run has taken it, and takes it back where none has it any more. What fails is tried again.
    pub(super) fn look(&mut self) {
        let is_free = matches!(Lock::attempt(&self.dir.collector()), Ok(Some(_)));
        match is_free {
            false => self.listening = None,
            true if self.listening.is_none() => {
                self.listening = listener(self.port).and_then(self.stand_in).ok();
            }
            true => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn info(dir: &ServerDir, export_port: Option<u16>) -> ServerInfo {
        ServerInfo {
            uri: "http://127.0.0.1:1".into(),
            metrics_url: "http://127.0.0.1:2/metrics".into(),
            version: "v2.3.5".into(),
            pid: 3,
            supervisor_pid: 4,
            otlp_endpoint: None,
            export_port,
            sample_fraction: 0.0,
            data_dir: dir.path().to_owned(),
            log_path: dir.logs(),
        }
    }

    /// Listens until it is dropped, and nothing more.
    fn stand_in(listener: TcpListener) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(listener))
    }

    #[test]
    fn a_run_takes_the_place_over_and_the_stand_in_takes_it_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ServerDir::new(temp.path().to_owned());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let info = info(&dir, Some(port));
        let mut standing = Standing::new(&dir, port, stand_in);
        for _ in 0..3 {
            standing.look();
            TcpStream::connect(("127.0.0.1", port)).expect("the stand-in listens");
            let (listener, place) = info.take_export_place().unwrap().expect("nobody else has it");
            standing.look();
            assert!(standing.listening.is_none());
            assert!(info.take_export_place().unwrap().is_none(), "another run has it");
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
            drop((listener, place));
        }
    }

    #[test]
    fn a_server_without_such_a_place_or_with_a_port_that_is_somebody_elses_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ServerDir::new(temp.path().to_owned());
        assert!(info(&dir, None).take_export_place().is_err());
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = info(&dir, Some(other.local_addr().unwrap().port()));
        let error = taken.take_export_place().unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
    }
}
