//! The shards of one run, put together: which of them belong to it, and which are missing.

use super::{Header, Shape, Shard};
use crate::units::Nanos;

/// A record's header with the name that messages call it by.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Where it was read from.
    pub name: &'a str,
    pub header: &'a Header,
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
}

/// The shards of one run that are not among these, which are given in any order; none where it is a whole run.
///
/// # Errors
/// Where they are not of one run, or one is there twice.
pub fn missing(records: &[Named<'_>]) -> Result<Vec<u32>, ShardError> {
    if records.len() > 1
        && let Some(whole) = records.iter().find(|record| record.header.shard.is_none())
    {
        return Err(ShardError::Whole { name: whole.name.to_owned() });
    }
    let mut sorted = records.to_vec();
    sorted.sort_by_key(|record| record.header.shard);
    for pair in sorted.windows(2) {
        fit(pair[0], pair[1])?;
    }
    let shards: Vec<Shard> = sorted.iter().filter_map(|record| record.header.shard).collect();
    let first = sorted.first().ok_or(ShardError::None)?;
    let of = first.header.shard.map_or(0, |shard| shard.of);
    Ok((0..of).filter(|index| shards.binary_search_by_key(index, |shard| shard.index).is_err()).collect())
}

/// Something that all shards of a run have in common, in words.
struct Common {
    what: &'static str,
    told: fn(&Header) -> String,
}

const COMMON: [Common; 7] = [
    Common { what: "run ID", told: |header| header.run_id.clone() },
    Common { what: "version of milvus-load", told: |header| header.version.clone() },
    Common { what: "number of shards", told: |header| header.shard.map_or(1, |shard| shard.of).to_string() },
    Common { what: "workload", told: |header| header.workload_hash.clone() },
    Common {
        what: "start",
        told: |header| match header.start_at_unix_ns {
            Some(start) => format!("{start} ns after 1970"),
            None => "none".to_owned(),
        },
    },
    Common { what: "first free row", told: |header| header.first_free_row.to_string() },
    Common { what: "window", told: |header| window(&header.shape) },
];

fn window(shape: &Shape) -> String {
    let [start, window] = [shape.window_start_ns, shape.window_ns].map(Nanos::new);
    format!("{} operations, {window} after {start}, {} stages", shape.operations, shape.stages_ns.len())
}

/// Whether two records are different shards of one run.
fn fit(ours: Named<'_>, theirs: Named<'_>) -> Result<(), ShardError> {
    for Common { what, told } in COMMON {
        let [a, b] = [ours, theirs].map(|record| told(record.header));
        if a != b {
            return Err(ShardError::Differs {
                what,
                ours_name: ours.name.to_owned(),
                ours: a,
                theirs_name: theirs.name.to_owned(),
                theirs: b,
            });
        }
    }
    match ours.header.shard {
        Some(shard) if ours.header.shard == theirs.header.shard => Err(ShardError::Twice {
            index: shard.index,
            first: ours.name.to_owned(),
            second: theirs.name.to_owned(),
        }),
        _ => Ok(()),
    }
}
