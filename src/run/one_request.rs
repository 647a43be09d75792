//! One request by hand: to see what becomes of it, and not how long it takes.

use std::time::Duration;

use http::HeaderValue;

use crate::engine;
use crate::milvus::transport::{CallError, Pool};

use super::ready::Ready;
use super::requests::Requests;

impl Ready<'_> {
    /// Sends the first request of an operation that reads, by its place in the workload, over a connection of its own.
    ///
    /// # Errors
    /// Where it is not answered as it should be, or the operation writes.
    pub fn send_one(
        &self,
        requests: &Requests,
        operation: usize,
        traceparent: Option<HeaderValue>,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let planned = requests.operations.get(operation);
        let planned = planned.ok_or_else(|| anyhow::anyhow!("there is no such operation"))?;
        let engine::Requests::Ready(frames) = &planned.requests else {
            anyhow::bail!("{} writes, and is not sent by hand", planned.name)
        };
        let frame = frames.first().ok_or_else(|| anyhow::anyhow!("{} has no request", planned.name))?;
        let reply = self.control.block_on(async {
            let pool = Pool::open(&self.dialer, 0, 1);
            pool.call(&planned.route, frame, None, traceparent, timeout, |_, _| {}).await
        });
        match reply.result {
            Ok(_) => Ok(()),
            Err(CallError::TimedOut) => anyhow::bail!("{}: no answer within {timeout:?}", planned.name),
            Err(CallError::Failed { message, .. }) => anyhow::bail!("{}: {message}", planned.name),
        }
    }
}
