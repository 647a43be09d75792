//! What the connections of one server share: its script, its clock, its state, and the answers that wait for their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use prost::{DecodeError, Message};

use crate::units::Nanos;

use super::answer::{Answer, Delivery, code};
use super::body::{Body, InsertHead, QueryHead, SearchHead};
use super::catalog::Catalog;
use super::law;
use super::log::{Entry, Ledger, Log};
use super::replies::{Searches, column, failure, framed, inserted, refusal, rows};
use super::rpc::Rpc;
use super::script::{Effect, Script};
use super::wire::Signals;
use crate::clock::{Alarm, RunClock};

/// The largest message that Milvus takes.
pub(super) const MAX_MESSAGE: usize = 64 << 20;

/// One server. Its tasks run on one thread, so that its lock is never waited for but by a reader of the log.
#[derive(Debug)]
pub(super) struct Server {
    script: Script,
    clock: RunClock,
    alarm: Alarm,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    catalog: Catalog,
    searches: Searches,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Answers that ever waited: keeps those due at the same moment in order.
    waited: u64,
    /// Until when the one server of [`Script::one_at_a_time`] has something to do.
    busy_until: Nanos,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// A request that was received whole.
pub(super) struct Call {
    pub(super) rpc: Rpc,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) respond: h2::server::SendResponse<bytes::Bytes>,
    pub(super) connection: usize,
    pub(super) signals: Arc<Signals>,
}

/// An answer that waits until it is due.
struct Waiting {
    order: u64,
    entry: Entry,
    delivery: Delivery,
}

