//! Lays the overrides over the file: every key looked up in the table of keys, every value read in its type, the one
//! of highest precedence kept.
//!
//! Invariant: nothing that was said is lost; it is an entry or a problem.

use super::keys::{self, Key};
use super::kind::{Kind, Value, Wrong};
use super::overrides::{Override, TOKEN, rank};
use super::problem::Problems;
use super::raw::{self, At, Field, Node, Raw};
use super::section::{Entry, Section};
use super::suggest::{either, nearest};
use super::{Origin, Secret};

/// What was said, by key.
#[derive(Debug)]
pub(super) struct Layers {
    pub root: Section,
    pub operations: Vec<Section>,
    pub scalars: Vec<Section>,
    /// The only secret, with the variable that holds it; no entry, so that no list of settings can show it.
    pub token: Option<(Secret, At)>,
}

const OPERATIONS: &str = "operations";
const SCALARS: &str = "collection.scalars";

impl Layers {
    /// The file alone.
    pub fn of_file(file: &Node, problems: &mut Problems<'_>) -> Self {
        let mut layers = Self {
            root: Section::new("", String::new(), file.at.clone()),
            operations: Vec::new(),
            scalars: Vec::new(),
            token: None,
        };
        if let Raw::Table(fields) = &file.raw {
            let mut root = layers.root.clone();
            layers.table(&mut root, "", fields, problems);
            layers.root = root;
        }
        layers
    }

    /// Lays overrides over it, in order of precedence; of equals the last wins.
    pub fn lay(&mut self, overrides: &[Override], problems: &mut Problems<'_>) {
        let mut sorted: Vec<_> = overrides.iter().collect();
        sorted.sort_by_key(|said| rank(&said.origin));
        for said in sorted {
            self.lay_one(said, problems);
        }
    }

    fn lay_one(&mut self, said: &Override, problems: &mut Problems<'_>) {
        let at = At::outside(said.origin.clone());
        if said.key == TOKEN && matches!(said.origin, Origin::Environment(_)) {
            self.token = Some((Secret::new(said.value.trim().to_owned()), at));
            return;
        }
        let Some((mut section, pattern)) = self.addressed(&said.key, &at, problems) else { return };
        let list = pattern.split_once("[].").map(|(list, _)| list);
        self.assign(&mut section, &pattern, said, &at, problems);
        match list {
            None => self.root = section,
            Some(list) => {
                let sections = self.list(list);
                if let Some(place) = sections.iter_mut().find(|place| place.name == section.name) {
                    *place = section;
                }
            }
        }
    }

    /// The section that a dotted key addresses, and the path in the table of keys: `operations.search.rate` is
    /// `operations[].rate` of the operation `search`.
    fn addressed(&mut self, key: &str, at: &At, problems: &mut Problems<'_>) -> Option<(Section, String)> {
        if key.contains('[') {
            unknown("", key, key, at, problems);
            return None;
        }
        for list in [OPERATIONS, SCALARS] {
            let Some(rest) = key.strip_prefix(list).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (name, inner) = rest.split_once('.').unwrap_or((rest, ""));
            let sections = self.list(list);
            let named = |section: &&Section| section.name == name && !name.is_empty();
            if let Some(section) = sections.iter().find(named).filter(|_| !inner.is_empty()) {
                return Some((section.clone(), format!("{list}[].{inner}")));
            }
            let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
            let (message, fix) = match names.as_slice() {
                _ if inner.is_empty() => {
                    ("this is no key".to_owned(), format!("name a key of it, such as {list}.NAME.KEY"))
                }
                [] => (format!("the workload has none of {list}"), format!("add {name:?} to the file")),
                names => (format!("there is no {name:?} in {list}"), format!("it has {}", either(names))),
            };
            problems.add(key, at, message, fix);
            return None;
        }
        Some((self.root.clone(), key.to_owned()))
    }

    fn list(&mut self, path: &str) -> &mut Vec<Section> {
        if path == OPERATIONS { &mut self.operations } else { &mut self.scalars }
    }

