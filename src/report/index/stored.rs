//! The index as a file, whole or not at all, beside whoever else brings it up to date at the moment.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::find::{self, Place};
use super::{INDEX_FILE, Index};
use crate::report::html::{self, INDEX_TITLE};
use crate::report::store::{self, StoreError};

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The directory cannot be read.
    #[error("cannot read {}: {source}; name the directory of the reports (--index DIR)", base.display())]
    Unread {
        /// Which directory.
        base: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No run has been made there.
    #[error("there is no report under {}: run a workload first, or name the directory given to --out (--index DIR)", .0.display())]
    NoReport(PathBuf),
    /// It is not this tool's to write over.
    #[error("{} is there already and was not made by milvus-load: move it away, then ask for the index again", .0.display())]
    NotOurs(PathBuf),
    /// The disk is full, or nothing may be written there.
    #[error(transparent)]
    Unwritten(#[from] StoreError),
}

/// Where reports go when nobody says where.
const DEFAULT: &str = "reports";

/// Reports may be added while the others are read: then they are read again, so often at most.
const TRIES: usize = 3;

/// Writes the index of the reports under `base`, and says where.
///
/// # Errors
/// Where there is no report under it, where another index.html is in the place, or where it cannot be written.
pub fn write(base: &Path) -> Result<(PathBuf, Index), IndexError> {
    let path = base.join(INDEX_FILE);
    if !may_be_written(&path) {
        return Err(IndexError::NotOurs(path));
    }
    let mut places = places(base)?;
    for _ in 1..TRIES {
        let index = written(base, &path, &places)?;
        // Who came later may have written before.
        let now = self::places(base)?;
        if now == places {
            return Ok((path, index));
        }
        places = now;
    }
    let index = written(base, &path, &places)?;
    Ok((path, index))
}

/// The same after a run: only where an index is already, in the directory that is this tool's by default, or where there is nothing but
/// reports. `None`: not there.
///
/// # Errors
/// As [`write()`].
pub fn bring_up_to_date(base: &Path) -> Result<Option<PathBuf>, IndexError> {
    let path = base.join(INDEX_FILE);
    let is_wanted = match path.symlink_metadata() {
        Ok(_) => is_ours(&path),
        // Another run may have made it meanwhile.
        Err(_) => {
            let is_default = base.file_name().is_some_and(|name| name == DEFAULT);
            is_default || find::holds_reports_alone(base) || is_ours(&path)
        }
    };
    if is_wanted { write(base).map(|(path, _)| Some(path)) } else { Ok(None) }
}

fn places(base: &Path) -> Result<Vec<Place>, IndexError> {
    let places = find::places(base).map_err(|source| IndexError::Unread { base: base.to_owned(), source })?;
    if places.is_empty() { Err(IndexError::NoReport(base.to_owned())) } else { Ok(places) }
}

fn written(base: &Path, path: &Path, places: &[Place]) -> Result<Index, IndexError> {
    let index = Index::of(base, places.to_vec());
    store::write_beside_others(path, html::index_page(&index, base).as_bytes())?;
    Ok(index)
}

fn may_be_written(path: &Path) -> bool {
    path.symlink_metadata().is_err() || is_ours(path)
}

/// Whether it begins as an index of this tool's does.
fn is_ours(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4_096).read_to_end(&mut start));
    let start = String::from_utf8_lossy(&start);
    read.is_ok()
        && start.contains("content=\"milvus-load\"")
        && start.contains(&format!("<title>{INDEX_TITLE}"))
}
