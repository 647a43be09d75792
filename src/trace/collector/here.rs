//! The collector in this process: it keeps the spans of traces that may matter, and passes on what is asked for.

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::receive::{Take, serve};
use super::store::{Limits, Store};
use crate::grpc;
use crate::trace::exporter::{Exporter, PassedOn, SpanCounts, SpanSink};

/// Between two looks whether all has been sent.
const POLL: Duration = Duration::from_millis(5);

/// A collector that listens until it is dropped. Runs that follow each other keep their traces in it one after the other, see
/// [`Collector::begin`](Self::begin).
#[derive(Debug)]
pub struct Collector {
    pub(super) shared: Arc<Shared>,
    listening: Listening,
    /// Where all that arrives goes on to.
    onward: Option<Exporter>,
}

/// What connections and runs share.
#[derive(Debug)]
pub(super) struct Shared {
    store: Mutex<Store>,
    onward: Option<SpanSink>,
}

impl Shared {
    pub(super) fn new(limits: Limits, onward: Option<SpanSink>) -> Arc<Self> {
        Arc::new(Self { store: Mutex::new(Store::new(limits, Instant::now())), onward })
    }

    /// What is done with the store is done whole; were it to panic, its numbers would be the most that goes wrong.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Take for Shared {
    fn take(&self, export: Bytes, _: usize) -> Result<(), u8> {
        let taken = self.store().take(&export, Instant::now()).map_err(|_| grpc::INVALID_ARGUMENT)?;
        if let Some(onward) = &self.onward {
            // No more spans than an export has bytes.
            let spans = usize::try_from(taken).unwrap_or(usize::MAX);
            onward.pass_on(PassedOn { bytes: export, spans, trace_id: 0 });
        }
        Ok(())
    }

    fn refused(&self) {
        self.store().refuse();
    }
}

impl Collector {
    /// Listens with `listener`. What arrives goes on through `onward`, where there is one.
    ///
    /// # Errors
    /// Where the system gives no thread, or the listener is none any more.
    pub fn start(listener: StdListener, onward: Option<Exporter>) -> io::Result<Self> {
        let shared = Shared::new(Limits::default(), onward.as_ref().map(Exporter::sink));
        let listening = Listening::start(listener, Arc::clone(&shared))?;
        Ok(Self { shared, listening, onward })
    }

    pub const fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// What became of the spans that were passed on so far; `None`: none are.
    pub fn passed_on(&self) -> Option<SpanCounts> {
        self.onward.as_ref().map(Exporter::counts)
    }

    /// Sends what is still to be passed on, for at most `limit`. Blocks.
    pub fn drain(&self, limit: Duration) {
        let (Some(onward), end) = (&self.onward, Instant::now() + limit) else { return };
        onward.flush();
        while onward.counts().queued > 0 && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }
}

/// Takes what comes until it is dropped, and keeps nothing: somebody listens where a server exports to while nobody wants its
/// spans.
///
/// # Errors
/// Where the system gives no thread.
pub fn stand_in(listener: StdListener) -> io::Result<Box<dyn Any + Send>> {
    Ok(Box::new(Listening::start(listener, Arc::new(Forgetting))?))
}

struct Forgetting;

impl Take for Forgetting {
    fn take(&self, _: Bytes, _: usize) -> Result<(), u8> {
        Ok(())
    }

    fn refused(&self) {}
}

/// A thread that serves; it ends, and its connections with it, when this is dropped.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn start(listener: StdListener, receiver: Arc<impl Take>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("collect".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, receiver) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It has ended already where nobody hears this.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
