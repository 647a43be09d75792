//! `[collection]`: schema, index, and what may be done to it.

use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::owner;
use crate::workload::problem::Problems;
use crate::workload::section::{Entry, Section};
use crate::workload::suggest::either;
use crate::workload::vector::{METRICS, default_params, metric_name, takes_index};
use crate::workload::{
    Collection, Consistency, Index, Origin, Prepare, Scalar, ScalarKind, VectorField, VectorType,
    vector_rules,
};

/// Name of the primary key in collections that this tool makes.
pub const PRIMARY_KEY: &str = "id";

pub(super) fn build(layers: &mut Layers, problems: &mut Problems<'_>) -> Option<Collection> {
    let vector = vector(&mut layers.root, problems);
    let index = index(&mut layers.root, vector.as_ref(), problems);
    let scalars = scalars(&mut layers.scalars, vector.as_ref(), problems);
    let root = &layers.root;
    check_owner(root, problems);
    Some(Collection {
        name: root.text("collection.name")?,
        rows: root.integer("collection.rows")?,
        prepare: match root.text("collection.prepare")?.as_str() {
            "auto" => Prepare::Auto,
            "always" => Prepare::Always,
            "never" => Prepare::Never,
            _ => return None,
        },
        owner: root.text("collection.owner")?,
        consistency: match root.text("collection.consistency")?.as_str() {
            "strong" => Consistency::Strong,
            "session" => Consistency::Session,
            "bounded" => Consistency::Bounded,
            "eventually" => Consistency::Eventually,
            _ => return None,
        },
        vector: vector?,
        index: index?,
        scalars: scalars?,
        shards: root.integer("collection.shards")?,
        replicas: root.integer("collection.replicas")?,
        keep_writes: root.bool("collection.keep_writes")?,
        allow_writes: root.bool("collection.allow_writes")?,
        ready_timeout: root.duration("collection.ready.timeout")?,
        vector_name_given: root.said("collection.vector.name"),
        vector_type_given: root.said("collection.vector.type"),
        dim_given: root.said("collection.vector.dim"),
    })
}

/// It stands in the description of the collection, and in messages.
fn check_owner(root: &Section, problems: &mut Problems<'_>) {
    const KEY: &str = "collection.owner";
    let owner = root.text(KEY).unwrap_or_default();
    if owner.chars().any(char::is_control) || owner.chars().count() > owner::LONGEST {
        let message = "it holds a control character, or is too long";
        let fix = format!("write a name of at most {} characters on one line", owner::LONGEST);
        problems.add(KEY, root.place(KEY), message, fix);
    }
}

fn vector(root: &mut Section, problems: &mut Problems<'_>) -> Option<VectorField> {
    const NAME: &str = "collection.vector.name";
    const METRIC: &str = "collection.vector.metric";
    const DIM: &str = "collection.vector.dim";
    let name = root.text(NAME)?;
    if name == PRIMARY_KEY {
        let message = "\"id\" is the primary key";
        problems.add(NAME, root.place(NAME), message, "give the vector another name");
    }
    let kind = root.text("collection.vector.type")?;
    let kind = VectorType::ALL.into_iter().find(|other| other.name() == kind)?;
    let rules = vector_rules(kind);
    root.fill(METRIC, Value::Text(metric_name(rules.metrics[0]).to_owned()));
    let metric = root.text(METRIC)?;
    let (said, metric) = *METRICS.iter().find(|(name, _)| *name == metric)?;
    if !is_taken_as_it_is(root) && !rules.metrics.contains(&metric) {
        let message = format!("{said:?} does not measure {} vectors", kind.name());
        let fix = format!("write {}", quoted(rules.metrics.iter().map(|metric| metric_name(*metric))));
        problems.add(METRIC, root.place(METRIC), message, fix);
    }
    let dim: u32 = root.integer(DIM)?;
    let step = rules.dim_step;
    if !dim.is_multiple_of(step) {
        let message =
            format!("{} vectors have a multiple of {step} dimensions, and {dim} is none", kind.name());
        let fix = format!("write {}", dim.next_multiple_of(step));
        problems.add(DIM, root.place(DIM), message, fix);
    }
    Some(VectorField { name, kind, dim, metric })
}

/// Metric and index are the server's then, whatever the file says.
fn is_taken_as_it_is(root: &Section) -> bool {
    root.text("collection.prepare").as_deref() == Some("never")
}

