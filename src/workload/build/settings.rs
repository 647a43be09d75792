//! The list of all settings in force, with where each came from, in the order of the table of keys.

use crate::workload::keys::KEYS;
use crate::workload::layers::Layers;
use crate::workload::section::{Entry, Section};
use crate::workload::{Origin, Setting};

/// Keys of open loops; without one, their defaults are in force nowhere.
const OPEN_ONLY: [&str; 2] = ["load.arrival", "load.max_in_flight"];

/// What `prepare = "never"` reads from the server instead: whatever was said of it is in force nowhere.
const SERVERS_UNDER_NEVER: [&str; 8] = [
    "collection.owner",
    "collection.rows",
    "collection.shards",
    "collection.replicas",
    "collection.keep_writes",
    "collection.vector.metric",
    "collection.index.type",
    "collection.index.params",
];
/// What it reads from the server unless somebody said it; what was said is held against the server's.
const HELD_AGAINST_SERVER: [&str; 3] =
    ["collection.vector.name", "collection.vector.type", "collection.vector.dim"];

fn is_taken_as_it_is(layers: &Layers) -> bool {
    layers.root.text("collection.prepare").as_deref() == Some("never")
}

/// Whether a key of the whole file is in force, whoever said it.
fn is_in_force(layers: &Layers, path: &str) -> bool {
    !is_taken_as_it_is(layers)
        || !(SERVERS_UNDER_NEVER.contains(&path)
            || (HELD_AGAINST_SERVER.contains(&path) && !layers.root.said(path)))
}

pub(super) fn list(layers: &Layers) -> Vec<Setting> {
    let has = |section: &Section, keys: [&str; 2]| keys.into_iter().any(|key| section.entry(key).is_some());
    let open = has(&layers.root, ["load.rate", "load.stages"])
        || layers.operations.iter().any(|own| has(own, ["operations[].rate", "operations[].stages"]));
    let mut settings = Vec::new();
    let mut add = |section: &Section, keys: &mut dyn Iterator<Item = &str>| {
        for path in keys.filter(|path| open || !OPEN_ONLY.contains(path)) {
            let map = section.maps.get(path).into_iter().flatten().map(|(_, entry)| entry);
            settings.extend(section.entry(path).into_iter().chain(map).filter_map(setting));
        }
    };
    for key in KEYS {
        let inside = format!("{}[].", key.path);
        let sections = match key.path {
            "operations" => &layers.operations,
            "collection.scalars" => &layers.scalars,
            path if !path.contains("[]") => {
                add(&layers.root, &mut std::iter::once(path).filter(|path| is_in_force(layers, path)));
                continue;
            }
            _ => continue,
        };
        for section in sections {
            add(section, &mut KEYS.iter().map(|key| key.path).filter(|path| path.starts_with(&inside)));
        }
    }
    settings
}

fn setting(entry: &Entry) -> Option<Setting> {
    let value = entry.value.as_ref()?.json();
    Some(Setting { key: entry.shown.clone(), value, from: entry.at.origin.clone() })
}

/// Which environment variables beat the file, one sentence each.
pub(super) fn notices(layers: &Layers, file: &str) -> Vec<String> {
    let sections = [&layers.root].into_iter().chain(&layers.operations).chain(&layers.scalars);
    let entries = sections.flat_map(|section| {
        section.entries.values().chain(section.maps.values().flatten().map(|(_, entry)| entry))
    });
    let mut notices: Vec<String> = entries
        .filter_map(|entry| match (&entry.at.origin, &entry.over_file) {
            (Origin::Environment(name), Some(at)) => Some(notice(name, &entry.shown, file, &at.origin)),
            _ => None,
        })
        .collect();
    if let (Some((_, at)), Some(entry)) = (&layers.token, layers.root.entry("target.token_file"))
        && let (Origin::Environment(name), Origin::File { .. }) = (&at.origin, &entry.at.origin)
    {
        notices.push(notice(name, "target.token_file", file, &entry.at.origin));
    }
    notices.extend(is_taken_as_it_is(layers).then(|| not_in_force(layers)).flatten());
    notices
}

/// Says that what was said of a collection which is taken as it is does not count.
fn not_in_force(layers: &Layers) -> Option<String> {
    let said = |path: &&str| layers.root.said_within(path);
    let keys: Vec<&str> = SERVERS_UNDER_NEVER.into_iter().filter(said).collect();
    (!keys.is_empty()).then(|| {
        format!(
            "collection.prepare is \"never\", so the collection is taken as it is: the server's own are in force and \
             reported, not what was said of {}",
            keys.join(", ")
        )
    })
}

fn notice(variable: &str, key: &str, file: &str, at: &Origin) -> String {
    format!("the environment's {variable} overrides {key} of {file}, {at}")
}
