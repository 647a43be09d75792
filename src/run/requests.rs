//! The requests of a workload, made once and shared by every run that sends them.

use std::sync::Arc;

use crate::engine::{self, InsertSource, PlannedOperation};
use crate::milvus::ops::{self, KnownRows, Supply};
use crate::milvus::transport::Route;
use crate::workload::{Operation, Prepare, Workload};

use super::ready::Ready;
use super::settings::Settings;

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
    /// Where the collection is not one that an operation can work on, or the target's host cannot stand in a URI.
    pub fn requests(&self, settings: &Settings) -> anyhow::Result<Requests> {
        let workload = &settings.workload;
        // What was taken as it is may hold anything.
        let known = (workload.collection.prepare != Prepare::Never)
            .then(|| KnownRows::new(&self.layout, self.rows - self.extra_rows));
        let context = ops::Context {
            collection: &workload.collection.name,
            layout: &self.layout,
            metric: self.metric,
            consistency: workload.collection.consistency,
            queries: workload.data.queries.into(),
            rows: self.rows,
            known: known.as_ref(),
            seed: workload.data.seed,
            operation: 0,
        };
        let planned = |(place, operation)| {
            self.planned(&ops::Context { operation: place as u64, ..context }, operation)
        };
        let operations = workload.operations.iter().enumerate();
        Ok(Requests { operations: operations.map(planned).collect::<Result<_, _>>()? })
    }

    fn planned(&self, context: &ops::Context<'_>, operation: &Operation) -> anyhow::Result<PlannedOperation> {
        let op = ops::of(&operation.kind);
        op.check(context)?;
        let requests = match op.supply(context.queries) {
            Supply::Repeated { distinct } => engine::Requests::Ready(ops::frames(op, context, distinct)),
            Supply::Fresh { rows } => engine::Requests::Built(InsertSource {
                collection: context.collection.into(),
                layout: Arc::clone(&self.layout),
                batch: rows,
                rows: Arc::clone(&self.next_rows),
            }),
        };
        let route = Route::new(&self.dialer, op.rpc(), op.scan(), &self.headers)?;
        Ok(PlannedOperation { name: operation.name.clone(), route, requests })
    }
}

/// Bytes of the requests that are made ahead, all operations together.
pub fn bytes_ahead(workload: &Workload) -> usize {
    let vector = workload.collection.vector.bytes();
    let of = |operation: &Operation| {
        let op = ops::of(&operation.kind);
        match op.supply(workload.data.queries.into()) {
            Supply::Repeated { distinct } => ops::frames_bytes(op, distinct, vector),
            Supply::Fresh { .. } => InsertSource::bytes_ahead(op.payload(vector)),
        }
    };
    workload.operations.iter().map(of).sum()
}
