//! An estimate with the interval that it lies in, on the scale that people read.

/// An estimate and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The point, within the interval.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Symmetric around `estimate`.
    pub fn around(estimate: f64, half_width: f64) -> Self {
        Self { estimate, low: estimate - half_width, high: estimate + half_width }
    }

    /// Each of the three numbers through `f`; where `f` falls, the ends change places.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (f(self.low), f(self.high));
        Self { estimate: f(self.estimate), low: a.min(b), high: a.max(b) }
    }

    /// From a difference of natural logarithms to the relative change that it is: 0.0953 becomes 0.1, which is 10 %.
    ///
    /// Exact for the ends, as the exponential keeps the order. The estimate is then the ratio of geometric means,
    /// less 1.
    pub fn relative_from_logs(self) -> Self {
        self.map(f64::exp_m1)
    }

    /// Half the distance of its ends.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether `value` lies in it, ends included.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_logs_is_a_ratio_less_one() {
        let logs = Interval { estimate: 2f64.ln(), low: 0.0, high: 4f64.ln() };
        let relative = logs.relative_from_logs();
        assert!((relative.estimate - 1.0).abs() < 1e-15 && relative.low == 0.0);
        assert!((relative.high - 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_falling_map_exchanges_the_ends() {
        let got = Interval { estimate: 1.0, low: 0.0, high: 3.0 }.map(|x| -x);
        assert_eq!(got, Interval { estimate: -1.0, low: -3.0, high: 0.0 });
    }

    #[test]
    fn its_ends_belong_to_it() {
        let interval = Interval::around(1.0, 0.5);
        assert!(interval.contains(0.5) && interval.contains(1.5) && !interval.contains(1.5001));
        assert_eq!(interval.half_width(), 0.5);
    }
}
