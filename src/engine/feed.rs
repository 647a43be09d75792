//! Insert bodies, built ahead of need on threads of their own, so that making vectors is never part of a latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::milvus::ops::insert;
use crate::milvus::{Frame, RowLayout};

/// Bodies waiting per worker and operation: this many bytes of them, between [`DEPTH_MIN`] and [`DEPTH_MAX`] bodies.
const BYTES_AHEAD: usize = 32 << 20;
const DEPTH_MIN: usize = 2;
const DEPTH_MAX: usize = 1024;

/// What the bodies of one insert operation are made of.
#[derive(Clone)]
pub struct InsertSource {
    /// The collection.
    pub collection: Arc<str>,
    /// Its columns.
    pub layout: Arc<RowLayout>,
    /// Rows per body.
    pub batch: u32,
    /// The next row's number; shared by all inserts into the collection, so that no key comes twice.
    pub next_row: Arc<AtomicU64>,
}

impl InsertSource {
    fn next_frame(&self) -> Frame {
        let first = self.next_row.fetch_add(u64::from(self.batch), Ordering::Relaxed);
        insert::frame(&self.collection, &self.layout, first, self.batch)
    }

    /// Bodies kept ahead per worker.
    fn depth(&self) -> usize {
        depth(self.layout.vectors.bytes() * self.batch as usize)
    }

    /// Bytes that a worker's waiting bodies take, for bodies of so many bytes.
    pub fn bytes_ahead(body: usize) -> usize {
        depth(body) * body
    }
}

fn depth(body: usize) -> usize {
    (BYTES_AHEAD / body.max(1)).clamp(DEPTH_MIN, DEPTH_MAX)
}

/// The receiving end, owned by one worker.
pub struct InsertFeed {
    ready: mpsc::Receiver<Frame>,
    /// Ends by itself when the receiver is dropped.
    builder: Option<JoinHandle<()>>,
}

impl InsertFeed {
    /// Starts building.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(source: InsertSource, worker: usize) -> std::io::Result<Self> {
        let (send, ready) = mpsc::channel(source.depth());
        let builder = std::thread::Builder::new()
            .name(format!("builder-{worker}"))
            .spawn(move || while send.blocking_send(source.next_frame()).is_ok() {})?;
        Ok(Self { ready, builder: Some(builder) })
    }

    /// Bodies that are waiting.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// Whether the builder has ended while it was needed: nothing more will come.
    pub fn is_abandoned(&self) -> bool {
        self.ready.is_closed()
    }

    /// One whose builder has ended before its first body.
    #[cfg(test)]
    pub fn abandoned() -> Self {
        Self { ready: mpsc::channel(1).1, builder: None }
    }

    /// The next body if one is waiting.
    pub fn take(&mut self) -> Option<Frame> {
        self.ready.try_recv().ok()
    }

    /// The next body, waited for; `None` where the builder is gone.
    pub async fn wait(&mut self) -> Option<Frame> {
        self.ready.recv().await
    }
}

impl Drop for InsertFeed {
    fn drop(&mut self) {
        self.ready.close();
        // Unblocks a builder that waits for room.
        while self.ready.try_recv().is_ok() {}
        if let Some(builder) = self.builder.take() {
            // A builder that panicked has nothing left to tell.
            let _ = builder.join();
        }
    }
}
