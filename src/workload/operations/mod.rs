//! What can be done to a collection: a file per kind of operation, with all that the workload file says of it. What a kind is
//! on the wire is in `milvus/ops/`, likewise a file each.
//!
//! Nothing outside asks which kind an operation is where one of [`OperationFacts`] tells what it wants to know.

mod checks;
mod get;
mod insert;
mod query;
mod search;

use super::Collection;
use super::problem::Problems;
use super::section::Section;

pub use get::Get;
pub use insert::Insert;
pub use query::Query;
pub use search::Search;

/// One `[[operations]]`.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Unique, `[a-z0-9_]+`.
    pub name: String,
    pub kind: OperationKind,
}

/// What an operation does.
#[derive(Clone, Debug)]
pub enum OperationKind {
    Search(Search),
    Insert(Insert),
    /// Rows by a filter.
    Query(Query),
    /// Rows by their keys.
    Get(Get),
}

/// Whether an operation changes the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It leaves the collection as it is.
    Reads,
    /// It adds, changes or removes rows.
    Writes,
}

/// What the rest of the tool may ask of an operation without knowing its kind.
pub trait OperationFacts {
    /// The kind, as the workload file spells it.
    fn name(&self) -> &'static str;

    fn access(&self) -> Access;

    /// Query vectors per request, where there are any. Where there are none, an answer is counted in rows, not in hits.
    fn query_vectors(&self) -> Option<u32>;

    /// One request in a few words, for the plan that is shown.
    fn summary(&self) -> String;
}

impl OperationKind {
    /// What is known of it whatever its kind.
    pub fn facts(&self) -> &dyn OperationFacts {
        match self {
            Self::Search(search) => search,
            Self::Insert(insert) => insert,
            Self::Query(query) => query,
            Self::Get(get) => get,
        }
    }
}

/// Makes an operation of its table in the file; `None` where a problem says why not.
type Build = fn(&Section, &Collection, &mut Problems<'_>) -> Option<OperationKind>;

/// The kinds that the file may name, and how each is read.
pub(super) const KINDS: [(&str, Build); 4] = [
    ("search", |section, collection, problems| {
        search::build(section, collection, problems).map(OperationKind::Search)
    }),
    ("insert", |section, collection, problems| {
        insert::build(section, collection, problems).map(OperationKind::Insert)
    }),
    ("query", |section, collection, problems| {
        query::build(section, collection, problems).map(OperationKind::Query)
    }),
    ("get", |section, collection, problems| {
        get::build(section, collection, problems).map(OperationKind::Get)
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::keys;
    use crate::workload::kind::Kind;
    use crate::workload::tests::loaded;

    #[test]
    fn each_kind_is_a_choice_of_the_key_and_says_its_own_name() {
        let key = keys::find("operations[].kind").expect("is a key");
        let Kind::Choice { built, .. } = key.kind else { panic!("a choice") };
        assert_eq!(KINDS.map(|(name, _)| name), *built);
        for name in built {
            let text = format!("[load]\nrate = 1\n[[operations]]\nkind = \"{name}\"\n{}", needed(name));
            assert_eq!(loaded(&text, &[]).operations[0].kind.facts().name(), *name);
        }
    }

    /// The keys that a kind must be given.
    fn needed(kind: &str) -> &'static str {
        if kind == "query" { "limit = 10\n" } else { "" }
    }
}
