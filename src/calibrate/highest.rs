//! The search for the highest rate that still holds.

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Highest {
    /// Not even the lowest one held.
    None,
    /// This one held, and a higher one did not.
    Found(f64),
    /// This one held, and none higher was to be tried.
    Limit(f64),
}

/// Doubles from `lowest` until a rate does not hold or `limit` is passed, then halves the gap `steps` times (on a
/// logarithmic scale).
///
/// # Errors
/// Whatever `holds` returns.
pub fn highest<E>(
    lowest: f64,
    limit: f64,
    steps: u32,
    mut holds: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Highest, E> {
    let (mut good, mut next) = (None, lowest);
    while next <= limit && holds(next)? {
        good = Some(next);
        next *= 2.0;
    }
    let Some(mut good) = good else { return Ok(Highest::None) };
    if next > limit {
        return Ok(Highest::Limit(good));
    }
    let mut bad = next;
    for _ in 0..steps {
        let middle = (good * bad).sqrt();
        if holds(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(Highest::Found(good))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// What a machine that holds `most` would be told, and which rates were tried.
    fn search(most: f64) -> (Highest, Vec<f64>) {
        let mut tried = vec![];
        let Ok(found) = highest(1_000.0, 10_000.0, 3, |rate| {
            tried.push(rate);
            Ok::<_, Infallible>(rate <= most)
        });
        (found, tried)
    }

    #[test]
    fn a_rate_that_held_below_one_that_did_not() {
        let (found, tried) = search(5_000.0);
        // Doubled: 1, 2, 4, 8 (fails). Then the geometric means: 5.66 fails, 4.76 holds, 5.19 fails.
        assert_eq!(tried.len(), 7);
        let Highest::Found(rate) = found else { panic!("{found:?}") };
        assert!((rate - 4_756.8).abs() < 0.1, "{rate}");
    }

    #[test]
    fn where_all_hold_the_last_is_a_limit_and_where_none_does_there_is_none() {
        assert_eq!(search(1e9).0, Highest::Limit(8_000.0));
        assert_eq!(search(10.0), (Highest::None, vec![1_000.0]));
    }

    #[test]
    fn a_failure_ends_the_search() {
        assert_eq!(highest(1.0, 8.0, 3, |rate| if rate < 4.0 { Ok(true) } else { Err(rate) }), Err(4.0));
    }
}