/// `"a", "b" or "c"`.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    either(&quoted.iter().map(String::as_str).collect::<Vec<_>>())
}

fn index(root: &mut Section, vector: Option<&VectorField>, problems: &mut Problems<'_>) -> Option<Index> {
    const TYPE: &str = "collection.index.type";
    const PARAMS: &str = "collection.index.params";
    let of = vector?.kind;
    let rules = vector_rules(of);
    root.fill(TYPE, Value::Text(rules.indexes[0].to_owned()));
    let kind = root.text(TYPE)?;
    if !is_taken_as_it_is(root) && !takes_index(of, &kind) {
        let message = format!("{kind} is no index of {} vectors", of.name());
        let fix = format!("write {}", quoted(rules.indexes.iter().copied()));
        problems.add(TYPE, root.place(TYPE), message, fix);
    }
    let defaults = default_params(&kind);
    if !defaults.is_empty() && !root.maps.contains_key(PARAMS) {
        let entry = |(name, value): (&str, _)| (name.to_owned(), default_entry(PARAMS, name, value));
        root.maps.insert(PARAMS, defaults.into_iter().map(entry).collect());
    }
    Some(Index { kind, params: root.json_map(PARAMS) })
}

fn default_entry(path: &str, name: &str, value: serde_json::Value) -> Entry {
    let at = crate::workload::raw::At::outside(Origin::Default);
    Entry {
        shown: format!("{path}.{name}"),
        value: Some(Value::Json(value)),
        at: at.clone(),
        value_at: at,
        over_file: None,
    }
}

fn scalars(
    sections: &mut [Section],
    vector: Option<&VectorField>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Scalar>> {
    let mut taken = vec![(PRIMARY_KEY.to_owned(), "the primary key")];
    taken.extend(vector.map(|vector| (vector.name.clone(), "the vector")));
    let mut scalars = Vec::new();
    let mut complete = true;
    for section in sections {
        let Some(scalar) = scalar(section, problems) else {
            complete = false;
            continue;
        };
        if let Some((_, whose)) = taken.iter().find(|(name, _)| *name == scalar.name) {
            let key = "collection.scalars[].name";
            let message = format!("{:?} is already the name of {whose}", scalar.name);
            problems.add(
                section.shown(key),
                section.place(key),
                message,
                "give each field a name of its own",
            );
        }
        taken.push((scalar.name.clone(), "another scalar"));
        scalars.push(scalar);
    }
    complete.then_some(scalars)
}

fn scalar(section: &mut Section, problems: &mut Problems<'_>) -> Option<Scalar> {
    const NAME: &str = "collection.scalars[].name";
    const TYPE: &str = "collection.scalars[].type";
    const DISTINCT: &str = "collection.scalars[].distinct";
    for (key, example) in [(NAME, "name = \"category\""), (TYPE, "type = \"varchar\"")] {
        if !section.said(key) {
            problems.add(section.shown(key), &section.at, "it is missing", format!("add {example}"));
        }
    }
    let kind = match section.text(TYPE)?.as_str() {
        "bool" => ScalarKind::Bool,
        "int32" => ScalarKind::Int32,
        "int64" => ScalarKind::Int64,
        "float" => ScalarKind::Float,
        "double" => ScalarKind::Double,
        "varchar" => ScalarKind::Varchar,
        _ => return None,
    };
    let most = most_distinct(kind);
    section.fill(DISTINCT, Value::Integer(most.min(100)));
    let distinct = section.integer(DISTINCT)?;
    if distinct > most {
        let message = format!("its type has room for {most} different values only");
        problems.add(
            section.shown(DISTINCT),
            section.place(DISTINCT),
            message,
            format!("write at most {most}"),
        );
    }
    Some(Scalar { name: section.text(NAME)?, kind, distinct })
}

/// How many different values a type can tell apart, counted from 0: 2^24 is where a 32-bit float loses whole numbers.
const fn most_distinct(kind: ScalarKind) -> u64 {
    match kind {
        ScalarKind::Bool => 2,
        ScalarKind::Float => 1 << 24,
        ScalarKind::Int32 | ScalarKind::Int64 | ScalarKind::Double | ScalarKind::Varchar => 2_000_000_000,
    }
}