    /// One override on the section that it addresses.
    fn assign(
        &mut self,
        section: &mut Section,
        path: &str,
        said: &Override,
        at: &At,
        problems: &mut Problems<'_>,
    ) {
        let node = |wants_text| raw::value(&said.value, wants_text, &said.origin);
        if let Some(key) = keys::find(path) {
            let field = Field {
                key: said.key.clone(),
                at: at.clone(),
                node: node(key.kind.wants_text() && !is_map(key)),
            };
            return self.leaf(section, key, &field, problems);
        }
        let map = keys::KEYS.iter().filter(|key| is_map(key));
        for key in map {
            if let Some(name) = path.strip_prefix(key.path).and_then(|rest| rest.strip_prefix('.')) {
                let field = Field { key: name.to_owned(), at: at.clone(), node: node(key.kind.wants_text()) };
                return map_entry(section, key, &field, problems);
            }
        }
        if keys::is_table(path) {
            let node = node(false);
            match &node.raw {
                Raw::Table(fields) => self.table(section, path, fields, problems),
                _ => not_a_table(&said.key, &node, at, problems),
            }
            return;
        }
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        unknown(parent, name, &said.key, at, problems);
    }

    /// The fields of a table whose path in the table of keys is `prefix`.
    fn table(&mut self, section: &mut Section, prefix: &str, fields: &[Field], problems: &mut Problems<'_>) {
        for field in fields {
            let path = match prefix {
                "" => field.key.clone(),
                _ => format!("{prefix}.{}", field.key),
            };
            let dotted = field.key.contains(['.', '[']);
            match keys::find(&path) {
                Some(key) if !dotted => self.leaf(section, key, field, problems),
                _ if !dotted && keys::is_table(&path) => match &field.node.raw {
                    Raw::Table(inner) => self.table(section, &path, inner, problems),
                    _ => not_a_table(&section.shown(&path), &field.node, &field.node.at, problems),
                },
                _ => {
                    let shown = section.shown(&path);
                    unknown(prefix, &field.key, &shown, &field.at, problems);
                }
            }
        }
    }

    /// A key of the table of keys.
    fn leaf(&mut self, section: &mut Section, key: &'static Key, field: &Field, problems: &mut Problems<'_>) {
        let shown = section.shown(key.path);
        if !key.built {
            let fix = format!("remove {}", key.path.rsplit(['.', ']']).next().unwrap_or(key.path));
            problems.add(shown, &field.at, "this key is not built yet", fix);
            return;
        }
        if key.kind == Kind::Tables {
            return self.tables(key, field, problems);
        }
        if is_map(key) {
            let Raw::Table(fields) = &field.node.raw else {
                let fix = format!("write {}", key.kind.expects());
                let message = format!("expected {}, found {}", key.kind.expects(), field.node.found());
                return problems.add(shown, &field.node.at, message, fix);
            };
            section.maps.insert(key.path, Vec::new());
            return fields.iter().for_each(|field| map_entry(section, key, field, problems));
        }
        let entry = read(key, &shown, field, section.entries.get(key.path), problems);
        section.entries.insert(key.path, entry);
    }

    /// `[[operations]]`, `scalars = [...]`.
    fn tables(&mut self, key: &'static Key, field: &Field, problems: &mut Problems<'_>) {
        let Raw::Array(items) = &field.node.raw else {
            let message = format!("expected a list of tables, found {}", field.node.found());
            let fix = match key.path {
                OPERATIONS => "write [[operations]], with two brackets, once per operation".to_owned(),
                path => format!("write {path} = [{{ name = \"category\", type = \"varchar\" }}]"),
            };
            return problems.add(key.path, &field.node.at, message, fix);
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Raw::Table(fields) = &item.raw else {
                let message = format!("expected a table, found {}", item.found());
                problems.add(format!("{}[{index}]", key.path), &item.at, message, "write a table in braces");
                continue;
            };
            let mut section = element(key.path, index, item);
            let fields = fields_of(fields, &mut section);
            self.table(&mut section, &format!("{}[]", key.path), fields, problems);
            sections.push(section);
        }
        *self.list(key.path) = sections;
    }
}

