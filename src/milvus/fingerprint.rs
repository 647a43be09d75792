//! What a collection is made of, in a form that can be compared: its schema, its index, its data, its rows.
//!
//! A part is a hash of a text of lines `name=value`, spelled out here key by key and independent of how Rust or a library
//! prints a value. The golden test pins both; a part that is computed in another way needs another version of the mark.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rows::{PRIMARY_KEY, RowLayout};
use crate::workload::{Collection, Data, Scalar, ScalarKind, VectorField};

/// Parts that are equal where what set-up makes is equal. How a collection is read (consistency, replicas) has no say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Base rows.
    pub rows: u64,
    /// Hash of fields and shards, 16 hex digits, as the others.
    pub schema: String,
    /// Hash of the vector field's index and distance measure.
    pub index: String,
    /// Hash of what decides the values of every row, and of the first row's, so that a change of the generator shows.
    pub data: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Fields, dimensions or shards.
    Schema,
    /// Index or distance measure.
    Index,
    /// What is in the rows.
    Data,
    Rows {
        /// In the collection.
        found: u64,
        /// As the workload has it.
        wanted: u64,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Schema => f.write_str("schema (fields, dimensions or shards)"),
            Self::Index => f.write_str("index (type, parameters or metric)"),
            Self::Data => f.write_str("data ([data], or the values of scalars)"),
            Self::Rows { found, wanted } => write!(f, "number of rows ({found}, not {wanted})"),
        }
    }
}

impl Fingerprint {
    /// Of what set-up would make.
    pub fn of(collection: &Collection, data: &Data) -> Self {
        Self {
            rows: collection.rows,
            schema: hash(&schema_text(collection)),
            index: hash(&index_text(collection)),
            data: hash(&data_text(collection, data)),
        }
    }

    /// Where what is there, and bears this fingerprint, differs from what is wanted.
    pub fn differences(&self, wanted: &Self) -> Vec<Difference> {
        let rows = Difference::Rows { found: self.rows, wanted: wanted.rows };
        let all = [
            (self.schema != wanted.schema, Difference::Schema),
            (self.index != wanted.index, Difference::Index),
            (self.data != wanted.data, Difference::Data),
            (self.rows != wanted.rows, rows),
        ];
        all.into_iter().filter_map(|(differs, difference)| differs.then_some(difference)).collect()
    }
}

/// A hash of what the vectors and values of the base rows are, for the report. 32 hex digits.
pub fn data_hash(collection: &Collection, data: &Data) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}/{}/{}/{}", data.seed, data.clusters, data.spread, collection.rows));
    hash.update(first_vector(&RowLayout::new(collection, data)));
    hex(&hash.finalize()[..16])
}

fn first_vector(layout: &RowLayout) -> Vec<u8> {
    let mut bytes = Vec::new();
    layout.vectors.write_row(0, &mut bytes);
    bytes
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text)[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text of lines. Names of fields are identifiers, so that no value holds a line's end.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{name}={value}");
    }
}

fn schema_text(collection: &Collection) -> String {
    let mut lines = Lines::default();
    lines.line("shards", collection.shards);
    lines.line("key", format_args!("{PRIMARY_KEY} int64"));
    let VectorField { name, kind, dim, .. } = &collection.vector;
    lines.line("vector", format_args!("{name} {} dim {dim}", kind.name()));
    for Scalar { name, kind, .. } in &collection.scalars {
        lines.line("scalar", format_args!("{name} {}", kind_name(*kind)));
    }
    lines.0
}

fn index_text(collection: &Collection) -> String {
    let mut lines = Lines::default();
    lines.line("type", &collection.index.kind);
    lines.line("metric", collection.vector.metric.wire_name());
    lines.line("params", canonical(&Value::Object(collection.index.params.clone())));
    lines.0
}

fn data_text(collection: &Collection, data: &Data) -> String {
    let layout = RowLayout::new(collection, data);
    let mut lines = Lines::default();
    lines.line("source", "synthetic");
    lines.line("seed", data.seed);
    lines.line("clusters", data.clusters);
    lines.line("spread", bits(data.spread));
    lines.line("first vector", hex(&Sha256::digest(first_vector(&layout))[..8]));
    for (Scalar { name, distinct, .. }, source) in &layout.scalars {
        lines.line("scalar", format_args!("{name} distinct {distinct} first {}", source.of_row(0)));
    }
    lines.0
}

const fn kind_name(kind: ScalarKind) -> &'static str {
    match kind {
        ScalarKind::Bool => "bool",
        ScalarKind::Int32 => "int32",
        ScalarKind::Int64 => "int64",
        ScalarKind::Float => "float",
        ScalarKind::Double => "double",
        ScalarKind::Varchar => "varchar",
    }
}

/// A number with a point, by its bits: how it is printed in decimals is a library's affair.
fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

