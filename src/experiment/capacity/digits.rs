//! Rates to four digits: what is offered can be typed, and a limit that is tried is reached exactly.

/// The nearest one.
pub(super) fn rounded(rate: f64) -> f64 {
    let factor = factor(rate);
    let rounded = (rate * factor).round() / factor;
    if rounded > 0.0 { rounded } else { rate }
}

/// The lowest one that is not below.
pub(super) fn rounded_up(rate: f64) -> f64 {
    let near = rounded(rate);
    if near >= rate { near } else { ((near * factor(rate)).round() + 1.0) / factor(rate) }
}

/// The highest one that is not above.
pub(super) fn rounded_down(rate: f64) -> f64 {
    let near = rounded(rate);
    if near <= rate { near } else { ((near * factor(rate)).round() - 1.0) / factor(rate) }
}

fn factor(rate: f64) -> f64 {
    10_f64.powi(3 - rate.log10().floor() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_offered_to_four_digits() {
        let rates = [123.456, 0.001_234_56, 98_765.4, 100.0];
        assert_eq!(rates.map(rounded), [123.5, 0.001_235, 98_770.0, 100.0]);
        assert_eq!(rates.map(rounded_up), [123.5, 0.001_235, 98_770.0, 100.0]);
        assert_eq!(rates.map(rounded_down), [123.4, 0.001_234, 98_760.0, 100.0]);
        assert_eq!([11.2649, 9.9999, 1e7].map(rounded_up), [11.27, 10.0, 1e7]);
        assert_eq!([11.2651, 9.9999, 1e7].map(rounded_down), [11.26, 9.999, 1e7]);
    }

    #[test]
    fn a_rounded_limit_is_rounded_to_itself() {
        for k in 1..20_000_u32 {
            let rate = f64::from(k) * 0.137;
            for limit in [rounded_up(rate), rounded_down(rate)] {
                assert_eq!([rounded(limit), rounded_up(limit), rounded_down(limit)], [limit; 3], "{rate}");
            }
            assert!(rounded_down(rate) <= rate && rate <= rounded_up(rate), "{rate}");
        }
    }
}
