//! The shards of one run, put together: which of them belong to it, and which are missing.

use super::{Header, Shard};
use crate::measure::{MergeError, Recorded};
use crate::units::Nanos;

/// A record that was read, or made in this process.
#[derive(Clone, Debug)]
pub struct Stored<C> {
    /// For messages: where it was read from.
    pub name: String,
    /// Which run and which part of it.
    pub header: Header,
    /// What was kept beside the numbers.
    pub context: C,
    /// The numbers.
    pub recorded: Recorded,
}

/// A run, of one record or of those of its shards.
#[derive(Clone, Debug)]
pub struct Together<C> {
    /// Each record without its numbers, by index of the shard.
    pub parts: Vec<(Header, C)>,
    /// All numbers.
    pub recorded: Recorded,
    /// The shards that are not among the parts.
    pub missing: Vec<u32>,
}

/// Why records cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// None was given.
    #[error("no record was given: name the runs' directories")]
    None,
    /// A whole run among several records.
    #[error("{name} is a whole run and no shard of one: only runs made with --shard K/N can be merged")]
    Whole {
        /// Which record.
        name: String,
    },
    /// Of another run, or of the same run made otherwise.
    #[error(
        "{theirs_name} has another {what} than {ours_name}: {theirs}, not {ours}; merge shards of one run, made alike"
    )]
    Differs {
        /// What is not the same.
        what: &'static str,
        /// Where the first is from.
        ours_name: String,
        /// What the first says.
        ours: String,
        /// Where the other is from.
        theirs_name: String,
        /// What the other says.
        theirs: String,
    },
    /// The same shard twice.
    #[error("{first} and {second} are both shard {index}: leave one of them out")]
    Twice {
        /// Its index, from 0.
        index: u32,
        /// Where one is from.
        first: String,
        /// Where the other is from.
        second: String,
    },
    /// Records that do not fit together though their headers do.
    #[error("{name}: {source}")]
    Merge {
        /// Which record.
        name: String,
        /// Why not.
        source: MergeError,
    },
}

/// Puts one run's records together, given in any order.
///
/// # Errors
/// Where they are not of one run, or one is there twice. That some are missing is told, and no error.
pub fn together<C>(mut records: Vec<Stored<C>>) -> Result<Together<C>, ShardError> {
    if let [record, other, ..] = &records[..]
        && let Some(whole) = [record, other].into_iter().find(|record| record.header.shard.is_none())
    {
        return Err(ShardError::Whole { name: whole.name.clone() });
    }
    records.sort_by_key(|record| record.header.shard);
    for pair in records.windows(2) {
        fit(&pair[0], &pair[1])?;
    }
    let missing = missing(records.iter().filter_map(|record| record.header.shard));
    let mut records = records.into_iter();
    let first = records.next().ok_or(ShardError::None)?;
    let mut together =
        Together { parts: vec![(first.header, first.context)], recorded: first.recorded, missing };
    for Stored { name, header, context, recorded } in records {
        together.recorded.append(recorded).map_err(|source| ShardError::Merge { name, source })?;
        together.parts.push((header, context));
    }
    Ok(together)
}

/// Of shards in order, those that are not there.
fn missing(shards: impl Iterator<Item = Shard>) -> Vec<u32> {
    let shards: Vec<Shard> = shards.collect();
    let of = shards.first().map_or(0, |shard| shard.of);
    (0..of).filter(|index| shards.binary_search_by_key(index, |shard| shard.index).is_err()).collect()
}

/// Whether two records are different shards of one run.
fn fit<C>(ours: &Stored<C>, theirs: &Stored<C>) -> Result<(), ShardError> {
    let of = |header: &Header| header.shard.map_or_else(|| "none".to_owned(), |shard| shard.of.to_string());
    let start = |header: &Header| match header.start_at_unix_ns {
        Some(start) => format!("{} ns after 1970", start),
        None => "none".to_owned(),
    };
    let shape = |header: &Header| {
        let shape = &header.shape;
        let [start, window] = [shape.window_start_ns, shape.window_ns].map(Nanos::new);
        format!("{} operations, {window} after {start}, {} stages", shape.operations, shape.stages_ns.len())
    };
    let whats: [(&'static str, &dyn Fn(&Header) -> String); 7] = [
        ("run ID", &|header| header.run_id.clone()),
        ("version of milvus-load", &|header| header.version.clone()),
        ("number of shards", &of),
        ("workload", &|header| header.workload_hash.clone()),
        ("start", &start),
        ("first free row", &|header| header.first_free_row.to_string()),
        ("window", &shape),
    ];
    for (what, told) in whats {
        let [a, b] = [ours, theirs].map(|record| told(&record.header));
        if a != b {
            return Err(ShardError::Differs {
                what,
                ours_name: ours.name.clone(),
                ours: a,
                theirs_name: theirs.name.clone(),
                theirs: b,
            });
        }
    }
    match ours.header.shard {
        Some(shard) if ours.header.shard == theirs.header.shard => Err(ShardError::Twice {
            index: shard.index,
            first: ours.name.clone(),
            second: theirs.name.clone(),
        }),
        _ => Ok(()),
    }
}
