//! Reading single variables: what is empty counts as not set, what is wrong becomes a warning.

use std::time::Duration;

use super::{EnvWarning, Named};

/// What a variable has, read by `parse`: `None` is a value that is not accepted.
type Parse<'p, T> = &'p dyn Fn(&str) -> Option<T>;

/// Looks variables up and collects the warnings.
pub(super) struct Reader<'l> {
    lookup: &'l dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<EnvWarning>,
}

impl<'l> Reader<'l> {
    pub(super) fn new(lookup: &'l dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, warnings: Vec::new() }
    }

    /// A variable's value; empty is as good as not set (OpenTelemetry's specification of environment variables).
    pub(super) fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable's value as `parse` reads it; else a warning that says what is accepted.
    pub(super) fn value<T>(
        &mut self,
        variable: &'static str,
        accepted: &str,
        parse: Parse<T>,
    ) -> Option<Named<T>> {
        let text = self.text(variable)?;
        match parse(&text) {
            Some(value) => Some(Named { value, variable }),
            None => {
                self.warn(variable, Some(text), accepted);
                None
            }
        }
    }

    /// The first of these variables that is set and well formed: the signal's own before the general one.
    pub(super) fn first<T>(
        &mut self,
        variables: [&'static str; 2],
        accepted: &str,
        parse: Parse<T>,
    ) -> Option<Named<T>> {
        // Both are read, so that a mistake in the one that does not count is still told.
        let found = variables.map(|variable| self.value(variable, accepted, parse));
        found.into_iter().flatten().next()
    }

    /// Milliseconds, 1 to 2^31 - 1.
    pub(super) fn millis(&mut self, variable: &'static str) -> Option<Duration> {
        self.value(variable, MILLIS, &millis).map(|found| found.value)
    }

    /// A count from 1 to `most`; more than that is a warning too, and `most` is used.
    pub(super) fn count(&mut self, variable: &'static str, most: usize) -> Option<usize> {
        let accepted = format!("a whole number from 1 to {most}");
        let found =
            self.value(variable, &accepted, &|text| text.parse::<usize>().ok().filter(|count| *count > 0))?;
        if found.value > most {
            self.warn(variable, Some(found.value.to_string()), &format!("{accepted}; {most} is used"));
        }
        Some(found.value.min(most))
    }

    /// `value: None` keeps a secret out of the warning.
    pub(super) fn warn(&mut self, variable: &'static str, value: Option<String>, accepted: &str) {
        self.warnings.push(EnvWarning { variable, value, accepted: accepted.to_owned() });
    }
}

/// What [`millis`] takes, for warnings.
pub(super) const MILLIS: &str = "a whole number of milliseconds from 1 to 2147483647, without a unit";

pub(super) fn millis(text: &str) -> Option<Duration> {
    let millis: u64 = text.parse().ok()?;
    (1..=i32::MAX as u64).contains(&millis).then(|| Duration::from_millis(millis))
}
