//! A collector of doctor's own: it keeps every span, passes the exports on, and tells who knocked in another language.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::grpc;
use crate::milvus::embedded::ExportPlace;
use crate::trace::collector::{Take, serve_one};
use crate::trace::exporter::{Exporter, PassedOn, SpanSink};
use crate::trace::spans::{self, Span};

/// Spans that are kept; doctor's own probes make far fewer.
const MOST_SPANS: usize = 200_000;
/// How long the first bytes of a connection may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Connections by the language of their first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Knocks {
    pub http2: u64,
    pub tls: u64,
    pub http1: u64,
}

#[derive(Default)]
struct Held {
    spans: Vec<Span>,
    knocks: Knocks,
}

struct Shared {
    held: Mutex<Held>,
    onward: Option<SpanSink>,
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        // What is done under it cannot leave it half done.
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Take for Shared {
    fn take(&self, bytes: Bytes, _: usize) -> Result<(), u8> {
        let export = ExportTraceServiceRequest::decode(&bytes[..]).map_err(|_| grpc::INVALID_ARGUMENT)?;
        let spans = spans::of_otlp(&export.resource_spans);
        if let Some(onward) = &self.onward {
            onward.pass_on(PassedOn { bytes, spans: spans.len(), trace_id: 0 });
        }
        self.with(|held| {
            let room = MOST_SPANS.saturating_sub(held.spans.len());
            held.spans.extend(spans.into_iter().take(room));
        });
        Ok(())
    }

    fn refused(&self) {}
}

/// Listens until it is dropped.
pub(super) struct Intake {
    address: SocketAddr,
    shared: Arc<Shared>,
    onward: Option<Exporter>,
    _stop: oneshot::Sender<()>,
    /// Of an embedded server that exports to whoever uses it.
    _place: Option<ExportPlace>,
}

impl Intake {
    /// Listens with `listener`. What comes goes on through `onward`.
    ///
    /// # Errors
    /// Where the system gives no thread, or the listener is none any more.
    pub fn start(
        listener: StdListener,
        onward: Option<Exporter>,
        place: Option<ExportPlace>,
    ) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { held: Mutex::default(), onward: onward.as_ref().map(Exporter::sink) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::Builder::new().name("intake".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, serving) => {}
                }
            });
        })?;
        Ok(Self { address, shared, onward, _stop: stop, _place: place })
    }

    /// Sends what is still to be passed on, for at most `limit`. Blocks.
    pub fn drain(&self, limit: Duration) {
        let (Some(onward), end) = (&self.onward, Instant::now() + limit) else { return };
        onward.flush();
        while onward.counts().queued > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn knocks(&self) -> Knocks {
        self.shared.with(|held| held.knocks)
    }

    /// The spans of one trace that have come so far.
    pub fn trace(&self, trace_id: u128) -> Vec<Span> {
        self.select(|span| span.trace_id == trace_id)
    }

    pub fn select(&self, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        self.shared.with(|held| held.spans.iter().filter(|span| wanted(span)).cloned().collect())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(visit(stream, Arc::clone(&shared)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn visit(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0; 3];
    let peeked = tokio::time::timeout(LIMIT, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1..))) {
        return;
    }
    match first {
        // The beginning of a TLS handshake (RFC 8446, section 5.1).
        [0x16, ..] => {
            shared.with(|held| held.knocks.tls += 1);
            // As a server without TLS answers, so that the other side says in its log what is wrong.
            let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        }
        [b'P', b'R', ..] => {
            shared.with(|held| held.knocks.http2 += 1);
            serve_one(stream, shared).await;
        }
        _ => {
            shared.with(|held| held.knocks.http1 += 1);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    }
}

/// On a free port of loopback, for tests.
#[cfg(test)]
pub(super) fn anywhere(onward: Option<Exporter>) -> Intake {
    Intake::start(StdListener::bind("127.0.0.1:0").unwrap(), onward, None).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn until(condition: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn knock(intake: &Intake, words: &[u8]) -> Vec<u8> {
        let mut stream = std::net::TcpStream::connect(intake.address()).unwrap();
        stream.write_all(words).unwrap();
        let mut heard = [0; 64];
        let read = stream.read(&mut heard).unwrap();
        heard[..read].to_vec()
    }

    #[test]
    fn who_knocks_in_another_language_is_counted_by_it() {
        let intake = anywhere(None);
        knock(&intake, &[0x16, 0x03, 0x01, 0x00, 0x05]);
        assert!(knock(&intake, b"POST /v1/traces HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 400"));
        assert_eq!(intake.knocks(), Knocks { http2: 0, tls: 1, http1: 1 });
    }

    #[test]
    fn spans_are_kept_and_passed_on() {
        use crate::run::Settings;
        use crate::trace::TraceRef;
        let to = |intake: &Intake| {
            let flag = crate::workload::Override::flag("--set", "trace.otlp_endpoint", intake.endpoint());
            Settings::without_file(vec![flag]).unwrap()
        };
        let behind = anywhere(None);
        let onward = crate::run::export_settings(&to(&behind)).unwrap();
        let first = anywhere(Some(Exporter::start(&onward, &[], "").unwrap()));
        let trace = TraceRef { trace_id: 7, span_id: 8, sampled: true };
        let span = super::super::collector::span(trace, "GetVersion", (1, 2));
        assert!(super::super::collector::send(&to(&first), &[span]).unwrap().exported);
        assert_eq!((first.trace(7).len(), first.trace(8).len()), (1, 0));
        first.drain(Duration::from_secs(60));
        until(|| behind.trace(7).len() == 1);
        assert_eq!(behind.trace(7), first.trace(7));
    }
}
