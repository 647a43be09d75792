//! The handle of a running server, and the thread that it runs on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc as commands;
use tokio::task::JoinSet;

use super::connection;
use super::log::Log;
use super::script::Script;
use super::server::Server;
use crate::clock::{RunClock, ask_for_short_slices};

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct TruthServer {
    addr: SocketAddr,
    anchor: Instant,
    server: Arc<Server>,
    commands: Option<commands::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handle asks of its thread; each is acknowledged once it is done.
#[derive(Debug)]
enum Command {
    Close(mpsc::Sender<io::Result<()>>),
    Open(mpsc::Sender<io::Result<()>>),
}

impl TruthServer {
    /// Starts a server on 127.0.0.1, on a thread of its own. It is listening when this returns.
    ///
    /// # Errors
    /// `InvalidInput` where the script cannot be played; where the port is taken; where the machine grants no thread,
    /// timer or poller.
    pub fn start(script: Script) -> io::Result<Self> {
        script.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let clock = RunClock::starting_in(Duration::ZERO);
        let (commands, received) = commands::unbounded_channel();
        let (started, start) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("truth-server".into())
            .spawn(move || run(script, clock, received, &started))?;
        let (addr, server) = start.recv().map_err(io::Error::other)??;
        Ok(Self { addr, anchor: clock.anchor(), server, commands: Some(commands), thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a target of this tool: `http://127.0.0.1:<port>`.
    pub fn uri(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The moment from which stalls and the log's times count.
    pub const fn anchor(&self) -> Instant {
        self.anchor
    }

    /// What it has seen so far. A request whose answer has arrived is in it.
    pub fn log(&self) -> Log {
        self.server.log()
    }

    /// Vanishes: ends every connection and refuses new ones, until [`TruthServer::open`]. What was created stays, and
    /// so does the log. Returns when no connection is left.
    ///
    /// # Errors
    /// Where its thread has ended.
    pub fn close(&self) -> io::Result<()> {
        self.command(Command::Close)
    }

    /// Comes back on the same port. Where it is open already, nothing happens.
    ///
    /// # Errors
    /// Where somebody else has taken the port, or its thread has ended.
    pub fn open(&self) -> io::Result<()> {
        self.command(Command::Open)
    }

    /// Ends it and returns its last log. Connections end without a GOAWAY.
    pub fn stop(mut self) -> Log {
        self.end();
        self.log()
    }

    fn command(&self, command: impl FnOnce(mpsc::Sender<io::Result<()>>) -> Command) -> io::Result<()> {
        let ended = || io::Error::new(io::ErrorKind::BrokenPipe, "the truth server's thread has ended");
        let (done, wait) = mpsc::channel();
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands.send(command(done)).map_err(|_| ended())?;
        wait.recv().map_err(|_| ended())?
    }

    fn end(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the server's is on stderr; there is nobody to hand it to in a drop.
            let _ = thread.join();
        }
    }
}

impl Drop for TruthServer {
    fn drop(&mut self) {
        self.end();
    }
}

type Started = io::Result<(SocketAddr, Arc<Server>)>;

/// The thread: a runtime of its own, until the handle is gone.
fn run(
    script: Script,
    clock: RunClock,
    received: commands::UnboundedReceiver<Command>,
    started: &mpsc::Sender<Started>,
) {
    ask_for_short_slices();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error)); // the starter waits for it, or has gone
            return;
        }
    };
    runtime.block_on(async {
        match Host::bind(script, clock).await {
            Ok(host) => {
                let _ = started.send(Ok((host.addr, Arc::clone(&host.server))));
                host.serve(received).await;
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
}

/// Takes a port (0: a free one) in such a way that one listener may still be bound to it. Only Linux allows that: elsewhere the
/// address alone.
fn reserve(port: u16) -> io::Result<(Option<TcpSocket>, SocketAddr)> {
    let addr = (Ipv4Addr::LOCALHOST, port).into();
    if !cfg!(target_os = "linux") {
        return Ok((None, addr));
    }
    let reserved = TcpSocket::new_v4()?;
    reserved.set_reuseaddr(true)?;
    reserved.bind(addr)?;
    let addr = reserved.local_addr()?;
    Ok((Some(reserved), addr))
}

/// The server's listener and its connections.
struct Host {
    server: Arc<Server>,
    addr: SocketAddr,
    /// Bound to the same port, so that nobody else is given it while the server is closed.
    _reserved: Option<TcpSocket>,
    /// `None` while it is closed.
    listener: Option<TcpListener>,
    connections: JoinSet<()>,
}

impl Host {
    async fn bind(script: Script, clock: RunClock) -> io::Result<Self> {
        let (reserved, addr) = reserve(script.port)?;
        let listener = TcpListener::bind(addr).await?;
        let (addr, listener) = (listener.local_addr()?, Some(listener));
        let server = Arc::new(Server::new(script, clock)?);
        Ok(Self { server, addr, _reserved: reserved, listener, connections: JoinSet::new() })
    }

    async fn serve(mut self, mut received: commands::UnboundedReceiver<Command>) {
        let pacing = Arc::clone(&self.server);
        let mut pacer = tokio::spawn(async move { pacing.pace().await });
        loop {
            tokio::select! {
                command = received.recv() => match command {
                    Some(Command::Close(done)) => {
                        let _ = done.send(self.close().await); // the asker waits for it, or has gone
                    }
                    Some(Command::Open(done)) => {
                        let _ = done.send(self.open().await);
                    }
                    None => return,
                },
                accepted = accept(self.listener.as_ref()) => match accepted {
                    Ok(stream) => {
                        self.connections.spawn(connection::serve(Arc::clone(&self.server), stream));
                    }
                    // Out of descriptors, or a client that left at once: not worth a busy loop.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Some(_) = self.connections.join_next() => {}
                // Without its alarm it could answer nothing in time: rather vanish than lie.
                _ = &mut pacer => return,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.listener = None;
        self.connections.shutdown().await;
        Ok(())
    }

    async fn open(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            self.listener = Some(TcpListener::bind(self.addr).await?);
        }
        Ok(())
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}
