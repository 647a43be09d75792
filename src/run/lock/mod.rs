//! Keeps two runs on this machine off one collection.
//!
//! The lock is a `flock` on a file in the user's cache, named after server, database and collection: the kernel gives it up when
//! the process that holds it ends, in whatever way. The file says who that is. A run holds it alone; the shards of one run share
//! it, by its ID.
//!
//! ```text
//! <cache>/locks/mutex             held for a moment by whoever takes or gives up a lock
//! <cache>/locks/<32 hex>.lock     held while a run lasts; a line of JSON for each process that holds it
//! ```
//!
//! Not kept apart: runs on other machines, of other users, or with another cache; and a server that is named in two ways, unless
//! both name this machine. Against these stands the owner that a collection's mark names.

mod file;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::milvus::embedded::Cache;
use crate::report::rfc3339;
use crate::workload::{Access, MilvusUri, Prepare, Workload};

use self::file::{DirectoryMutex, LockFile};
use super::machine;
use super::observed::Identity;
use super::server::Server;

/// Which collection is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKey {
    server: String,
    database: String,
    collection: String,
}

impl LockKey {
    /// All names and addresses of this machine are one; a name of another is taken as it is written, for whatever it stands.
    pub fn new(uri: &MilvusUri, database: &str, collection: &str) -> Self {
        let host = match machine::is_here(&uri.host) {
            // Where homes are shared, other machines see the file too.
            true => format!("this machine ({})", rustix::system::uname().nodename().to_string_lossy()),
            false => uri.host.to_ascii_lowercase(),
        };
        // The server's name for the database that no call names.
        let database = if database.is_empty() { "default" } else { database };
        let server = format!("{host}:{}", uri.port);
        Self { server, database: database.to_owned(), collection: collection.to_owned() }
    }

    /// Neither name can hold a line's end.
    fn file_name(&self) -> String {
        let text = format!("{}\n{}\n{}", self.server, self.database, self.collection);
        let hash = Sha256::digest(text);
        let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}.lock")
    }
}

/// A process that holds a lock, as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub run_id: String,
    /// Since when, RFC 3339, UTC.
    pub since: String,
    /// Its command, as typed.
    pub command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, run_id, since, command } = self;
        write!(f, "process {pid}, run {run_id}, since {since}: {command}")
    }
}

/// With whom a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// With nobody.
    Alone,
    /// With the processes of the same run.
    WithinRun,
}

/// Why a collection could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error(
        "the collection {collection} is in use by another run on this machine ({}); wait until that has ended, end it, or choose \
         another collection.name",
        in_words(holders)
    )]
    Held {
        collection: String,
        /// Who; empty where that cannot be told.
        holders: Vec<Holder>,
    },
    /// The lock's file cannot be used.
    #[error("cannot lock the collection: {path}: {source}; set MILVUS_LOAD_CACHE to a directory that can be written to", path = path.display())]
    File {
        /// The file or its directory.
        path: PathBuf,
        source: io::Error,
    },
    /// There is no cache to keep it in.
    #[error("cannot lock the collection: {0}")]
    NoCache(String),
}

fn in_words(holders: &[Holder]) -> String {
    match holders {
        [] => "which one cannot be told".to_owned(),
        holders => holders.iter().map(Holder::to_string).collect::<Vec<_>>().join("; "),
    }
}

/// A collection kept to this run, until it is dropped or its process ends.
#[derive(Debug)]
#[must_use = "the collection is kept to this run for as long as this lives"]
pub struct CollectionLock(LockFile);

impl CollectionLock {
    /// Takes the lock in the user's cache, or says at once who has it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(key: &LockKey, holder: &Holder, sharing: Sharing) -> Result<Self, LockError> {
        let cache = Cache::locate(None).map_err(|error| LockError::NoCache(error.to_string()))?;
        Self::take_in(&cache.root().join("locks"), key, holder, sharing)
    }

    /// The same in a directory of locks, which is made where it is missing.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take_in(
        directory: &Path,
        key: &LockKey,
        holder: &Holder,
        sharing: Sharing,
    ) -> Result<Self, LockError> {
        let path = directory.join(key.file_name());
        let failed = |source| LockError::File { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let mutex = DirectoryMutex::lock(directory).map_err(failed)?;
        mutex.sweep(directory);
        let mut file = LockFile::open(path.clone()).map_err(failed)?;
        if file.take(holder, sharing).map_err(failed)? {
            return Ok(Self(file));
        }
        let holders = file.holders().map_err(failed)?;
        Err(LockError::Held { collection: key.collection.clone(), holders })
    }
}

