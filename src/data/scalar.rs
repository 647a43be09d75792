//! Values of scalar fields: one of `distinct` for every row, and the same set to draw filter values from.

use super::hash::{Domain, mix};

/// A scalar value in the form it is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarValue {
    /// Boolean.
    Bool(bool),
    /// 32- or 64-bit integer.
    Int(i64),
    /// 32- or 64-bit float.
    Float(f64),
    /// Text.
    Text(String),
}

/// As a filter expression spells it; text comes without quotes, which the filter brings.
impl std::fmt::Display for ScalarValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            // `{:?}` keeps the point of whole numbers, so that the server reads a float.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// Which of a field's values a place gets; uniform over `distinct` values, independent between fields.
#[derive(Clone, Debug)]
pub struct ScalarSource {
    seed: u64,
    distinct: u64,
}

impl ScalarSource {
    /// `field` is the field's place among the scalars; `distinct` is at least 1.
    pub fn new(seed: u64, field: u64, distinct: u64) -> Self {
        Self { seed: mix(seed, Domain::Scalar, field), distinct: distinct.max(1) }
    }

    /// The index of row `row`'s value, below `distinct`.
    pub fn of_row(&self, row: u64) -> u64 {
        mix(self.seed, Domain::Scalar, row) % self.distinct
    }

    /// The index of the value drawn for filter number `place`, below `distinct`.
    pub fn of_filter(&self, place: u64) -> u64 {
        mix(self.seed, Domain::Filter, place) % self.distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_occurs_about_equally_often() {
        let source = ScalarSource::new(42, 0, 10);
        let mut counts = [0u32; 10];
        (0..10_000).for_each(|row| counts[source.of_row(row) as usize] += 1);
        // Chi-square with 9 degrees of freedom: 27.9 is its 99.9 % point.
        let chi: f64 = counts.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 27.9, "{counts:?}");
    }

    #[test]
    fn fields_are_independent_of_each_other() {
        let (a, b) = (ScalarSource::new(42, 0, 2), ScalarSource::new(42, 1, 2));
        let same = (0..10_000).filter(|&row| a.of_row(row) == b.of_row(row)).count();
        assert!((4_750..5_250).contains(&same), "{same}");
    }
}
