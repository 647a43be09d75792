//! `[[operations]]`: names, kinds, and which keys each kind takes.

use crate::workload::keys::KEYS;
use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::operations::KINDS;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::suggest::either;
use crate::workload::{Access, Collection, Operation, OperationKind, Prepare};

use super::load::SHARED;

const KIND: &str = "operations[].kind";
const NAME: &str = "operations[].name";

pub(super) fn build(
    layers: &mut Layers,
    collection: Option<&Collection>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Operation>> {
    if layers.operations.is_empty() {
        if !problems.has("operations") {
            problems.add(
                "operations",
                &layers.root.at,
                "there is no operation, so there is nothing to do",
                format!("add [[operations]] with {}", kinds_to_write()),
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

/// `kind = "search" or kind = "insert"`.
fn kinds_to_write() -> String {
    let each = KINDS.map(|(name, _)| format!("kind = {name:?}"));
    either(&each.each_ref().map(String::as_str))
}

/// The kind's keys only, and the default name.
fn prepare(section: &mut Section, problems: &mut Problems<'_>) {
    if !section.said(KIND) {
        let fix = format!("add {}", kinds_to_write());
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
    let kind = section.text(KIND)?;
    let (_, build) = KINDS.iter().find(|(name, _)| *name == kind)?;
    let kind = build(section, collection, problems)?;
    writes_are_allowed(section, &kind, collection, problems);
    Some(Operation { name: section.text(NAME)?, kind })
}

fn writes_are_allowed(
    section: &Section,
    kind: &OperationKind,
    collection: &Collection,
    problems: &mut Problems<'_>,
) {
    let forbidden = collection.prepare == Prepare::Never && !collection.allow_writes;
    if forbidden && kind.facts().access() == Access::Writes {
        problems.add(
            section.shown(KIND),
            section.place(KIND),
            "with collection.prepare = \"never\" the collection may be anybody's, and is only read",
            format!("remove the {}, or write collection.allow_writes = true", kind.facts().name()),
        );
    }
}
