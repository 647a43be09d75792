//! The median of paired ratios with an interval that assumes no distribution.

/// A median and what it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

impl Median {
    /// The median of `values` (at least 6), between order statistics that enclose it with at least 95 %: each value lies
    /// below the true median with probability 1/2, so the count of those that do is binomial (Conover, Practical
    /// Nonparametric Statistics, section 3.2).
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let outside = outside(n);
        let middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Self { low: sorted[outside], middle, high: sorted[n - 1 - outside] }
    }
}

/// How many values at each end lie outside the interval.
fn outside(n: usize) -> usize {
    let (mut outside, mut tail, mut term) = (0usize, 0.0, 0.5f64.powi(n as i32));
    loop {
        tail += term;
        if 2.0 * tail > 0.05 {
            return outside.saturating_sub(1);
        }
        outside += 1;
        term *= (n + 1 - outside) as f64 / outside as f64;
    }
}

impl std::fmt::Display for Median {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} [{:.digits$}, {:.digits$}]", self.middle, self.low, self.high)
    }
}
