//! The server's own fraction, from how many of many requests without a header it traced.

/// For what is told: 95 %.
const TOLD: f64 = 1.959_964;
/// For a contradiction: 99.9 %, so that a sound server is hardly ever accused.
const CONTRADICTED: f64 = 3.290_527;

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traced {
    pub traced: u64,
    pub sent: u64,
}

impl Traced {
    pub fn share(self) -> f64 {
        self.traced.min(self.sent) as f64 / self.sent.max(1) as f64
    }

    /// Wilson's interval at 95 %.
    pub fn interval(self) -> (f64, f64) {
        self.wilson(TOLD)
    }

    /// Whether it cannot be that fraction.
    pub fn contradicts(self, fraction: f64) -> bool {
        let (low, high) = self.wilson(CONTRADICTED);
        fraction < low || fraction > high
    }

    /// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    fn wilson(self, z: f64) -> (f64, f64) {
        let (n, p) = (self.sent.max(1) as f64, self.share());
        let scale = 1.0 + z * z / n;
        let middle = (p + z * z / (2.0 * n)) / scale;
        let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        // At the ends it is exact, and rounding would leave a little.
        let low = if self.traced == 0 { 0.0 } else { middle - half };
        let high = if self.traced >= self.sent { 1.0 } else { middle + half };
        (low.max(0.0), high.min(1.0))
    }

    /// `60 of 300 traced: about 20 % (16 to 25 %)`.
    pub fn sentence(self) -> String {
        let (low, high) = self.interval();
        if self.traced == 0 {
            return format!("none of {} traced: the fraction is {:.0} % at most", self.sent, high * 100.0);
        }
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        let (low, about, high) = (percent(low), percent(self.share()), percent(high));
        format!("{} of {} traced: about {about} % ({low} to {high} %)", self.traced.min(self.sent), self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published values of Wilson's interval: Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    #[test]
    fn the_interval_is_the_published_one() {
        for (traced, sent, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = Traced { traced, sent }.interval();
            assert!((l - low).abs() < 6e-5 && (h - high).abs() < 6e-5, "{traced} of {sent}: {l} to {h}");
        }
    }

    #[test]
    fn it_is_told_in_one_line() {
        let told = |traced| Traced { traced, sent: 300 }.sentence();
        assert_eq!(told(0), "none of 300 traced: the fraction is 1 % at most");
        assert_eq!(told(60), "60 of 300 traced: about 20 % (16 to 25 %)");
        assert_eq!(told(300), "300 of 300 traced: about 100 % (99 to 100 %)");
    }

    #[test]
    fn a_fraction_is_contradicted_only_where_it_is_far_off() {
        let seen = |traced| Traced { traced, sent: 300 };
        assert!(seen(0).contradicts(0.1) && seen(300).contradicts(0.0) && seen(60).contradicts(0.5));
        assert!(!seen(0).contradicts(0.0) && !seen(300).contradicts(1.0) && !seen(60).contradicts(0.2));
        assert!(!seen(0).contradicts(0.01), "3 are expected, and none is no wonder");
    }
}
