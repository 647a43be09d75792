//! The requests of a workload, made once and shared by every run that sends them.

use std::sync::Arc;

use crate::engine::{self, InsertSource, PlannedOperation};
use crate::milvus::scan::ReplyKind;
use crate::milvus::transport::Route;
use crate::milvus::{Frame, SearchFrames};
use crate::workload::{Operation, OperationKind, Search, Workload};

use super::ready::Ready;
use super::settings::Settings;

/// Frames made beforehand take this much memory at most; larger queries give fewer distinct requests.
const FRAMES_BYTES: usize = 256 << 20;

/// What each operation of a workload sends, in the workload's order. Cheap to clone: frames are shared.
#[derive(Clone)]
pub struct Requests {
    pub(super) operations: Vec<PlannedOperation>,
}

impl Ready<'_> {
    /// Makes the requests that `settings` describe. Of a workload that differs from the prepared one in its operations alone,
    /// nothing but its requests need be made anew.
    ///
    /// # Errors
    /// Where the target's host cannot stand in a URI.
    pub fn requests(&self, settings: &Settings) -> anyhow::Result<Requests> {
        let workload = &settings.workload;
        let planned = |operation| self.planned(workload, operation);
        Ok(Requests { operations: workload.operations.iter().map(planned).collect::<Result<_, _>>()? })
    }

    fn planned(&self, workload: &Workload, operation: &Operation) -> anyhow::Result<PlannedOperation> {
        let route = |reply| Route::new(&self.dialer, operation.kind.rpc(), reply, &self.headers);
        let (route, requests, expected) = match &operation.kind {
            OperationKind::Search(search) => (
                route(ReplyKind::Search)?,
                engine::Requests::Ready(self.search_frames(workload, search)),
                expected_hits(search, self.rows),
            ),
            OperationKind::Insert { batch } => {
                let source = InsertSource {
                    collection: workload.collection.name.as_str().into(),
                    layout: Arc::clone(&self.layout),
                    batch: *batch,
                    rows: Arc::clone(&self.next_rows),
                };
                (route(ReplyKind::Insert)?, engine::Requests::Built(source), *batch)
            }
        };
        Ok(PlannedOperation { name: operation.name.clone(), route, requests, expected })
    }

    fn search_frames(&self, workload: &Workload, search: &Search) -> Arc<[Frame]> {
        let frames = SearchFrames {
            collection: &workload.collection.name,
            layout: &self.layout,
            metric: self.metric,
            consistency: workload.collection.consistency,
            search,
        };
        let queries = u64::from(workload.data.queries);
        let size = frames.frame(0, queries).len();
        let count = queries.min((FRAMES_BYTES / size) as u64).max(1);
        (0..count).map(|place| frames.frame(place, queries)).collect()
    }
}

/// A complete answer: `top_k` hits per query, or all rows where there are fewer. Filters may leave fewer; that is told
/// apart where the report judges hits.
fn expected_hits(search: &Search, rows: u64) -> u32 {
    let per_query = u64::from(search.top_k).min(rows);
    u32::try_from(per_query * u64::from(search.nq)).unwrap_or(u32::MAX)
}

/// Bytes of the vectors in requests that are made ahead, all operations together.
pub fn vector_bytes(workload: &Workload) -> usize {
    let vector = workload.collection.vector.dim as usize * 4;
    let of = |operation: &Operation| match &operation.kind {
        OperationKind::Search(search) => {
            (workload.data.queries as usize * search.nq as usize * vector).min(FRAMES_BYTES)
        }
        OperationKind::Insert { batch } => InsertSource::bytes_ahead(vector * *batch as usize),
    };
    workload.operations.iter().map(of).sum()
}
