//! A run's record as it is stored beside its report, and read back to be merged.
//!
//! Here: the file as a whole. Its first line but the header is a [`Context`]: `context` has what it holds, `around` the server and the
//! collection in it, `load` the load's own numbers.

mod around;
mod context;
mod load;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::record::{self, Header, SCHEMA, Shape};
use crate::workload::Workload;

use super::record::Record;

pub(super) use context::Context;

impl Record {
    /// Writes it, line by line.
    ///
    /// # Errors
    /// Where the writer fails.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        record::write(&self.header(), &Context::of(self), &self.load.recorded, out)
    }

    /// Reads one back.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a whole record, or was written by another version of this program.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = || format!("cannot read the record {}", path.display());
        let file = File::open(path).with_context(name)?;
        let (header, context, recorded) = record::read::<Context>(BufReader::new(file)).with_context(name)?;
        context.record(header, recorded, path.display().to_string()).with_context(name)
    }

    /// Which run it is and which part of it.
    pub fn header(&self) -> Header {
        let part = self.identity.part;
        Header {
            schema: SCHEMA.to_owned(),
            run_id: self.identity.run_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            workload_hash: workload_hash(&self.workload),
            shard: part.map(|part| record::Shard { index: part.shard.index(), of: part.shard.of() }),
            start_at_unix_ns: part.map(|part| part.start_at_unix_ns),
            first_free_row: self.collection.first_free_row,
            boot_id: self.host.boot_id.clone(),
            shape: Shape::of(&self.load.recorded),
        }
    }
}

/// Settings that a shard may have for itself: where its servers and files are, and what it drives them with.
const OWN: [&str; 10] = [
    "collection.owner",
    "description",
    "load.connections",
    "load.workers",
    "load.spin",
    "trace.collector_listen",
    "trace.otlp_endpoint",
    "trace.jaeger_ui",
    "trace.link",
    "trace.service_name",
];

/// A hash of the settings that decide what is measured, the same for all shards of a run.
pub fn workload_hash(workload: &Workload) -> String {
    let is_own = |key: &str| {
        OWN.contains(&key)
            || key.starts_with("trace.resource.")
            || (key.starts_with("target.") && key != "target.timeout")
    };
    let mut hash = Sha256::new();
    let mut put = |key: &str, value: String| {
        for text in [key, &value] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    };
    put("target.database", workload.target.database.clone());
    let shared = workload.settings.iter().filter(|setting| !is_own(&setting.key));
    shared.for_each(|setting| put(&setting.key, setting.value.to_string()));
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
