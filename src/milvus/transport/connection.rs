//! One HTTP/2 connection that is kept up: dial, hand out streams, notice the end, dial again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Notify;

use super::pool::Shared;
use crate::milvus::Dialer;
use crate::milvus::dial::Stream;

/// Pause before the first new attempt after a connection was lost or could not be made; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long the server may take to answer the first ping.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// Receive window of one stream: a search reply fits whole, so the server never waits for our WINDOW_UPDATE.
const STREAM_WINDOW: u32 = 4 << 20;
/// Receive window of a connection.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// One connection of a pool.
pub(super) struct Connection {
    /// Position in the pool.
    pub index: u16,
    state: RefCell<State>,
    /// Streams handed out and not yet given back.
    pub in_flight: Cell<usize>,
    /// The address it is connected to, or was last.
    pub peer: Cell<Option<SocketAddr>>,
}

enum State {
    /// Dialling, or pausing before it.
    Down,
    Up {
        send: SendRequest<Bytes>,
        /// Raised when this HTTP/2 connection must not take new streams (GOAWAY).
        retired: Rc<Notify>,
    },
}

impl Connection {
    pub fn new(index: u16) -> Self {
        Self { index, state: RefCell::new(State::Down), in_flight: Cell::new(0), peer: Cell::new(None) }
    }

    pub fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up { .. })
    }

    /// Free stream slots by the server's own limit; `None` where the connection is down.
    pub fn free_slots(&self) -> Option<usize> {
        match &*self.state.borrow() {
            State::Down => None,
            State::Up { send, .. } => {
                Some(send.current_max_send_streams().saturating_sub(self.in_flight.get()))
            }
        }
    }

    /// The sender, where the connection is up.
    pub fn sender(&self) -> Option<SendRequest<Bytes>> {
        match &*self.state.borrow() {
            State::Down => None,
            State::Up { send, .. } => Some(send.clone()),
        }
    }

    /// Takes the connection out of use for new streams; its driver dials a new one, streams under way may finish.
    pub fn retire(&self) {
        if let State::Up { retired, .. } = self.state.replace(State::Down) {
            retired.notify_one();
        }
    }

    /// Keeps the connection up until the pool is dropped.
    pub async fn drive(self: Rc<Self>, dialer: Dialer, shared: Rc<Shared>) {
        let mut backoff = BACKOFF_MIN;
        let mut attempt = usize::from(self.index);
        loop {
            match self.open(&dialer, attempt).await {
                Ok((connection, retired)) => {
                    backoff = BACKOFF_MIN;
                    shared.changed.notify_waiters();
                    self.until_over(connection, &retired, &shared).await;
                    shared.lost.set(shared.lost.get() + 1);
                }
                Err(error) => {
                    shared.failed_attempt(error);
                    // The next address of the name may be alive.
                    attempt += 1;
                }
            }
            shared.changed.notify_waiters();
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn open(&self, dialer: &Dialer, attempt: usize) -> Result<(Driver, Rc<Notify>), String> {
        let peers = dialer.resolve().await.map_err(|e| e.to_string())?;
        let peer = peers[attempt % peers.len()];
        let stream = dialer.dial(peer).await.map_err(|e| e.to_string())?;
        let (send, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(|e| format!("HTTP/2 with {peer}: {e}"))?;
        settled(&mut connection).await.map_err(|e| format!("HTTP/2 with {peer}: {e}"))?;
        self.peer.set(Some(peer));
        let retired = Rc::new(Notify::new());
        *self.state.borrow_mut() = State::Up { send, retired: Rc::clone(&retired) };
        Ok((connection, retired))
    }

    async fn until_over(&self, mut connection: Driver, retired: &Notify, shared: &Rc<Shared>) {
        tokio::select! {
            ended = &mut connection => {
                *self.state.borrow_mut() = State::Down;
                shared.ended(match ended {
                    Ok(()) => "the server closed the connection".to_owned(),
                    Err(error) => error.to_string(),
                });
            }
            () = retired.notified() => {
                // Streams under way keep their connection until they are done.
                tokio::task::spawn_local(async move { drop(connection.await) });
            }
        }
    }
}

/// Waits for the answer to a ping. The server's SETTINGS come before it, so that its stream limit is known before the
/// first request, and whoever only accepts connections is not taken for a server.
async fn settled(connection: &mut Driver) -> Result<(), String> {
    let Some(mut ping) = connection.ping_pong() else { return Ok(()) };
    let answered = async {
        tokio::select! {
            ended = connection => Err(ended.map_or_else(|e| e.to_string(), |()| "closed at once".to_owned())),
            pong = ping.ping(h2::Ping::opaque()) => pong.map(drop).map_err(|e| e.to_string()),
        }
    };
    tokio::time::timeout(SETTLE_LIMIT, answered)
        .await
        .unwrap_or_else(|_| Err("no answer within 5 s; is this a gRPC server?".to_owned()))
}

type Driver = h2::client::Connection<Stream, Bytes>;
