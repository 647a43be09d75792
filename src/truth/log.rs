//! What a truth server saw and did, request by request where asked for.

use hdrhistogram::Histogram;
use http::HeaderMap;

use crate::units::Nanos;
use crate::workload::Secret;

use super::rpc::Rpc;

/// A snapshot of what the server has seen. A request is in it from the moment it was received whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Requests received, whatever became of them.
    pub requests: u64,
    by_rpc: [u64; Rpc::COUNT],
    /// The databases that requests named, in the order of their first request.
    pub databases: Vec<Database>,
    /// Requests of each connection, in the order in which connections were accepted.
    pub by_connection: Vec<u64>,
    /// Bytes of all messages received, gRPC heads included.
    pub received_bytes: u64,
    /// Requests on which a scripted fault was played.
    pub faults: u64,
    /// The trace headers of Search and Insert.
    pub traceparents: Traceparents,
    /// The last `authorization` metadata; shown as a placeholder.
    pub authorization: Option<Secret>,
    /// How late answers with a delay or after a stall were handed to their connection.
    pub lateness: Lateness,
    /// Search and Insert one by one, in the order in which they were answered; withheld ones when they came.
    pub entries: Vec<Entry>,
    /// Those beyond `Script::log_requests`.
    pub entries_left_out: u64,
}

impl Log {
    /// Requests of one call.
    pub fn count(&self, rpc: Rpc) -> u64 {
        self.by_rpc[rpc.index()]
    }
}

/// The requests that named one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The `dbname` metadata; empty: none, which is the server's default database.
    pub name: String,
    by_rpc: [u64; Rpc::COUNT],
}

impl Database {
    /// Requests of one call.
    pub fn count(&self, rpc: Rpc) -> u64 {
        self.by_rpc[rpc.index()]
    }
}

/// How many requests carried which `traceparent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traceparents {
    /// Flag 01.
    pub sampled: u64,
    /// Flag 00.
    pub unsampled: u64,
    /// No header.
    pub absent: u64,
    /// A header that is not one of W3C Trace Context, version 00.
    pub malformed: u64,
}

/// How late the server itself was, on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Answers that had to wait for their time.
    pub count: u64,
    /// Median.
    pub p50: Nanos,
    /// 99th percentile, both to three digits and at most 60 s.
    pub p99: Nanos,
    /// Largest, exact.
    pub max: Nanos,
}

/// One Search or Insert. Times count from `TruthServer::anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The call.
    pub rpc: Rpc,
    /// Its number among the requests of that call, from 0, in order of arrival.
    pub number: u64,
    /// The connection, from 0, in the order in which they were accepted.
    pub connection: usize,
    /// When it was received whole.
    pub arrival: Nanos,
    /// The delay that was drawn for it, and what `Effect::Late` added.
    pub delay: Nanos,
    /// When it was due: [`due`](super::due) or [`queued`](super::queued) of arrival and delay.
    pub due: Nanos,
    /// When its answer, or what the script put in its place, was handed to the connection, which writes it without
    /// another wait; `None`: withheld.
    pub answered: Option<Nanos>,
    /// The trace that its `traceparent` named.
    pub trace: Option<Traceparent>,
}

/// A `traceparent` header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// Trace ID, not 0.
    pub trace_id: u128,
    /// The ID of the client's span, not 0.
    pub span_id: u64,
    /// Bit 0 of the flags.
    pub sampled: bool,
}

/// Why a `traceparent` says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoTrace {
    Absent,
    Malformed,
}

/// Reads the header by W3C Trace Context, section 3.2: `00-<32 hex>-<16 hex>-<2 hex>`, lower case, IDs not 0.
fn traceparent(headers: &HeaderMap) -> Result<Traceparent, NoTrace> {
    let header = headers.get("traceparent").ok_or(NoTrace::Absent)?.as_bytes();
    let hex = |range: std::ops::Range<usize>| {
        let digits = &header[range];
        if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NoTrace::Malformed);
        }
        let text = std::str::from_utf8(digits).map_err(|_| NoTrace::Malformed)?;
        u128::from_str_radix(text, 16).map_err(|_| NoTrace::Malformed)
    };
    if header.len() != 55 || !header.starts_with(b"00-") || header[35] != b'-' || header[52] != b'-' {
        return Err(NoTrace::Malformed);
    }
    let (trace_id, span_id, flags) = (hex(3..35)?, hex(36..52)?, hex(53..55)?);
    if trace_id == 0 || span_id == 0 {
        return Err(NoTrace::Malformed);
    }
    // 16 digits fit 64 bits.
    Ok(Traceparent { trace_id, span_id: span_id as u64, sampled: flags & 1 == 1 })
}

/// Where the server writes its [`Log`].
#[derive(Debug)]
pub(super) struct Ledger {
    log: Log,
    lateness: Histogram<u64>,
    capacity: usize,
}

/// A request as it came in: its number among its call's, and its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) number: u64,
    pub(super) trace: Option<Traceparent>,
}

impl Ledger {
    /// `capacity`: how many requests are described one by one.
    pub(super) fn new(capacity: usize) -> Result<Self, hdrhistogram::CreationError> {
        let lateness = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        Ok(Self { log: Log::default(), lateness, capacity })
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.log.requests
    }

    /// A new connection's number.
    pub(super) fn connected(&mut self) -> usize {
        self.log.by_connection.push(0);
        self.log.by_connection.len() - 1
    }

