//! A collection that is there already: whose it is decides whether it may be reused or built anew.
//!
//! | made by | owner | as the workload has it | under `auto` |
//! |---|---|---|---|
//! | somebody else | | | refused |
//! | this tool, with a mark of another version | not known | not known | refused |
//! | this tool | the same | yes | reused; built anew where its set-up never ended, or runs have written to it |
//! | this tool | the same | no | built anew |
//! | this tool | another | yes | read where it is ready, refused to workloads that write; never changed |
//! | this tool | another | no | refused |
//!
//! `always` builds anew whatever this tool made.
//!
//! Set-up creates, inserts, flushes, compacts, and only then creates the index: a collection without one is half-made,
//! whatever became of the run that was making it. With the index, all rows are in; a set-up that died after that is carried
//! on, by loading and waiting. A set-up that is still going on elsewhere, for the same owner, cannot be told from one that died: on
//! this machine a lock keeps them apart, and machines that share a server need owners of their own, as they have by default.

use super::steps::Retries;
use super::{Action, PrepareError, Prepared, Setup};
use crate::milvus::proto::common::LoadState;
use crate::milvus::{
    COLLECTION_NOT_FOUND, Difference, Fingerprint, Maker, Mark, MilvusError, PRIMARY_KEY, Readiness,
    RowLayout, Session, index_of,
};
use crate::workload::Access;

/// What is there under the collection's name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Another collection of the same name has another.
    id: i64,
    pub(super) description: String,
}

