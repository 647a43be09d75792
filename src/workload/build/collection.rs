//! `[collection]`: schema, index, and what may be done to it.

use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::owner;
use crate::workload::problem::Problems;
use crate::workload::section::{Entry, Section};
use crate::workload::vector::{TYPES, default_params};
use crate::workload::{
    Collection, Consistency, Index, Metric, Origin, Prepare, Scalar, ScalarKind, VectorField,
};

/// Name of the primary key in collections that this tool makes.
pub const PRIMARY_KEY: &str = "id";

pub(super) fn build(layers: &mut Layers, problems: &mut Problems<'_>) -> Option<Collection> {
    let root = &layers.root;
    let vector = vector(root, problems);
    let index = index(&mut layers.root);
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

fn vector(root: &Section, problems: &mut Problems<'_>) -> Option<VectorField> {
    let name = root.text("collection.vector.name")?;
    if name == PRIMARY_KEY {
        let place = root.place("collection.vector.name");
        problems.add(
            "collection.vector.name",
            place,
            "\"id\" is the primary key",
            "give the vector another name",
        );
    }
    let metric = match root.text("collection.vector.metric")?.as_str() {
        "l2" | "euclidean" => Metric::L2,
        "ip" => Metric::Ip,
        "cosine" => Metric::Cosine,
        _ => return None,
    };
    let kind = root.text("collection.vector.type")?;
    let (_, kind) = *TYPES.iter().find(|(name, _)| *name == kind)?;
    Some(VectorField { name, kind, dim: root.integer("collection.vector.dim")?, metric })
}

fn index(root: &mut Section) -> Option<Index> {
    const PARAMS: &str = "collection.index.params";
    let kind = root.text("collection.index.type")?;
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
