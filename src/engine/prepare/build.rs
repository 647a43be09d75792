//! A collection from nothing: create, insert, flush, compact, index, load, wait.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;

use super::steps::Retries;
use super::{Action, PrepareError, Prepared, Setup};
use crate::grpc;
use crate::milvus::ops::insert;
use crate::milvus::proto::milvus::GetFlushStateRequest;
use crate::milvus::transport::{CallError, Pool, Reply, Route};
use crate::milvus::{Frame, IndexProgress, MilvusError, RowLayout, create_request, index_of, index_request};
use crate::trace::TraceRef;

/// Bytes of vectors in one set-up insert, about.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_ROWS: u64 = 5_000;
/// Set-up inserts under way at once: enough to keep the server busy, few enough not to be rate limited.
const INSERTS_IN_FLIGHT: usize = 4;
const INSERT_TIMEOUT: Duration = Duration::from_secs(60);

impl Setup<'_> {
    pub(super) async fn build(&mut self, action: Action) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let (name, rows) = (&collection.name, collection.rows);
        let request = create_request(collection, &self.workload.data);
        self.call("create", async |s| s.create_collection(request.clone()).await).await?;
        let layout = RowLayout::new(collection, &self.workload.data);
        if rows > 0 {
            self.insert_rows(&layout, rows).await?;
            self.flush().await?;
            self.compact().await?;
        }
        self.call("index", async |s| s.create_index(index_request(collection)).await).await?;
        self.wait_indexed(rows).await?;
        self.call("load", async |s| s.load_collection(name, collection.replicas).await).await?;
        let readiness = self.wait_ready(rows).await?;
        let found = self.call("count", async |s| s.count(name, "").await).await?;
        if found != rows {
            return Err(PrepareError::RowCount { collection: name.clone(), found, expected: rows });
        }
        Ok(Prepared {
            action,
            rows,
            extra_rows: 0,
            first_free_row: rows,
            layout,
            metric: collection.vector.metric,
            segments: readiness.segments,
            missing: Vec::new(),
        })
    }

    async fn insert_rows(&mut self, layout: &RowLayout, rows: u64) -> Result<(), PrepareError> {
        self.enter("insert");
        let route = Route::new(self.dialer, insert::RPC, insert::scan, self.headers)
            .map_err(|e| PrepareError::Connect(e.to_string()))?;
        let pool = Rc::new(Pool::open(self.dialer, 0, 1));
        pool.ready(Duration::from_secs(10)).await.map_err(PrepareError::Connect)?;
        let batch = (BATCH_BYTES / layout.vectors.bytes() as u64).clamp(1, BATCH_ROWS);
        let mut under_way = JoinSet::new();
        let (mut next, mut done) = (0, 0);
        self.progress.rows(0, rows);
        while done < rows {
            while next < rows && under_way.len() < INSERTS_IN_FLIGHT {
                let size = batch.min(rows - next) as u32;
                let frame = insert::frame(&self.workload.collection.name, layout, next, size);
                let insert = self.insert(frame, size, route.clone(), Rc::clone(&pool));
                under_way.spawn_local(insert);
                next += u64::from(size);
            }
            let Some(joined) = under_way.join_next().await else { break };
            self.check_stop()?;
            // A task of ours neither panics nor is aborted; were it so, the row count at the end would tell.
            if let Ok(insert) = joined {
                let size = u64::from(insert.size);
                self.finish_insert(insert, &route, &pool).await?;
                done += size;
                self.progress.rows(done, rows);
            }
        }
        self.deadline = Instant::now() + self.workload.collection.ready_timeout;
        Ok(())
    }

    fn insert(
        &mut self,
        frame: Frame,
        size: u32,
        route: Route,
        pool: Rc<Pool>,
    ) -> impl Future<Output = SetupInsert> + use<> {
        let (trace, header) = self.log.insert();
        let started = SystemTime::now();
        async move {
            let reply = pool.call(&route, &frame, None, header, INSERT_TIMEOUT, |_, _| ()).await;
            SetupInsert { frame, size, reply, trace, started }
        }
    }

    /// Records an insert that succeeded; tries again one that failed and may be tried again.
    async fn finish_insert(
        &mut self,
        mut insert: SetupInsert,
        route: &Route,
        pool: &Rc<Pool>,
    ) -> Result<(), PrepareError> {
        // What is waited for here is a server that takes this insert.
        let mut retries = Retries::until(Instant::now() + self.workload.collection.ready_timeout);
        loop {
            if let Some(trace) = insert.trace {
                self.log.inserted(trace, insert.started);
            }
            let failure = match insert.reply.result {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            self.pause_or_fail("insert", as_milvus_error(failure), &mut retries).await?;
            self.check_stop()?;
            insert = self.insert(insert.frame, insert.size, route.clone(), Rc::clone(pool)).await;
        }
    }

    /// Seals and writes out what is growing.
    pub(super) async fn flush(&mut self) -> Result<(), PrepareError> {
        let name = &self.workload.collection.name;
        let answer = self.call("flush", async |s| s.flush(name).await).await?;
        let segments = |map: &std::collections::HashMap<String, crate::milvus::proto::schema::LongArray>| {
            map.get(name).map(|array| array.data.clone()).unwrap_or_default()
        };
        let mut ids = segments(&answer.coll_seg_i_ds);
        ids.extend(segments(&answer.flush_coll_seg_i_ds));
        let request = GetFlushStateRequest {
            segment_i_ds: ids,
            flush_ts: answer.coll_flush_ts.get(name).copied().unwrap_or(0),
            collection_name: name.clone(),
            ..GetFlushStateRequest::default()
        };
        let ask = async |s: &crate::milvus::Session| s.flush_state(request.clone()).await;
        self.poll("flush", "the flush to end", ask).await
    }

    /// Merges small segments now, so that the server does not do it during the run.
    async fn compact(&mut self) -> Result<(), PrepareError> {
        let name = &self.workload.collection.name;
        let described = self.call("compact", async |s| s.describe_collection(name).await).await?;
        let id = described.collection_id;
        let started = self.call("compact", async |s| s.compact(id).await).await;
        let compaction = match started {
            Ok(compaction) => compaction,
            // Some servers leave compaction to themselves.
            Err(PrepareError::Call { source, .. }) if source.is_unimplemented() => return Ok(()),
            Err(error) => return Err(error),
        };
        // The number of plans can be 0 while a compaction runs, so the state is asked.
        self.poll("compact", "the compaction to end", async |s| s.compaction_done(compaction).await).await
    }

    async fn wait_indexed(&mut self, rows: u64) -> Result<(), PrepareError> {
        let (name, vector) = (&self.workload.collection.name, &self.workload.collection.vector.name);
        self.poll("index", "the index to be built", async |s| {
            let indexes = s.describe_indexes(name).await?;
            Ok(index_of(&indexes, vector).is_some_and(|index| IndexProgress::of(index).is_complete(rows)))
        })
        .await
    }
}

/// One set-up insert that is over, one way or another.
struct SetupInsert {
    frame: Frame,
    size: u32,
    reply: Reply,
    trace: Option<TraceRef>,
    started: SystemTime,
}

fn as_milvus_error(error: CallError) -> MilvusError {
    match error {
        CallError::Failed { grpc: 0, milvus, message } => {
            MilvusError::Server { call: insert::RPC, code: milvus, reason: message }
        }
        CallError::Failed { grpc, message, .. } => {
            MilvusError::Grpc { call: insert::RPC, code: grpc, message }
        }
        CallError::TimedOut => MilvusError::Grpc {
            call: insert::RPC,
            // Not UNAVAILABLE, which would be tried again: the rows may have arrived.
            code: grpc::DEADLINE_EXCEEDED,
            message: "no answer within 60 s".to_owned(),
        },
    }
}
