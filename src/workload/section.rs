//! What was said, key by key, in its type: the file with the overrides over it, defaults under it once they are filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::Value;
use super::overrides::rank;
use super::problem::Problems;
use super::raw::At;
use super::{Origin, Stage, keys};

/// One key that somebody said something about.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As people address it: `operations.search.top_k`.
    pub shown: String,
    /// `None`: said, but refused; the problem is on the list.
    pub value: Option<Value>,
    /// Where the key stands.
    pub at: At,
    /// Where the value stands.
    pub value_at: At,
    /// Where the file says it too, and is overruled.
    pub over_file: Option<At>,
}

/// The whole file, or one table of a list. Keys are those of the table of keys.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// Empty for the whole file; else the table's name, as `--set` addresses it.
    pub name: String,
    /// `operations.search.`; empty for the whole file.
    pub shown: String,
    /// Where it begins.
    pub at: At,
    pub entries: BTreeMap<&'static str, Entry>,
    /// The free tables, entry by entry in file order.
    pub maps: BTreeMap<&'static str, Vec<(String, Entry)>>,
    /// Not to be looked at any further: its kind is not known or not built.
    pub broken: bool,
}

impl Section {
    pub fn new(name: &str, shown: String, at: At) -> Self {
        let name = name.to_owned();
        Self { name, shown, at, entries: BTreeMap::new(), maps: BTreeMap::new(), broken: false }
    }

    /// How people address a key: `operations[].top_k` becomes `operations.search.top_k`.
    pub fn shown(&self, path: &str) -> String {
        format!("{}{}", self.shown, path.rsplit_once("[].").map_or(path, |(_, key)| key))
    }

    /// What was said of a key, or filled in.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Whether somebody said something, be it wrong.
    pub fn said(&self, path: &str) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.at.origin != Origin::Default)
    }

    /// Whether somebody said something of a key or entry that begins so.
    pub fn said_within(&self, prefix: &str) -> bool {
        let named = self.entries.iter().any(|(path, _)| path.starts_with(prefix) && self.said(path));
        let mut maps = self.maps.iter().filter(|(path, _)| path.starts_with(prefix));
        named || maps.any(|(_, map)| map.iter().any(|(_, entry)| entry.at.origin != Origin::Default))
    }

    /// Where to point for a key: its value, or the section's beginning.
    pub fn place(&self, path: &str) -> &At {
        self.entries.get(path).map_or(&self.at, |entry| &entry.value_at)
    }

    /// Puts a default where nobody said anything.
    pub fn fill(&mut self, path: &'static str, value: Value) {
        let shown = self.shown(path);
        let at = At::outside(Origin::Default);
        self.entries.entry(path).or_insert_with(|| Entry {
            shown,
            value: Some(value),
            at: at.clone(),
            value_at: at,
            over_file: None,
        });
    }

    /// Puts the table's default where nobody said anything.
    pub fn fill_default(&mut self, key: &'static keys::Key) {
        if let keys::Fallback::Toml(text) = key.default {
            let node = super::raw::value(text, false, &Origin::Default);
            if let Ok(value) = key.kind.read(&node) {
                self.fill(key.path, value);
            }
        }
    }

    /// Of keys that exclude each other, keeps the one said with the highest precedence; two of the same are a problem.
    pub fn only_one_of(&mut self, paths: &[&'static str], problems: &mut Problems<'_>, fix: &str) {
        let said = || paths.iter().copied().filter(|path| self.said(path));
        let rank_of = |path: &&'static str| self.entries.get(path).map_or(0, |entry| rank(&entry.at.origin));
        let Some(best) = said().map(|path| rank_of(&path)).max() else { return };
        let (kept, beaten): (Vec<_>, Vec<_>) = said().partition(|path| rank_of(path) == best);
        if let [first, others @ ..] = kept.as_slice() {
            for other in others {
                let (first, other) = self.in_order(first, other);
                let message = format!("contradicts {}, said at {}", first.shown, first.at.origin);
                problems.add(other.shown.clone(), &other.at, message, fix);
            }
        }
        let _: Vec<_> = beaten.iter().map(|path| self.entries.remove(*path)).collect();
    }

    /// Two entries as they stand in the file.
    fn in_order(&self, a: &str, b: &str) -> (&Entry, &Entry) {
        let (a, b) = (&self.entries[a], &self.entries[b]);
        if a.at.span.start <= b.at.span.start { (a, b) } else { (b, a) }
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.entries.get(path).and_then(|entry| entry.value.as_ref())
    }

    /// How far what was said of a key prevails over what was said of others.
    pub fn rank(&self, path: &str) -> u8 {
        self.entries.get(path).map_or(0, |entry| rank(&entry.at.origin))
    }

    /// A text; `None` where nothing was said, or something wrong.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.value(path)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub fn texts(&self, path: &str) -> Option<Vec<String>> {
        match self.value(path)? {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    pub fn stages(&self, path: &str) -> Option<&[Stage]> {
        match self.value(path)? {
            Value::Stages(stages, _) => Some(stages),
            _ => None,
        }
    }

    pub fn bool(&self, path: &str) -> Option<bool> {
        match self.value(path)? {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// A whole number of whatever width the caller has; the key's range sees to it that it fits.
    pub fn integer<T: TryFrom<u64>>(&self, path: &str) -> Option<T> {
        match self.value(path)? {
            Value::Integer(n) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    pub fn number(&self, path: &str) -> Option<f64> {
        match self.value(path)? {
            Value::Number(n) => Some(*n),
            _ => None,
        }
    }

    pub fn duration(&self, path: &str) -> Option<Duration> {
        match self.value(path)? {
            Value::Duration(duration, _) => Some(*duration),
            _ => None,
        }
    }

    /// The value as it is, for the few kinds with one user.
    pub fn any(&self, path: &str) -> Option<Value> {
        self.value(path).cloned()
    }

    /// A path; relative ones of the file start from `base`, those of an override from the current directory.
    pub fn path(&self, path: &str, base: &std::path::Path) -> Option<PathBuf> {
        let entry = self.entries.get(path)?;
        match (&entry.value, &entry.at.origin) {
            (Some(Value::Text(text)), Origin::File { .. }) => Some(base.join(text)),
            (Some(Value::Text(text)), _) => Some(PathBuf::from(text)),
            _ => None,
        }
    }

    /// The entries of a free table that could be read.
    pub fn map(&self, path: &str) -> impl Iterator<Item = (&str, &Value, &Entry)> {
        let entries = self.maps.get(path).into_iter().flatten();
        entries.filter_map(|(key, entry)| Some((key.as_str(), entry.value.as_ref()?, entry)))
    }

    /// A free table as JSON.
    pub fn json_map(&self, path: &str) -> serde_json::Map<String, serde_json::Value> {
        self.map(path).map(|(key, value, _)| (key.to_owned(), value.json())).collect()
    }
}
