//! The connections of one worker, and which of them a request takes.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::connection::Connection;
use crate::milvus::Dialer;

/// What connections and waiting requests tell each other.
#[derive(Default)]
pub(super) struct Shared {
    /// A connection came up or went down, or an attempt failed.
    pub changed: Notify,
    /// A stream slot was given back.
    pub freed: Notify,
    /// Attempts to connect that failed, so far.
    pub failures: Cell<u64>,
    /// Connections that were up and ended, so far.
    pub lost: Cell<u64>,
    /// Requests that had to wait because every connection was at the server's stream limit.
    pub slot_waits: Cell<u64>,
    last_error: RefCell<String>,
}

impl Shared {
    pub fn failed_attempt(&self, error: String) {
        self.failures.set(self.failures.get() + 1);
        *self.last_error.borrow_mut() = error;
    }

    pub fn ended(&self, reason: String) {
        *self.last_error.borrow_mut() = reason;
    }
}

/// Counts of a pool, for the report and the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Connections that were up and ended.
    pub connections_lost: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
    /// Requests that waited for a stream slot (the server's max_concurrent_streams).
    pub slot_waits: u64,
}

/// A fixed number of connections, kept up in the background on this thread.
///
/// Must be used inside a `LocalSet`.
pub struct Pool {
    connections: Vec<Rc<Connection>>,
    shared: Rc<Shared>,
    drivers: Vec<JoinHandle<()>>,
}

/// A stream slot on a connection; given back when dropped.
pub(super) struct Slot {
    pub connection: Rc<Connection>,
    shared: Rc<Shared>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let in_flight = &self.connection.in_flight;
        in_flight.set(in_flight.get() - 1);
        self.shared.freed.notify_one();
    }
}

impl Pool {
    /// Starts `size` connections, numbered from `first` over all workers, spread over the addresses of the target's name.
    pub fn open(dialer: &Dialer, first: u16, size: u16) -> Self {
        let shared = Rc::new(Shared::default());
        let connections: Vec<_> = (first..first + size).map(|i| Rc::new(Connection::new(i))).collect();
        let drivers = connections
            .iter()
            .map(|c| tokio::task::spawn_local(Rc::clone(c).drive(dialer.clone(), Rc::clone(&shared))))
            .collect();
        Self { connections, shared, drivers }
    }

    /// Waits until every connection is up.
    ///
    /// # Errors
    /// The last failure, where they are not all up within `limit`.
    pub async fn ready(&self, limit: Duration) -> Result<(), String> {
        let all_up = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.connections.iter().all(|c| c.is_up()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, all_up).await.map_err(|_| self.last_error())
    }

    /// Takes a slot on the least loaded connection that has one free. Waits for a slot where all are full, and for the
    /// outcome of the next attempt to connect where none is up.
    ///
    /// # Errors
    /// Where no connection is up and an attempt fails while waiting.
    pub(super) async fn slot(&self) -> Result<Slot, String> {
        let failures = self.shared.failures.get();
        let mut waited = false;
        loop {
            // Both are created before looking, so that no notification falls between look and wait.
            let (changed, freed) = (self.shared.changed.notified(), self.shared.freed.notified());
            let open = self.connections.iter().filter_map(|c| Some((c, c.free_slots()?)));
            let mut any_up = false;
            let best = open.inspect(|_| any_up = true).filter(|(_, free)| *free > 0);
            let best = best.min_by_key(|(c, _)| c.in_flight.get()).map(|(c, _)| c);
            if let Some(connection) = best {
                connection.in_flight.set(connection.in_flight.get() + 1);
                return Ok(Slot { connection: Rc::clone(connection), shared: Rc::clone(&self.shared) });
            }
            if !any_up && self.shared.failures.get() != failures {
                return Err(self.last_error());
            }
            if any_up && !waited {
                waited = true;
                self.shared.slot_waits.set(self.shared.slot_waits.get() + 1);
            }
            tokio::select! {
                () = changed => {}
                () = freed => {}
            }
        }
    }

    /// Why there is no connection, in words.
    pub fn last_error(&self) -> String {
        let error = self.shared.last_error.borrow();
        if error.is_empty() { "no connection yet".to_owned() } else { error.clone() }
    }

    /// The address of each connection, by its number; `None` where it never was up.
    pub fn peers(&self) -> Vec<(u16, Option<SocketAddr>)> {
        self.connections.iter().map(|c| (c.index, c.peer.get())).collect()
    }

    /// Counts so far.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            connections_lost: self.shared.lost.get(),
            connect_failures: self.shared.failures.get(),
            slot_waits: self.shared.slot_waits.get(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.drivers.iter().for_each(JoinHandle::abort);
    }
}