/// JSON in one form: names sorted and no spaces, whole numbers in decimals, others by their bits.
fn canonical(value: &Value) -> String {
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => if *value { "true" } else { "false" }.to_owned(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (_, _, Some(number)) => bits(number),
            // No number is none of the three.
            (None, None, None) => "null".to_owned(),
        },
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            let field = |(name, value): (&String, &Value)| format!("{}:{}", quoted(name), canonical(value));
            format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load_text;

    const FIXED: &str = r#"
        [collection]
        name = "c"
        rows = 1_000
        shards = 2
        vector = { name = "v", dim = 8, metric = "l2" }
        index = { type = "HNSW", params = { efConstruction = 64, M = 8, x = { b = [1, "z"], a = 0.5 } } }
        scalars = [{ name = "n", type = "int64", distinct = 5 }, { name = "c", type = "varchar" }]
        [data]
        seed = 42
        clusters = 10
        spread = 0.3
        [load]
        rate = 1
        [[operations]]
        kind = "search"
    "#;

    fn fixed() -> (Collection, Data) {
        let workload = load_text("w", FIXED, &[]).unwrap();
        (workload.collection, workload.data)
    }

    /// Were one of these to change, every collection that was made before would be rebuilt or refused: raise the mark's
    /// version, which says why.
    #[test]
    fn the_fingerprint_of_a_fixed_workload_is_this_one() {
        let (collection, data) = fixed();
        assert_eq!(
            schema_text(&collection),
            "shards=2\nkey=id int64\nvector=v float dim 8\nscalar=n int64\nscalar=c varchar\n"
        );
        assert_eq!(
            index_text(&collection),
            "type=HNSW\nmetric=L2\nparams={\"M\":8,\"efConstruction\":64,\"x\":{\"a\":3fe0000000000000,\"b\":[1,\"z\"]}}\n"
        );
        assert_eq!(
            data_text(&collection, &data),
            "source=synthetic\nseed=42\nclusters=10\nspread=3fd3333333333333\nfirst vector=dd23bbea961e3cc5\n\
             scalar=n distinct 5 first 4\nscalar=c distinct 100 first 35\n"
        );
        // The first 16 digits of what coreutils' sha256sum prints for these texts.
        let golden = Fingerprint {
            rows: 1_000,
            schema: "c48db6b75f01767e".into(),
            index: "653869f9d9eddc56".into(),
            data: "7ee800c1c1f6a035".into(),
        };
        assert_eq!(Fingerprint::of(&collection, &data), golden);
    }

    #[test]
    fn whatever_changes_the_content_changes_its_part_and_no_other() {
        type Change = fn(&mut Collection, &mut Data);
        let (base, base_data) = fixed();
        let changes: [(Change, Difference); 12] = [
            (|c, _| c.rows += 1, Difference::Rows { found: 1_000, wanted: 1_001 }),
            (|c, _| c.vector.name = "w".into(), Difference::Schema),
            (|c, _| c.shards = 1, Difference::Schema),
            (|c, _| c.scalars[0].kind = ScalarKind::Int32, Difference::Schema),
            (|c, _| c.vector.metric = crate::workload::Metric::Cosine, Difference::Index),
            (|c, _| c.index.kind = "FLAT".into(), Difference::Index),
            (|c, _| drop(c.index.params.insert("M".into(), 9.into())), Difference::Index),
            (|c, _| drop(c.index.params.insert("x".into(), "9".into())), Difference::Index),
            (|c, _| c.scalars[0].distinct = 6, Difference::Data),
            (|_, d| d.seed = 43, Difference::Data),
            (|_, d| d.clusters = 11, Difference::Data),
            (|_, d| d.spread = 0.4, Difference::Data),
        ];
        let was = Fingerprint::of(&base, &base_data);
        for (change, difference) in changes {
            let (mut collection, mut data) = (base.clone(), base_data.clone());
            change(&mut collection, &mut data);
            assert_eq!(was.differences(&Fingerprint::of(&collection, &data)), [difference]);
        }
        // Other dimensions are other vectors too.
        let mut collection = base.clone();
        collection.vector.dim = 16;
        let both = [Difference::Schema, Difference::Data];
        assert_eq!(was.differences(&Fingerprint::of(&collection, &base_data)), both);
        // And so are vectors of another type.
        let mut collection = base.clone();
        collection.vector.kind = crate::workload::VectorType::Binary;
        assert_eq!(was.differences(&Fingerprint::of(&collection, &base_data)), both);
    }

    #[test]
    fn how_a_collection_is_read_does_not_matter() {
        let (mut collection, mut data) = fixed();
        let was = Fingerprint::of(&collection, &data);
        (collection.replicas, collection.owner, data.queries) = (2, "somebody else".into(), 5);
        collection.consistency = crate::workload::Consistency::Strong;
        assert_eq!(Fingerprint::of(&collection, &data), was);
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let parsed = |text: &str| canonical(&serde_json::from_str(text).unwrap());
        assert_eq!(parsed(r#"{ "b": -1, "a": null }"#), parsed(r#"{"a":null,"b":-1}"#));
        assert_ne!(parsed("[1, 2]"), parsed("[2, 1]"));
        assert_ne!(parsed("1"), parsed("1.5"));
    }
}