/// The section of one table of a list; an operation is called by its name, or else by its kind.
fn element(path: &str, index: usize, item: &Node) -> Section {
    let kind = if path == OPERATIONS { item.text_of("kind") } else { None };
    let name = item.text_of("name").or(kind);
    let shown = match name {
        Some(name) => format!("{path}.{name}."),
        None => format!("{path}[{index}]."),
    };
    Section::new(name.unwrap_or_default(), shown, item.at.clone())
}

/// Of an operation whose kind is not built, only the kind: its other keys are not known here.
fn fields_of<'f>(fields: &'f [Field], section: &mut Section) -> &'f [Field] {
    let kind = fields.iter().position(|field| field.key == "kind");
    let key = keys::find("operations[].kind");
    match (kind, key) {
        (Some(n), Some(key))
            if section.shown.starts_with(OPERATIONS) && key.kind.read(&fields[n].node).is_err() =>
        {
            section.broken = true;
            &fields[n..=n]
        }
        _ => fields,
    }
}

fn is_map(key: &Key) -> bool {
    matches!(key.kind, Kind::Params | Kind::TextMap | Kind::Thresholds)
}

fn map_entry(section: &mut Section, key: &'static Key, field: &Field, problems: &mut Problems<'_>) {
    let shown = format!("{}.{}", section.shown(key.path), field.key);
    let map = section.maps.entry(key.path).or_default();
    let place = map.iter().position(|(name, _)| *name == field.key);
    let entry = read(key, &shown, field, place.map(|n| &map[n].1), problems);
    match place {
        Some(n) => map[n].1 = entry,
        None => map.push((field.key.clone(), entry)),
    }
}

fn read(key: &Key, shown: &str, field: &Field, before: Option<&Entry>, problems: &mut Problems<'_>) -> Entry {
    let value: Option<Value> = match key.kind.read(&field.node) {
        Ok(value) => Some(value),
        Err(Wrong { message, fix, at, within }) => {
            problems.add(format!("{shown}{within}"), at.as_ref().unwrap_or(&field.node.at), message, fix);
            None
        }
    };
    let over_file = before.and_then(|before| match before.at.origin {
        Origin::File { .. } => Some(before.at.clone()),
        _ => before.over_file.clone(),
    });
    Entry { shown: shown.to_owned(), value, at: field.at.clone(), value_at: field.node.at.clone(), over_file }
}

fn not_a_table(shown: &str, node: &Node, at: &At, problems: &mut Problems<'_>) {
    let message = format!("expected a table, found {}", node.found());
    problems.add(shown, at, message, format!("write [{shown}] and its keys below it"));
}

/// A key that is in no table; `parent` is its table's path.
fn unknown(parent: &str, name: &str, shown: &str, at: &At, problems: &mut Problems<'_>) {
    if shown == TOKEN {
        let fix = "put the token into a file and name that with target.token_file, or set MILVUS_TOKEN";
        return problems.add_unknown(
            shown,
            at,
            "a secret has no place in a workload or on a command line",
            fix,
        );
    }
    let siblings = keys::children(parent);
    let elsewhere = || {
        let mut paths = keys::KEYS.iter().map(|key| key.path).filter(|path| !path.contains("[]"));
        paths.find(|path| path.rsplit('.').next() == Some(name))
    };
    let fix = match (nearest(name, siblings.iter().copied()), elsewhere()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, Some(path)) => format!("did you mean {path}? It is not a key of this table"),
        (None, None) if siblings.is_empty() => "run `milvus-load schema workload` for all keys".to_owned(),
        (None, None) => format!("this table takes {}", either(&siblings)),
    };
    problems.add_unknown(shown, at, "there is no such key", fix);
}