impl Drop for CollectionLock {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Server {
    /// Keeps the collection to this run, before anything is done to it; `None` where nothing need be kept.
    ///
    /// A run that takes the collection as it is and only reads needs no lock: it can harm nobody's data, several may read at once,
    /// and what others do to the collection meanwhile is found by comparing it before and after. Nor does a server that was
    /// started for this run alone.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn lock(
        &self,
        workload: &Workload,
        identity: &Identity,
        sharing: Sharing,
    ) -> Result<Option<CollectionLock>, LockError> {
        let only_reads = workload.collection.prepare == Prepare::Never && !workload.has(Access::Writes);
        if only_reads || self.kind.ends_with_run() {
            return Ok(None);
        }
        let key = LockKey::new(&self.uri, &workload.target.database, &workload.collection.name);
        let holder = Holder {
            pid: std::process::id(),
            run_id: identity.run_id.clone(),
            since: rfc3339(identity.started_unix_us),
            command: identity.command.clone(),
        };
        CollectionLock::take(&key, &holder, sharing).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(collection: &str) -> LockKey {
        LockKey::new(&"http://milvus.example:19530".parse().unwrap(), "", collection)
    }

    fn holder(run_id: &str) -> Holder {
        let (run_id, since) = (run_id.to_owned(), "2026-01-02T03:04:05Z".to_owned());
        Holder { pid: std::process::id(), run_id, since, command: "milvus-load run w.toml".to_owned() }
    }

    fn take(directory: &Path, run_id: &str, sharing: Sharing) -> Result<CollectionLock, LockError> {
        CollectionLock::take_in(directory, &key("c"), &holder(run_id), sharing)
    }

    #[track_caller]
    fn held_by(taken: Result<CollectionLock, LockError>, runs: &[&str]) {
        let Err(LockError::Held { collection, holders }) = taken else { panic!("{taken:?}") };
        let told: Vec<_> = holders.iter().map(|holder| holder.run_id.as_str()).collect();
        assert_eq!((collection.as_str(), told.as_slice()), ("c", runs));
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().filter(|e| e.as_ref().unwrap().path().extension().is_some()).count()
    }

    #[test]
    fn a_second_run_is_told_who_has_the_collection_and_gets_it_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let first = take(directory.path(), "a", Sharing::Alone).unwrap();
        let second = take(directory.path(), "b", Sharing::Alone);
        let words = second.as_ref().unwrap_err().to_string();
        for part in
            [&std::process::id().to_string(), "run a", "2026-01-02T03:04:05Z", "milvus-load run w.toml"]
        {
            assert!(words.contains(part), "{part:?} in {words}");
        }
        held_by(second, &["a"]);
        // Not even for the same run: it holds it alone.
        held_by(take(directory.path(), "a", Sharing::Alone), &["a"]);
        held_by(take(directory.path(), "a", Sharing::WithinRun), &["a"]);
        drop(first);
        drop(take(directory.path(), "b", Sharing::Alone).unwrap());
        assert_eq!(files(directory.path()), 0, "nothing is left behind");
    }

    #[test]
    fn the_shards_of_a_run_share_it_and_keep_others_out_to_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let first = take(directory.path(), "a", Sharing::WithinRun).unwrap();
        let second = take(directory.path(), "a", Sharing::WithinRun).unwrap();
        held_by(take(directory.path(), "b", Sharing::WithinRun), &["a", "a"]);
        held_by(take(directory.path(), "b", Sharing::Alone), &["a", "a"]);
        drop(first);
        held_by(take(directory.path(), "b", Sharing::Alone), &["a", "a"]);
        drop(second);
        drop(take(directory.path(), "b", Sharing::WithinRun).unwrap());
        assert_eq!(files(directory.path()), 0, "nothing is left behind");
    }

    #[test]
    fn what_a_killed_holder_left_is_in_nobodys_way_and_swept() {
        let directory = tempfile::tempdir().unwrap();
        // A file without a lock is all that a process killed with 9 leaves.
        for name in [key("c").file_name(), key("other").file_name()] {
            fs::write(directory.path().join(name), "{\"pid\":1,\"run_id\":\"dead\"}\n").unwrap();
        }
        let lock = take(directory.path(), "b", Sharing::Alone).unwrap();
        assert_eq!(files(directory.path()), 1);
        held_by(take(directory.path(), "a", Sharing::Alone), &["b"]);
        drop(lock);
    }

    #[test]
    fn keys_differ_by_server_database_and_collection_alone() {
        let name = |uri: &str, database: &str, collection: &str| {
            LockKey::new(&uri.parse().unwrap(), database, collection).file_name()
        };
        let base = name("http://milvus.example", "", "c");
        for same in [
            name("tcp://MILVUS.example:19530", "", "c"),
            name("https://milvus.example:19530", "default", "c"),
        ] {
            assert_eq!(same, base);
        }
        for other in [
            name("http://other.example", "", "c"),
            name("http://milvus.example:1", "", "c"),
            name("http://milvus.example", "db", "c"),
            name("http://milvus.example", "", "d"),
        ] {
            assert_ne!(other, base);
        }
        assert_eq!(name("http://127.0.0.1:5", "", "c"), name("localhost:5", "", "c"));
    }
}
