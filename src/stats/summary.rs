//! Count, mean and standard deviation of one group.

use super::error::StatsError;

/// What Welch's comparison needs to know of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many values.
    pub n: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation, divided by n - 1.
    pub sd: f64,
}

impl Summary {
    /// Of these values.
    ///
    /// # Errors
    /// Below two values, or where one is not finite.
    pub fn of(values: &[f64]) -> Result<Self, StatsError> {
        if values.len() < 2 {
            return Err(StatsError::TooFew { have: values.len(), need: 2 });
        }
        if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
            return Err(StatsError::NotFinite { value });
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        Ok(Self { n, mean, sd: (squares / (n - 1.0)).sqrt() })
    }

    /// From a standard deviation that was divided by n.
    pub fn from_population(n: u64, mean: f64, sd_over_n: f64) -> Self {
        let n = n as f64;
        Self { n, mean, sd: sd_over_n * (n / (n - 1.0).max(1.0)).sqrt() }
    }

    /// Squared standard error of the mean.
    pub(super) fn squared_error(self) -> f64 {
        self.sd * self.sd / self.n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_made_numbers() {
        // 2, 4, 4, 4, 5, 5, 7, 9: squares around the mean 5 sum to 32.
        let got = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((got.n, got.mean), (8.0, 5.0));
        assert!((got.sd - (32f64 / 7.0).sqrt()).abs() < 1e-15);
        let same = Summary::from_population(8, 5.0, 2.0);
        assert!((same.sd - got.sd).abs() < 1e-15);
    }

    #[test]
    fn one_value_has_no_spread_and_infinity_no_mean() {
        assert_eq!(Summary::of(&[1.0]), Err(StatsError::TooFew { have: 1, need: 2 }));
        let infinite = Summary::of(&[1.0, f64::INFINITY]);
        assert_eq!(infinite, Err(StatsError::NotFinite { value: f64::INFINITY }));
    }
}
