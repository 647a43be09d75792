//! Values of scalar fields: one of `distinct` for every row, and the same set to draw filter values from.

use super::hash::{Domain, mix};

/// A scalar value in the form it is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarValue {
    Bool(bool),
    /// 32- or 64-bit integer.
    Int(i64),
    /// 32- or 64-bit float.
    Float(f64),
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

    /// How often each value occurs in rows 0 to `rows` - 1; 4 bytes per row.
    pub fn occurrences(&self, rows: u64) -> Occurrences {
        // There are at most 2 billion different values.
        let mut sorted: Vec<u32> = (0..rows).map(|row| self.of_row(row) as u32).collect();
        sorted.sort_unstable();
        Occurrences { sorted }
    }

    /// The index of the value drawn for filter number `place`, below `distinct`.
    pub fn of_filter(&self, place: u64) -> u64 {
        mix(self.seed, Domain::Filter, place) % self.distinct
    }
}

/// How often each value occurs in some rows; values by their index.
#[derive(Clone, Debug)]
pub struct Occurrences {
    sorted: Vec<u32>,
}

impl Occurrences {
    /// Rows that have this value.
    pub fn of(&self, value: u64) -> u64 {
        self.sorted.partition_point(|other| u64::from(*other) <= value) as u64 - self.below(value)
    }

    /// Rows that have a value before this one.
    pub fn below(&self, value: u64) -> u64 {
        self.sorted.partition_point(|other| u64::from(*other) < value) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_are_those_of_the_rows() {
        let source = ScalarSource::new(42, 3, 7);
        let occurrences = source.occurrences(1_000);
        for value in 0..8 {
            let count =
                |is: &dyn Fn(u64) -> bool| (0..1_000).filter(|row| is(source.of_row(*row))).count() as u64;
            assert_eq!(occurrences.of(value), count(&|other| other == value));
            assert_eq!(occurrences.below(value), count(&|other| other < value));
        }
        assert_eq!(source.occurrences(0).of(0), 0);
    }

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
