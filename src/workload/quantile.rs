//! Percentiles as people write them: `p99`, `p99.9`.

/// Why a percentile is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantileError {
    /// 100 or more.
    #[error(
        "{0} is no percentile: percentiles are above 0 and below 100, so write p99.9 for the slowest in a thousand, or max"
    )]
    OutOfRange(String),
}

/// Reads `p50`, `p99.9` as 0.5, 0.999; `None` where it does not look like a percentile.
pub(super) fn parse(text: &str) -> Option<Result<f64, QuantileError>> {
    let digits = text.strip_prefix(['p', 'P'])?;
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent: f64 = digits.parse().ok().filter(|_| decimal)?;
    if percent <= 0.0 || percent >= 100.0 {
        return Some(Err(QuantileError::OutOfRange(text.to_owned())));
    }
    // Read again two places further left: 99.9 / 100.0 is not the double nearest to 0.999.
    Some(Ok(format!("{digits}e-2").parse().unwrap_or(percent / 100.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_become_the_nearest_fraction() {
        let rows =
            [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("P99.99", 0.9999), ("p7", 0.07), ("p29", 0.29)];
        for (text, fraction) in rows {
            assert_eq!(parse(text), Some(Ok(fraction)), "{text}");
        }
    }

    #[test]
    fn a_hundred_and_more_is_refused() {
        for text in ["p100", "p101", "p999", "p0", "p0.0"] {
            assert!(matches!(parse(text), Some(Err(_))), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_percentiles() {
        for text in ["", "p", "99", "max", "p1e1", "p-1", "pinf", "p9.", "p.9", "p9.9.9", "50ms"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