impl Found {
    async fn ask(session: &Session, name: &str) -> Result<Option<Self>, MilvusError> {
        match session.describe_collection(name).await {
            Ok(found) => {
                let description = found.schema.map(|schema| schema.description).unwrap_or_default();
                Ok(Some(Self { id: found.collection_id, description }))
            }
            Err(error) if error.is_code(COLLECTION_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Setup<'_> {
    pub(super) async fn find(&mut self) -> Result<Option<Found>, PrepareError> {
        let name = &self.workload.collection.name;
        match self.call("inspect", async |s| s.has_collection(name).await).await? {
            true => self.call("inspect", async |s| Found::ask(s, name).await).await,
            false => Ok(None),
        }
    }

    /// `prepare = "always"`.
    pub(super) async fn build_anew_always(&mut self, found: &Found) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let asked = "prepare = \"always\"".to_owned();
        let reason = match Maker::of(&found.description) {
            Maker::Other => return Err(PrepareError::Foreign(collection.name.clone())),
            Maker::Us(Mark { owner: Some(owner), .. }) if owner != collection.owner => {
                format!("{asked}; it was {owner}'s")
            }
            Maker::OtherVersion { .. } | Maker::Us(_) => asked,
        };
        self.rebuild(found, reason).await
    }

    /// The mark of a collection that this tool made, and in what it differs from the workload.
    pub(super) fn mark_of(&self, found: &Found) -> Result<(Mark, Vec<Difference>), PrepareError> {
        let collection = &self.workload.collection;
        let mark = match Maker::of(&found.description) {
            Maker::Other => return Err(PrepareError::Foreign(collection.name.clone())),
            Maker::OtherVersion { mark } => {
                return Err(PrepareError::OtherMark { collection: collection.name.clone(), mark });
            }
            Maker::Us(mark) => mark,
        };
        let wanted = Fingerprint::of(collection, &self.workload.data);
        let differences = mark.fingerprint.differences(&wanted);
        Ok((mark, differences))
    }

    /// `prepare = "auto"`, by the table above.
    pub(super) async fn build_or_reuse(&mut self, found: &Found) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let (mark, differences) = self.mark_of(found)?;
        match mark.owner {
            Some(owner) if owner == collection.owner => match differences.is_empty() {
                true => self.reuse(found).await,
                false => self.rebuild(found, in_words(&differences)).await,
            },
            Some(owner) if differences.is_empty() => self.reuse_for_reading(owner).await,
            owner => Err(self.of_another_owner(owner, in_words(&differences))),
        }
    }

    /// Ours, and made for this workload: reused where its rows are the base rows, else built anew.
    async fn reuse(&mut self, found: &Found) -> Result<Prepared, PrepareError> {
        let collection = &self.workload.collection;
        let name = &collection.name;
        if !self.has_index().await? {
            return self.rebuild(found, UNFINISHED_SETUP.to_owned()).await;
        }
        if self.call("load", async |s| s.load_state(name).await).await? != LoadState::Loaded {
            self.call("load", async |s| s.load_collection(name, collection.replicas).await).await?;
            let loaded = async |s: &Session| Ok(s.load_state(name).await? == LoadState::Loaded);
            self.poll("load", "the collection to be loaded", loaded).await?;
        }
        let rows = self.call("count", async |s| s.count(name, "").await).await?;
        if let Some(why) = self.unfit_rows(rows) {
            return self.rebuild(found, why).await;
        }
        let mut first_free_row = collection.rows;
        if rows > collection.rows {
            self.flush().await?;
            first_free_row = self.first_free_row(PRIMARY_KEY, collection.rows).await?;
        }
        let readiness = self.wait_ready(rows).await?;
        Ok(self.prepared(Action::Reused, (rows, first_free_row), readiness))
    }

    /// Another owner's, and made for the same workload: read where it is ready. Nothing is loaded, flushed or built anew, for
    /// its owner's runs may count on what is there; and a run that wrote would make them find it changed.
    async fn reuse_for_reading(&mut self, owner: String) -> Result<Prepared, PrepareError> {
        let name = &self.workload.collection.name;
        let writing = self.workload.operations.iter().find(|o| o.kind.facts().access() == Access::Writes);
        if let Some(operation) = writing {
            let why =
                format!("it is as this workload wants it, but the operation {} writes to it", operation.name);
            return Err(self.of_another_owner(Some(owner), why));
        }
        if !self.has_index().await? {
            return Err(
                self.of_another_owner(Some(owner), format!("{UNFINISHED_SETUP}, or is still going on"))
            );
        }
        if self.call("inspect", async |s| s.load_state(name).await).await? != LoadState::Loaded {
            return Err(self.of_another_owner(Some(owner), "it is not loaded".to_owned()));
        }
        let rows = self.call("count", async |s| s.count(name, "").await).await?;
        if let Some(why) = self.unfit_rows(rows) {
            return Err(self.of_another_owner(Some(owner), why));
        }
        let readiness = self.wait_ready(rows).await?;
        Ok(self.prepared(Action::ReusedForReading { owner }, (rows, rows), readiness))
    }

    pub(super) async fn has_index(&mut self) -> Result<bool, PrepareError> {
        let collection = &self.workload.collection;
        let indexes = self.call("inspect", async |s| s.describe_indexes(&collection.name).await).await?;
        Ok(index_of(&indexes, &collection.vector.name).is_some())
    }

    /// Why a collection with so many rows is not the one that set-up made; `None`: it is.
    pub(super) fn unfit_rows(&self, rows: u64) -> Option<String> {
        let collection = &self.workload.collection;
        let base = collection.rows;
        if rows < base {
            return Some(format!("{UNFINISHED_SETUP}: {rows} of {base} rows are there"));
        }
        let extra = rows - base;
        (extra > 0 && !collection.keep_writes)
            .then(|| format!("earlier runs have written {extra} rows to it"))
    }

    pub(super) fn prepared(
        &self,
        action: Action,
        (rows, first_free_row): (u64, u64),
        readiness: Readiness,
    ) -> Prepared {
        let collection = &self.workload.collection;
        Prepared {
            action,
            rows,
            extra_rows: rows.saturating_sub(collection.rows),
            first_free_row,
            layout: RowLayout::new(collection, &self.workload.data),
            metric: collection.vector.metric,
            segments: readiness.segments,
            missing: Vec::new(),
        }
    }

    pub(super) fn of_another_owner(&self, owner: Option<String>, why: String) -> PrepareError {
        let collection = &self.workload.collection;
        PrepareError::OfAnotherOwner {
            collection: collection.name.clone(),
            owner: owner
                .map_or_else(|| "nobody that its mark names".to_owned(), |owner| format!("{owner:?}")),
            we: collection.owner.clone(),
            why,
        }
    }

    async fn rebuild(&mut self, found: &Found, reason: String) -> Result<Prepared, PrepareError> {
        self.drop_expected(found).await?;
        self.build(Action::Rebuilt(reason)).await
    }

    /// Drops the collection that was looked at, and no other. Each try looks again before it drops: between two of them somebody
    /// may have put another collection in its place.
    async fn drop_expected(&mut self, expected: &Found) -> Result<(), PrepareError> {
        let name = &self.workload.collection.name;
        self.enter("drop");
        self.session.set_traceparent(self.log.header(true));
        let mut retries = Retries::until(self.deadline);
        loop {
            self.check_stop()?;
            let tried = match Found::ask(self.session, name).await {
                Ok(Some(found)) if found == *expected => self.session.drop_collection(name).await,
                Ok(Some(_)) => return Err(PrepareError::Replaced(name.clone())),
                // By an earlier try whose answer was lost, or by its owner.
                Ok(None) => return Ok(()),
                Err(error) => Err(error),
            };
            match tried {
                Ok(()) => return Ok(()),
                Err(source) => self.pause_or_fail("drop", source, &mut retries).await?,
            }
        }
    }
}

/// Of a collection that lacks its index or rows.
const UNFINISHED_SETUP: &str = "its set-up was never finished";

pub(super) fn in_words(differences: &[Difference]) -> String {
    let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
    match differences.as_slice() {
        [] => "it is as this workload wants it".to_owned(),
        [one] => format!("its {one} differs"),
        [first @ .., last] => format!("its {} and {last} differ", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_in_one_sentence() {
        let rows = Difference::Rows { found: 5, wanted: 7 };
        assert_eq!(in_words(std::slice::from_ref(&rows)), "its number of rows (5, not 7) differs");
        assert_eq!(
            in_words(&[Difference::Schema, Difference::Index, rows]),
            "its schema (fields, dimensions or shards), index (type, parameters or metric) and number of rows (5, not 7) \
             differ"
        );
    }
}
