//! The collection before and after a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The collection, before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Of the rows at the start, those that earlier runs had written (`collection.keep_writes`).
    #[serde(default)]
    pub extra_rows: u64,
    /// The vector field that requests named; null: an older report, which does not tell.
    #[serde(default)]
    pub vector: Option<Vector>,
    /// When the load started.
    pub start: CollectionState,
    /// When it was over; null: it could not be read.
    pub end: Option<CollectionState>,
}

/// A vector field, as the server describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vector {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dim: u64,
    /// The distance measure that searches named: the index's where it tells one.
    pub metric: String,
}

/// The collection at one moment; what the server did not tell is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionState {
    /// Rows in it.
    pub rows: Option<u64>,
    /// Its segments.
    pub segments: Option<Segments>,
    /// The index of the vector field as the server describes it: type, metric, parameters, rows in it; null: there is none.
    pub index: Option<serde_json::Value>,
    /// Hash of the data that set-up inserted.
    pub data_hash: Option<String>,
    /// Why it is null; itself null where it is not.
    #[serde(default)]
    pub data_hash_reason: Option<NoDataHash>,
}

/// Why there is no hash of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoDataHash {
    /// The collection was taken as it is (`prepare = "never"`): what is in it was not inserted by set-up.
    NotInsertedBySetup,
}

/// Segments of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Segments {
    /// Sealed ones.
    pub sealed: u64,
    /// Growing ones.
    pub growing: u64,
    /// Sealed ones with an index; null: not known.
    pub indexed: Option<u64>,
}
