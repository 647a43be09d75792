//! Insert bodies, built ahead of need on threads of their own, so that making vectors is never part of a latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::share::Shard;
use crate::milvus::ops::insert;
use crate::milvus::{Frame, RowLayout};

/// Bodies waiting per worker and operation: this many bytes of them, between [`DEPTH_MIN`] and [`DEPTH_MAX`] bodies.
const BYTES_AHEAD: usize = 32 << 20;
const DEPTH_MIN: usize = 2;
const DEPTH_MAX: usize = 1024;

/// What the bodies of one insert operation are made of.
#[derive(Clone)]
pub struct InsertSource {
    pub collection: Arc<str>,
    pub layout: Arc<RowLayout>,
    /// Rows per body.
    pub batch: u32,
    /// Which rows; shared by all that insert into the collection.
    pub rows: Arc<RowBlocks>,
}

/// The numbers of rows to be inserted, and so their keys: blocks of one length from the first free row on, dealt to the shards of
/// a run in turn. Shard K takes blocks K, K + N, ..., so that no key comes twice, whichever shard is ahead of the others.
#[derive(Debug)]
pub struct RowBlocks {
    first: u64,
    block: u32,
    shard: Shard,
    /// Rows taken so far; with several shards, blocks.
    taken: AtomicU64,
}

impl RowBlocks {
    /// From `first` on, which is the same for all shards, in blocks of `block` rows: the largest batch of the workload.
    pub const fn new(first: u64, block: u32, shard: Shard) -> Self {
        Self { first, block, shard, taken: AtomicU64::new(0) }
    }

    /// The first row of the first block, whichever shard's it is.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// The first of the next so many rows, at most a block. With several shards they take a block whole: of a smaller batch
    /// the rest of it stays unused. `None`: no such rows are left, for keys are numbers of 63 bits.
    pub fn take(&self, rows: u32) -> Option<u64> {
        let ahead = if self.shard.of() == 1 {
            self.taken.fetch_add(u64::from(rows), Ordering::Relaxed)
        } else {
            let turn = self.taken.fetch_add(1, Ordering::Relaxed);
            let block = turn.checked_mul(self.shard.of().into())?.checked_add(self.shard.index().into())?;
            block.checked_mul(u64::from(self.block)).filter(|_| rows <= self.block)?
        };
        let first = self.first.checked_add(ahead)?;
        let end = first.checked_add(u64::from(rows))?;
        i64::try_from(end).is_ok().then_some(first)
    }
}

impl InsertSource {
    fn next_frame(&self) -> Option<Frame> {
        let first = self.rows.take(self.batch)?;
        Some(insert::frame(&self.collection, &self.layout, first, self.batch))
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
        let builder = std::thread::Builder::new().name(format!("builder-{worker}")).spawn(move || {
            while let Some(frame) = source.next_frame()
                && send.blocking_send(frame).is_ok()
            {}
        })?;
        Ok(Self { ready, builder: Some(builder) })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// As many bodies of that batch as are asked for, as ranges of rows.
    fn take(rows: &RowBlocks, batch: u32, bodies: u64) -> Vec<(u64, u64)> {
        (0..bodies)
            .map(|_| rows.take(batch).unwrap())
            .map(|first| (first, first + u64::from(batch)))
            .collect()
    }

    #[test]
    fn rows_of_all_shards_are_disjoint_and_without_a_gap_up_to_the_slowest_shard() {
        for of in [1, 2, 3, 7] {
            let mut all: Vec<(u64, u64)> = vec![];
            for index in 0..of {
                let rows = RowBlocks::new(1_000, 50, Shard::new(index, of).unwrap());
                // Some shards are two bodies ahead of the others.
                all.extend(take(&rows, 50, 10 + 2 * u64::from(index % 2)));
            }
            all.sort_unstable();
            assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "disjoint: {all:?}");
            let whole = &all[..10 * of as usize];
            assert_eq!(whole[0].0, 1_000);
            assert!(whole.windows(2).all(|pair| pair[0].1 == pair[1].0), "without a gap: {whole:?}");
        }
    }

    #[test]
    fn batches_of_different_lengths_share_no_row() {
        for of in [1, 2] {
            let mut all: Vec<(u64, u64)> = vec![];
            for index in 0..of {
                let rows = RowBlocks::new(0, 100, Shard::new(index, of).unwrap());
                for batch in [100, 7, 1, 99] {
                    all.extend(take(&rows, batch, 3));
                }
            }
            all.sort_unstable();
            assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{all:?}");
            let gaps = all.windows(2).any(|pair| pair[0].1 < pair[1].0);
            assert_eq!(gaps, of > 1, "one process alone leaves no row out");
        }
    }

    #[test]
    fn a_batch_longer_than_a_block_is_refused_and_so_is_a_key_that_would_be_negative() {
        let rows = RowBlocks::new(0, 10, Shard::new(0, 2).unwrap());
        assert_eq!(rows.take(11), None);
        let last = RowBlocks::new(i64::MAX as u64 - 10, 10, Shard::WHOLE);
        assert_eq!((last.take(10), last.take(1)), (Some(i64::MAX as u64 - 10), None));
    }
}
