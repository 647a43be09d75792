//! `[[operations]]`: names, kinds, and what each kind takes.

use crate::workload::filter;
use crate::workload::keys::{self, KEYS};
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::suggest::{either, nearest};
use crate::workload::{Collection, Filter, Operation, OperationKind, Prepare, Search};

use super::collection::PRIMARY_KEY;
use super::load::SHARED;

const KIND: &str = "operations[].kind";
const NAME: &str = "operations[].name";

/// A gRPC message that Milvus takes has at most so many bytes.
const MESSAGE_BYTES: u64 = 64 << 20;

pub(super) fn build(
    layers: &mut Layers,
    collection: Option<&Collection>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Operation>> {
    if layers.operations.is_empty() {
        if !problems.has("operations") {
            let fix = "add [[operations]] with kind = \"search\" or kind = \"insert\"";
            problems.add(
                "operations",
                &layers.root.at,
                "there is no operation, so there is nothing to do",
                fix,
            );
        }
        return None;
    }
    for section in &mut layers.operations {
        prepare(section, problems);
    }
    names_are_unique(&layers.operations, problems);
    let read = layers.operations.iter().map(|section| operation(section, collection?, problems));
    // All of them, so that all problems are found.
    read.collect::<Vec<_>>().into_iter().collect()
}

/// The kind's keys only, and the default name.
fn prepare(section: &mut Section, problems: &mut Problems<'_>) {
    if !section.said(KIND) {
        let fix = "add kind = \"search\" or kind = \"insert\"";
        problems.add(section.shown(KIND), &section.at, "it is missing", fix);
    }
    let Some(kind) = section.text(KIND) else { return };
    section.fill(NAME, Value::Text(kind.clone()));
    for key in KEYS.iter().filter(|key| !key.only_for.is_empty() && !key.only_for.contains(&kind.as_str())) {
        let at = match (section.entry(key.path), section.maps.get(key.path)) {
            (Some(entry), _) => entry.at.clone(),
            (None, Some(map)) => map.first().map_or(&section.at, |(_, entry)| &entry.at).clone(),
            (None, None) => continue,
        };
        let message = format!("{kind} does not take this key; it is one of {}", either(key.only_for));
        problems.add(section.shown(key.path), &at, message, "remove it");
    }
}

fn names_are_unique(sections: &[Section], problems: &mut Problems<'_>) {
    let mut taken: Vec<String> = Vec::new();
    for section in sections {
        let Some(name) = section.text(NAME) else { continue };
        let place = match section.said(NAME) {
            true => section.place(NAME),
            false => section.place(KIND),
        };
        if name == SHARED {
            let message = "\"load\" is the name of the stream that [load] describes";
            problems.add(section.shown(NAME), place, message, "give the operation another name");
        } else if taken.contains(&name) {
            let message = format!("there is already an operation called {name:?}");
            let fix = format!("give each a name of its own, such as name = \"{name}_2\"");
            problems.add(section.shown(NAME), place, message, fix);
        }
        taken.push(name);
    }
}

fn operation(section: &Section, collection: &Collection, problems: &mut Problems<'_>) -> Option<Operation> {
    let kind = match section.text(KIND)?.as_str() {
        "insert" => insert(section, collection, problems)?,
        "search" => OperationKind::Search(search(section, collection, problems)?),
        _ => return None,
    };
    Some(Operation { name: section.text(NAME)?, kind })
}

fn insert(section: &Section, collection: &Collection, problems: &mut Problems<'_>) -> Option<OperationKind> {
    if collection.prepare == Prepare::Never && !collection.allow_writes {
        problems.add(
            section.shown(KIND),
            section.place(KIND),
            "with collection.prepare = \"never\" the collection may be anybody's, and is only read",
            "remove the insert, or write collection.allow_writes = true",
        );
    }
    let batch = section.integer("operations[].batch")?;
    message_fits(section, "operations[].batch", u64::from(batch), collection, problems);
    Some(OperationKind::Insert { batch })
}

/// So many vectors in one request.
fn message_fits(
    section: &Section,
    key: &'static str,
    vectors: u64,
    collection: &Collection,
    problems: &mut Problems<'_>,
) {
    let of_one = 4 * u64::from(collection.vector.dim);
    if vectors.saturating_mul(of_one) > MESSAGE_BYTES {
        let message = format!(
            "{vectors} vectors of {} dimensions are more than the 64 MiB that Milvus takes in one request",
            collection.vector.dim
        );
        let fix = format!("write less than {}", MESSAGE_BYTES / of_one);
        problems.add(section.shown(key), section.place(key), message, fix);
    }
}

fn search(section: &Section, collection: &Collection, problems: &mut Problems<'_>) -> Option<Search> {
    let nq = section.integer("operations[].nq")?;
    message_fits(section, "operations[].nq", u64::from(nq), collection, problems);
    let search = Search {
        nq,
        top_k: section.integer("operations[].top_k")?,
        params: section.json_map("operations[].params"),
        filter: filter_of(section, collection, problems),
        output_fields: section.texts("operations[].output_fields")?,
        ignore_growing: section.bool("operations[].ignore_growing")?,
    };
    ef_holds_top_k(section, &search, collection, problems);
    fields_are_known(section, &search, collection, problems);
    Some(search)
}

fn filter_of(section: &Section, collection: &Collection, problems: &mut Problems<'_>) -> Option<Filter> {
    const KEY: &str = "operations[].filter";
    let text = section.text(KEY)?;
    match filter::parse(&text, &collection.scalars) {
        Ok(filter) => Some(filter),
        Err(error) => {
            problems.add(
                section.shown(KEY),
                section.place(KEY),
                error.to_string(),
                error.fix(&collection.scalars),
            );
            None
        }
    }
}

/// HNSW looks at `ef` candidates, and Milvus refuses to return more than it looked at.
fn ef_holds_top_k(section: &Section, search: &Search, collection: &Collection, problems: &mut Problems<'_>) {
    let ef = search.params.get("ef").and_then(serde_json::Value::as_u64);
    let Some(ef) = ef.filter(|ef| collection.index.kind == "HNSW" && *ef < u64::from(search.top_k)) else {
        return;
    };
    let key = keys::find("operations[].params").map_or("operations[].params", |key| key.path);
    let place = section.map(key).find(|(name, _, _)| *name == "ef").map(|(_, _, entry)| &entry.value_at);
    let message = format!("ef = {ef} is below top_k = {}: HNSW finds no more than it looks at", search.top_k);
    let fix = format!("write ef = {} or more", search.top_k);
    problems.add(format!("{}.ef", section.shown(key)), place.unwrap_or(&section.at), message, fix);
}

/// Under `never` the server may have fields that the file does not tell.
fn fields_are_known(
    section: &Section,
    search: &Search,
    collection: &Collection,
    problems: &mut Problems<'_>,
) {
    const KEY: &str = "operations[].output_fields";
    let mut known = vec![PRIMARY_KEY, collection.vector.name.as_str(), "*"];
    known.extend(collection.scalars.iter().map(|scalar| scalar.name.as_str()));
    for field in &search.output_fields {
        if collection.prepare != Prepare::Never && !known.contains(&field.as_str()) {
            let fix = match nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the collection has {}", either(&known)),
            };
            problems.add(section.shown(KEY), section.place(KEY), format!("there is no field {field:?}"), fix);
        }
    }
}
