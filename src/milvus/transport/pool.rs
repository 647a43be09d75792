//! The connections of one worker, and which of them a request takes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::connection::{Connection, Link};
use crate::milvus::Dialer;
use crate::units::Nanos;

/// What connections and waiting requests tell each other.
#[derive(Default)]
pub(super) struct Shared {
    changed: Notify,
    /// Requests that wait for a slot, by the number of their [`Ticket`].
    queue: RefCell<BTreeMap<u64, Waker>>,
    tickets: Cell<u64>,
    /// Attempts to connect that failed, so far.
    pub failures: Cell<u64>,
    /// Connections that were up and ended, so far.
    pub lost: Cell<u64>,
    /// Requests that had to wait because every connection was at the server's stream limit.
    pub slot_waits: Cell<u64>,
    /// How long requests have waited for a slot or a connection, all together.
    waited: Cell<Duration>,
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

    /// A connection came up or went down, or an attempt failed: everybody looks again.
    pub fn changed(&self) {
        self.changed.notify_waiters();
        self.queue.borrow().values().for_each(Waker::wake_by_ref);
    }

    fn wake_first(&self) {
        if let Some((_, waker)) = self.queue.borrow().first_key_value() {
            waker.wake_by_ref();
        }
    }
}

/// Counts of a pool, for the report and the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Connections that were up and ended.
    pub connections_lost: u64,
    pub connect_failures: u64,
    /// Requests that waited for a stream slot (the server's max_concurrent_streams).
    pub slot_waits: u64,
    /// How long requests waited for a slot or a connection, all together.
    pub waited: Nanos,
}

impl PoolStats {
    pub fn merge(&mut self, other: &Self) {
        self.connections_lost += other.connections_lost;
        self.connect_failures += other.connect_failures;
        self.slot_waits += other.slot_waits;
        self.waited = self.waited + other.waited;
    }
}

/// A fixed number of connections, kept up in the background on this thread.
///
/// Must be used inside a `LocalSet`.
pub struct Pool {
    connections: Vec<Rc<Connection>>,
    shared: Rc<Shared>,
    drivers: Vec<JoinHandle<()>>,
    /// Where the search for the least loaded connection begins.
    turn: Cell<usize>,
}

/// A stream slot on a connection; given back when dropped.
pub(super) struct Slot {
    pub connection: Rc<Connection>,
    pub link: Rc<Link>,
    shared: Rc<Shared>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let in_flight = &self.link.in_flight;
        in_flight.set(in_flight.get() - 1);
        // A slot of a retired link is of no use to anybody.
        if self.connection.link().is_some_and(|current| Rc::ptr_eq(&current, &self.link)) {
            self.shared.wake_first();
        }
    }
}

/// A request's place among those that want a slot: who came first is served first, and keeps the place where a slot
/// turns out to be on a connection that takes no more.
pub(super) struct Ticket<'a> {
    pool: &'a Pool,
    number: u64,
    /// Failed attempts to connect when it was drawn.
    failures: u64,
    /// Since when it has waited this time.
    waiting_since: Option<Instant>,
    /// How long it has waited before.
    pub waited: Duration,
    /// Counted as one that waited for a slot.
    is_counted: bool,
}

impl Ticket<'_> {
    /// Takes a slot on the least loaded connection that has one free. Waits for a slot where all are full, and for the
    /// outcome of the next attempt to connect where none is up.
    ///
    /// # Errors
    /// Where no connection is up and an attempt fails while waiting.
    pub async fn slot(&mut self) -> Result<Slot, String> {
        poll_fn(|cx| self.poll_slot(cx)).await
    }

    fn poll_slot(&mut self, cx: &mut Context<'_>) -> Poll<Result<Slot, String>> {
        let (pool, shared) = (self.pool, &*self.pool.shared);
        let is_first = shared.queue.borrow().keys().next().is_none_or(|first| *first >= self.number);
        if is_first && let Some(slot) = pool.take_slot() {
            self.leave();
            self.note_wait();
            // Several slots may have become free before the first in the queue could look.
            if !shared.queue.borrow().is_empty() && pool.links().any(|(_, link)| link.free_slots() > 0) {
                shared.wake_first();
            }
            return Poll::Ready(Ok(slot));
        }
        let is_any_up = pool.links().next().is_some();
        if !is_any_up && shared.failures.get() != self.failures {
            self.leave();
            self.note_wait();
            return Poll::Ready(Err(pool.last_error()));
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        if is_any_up && !self.is_counted {
            self.is_counted = true;
            shared.slot_waits.set(shared.slot_waits.get() + 1);
        }
        shared.queue.borrow_mut().insert(self.number, cx.waker().clone());
        Poll::Pending
    }

    fn note_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            let (waited, all) = (since.elapsed(), &self.pool.shared.waited);
            self.waited += waited;
            all.set(all.get() + waited);
        }
    }

    fn leave(&self) {
        self.pool.shared.queue.borrow_mut().remove(&self.number);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.leave();
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
        Self { connections, shared, drivers, turn: Cell::new(0) }
    }

    /// Waits until every connection is up.
    ///
    /// # Errors
    /// The last failure, where they are not all up within `limit`.
    pub async fn ready(&self, limit: Duration) -> Result<(), String> {
        let all_up = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.connections.iter().all(|c| c.link().is_some()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, all_up).await.map_err(|_| self.last_error())
    }

    /// A place at the end of the queue for slots.
    pub(super) fn ticket(&self) -> Ticket<'_> {
        let number = self.shared.tickets.replace(self.shared.tickets.get() + 1);
        let failures = self.shared.failures.get();
        Ticket {
            pool: self,
            number,
            failures,
            waiting_since: None,
            waited: Duration::ZERO,
            is_counted: false,
        }
    }

    fn links(&self) -> impl Iterator<Item = (&Rc<Connection>, Rc<Link>)> {
        self.connections.iter().filter_map(|connection| Some((connection, connection.link()?)))
    }

    fn take_slot(&self) -> Option<Slot> {
        // Of equally loaded ones in turn: the first would get most requests, and the others only those of busy moments.
        let turn = self.turn.replace(self.turn.get().wrapping_add(1)) % self.connections.len().max(1);
        let (late, early) = self.connections.split_at(turn);
        let links = early.iter().chain(late).filter_map(|connection| Some((connection, connection.link()?)));
        let free = links.filter(|(_, link)| link.free_slots() > 0);
        let (connection, link) = free.min_by_key(|(_, link)| link.in_flight.get())?;
        link.in_flight.set(link.in_flight.get() + 1);
        Some(Slot { connection: Rc::clone(connection), link, shared: Rc::clone(&self.shared) })
    }

    /// Why there is no connection, in words.
    pub fn last_error(&self) -> String {
        let error = self.shared.last_error.borrow();
        if error.is_empty() { "no connection yet".to_owned() } else { error.clone() }
    }

    /// The addresses that each connection has had at its other end, by its number; none where it never was up.
    pub fn peers(&self) -> Vec<(u16, Vec<SocketAddr>)> {
        self.connections.iter().map(|c| (c.index, c.peers())).collect()
    }

    pub fn stats(&self) -> PoolStats {
        PoolStats {
            connections_lost: self.shared.lost.get(),
            connect_failures: self.shared.failures.get(),
            slot_waits: self.shared.slot_waits.get(),
            waited: self.shared.waited.get().into(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.drivers.iter().for_each(JoinHandle::abort);
    }
}
