//! What is said over the file: flags, `--set`, environment variables. Names them and ranks them; what they mean is
//! decided where the file's own keys are.

use std::fmt;

use super::Origin;

/// One setting said outside the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// Dotted path: `load.rate`, `operations.search.top_k`.
    pub key: String,
    /// As written. Read as TOML where that is what the key takes, else as plain text.
    pub value: String,
    pub origin: Origin,
}

impl Override {
    /// A shortcut flag, named with its dashes.
    pub fn flag(name: &str, key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), origin: Origin::Flag(name.to_owned()) }
    }

    pub fn environment(variable: &str, key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), origin: Origin::Environment(variable.to_owned()) }
    }

    /// The argument of `--set`.
    ///
    /// # Errors
    /// Where it is not `key=value`. The argument itself is not told: it may hold a secret.
    pub fn set(argument: &str) -> Result<Self, SetError> {
        let (key, value) = argument.split_once('=').ok_or(SetError)?;
        let key = key.trim();
        if key.is_empty() {
            return Err(SetError);
        }
        Ok(Self { key: key.to_owned(), value: value.trim().to_owned(), origin: Origin::Set })
    }
}

/// `--set` with something else than `key=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--set takes key=value with a dotted key, such as --set load.rate=200 or --set operations.search.top_k=100"
)]
pub struct SetError;

/// The value is left out: it may be a token or a URI with a password.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override")
            .field("key", &self.key)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What the environment says of Milvus: `MILVUS_URI` and `MILVUS_TOKEN`; empty ones count as unset.
pub fn milvus_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<Override> {
    [("MILVUS_URI", "target.uri"), ("MILVUS_TOKEN", TOKEN)]
        .into_iter()
        .filter_map(|(name, key)| {
            let value = variable(name).filter(|value| !value.trim().is_empty())?;
            Some(Override::environment(name, key, value))
        })
        .collect()
}

/// The one key whose value is a secret; only the environment may say it.
pub(super) const TOKEN: &str = "target.token";

/// Higher wins: flag and `--set`, then environment, then file, then default.
pub(super) const fn rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Flag(_) | Origin::Set => 3,
        Origin::Environment(_) => 2,
        Origin::File { .. } => 1,
        Origin::Default => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_splits_at_the_first_equals_sign() {
        let set = Override::set("operations.search.filter=a == 1").expect("has an equals sign");
        assert_eq!((set.key.as_str(), set.value.as_str()), ("operations.search.filter", "a == 1"));
        assert!(Override::set("load.rate").is_err());
        assert!(Override::set("=3").is_err());
    }

    #[test]
    fn no_value_is_shown_in_debug_output() {
        let token = Override::environment("MILVUS_TOKEN", TOKEN, "hunter2");
        assert!(!format!("{token:?}").contains("hunter2"));
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let said = milvus_environment(|name| (name == "MILVUS_URI").then(|| " ".to_owned()));
        assert_eq!(said, []);
        let said = milvus_environment(|name| Some(format!("value of {name}")));
        assert_eq!(said.iter().map(|o| o.key.as_str()).collect::<Vec<_>>(), ["target.uri", TOKEN]);
    }
}
