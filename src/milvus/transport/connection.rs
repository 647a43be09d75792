//! One HTTP/2 connection that is kept up: dial, hand out streams, notice the end, dial again.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Notify;

use super::pool::Shared;
use crate::milvus::Dialer;
use crate::milvus::dial::{DialError, Stream};

/// Pause after the first attempt that failed; doubles up to [`BACKOFF_MAX`]. One that was up for at least that long is
/// dialled again at once: servers retire old connections with GOAWAY as a matter of course.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long the server's first SETTINGS may take.
const SETTINGS_LIMIT: Duration = Duration::from_secs(5);
/// Receive window of one stream: a search reply fits whole, so the server never waits for our WINDOW_UPDATE.
pub const STREAM_WINDOW: u32 = 4 << 20;
/// Receive window of a connection.
pub const CONNECTION_WINDOW: u32 = 64 << 20;

/// One connection of a pool: a place for one HTTP/2 connection after the other.
pub(super) struct Connection {
    /// Number over all workers.
    pub index: u16,
    state: RefCell<State>,
    /// Raised when the current HTTP/2 connection must not take new streams (GOAWAY).
    retired: Notify,
    /// The addresses that it has been connected to, in the order of their first time.
    peers: RefCell<Vec<SocketAddr>>,
}

enum State {
    /// Dialling, or pausing before it.
    Down,
    Up(Rc<Link>),
}

/// One HTTP/2 connection. Streams of a retired one finish on it, so it counts its own.
pub(super) struct Link {
    send: SendRequest<Bytes>,
    /// Streams handed out and not yet given back.
    pub in_flight: Cell<usize>,
    pub peer: SocketAddr,
}

impl Link {
    /// Free stream slots by the server's own limit.
    pub fn free_slots(&self) -> usize {
        self.send.current_max_send_streams().saturating_sub(self.in_flight.get())
    }

    /// A handle to open one stream with.
    pub fn sender(&self) -> SendRequest<Bytes> {
        self.send.clone()
    }
}

impl Connection {
    pub fn new(index: u16) -> Self {
        Self { index, state: RefCell::new(State::Down), retired: Notify::new(), peers: RefCell::default() }
    }

    /// The HTTP/2 connection that takes new streams; `None` where it is down.
    pub fn link(&self) -> Option<Rc<Link>> {
        match &*self.state.borrow() {
            State::Down => None,
            State::Up(link) => Some(Rc::clone(link)),
        }
    }

    /// The addresses that it has been connected to; none where it never was up.
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.peers.borrow().clone()
    }

    fn note_peer(&self, peer: SocketAddr) {
        let mut peers = self.peers.borrow_mut();
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }

    /// Takes that link out of use for new streams; the driver dials a new one, streams under way may finish.
    pub fn retire(&self, link: &Rc<Link>) {
        if self.link().is_some_and(|current| Rc::ptr_eq(&current, link)) {
            *self.state.borrow_mut() = State::Down;
            self.retired.notify_one();
        }
    }

    /// Keeps the connection up until the pool is dropped.
    pub async fn drive(self: Rc<Self>, dialer: Dialer, shared: Rc<Shared>) {
        let mut backoff = BACKOFF_MIN;
        let mut attempt = usize::from(self.index);
        loop {
            match self.open(&dialer, attempt).await {
                Ok(connection) => {
                    let up_since = Instant::now();
                    backoff = BACKOFF_MIN;
                    shared.changed();
                    self.until_over(connection, &shared).await;
                    shared.lost.set(shared.lost.get() + 1);
                    if up_since.elapsed() >= BACKOFF_MAX {
                        continue;
                    }
                }
                Err(error) => {
                    shared.failed_attempt(error);
                    // The next address of the name may be alive.
                    attempt += 1;
                }
            }
            shared.changed();
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn open(&self, dialer: &Dialer, attempt: usize) -> Result<Driver, String> {
        let peers = dialer.resolve().await.map_err(|e| e.to_string())?;
        let peer = peers[attempt % peers.len()];
        let stream = dialer.dial(peer).await.map_err(|e| e.to_string())?;
        let (send, connection) = shake_hands(stream, peer).await.map_err(|e| e.to_string())?;
        self.note_peer(peer);
        *self.state.borrow_mut() = State::Up(Rc::new(Link { send, in_flight: Cell::new(0), peer }));
        Ok(connection)
    }

    async fn until_over(&self, mut connection: Driver, shared: &Rc<Shared>) {
        tokio::select! {
            // First, so that no notice is left over for the next connection where this one ends at the same time.
            biased;
            () = self.retired.notified() => {
                // Streams under way keep their connection until they are done.
                tokio::task::spawn_local(async move { drop(connection.await) });
            }
            ended = &mut connection => {
                *self.state.borrow_mut() = State::Down;
                shared.ended(match ended {
                    Ok(()) => "the server closed the connection".to_owned(),
                    Err(error) => error.to_string(),
                });
            }
        }
    }
}

/// Begins HTTP/2 on a stream, and waits for the server to have done so too.
///
/// # Errors
/// Where the other end is none that speaks it, or hangs up: a TLS server that refuses our certificate says so only now.
pub(in crate::milvus) async fn shake_hands(
    stream: Stream,
    peer: SocketAddr,
) -> Result<(SendRequest<Bytes>, Driver), DialError> {
    let failed = |reason: String| DialError::Http2 { peer, reason };
    let (send, mut connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        // None before the server has said how many: see `settled`.
        .initial_max_send_streams(0)
        // Each answer that crosses our reset of a timed-out stream counts as one: no reason to hang up.
        .max_local_error_reset_streams(None)
        .handshake(stream)
        .await
        .map_err(|e| failed(e.to_string()))?;
    match tokio::time::timeout(SETTINGS_LIMIT, settled(&mut connection, &send)).await {
        Ok(Ok(())) => Ok((send, connection)),
        Ok(Err(ended)) => Err(failed(ended)),
        Err(_elapsed) => Err(failed("no SETTINGS within 5 s".to_owned())),
    }
}

/// Until the server's first SETTINGS have told how many streams it takes. A request sent before could be one too many:
/// refused, or queued inside HTTP/2 where its wait would pass for service time.
async fn settled(connection: &mut Driver, send: &SendRequest<Bytes>) -> Result<(), String> {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err("the server closed the connection".to_owned())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
        Poll::Pending if send.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await
}

type Driver = h2::client::Connection<Stream, Bytes>;
