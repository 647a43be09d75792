//! The mark that a collection of ours carries in its description: that this tool made it, for which owner, out of what.
//!
//! The name alone is no ownership: a collection without a mark is never dropped, rebuilt or written to by set-up. Which
//! collections may be dropped because their data differ is decided by the owner that the mark names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// What the description of every collection of ours starts with; the mark follows as JSON.
const MADE_BY: &str = "made by milvus-load ";
/// The same, of marks before there were versions.
const MADE_BY_FIRST: &str = "made by milvus-load, fingerprint ";
/// The version of marks as they are written here. To be raised whenever a part of the fingerprint is computed in another way.
const VERSION: u64 = 2;

/// What a collection's mark says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    #[serde(rename = "mark")]
    version: u64,
    /// Who may have it built anew; `None` where it names nobody, which makes it another's.
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
}

impl Mark {
    /// The mark of a collection that is about to be made.
    pub const fn new(owner: String, fingerprint: Fingerprint) -> Self {
        Self { version: VERSION, owner: Some(owner), fingerprint }
    }
}

/// As a collection's description carries it.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts and numbers always have a JSON form.
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        write!(f, "{MADE_BY}{json}")
    }
}

/// Who made a collection, as far as its description tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Somebody else, with whatever means.
    Other,
    /// This tool, in a version whose mark says something that cannot be compared here.
    OtherVersion {
        /// The mark's version; 1 named no owner.
        mark: u64,
    },
    /// This tool.
    Us(Mark),
}

impl Maker {
    /// Reads a collection's description.
    pub fn of(description: &str) -> Self {
        #[derive(Deserialize)]
        struct Version {
            mark: u64,
        }
        if description.starts_with(MADE_BY_FIRST) {
            return Self::OtherVersion { mark: 1 };
        }
        let Some(json) = description.strip_prefix(MADE_BY) else { return Self::Other };
        match serde_json::from_str(json) {
            Ok(Version { mark: VERSION }) => serde_json::from_str(json).map_or(Self::Other, Self::Us),
            Ok(Version { mark }) => Self::OtherVersion { mark },
            // Words that only begin like a mark.
            Err(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        Fingerprint { rows: 3, schema: "s".into(), index: "i".into(), data: "d".into() }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark::new("ann \"x\"@box".into(), fingerprint());
        let text = mark.to_string();
        assert_eq!(
            text,
            r#"made by milvus-load {"mark":2,"owner":"ann \"x\"@box","rows":3,"schema":"s","index":"i","data":"d"}"#
        );
        assert_eq!(Maker::of(&text), Maker::Us(mark));
    }

    #[test]
    fn only_the_mark_makes_a_collection_ours() {
        let text = Mark::new("ann".into(), fingerprint()).to_string();
        for other in ["", "ab", "my collection", &format!("copied: {text}"), "made by milvus-load and me"] {
            assert_eq!(Maker::of(other), Maker::Other, "{other}");
        }
        // A mark that lacks a part proves nothing.
        assert_eq!(Maker::of(&text.replace("\"rows\":3,", "")), Maker::Other);
    }

    #[test]
    fn a_mark_without_an_owner_is_nobodys_and_later_fields_are_passed_over() {
        let text = Mark::new("ann".into(), fingerprint()).to_string();
        let Maker::Us(mark) = Maker::of(&text.replace("\"owner\":\"ann\",", "\"later\":1,")) else {
            panic!("a mark")
        };
        assert_eq!((mark.owner, mark.fingerprint), (None, fingerprint()));
    }

    #[test]
    fn marks_of_other_versions_are_known_as_ours_and_compared_with_nothing() {
        let first = "made by milvus-load, fingerprint 0123456789abcdef0123456789abcdef";
        assert_eq!(Maker::of(first), Maker::OtherVersion { mark: 1 });
        assert_eq!(Maker::of("made by milvus-load {\"mark\":3}"), Maker::OtherVersion { mark: 3 });
    }
}
