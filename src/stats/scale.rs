//! From a cost in logarithms to a relative change of the metric, whichever way the metric is better.

use super::interval::Interval;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// As a time: a cost makes it larger.
    Lower,
    /// As a throughput: a cost makes it smaller.
    Higher,
}

impl Better {
    /// 1 where larger is a cost, -1 where smaller is.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Lower => 1.0,
            Self::Higher => -1.0,
        }
    }

    /// Relative change of the metric from an interval of cost in logarithms.
    pub(super) fn change(self, cost: Interval) -> Interval {
        cost.map(|x| self.sign() * x).relative_from_logs()
    }

    /// Size of the change for the worse that a cost in logarithms makes; negative for the better.
    pub fn worse_by(self, cost: f64) -> f64 {
        self.sign() * (self.sign() * cost).exp_m1()
    }

    /// Cost in logarithms of a change for the worse of this size. A loss of 1 or more is infinite.
    pub(super) fn cost_of(self, worse_by: f64) -> f64 {
        match self {
            Self::Lower => worse_by.ln_1p(),
            Self::Higher => -(-worse_by.min(1.0)).ln_1p(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_throughput_is_twice_the_time() {
        let twice = Interval { estimate: 2f64.ln(), low: 0.0, high: 4f64.ln() };
        let (time, throughput) = (Better::Lower.change(twice), Better::Higher.change(twice));
        assert!((time.estimate - 1.0).abs() < 1e-15 && (time.high - 3.0).abs() < 1e-15);
        assert!((throughput.estimate + 0.5).abs() < 1e-15 && (throughput.low + 0.75).abs() < 1e-15);
        assert!((Better::Higher.worse_by(2f64.ln()) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn cost_and_size_are_inverse_to_each_other() {
        for better in [Better::Lower, Better::Higher] {
            for cost in [-0.3, 0.0, 0.02, 0.7] {
                assert!((better.cost_of(better.worse_by(cost)) - cost).abs() < 1e-15);
            }
        }
        assert_eq!(Better::Higher.cost_of(1.5), f64::INFINITY);
    }
}
