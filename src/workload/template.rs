//! The workload that `init` writes: one of those that are shipped, with all further keys as comments below.

use super::keys::{Fallback, KEYS, Key};
use super::kind::Kind;

/// Which of the shipped workloads to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateKind {
    /// Searches at a fixed rate.
    #[default]
    Search,
    /// Inserts at a fixed rate.
    Insert,
    /// Searches and inserts, each at a rate of its own.
    Mixed,
    /// Rows by filter and by key.
    Lookup,
}

impl TemplateKind {
    pub const ALL: [Self; 4] = [Self::Search, Self::Insert, Self::Mixed, Self::Lookup];

    /// As the command line spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Insert => "insert",
            Self::Mixed => "mixed",
            Self::Lookup => "lookup",
        }
    }
}

/// A commented workload file that runs as it is.
pub fn template(kind: TemplateKind) -> String {
    let shipped = match kind {
        TemplateKind::Search => include_str!("../../workloads/search.toml"),
        TemplateKind::Insert => include_str!("../../workloads/insert.toml"),
        TemplateKind::Mixed => include_str!("../../workloads/mixed.toml"),
        TemplateKind::Lookup => include_str!("../../workloads/lookup.toml"),
    };
    format!("{}\n{}", shipped.trim_end(), reference())
}

/// Every key with its sentence, what it takes and its default, as comments under the headers of their tables.
fn reference() -> String {
    let mut text = String::from("\n# All keys, with what holds where nothing is said.\n");
    let mut table = "";
    for key in KEYS.iter().filter(|key| key.built && key.kind != Kind::Tables) {
        let (parent, name) = match key.kind {
            Kind::TextMap | Kind::Thresholds => (key.path, "NAME"),
            _ => key.path.rsplit_once('.').unwrap_or(("", key.path)),
        };
        if parent != table {
            table = parent;
            text.push_str(&match parent.strip_suffix("[]") {
                Some(list) => format!("#\n# [[{list}]]\n"),
                None => format!("#\n# [{parent}]\n"),
            });
        }
        text.push_str(&entry(key, name));
    }
    text
}

fn entry(key: &Key, name: &str) -> String {
    let only_for = match key.only_for {
        [] => String::new(),
        kinds => format!(" ({})", kinds.join(", ")),
    };
    let takes = match key.kind {
        Kind::TextMap | Kind::Thresholds => "a text".to_owned(),
        _ => key.kind.expects(),
    };
    let value = match key.default {
        Fallback::Toml(value) => format!("{name} = {value}    # {takes}"),
        Fallback::Words(words) => format!("{name} =    # {takes}; default: {words}"),
        Fallback::Required => format!("{name} =    # {takes}; required"),
    };
    format!("#   {}{only_for}\n# {value}\n", key.doc)
}
