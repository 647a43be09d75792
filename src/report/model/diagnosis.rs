//! What `doctor` found: one check after the other along the way of a trace.
//!
//! `milvus-load/diagnosis/1`: fields are only added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema's name, first field of every diagnosis.
pub const DIAGNOSIS_SCHEMA: &str = "milvus-load/diagnosis/1";

/// A whole diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// Always `milvus-load/diagnosis/1`.
    #[schemars(extend("const" = DIAGNOSIS_SCHEMA))]
    pub schema: String,
    /// Version of milvus-load.
    pub version: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Whether nothing failed.
    pub healthy: bool,
    /// The first check that failed, in the order of a trace's way; null: none did.
    pub broken: Option<String>,
    /// Milvus's address.
    pub milvus: String,
    /// The OTLP endpoint that the client's spans go to.
    pub otlp_endpoint: String,
    /// Jaeger's address; null: traces are linked to something else.
    pub jaeger: Option<String>,
    /// In the order of a trace's way, from Milvus to Jaeger and back.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name for scripts, such as `milvus.connection`.
    pub name: String,
    /// What came of it.
    pub state: CheckState,
    /// What was seen.
    pub seen: String,
    /// Why it failed; of one that is ok, what is worth knowing all the same. Null: nothing to tell.
    pub cause: Option<CheckCause>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Broken.
    Failed,
    /// It could not be told; `seen` says why.
    Unknown,
}

impl CheckState {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A cause with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckCause {
    /// Its name for scripts, such as `secure_on`; docs/doctor.md lists them.
    pub code: String,
    /// What is wrong, in a few words.
    pub problem: String,
    /// The one thing to do.
    pub fix: String,
}

impl Diagnosis {
    /// The first check that failed.
    pub fn first_failed(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.state == CheckState::Failed)
    }
}

/// The diagnosis's JSON Schema, draft 2020-12.
pub fn diagnosis_schema() -> serde_json::Value {
    schemars::schema_for!(Diagnosis).to_value()
}
