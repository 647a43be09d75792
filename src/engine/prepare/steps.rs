//! What every step has: retries within the limit, polls, and an ear for the stop.

use std::time::{Duration, Instant};

use super::{PrepareError, Setup};
use crate::milvus::{MilvusError, Missing, Readiness, Session};

const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Milvus 2.5 allows one Flush in 10 s.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(200);

/// The pauses between tries of one call.
pub(super) struct Retries {
    next: Duration,
    deadline: Instant,
}

impl Retries {
    pub(super) const fn until(deadline: Instant) -> Self {
        Self { next: BACKOFF_MIN, deadline }
    }
}

impl Setup<'_> {
    /// Makes a call of step `step`; tries again while the answer is retriable and there is time.
    pub(super) async fn call<T>(
        &mut self,
        step: &'static str,
        call: impl AsyncFn(&Session) -> Result<T, MilvusError>,
    ) -> Result<T, PrepareError> {
        self.enter(step);
        self.session.set_traceparent(self.log.header(true));
        let mut retries = Retries::until(self.deadline);
        loop {
            self.check_stop()?;
            match call(self.session).await {
                Ok(value) => return Ok(value),
                Err(source) => self.pause_or_fail(step, source, &mut retries).await?,
            }
        }
    }

    /// After a failure: returns where the call is to be made again.
    pub(super) async fn pause_or_fail(
        &mut self,
        step: &'static str,
        source: MilvusError,
        retries: &mut Retries,
    ) -> Result<(), PrepareError> {
        if !source.is_retriable() || Instant::now() + retries.next >= retries.deadline {
            return Err(PrepareError::Call { step, source });
        }
        self.log.retried();
        self.progress.waiting(&source.to_string());
        tokio::time::sleep(retries.next).await;
        retries.next = (retries.next * 2).min(BACKOFF_MAX);
        Ok(())
    }

    /// Asks until the answer is yes, or the limit is reached.
    pub(super) async fn poll(
        &mut self,
        step: &'static str,
        what: &str,
        ask: impl AsyncFn(&Session) -> Result<bool, MilvusError>,
    ) -> Result<(), PrepareError> {
        self.enter(step);
        self.progress.waiting(what);
        loop {
            self.check_stop()?;
            self.session.set_traceparent(self.log.header(false));
            match ask(self.session).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_retriable() => self.log.retried(),
                Err(source) => return Err(PrepareError::Call { step, source }),
            }
            self.sleep_or_give_up(what).await?;
        }
    }

    /// Waits until nothing is missing.
    pub(super) async fn wait_ready(&mut self, rows: u64) -> Result<Readiness, PrepareError> {
        let (name, vector) = (&self.workload.collection.name, &self.workload.collection.vector.name);
        self.enter("wait");
        loop {
            self.check_stop()?;
            self.session.set_traceparent(self.log.header(false));
            let missing = match Readiness::ask(self.session, (name, vector), rows).await {
                Ok(readiness) => match readiness.missing() {
                    missing if missing.is_empty() => return Ok(readiness),
                    missing => in_words(&missing),
                },
                Err(error) if error.is_retriable() => {
                    self.log.retried();
                    error.to_string()
                }
                Err(source) => return Err(PrepareError::Call { step: "wait", source }),
            };
            self.progress.waiting(&missing);
            self.sleep_or_give_up(&missing).await?;
        }
    }

    async fn sleep_or_give_up(&self, missing: &str) -> Result<(), PrepareError> {
        if Instant::now() + POLL >= self.deadline {
            return Err(PrepareError::NotReady {
                collection: self.workload.collection.name.clone(),
                limit: self.workload.collection.ready_timeout,
                missing: missing.to_owned(),
            });
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }

    pub(super) fn check_stop(&self) -> Result<(), PrepareError> {
        self.stop.reason().map_or(Ok(()), |reason| Err(PrepareError::Stopped(reason)))
    }

    pub(super) fn enter(&mut self, step: &'static str) {
        self.log.step(step);
        self.progress.step(step);
    }
}

pub(super) fn in_words(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ")
}
