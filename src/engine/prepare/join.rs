//! A collection that another process has made ready: taken as it is, or refused. Nothing is created, dropped, loaded or flushed.

use super::existing::{Found, in_words as differences_in_words};
use super::steps::in_words;
use super::{Action, PrepareError, Prepared, Setup};
use crate::milvus::proto::common::LoadState;
use crate::milvus::{PRIMARY_KEY, Readiness};
use crate::workload::{Access, Prepare};

impl Setup<'_> {
    /// Looks whether what the workload describes is there and ready.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn join(&mut self) -> Result<Prepared, PrepareError> {
        match (self.workload.collection.prepare, self.find().await?) {
            (_, None) => Err(self.not_prepared("it does not exist".to_owned())),
            (Prepare::Never, Some(_)) => self.take_as_it_is().await,
            (Prepare::Auto | Prepare::Always, Some(found)) => {
                self.check_mark(&found)?;
                self.take_prepared().await
            }
        }
    }

    /// Made by this tool for this workload; and by the same owner, where the shard writes to it.
    fn check_mark(&self, found: &Found) -> Result<(), PrepareError> {
        let collection = &self.workload.collection;
        let (mark, differences) = self.mark_of(found)?;
        if !differences.is_empty() {
            return Err(self.not_prepared(differences_in_words(&differences)));
        }
        if self.workload.has(Access::Writes) && mark.owner.as_ref() != Some(&collection.owner) {
            let why = "shards on several machines that write need one collection.owner".to_owned();
            return Err(self.of_another_owner(mark.owner, why));
        }
        Ok(())
    }

    async fn take_prepared(&mut self) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let name = &collection.name;
        if !self.has_index().await? {
            return Err(self.not_prepared("its set-up has not ended".to_owned()));
        }
        if self.call("load", async |s| s.load_state(name).await).await? != LoadState::Loaded {
            return Err(self.not_prepared("it is not loaded".to_owned()));
        }
        let rows = self.call("count", async |s| s.count(name, "").await).await?;
        if let Some(why) = self.unfit_rows(rows) {
            return Err(self.not_prepared(why));
        }
        let of = (name.as_str(), collection.vector.name.as_str());
        let readiness = self.call("wait", async |s| Readiness::ask(s, of, rows).await).await?;
        let missing = readiness.missing();
        if !missing.is_empty() {
            return Err(self.not_prepared(in_words(&missing)));
        }
        let first_free_row = match rows == collection.rows {
            true => rows,
            false => self.first_free_row(PRIMARY_KEY, collection.rows).await?,
        };
        Ok(self.prepared(Action::Reused, (rows, first_free_row), readiness))
    }

    fn not_prepared(&self, problem: String) -> PrepareError {
        PrepareError::NotPrepared { collection: self.workload.collection.name.clone(), problem }
    }
}