impl Waiting {
    fn key(&self) -> (Nanos, u64) {
        (self.entry.due, self.order)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Server {
    /// To be called within the runtime that serves.
    pub(super) fn new(script: Script, clock: RunClock) -> io::Result<Self> {
        let state = State {
            ledger: Ledger::new(script.log_requests).map_err(io::Error::other)?,
            catalog: Catalog::new(script.existing.clone()),
            searches: Searches::default(),
            waiting: BinaryHeap::new(),
            waited: 0,
            busy_until: Nanos::ZERO,
        };
        Ok(Self { alarm: Alarm::new()?, script, clock, state: Mutex::new(state) })
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) fn log(&self) -> Log {
        self.state().ledger.snapshot()
    }

    /// A new connection's number.
    pub(super) fn connected(&self) -> usize {
        self.state().ledger.connected()
    }

    /// A panic elsewhere leaves the state as usable as before: each request is counted and answered for itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request up: it is answered now, or when it is due.
    pub(super) fn take(&self, call: Call) {
        let arrival = self.clock.now();
        let Call { rpc, headers, body, respond, connection, signals } = call;
        let mut state = self.state();
        let received = state.ledger.received(rpc, connection, body.len(), &headers);
        let (answer, effect) = match self.refused(rpc, &headers) {
            Some(answer) => (answer, None),
            None => state.answer(&self.script, rpc, received.number, body),
        };
        let sampled = received.trace.is_some_and(|trace| trace.sampled);
        let mut delay = self.script.delay_with_cost(rpc, received.number, sampled);
        if let Some(Effect::Late(by)) = effect {
            delay = delay + by;
        }
        let due = match self.script.one_at_a_time && delay > Nanos::ZERO {
            true => law::queued(arrival, &mut state.busy_until, delay, self.script.stalls.as_ref()),
            false => law::due(arrival, delay, self.script.stalls.as_ref()),
        };
        let trace = received.trace;
        let mut entry =
            Entry { rpc, number: received.number, connection, arrival, delay, due, answered: None, trace };
        let delivery = Delivery { respond, answer, effect, signals };
        if delivery.effect == Some(Effect::Withhold) {
            state.ledger.finished(entry);
        } else if due > arrival {
            return self.wait(&mut state, entry, delivery);
        } else {
            entry.answered = Some(arrival);
            state.ledger.finished(entry);
        }
        drop(state);
        delivery.deliver();
    }

    fn wait(&self, state: &mut State, entry: Entry, delivery: Delivery) {
        state.waited += 1;
        let first = state.waiting.peek().is_none_or(|Reverse(first)| entry.due < first.entry.due);
        if first {
            self.alarm.set(self.clock.instant(entry.due));
        }
        state.waiting.push(Reverse(Waiting { order: state.waited, entry, delivery }));
    }

    /// Answers what is due, for ever.
    pub(super) async fn pace(&self) -> io::Result<()> {
        loop {
            self.alarm.wait().await?;
            while let Some(delivery) = self.next_due() {
                delivery.deliver();
            }
        }
    }

    /// The next answer whose time has come; where there is none, the alarm is set for the first of those that wait.
    fn next_due(&self) -> Option<Delivery> {
        let mut state = self.state();
        let now = self.clock.now();
        let due = state.waiting.peek()?.0.entry.due;
        if due > now {
            self.alarm.set(self.clock.instant(due));
            return None;
        }
        let Reverse(Waiting { mut entry, delivery, .. }) = state.waiting.pop()?;
        entry.answered = Some(now);
        state.ledger.finished(entry);
        Some(delivery)
    }

    fn refused(&self, rpc: Rpc, headers: &HeaderMap) -> Option<Answer> {
        if rpc == Rpc::Other {
            return Some(Answer::status(code::UNIMPLEMENTED, "this server knows no such call"));
        }
        let wanted = self.script.authorization.as_ref()?;
        let given = headers.get(http::header::AUTHORIZATION);
        let fits = given.is_some_and(|given| given.as_bytes() == wanted.reveal().as_bytes());
        (!fits).then(|| Answer::status(code::UNAUTHENTICATED, "authorization is missing or wrong"))
    }
}

impl State {
    /// The answer to request `number` of a call, and what the script does to it.
    fn answer(&mut self, script: &Script, rpc: Rpc, number: u64, body: Body) -> (Answer, Option<Effect>) {
        let effect = script.effect_on(rpc, number).cloned();
        if effect.is_some() {
            self.ledger.fault();
        }
        let answer = match &effect {
            Some(Effect::Milvus { code, reason }) => {
                Answer::Message(refusal(rpc, failure(*code, reason.clone())))
            }
            Some(Effect::Grpc { code, message }) => Answer::status(*code, message.clone()),
            Some(Effect::Count(rows)) => Answer::Message(framed(&column("count(*)", vec![*rows]))),
            _ => self.honest(script, rpc, body),
        };
        (answer, effect)
    }

    /// What a server without faults answers.
    fn honest(&mut self, script: &Script, rpc: Rpc, mut body: Body) -> Answer {
        if body.len() > 5 + MAX_MESSAGE {
            let message =
                format!("grpc: received message larger than max ({} vs. {MAX_MESSAGE})", body.len() - 5);
            return Answer::status(code::RESOURCE_EXHAUSTED, message);
        }
        if let Err(bad) = body.strip_frame() {
            return Answer::status(code::INTERNAL, bad.to_string());
        }
        let reply = match rpc {
            Rpc::Search => self.search(script, body).map(Some),
            Rpc::Query => self.query(script, body).map(Some),
            Rpc::Insert => self.insert(body).map(Some),
            _ => self.catalog.answer(rpc, body),
        };
        match reply {
            Ok(Some(frame)) => Answer::Message(frame),
            Ok(None) => Answer::status(code::UNIMPLEMENTED, "this server knows no such call"),
            Err(error) => Answer::status(code::INTERNAL, error.to_string()),
        }
    }

    fn search(&mut self, script: &Script, body: Body) -> Result<bytes::Bytes, DecodeError> {
        let head = SearchHead::decode(body)?;
        let top_k = head.top_k();
        Ok(self.searches.reply(head.nq(), top_k, script.hits.unwrap_or(top_k)))
    }

    /// As many rows as the script says, or as were asked for: those with the keys that are named, else those of the lowest
    /// keys. Filters are not looked into.
    fn query(&mut self, script: &Script, body: Body) -> Result<bytes::Bytes, DecodeError> {
        let head = QueryHead::decode(body)?;
        if head.counts() {
            return Ok(self.catalog.count(&head.collection_name));
        }
        if head.expr.is_empty() && head.limit().is_none() {
            let reason = "empty expression should be used with limit".to_owned();
            return Ok(refusal(Rpc::Query, failure(65_535, reason)));
        }
        let mut keys = head.keys().unwrap_or_else(|| {
            let rows = head.limit().unwrap_or_else(|| self.catalog.rows(&head.collection_name));
            (0..i64::from(script.rows.unwrap_or(rows))).collect()
        });
        keys.truncate(script.rows.map_or(usize::MAX, |rows| rows as usize));
        Ok(rows(keys))
    }

    fn insert(&mut self, body: Body) -> Result<bytes::Bytes, DecodeError> {
        let head = InsertHead::decode(body)?;
        self.catalog.insert(&head.collection_name, head.num_rows);
        Ok(inserted(head.num_rows, self.ledger.requests()))
    }
}