    /// Counts a request in.
    pub(super) fn received(
        &mut self,
        rpc: Rpc,
        connection: usize,
        bytes: usize,
        headers: &HeaderMap,
    ) -> Received {
        let number = self.log.by_rpc[rpc.index()];
        self.log.by_rpc[rpc.index()] += 1;
        self.log.requests += 1;
        self.log.received_bytes += bytes as u64;
        self.log.by_connection[connection] += 1;
        if let Some(value) = headers.get("authorization").and_then(|value| value.to_str().ok())
            && self.log.authorization.as_ref().is_none_or(|last| last.reveal() != value)
        {
            self.log.authorization = Some(Secret::new(value.to_owned()));
        }
        self.named(headers.get("dbname").map_or(b"", |value| value.as_bytes())).by_rpc[rpc.index()] += 1;
        let measured = matches!(rpc, Rpc::Search | Rpc::Insert);
        Received { number, trace: if measured { self.trace(headers) } else { None } }
    }

    /// The counters of a database. A client names one or two, so that they are looked through.
    fn named(&mut self, name: &[u8]) -> &mut Database {
        let databases = &mut self.log.databases;
        let place = databases.iter().position(|database| database.name.as_bytes() == name);
        let place = place.unwrap_or_else(|| {
            let name = String::from_utf8_lossy(name).into_owned();
            databases.push(Database { name, by_rpc: [0; Rpc::COUNT] });
            databases.len() - 1
        });
        &mut databases[place]
    }

    fn trace(&mut self, headers: &HeaderMap) -> Option<Traceparent> {
        let found = traceparent(headers);
        let seen = &mut self.log.traceparents;
        let counter = match found {
            Ok(Traceparent { sampled: true, .. }) => &mut seen.sampled,
            Ok(Traceparent { sampled: false, .. }) => &mut seen.unsampled,
            Err(NoTrace::Absent) => &mut seen.absent,
            Err(NoTrace::Malformed) => &mut seen.malformed,
        };
        *counter += 1;
        found.ok()
    }

    /// Counts a fault that is played.
    pub(super) fn fault(&mut self) {
        self.log.faults += 1;
    }

    /// Notes a request whose story is over; before its answer leaves, so that whoever has the answer finds it here.
    pub(super) fn finished(&mut self, entry: Entry) {
        if let Some(answered) = entry.answered
            && entry.due > entry.arrival
        {
            let late = answered - entry.due;
            self.lateness.saturating_record(late.get());
            self.log.lateness.max = self.log.lateness.max.max(late);
        }
        if !matches!(entry.rpc, Rpc::Search | Rpc::Insert) {
            return;
        }
        if self.log.entries.len() < self.capacity {
            self.log.entries.push(entry);
        } else {
            self.log.entries_left_out += 1;
        }
    }

    /// The log so far.
    pub(super) fn snapshot(&self) -> Log {
        let quantile = |q| Nanos::new(self.lateness.value_at_quantile(q));
        let mut log = self.log.clone();
        if !self.lateness.is_empty() {
            let (count, max) = (self.lateness.len(), log.lateness.max);
            log.lateness = Lateness { count, p50: quantile(0.5), p99: quantile(0.99), max };
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &'static str) -> Result<Traceparent, NoTrace> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", http::HeaderValue::from_static(value));
        traceparent(&headers)
    }

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        // The example of W3C Trace Context, section 3.2.3.
        let trace = parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(trace.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(trace.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(trace.sampled);
        assert!(!parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().sampled);
        assert_eq!(traceparent(&HeaderMap::new()), Err(NoTrace::Absent));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parsed(bad), Err(NoTrace::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn the_log_describes_so_many_requests_and_counts_the_rest() {
        let mut ledger = Ledger::new(2).unwrap();
        let connection = ledger.connected();
        for number in 0..5 {
            let received = ledger.received(Rpc::Search, connection, 10, &HeaderMap::new());
            assert_eq!(received.number, number);
            let due = Nanos::new(1_000);
            ledger.finished(Entry {
                rpc: Rpc::Search,
                number,
                connection,
                arrival: Nanos::ZERO,
                delay: due,
                due,
                answered: Some(due + Nanos::new(500)),
                trace: None,
            });
        }
        let log = ledger.snapshot();
        assert_eq!((log.requests, log.count(Rpc::Search), log.count(Rpc::Insert)), (5, 5, 0));
        assert_eq!((log.entries.len(), log.entries_left_out, log.by_connection), (2, 3, vec![5]));
        assert_eq!((log.traceparents.absent, log.received_bytes), (5, 50));
        assert_eq!((log.lateness.count, log.lateness.max), (5, Nanos::new(500)));
    }

    #[test]
    fn requests_are_counted_by_the_database_that_they_name() {
        let mut ledger = Ledger::new(0).unwrap();
        let connection = ledger.connected();
        let mut named = HeaderMap::new();
        named.insert("dbname", http::HeaderValue::from_static("staging"));
        for (rpc, headers) in [
            (Rpc::Search, &named),
            (Rpc::Search, &HeaderMap::new()),
            (Rpc::Search, &named),
            (Rpc::Flush, &named),
        ] {
            ledger.received(rpc, connection, 0, headers);
        }
        let log = ledger.snapshot();
        let counts: Vec<_> = log
            .databases
            .iter()
            .map(|d| (d.name.as_str(), d.count(Rpc::Search), d.count(Rpc::Flush)))
            .collect();
        assert_eq!(counts, [("staging", 2, 1), ("", 1, 0)]);
    }

    #[test]
    fn a_secret_is_not_in_the_log_as_shown() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", http::HeaderValue::from_static("cm9vdDpNaWx2dXM="));
        let mut ledger = Ledger::new(0).unwrap();
        let connection = ledger.connected();
        ledger.received(Rpc::Connect, connection, 0, &headers);
        let log = ledger.snapshot();
        assert_eq!(log.authorization.as_ref().map(Secret::reveal), Some("cm9vdDpNaWx2dXM="));
        assert!(!format!("{log:?}").contains("cm9v"));
    }
}
