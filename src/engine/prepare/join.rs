//! A collection that another process has made ready: taken as it is, or refused. Nothing is created, dropped, loaded or flushed.

use super::steps::in_words;
use super::{Action, PrepareError, Prepared, Setup};
use crate::milvus::proto::common::LoadState;
use crate::milvus::{Ownership, PRIMARY_KEY, Readiness, RowLayout};
use crate::workload::Prepare;

impl Setup<'_> {
    /// Looks whether what the workload describes is there and ready.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn join(&mut self) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let exists = self.call("inspect", async |s| s.has_collection(&collection.name).await).await?;
        match (collection.prepare, exists) {
            (_, false) => Err(self.not_prepared("it does not exist".to_owned())),
            (Prepare::Never, true) => self.take_as_it_is().await,
            (Prepare::Auto | Prepare::Always, true) => match self.whose().await? {
                Ownership::Foreign => Err(PrepareError::Foreign(collection.name.clone())),
                Ownership::Differs => Err(self.not_prepared("its schema, index or data differ".to_owned())),
                Ownership::Fits => self.take_prepared().await,
            },
        }
    }

    async fn take_prepared(&mut self) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let name = &collection.name;
        if self.call("load", async |s| s.load_state(name).await).await? != LoadState::Loaded {
            return Err(self.not_prepared("it is not loaded".to_owned()));
        }
        let rows = self.call("count", async |s| s.count(name, "").await).await?;
        let base = collection.rows;
        if rows < base || (rows > base && !collection.keep_writes) {
            return Err(self.not_prepared(format!("it has {rows} rows, not {base}")));
        }
        let of = (name.as_str(), collection.vector.name.as_str());
        let readiness = self.call("wait", async |s| Readiness::ask(s, of, rows).await).await?;
        let missing = readiness.missing();
        if !missing.is_empty() {
            return Err(self.not_prepared(in_words(&missing)));
        }
        let first_free_row = match rows == base {
            true => base,
            false => self.call("count", async |s| s.first_free_key(name, PRIMARY_KEY, base).await).await?,
        };
        Ok(Prepared {
            action: Action::Reused,
            rows,
            extra_rows: rows - base,
            first_free_row,
            layout: RowLayout::new(collection, &self.workload.data),
            metric: collection.vector.metric,
            segments: readiness.segments,
            missing,
        })
    }

    fn not_prepared(&self, problem: String) -> PrepareError {
        PrepareError::NotPrepared { collection: self.workload.collection.name.clone(), problem }
    }
}
