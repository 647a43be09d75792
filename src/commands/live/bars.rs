//! Bars of one character each, and one that fills.

/// A value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// At least 0.
    Of(f64),
    /// Beyond all scales.
    Infinite,
    /// There is no value.
    Missing,
}

const LEVELS: [char; 8] =
    ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];

/// The highest value; `None`: there is none.
pub(super) fn highest(series: &[Bar]) -> Option<f64> {
    let known = series.iter().filter_map(|bar| if let Bar::Of(value) = bar { Some(*value) } else { None });
    known.fold(None, |highest, value| Some(highest.map_or(value, |highest: f64| highest.max(value))))
}

/// Each value as a bar, its height in proportion to the highest; `!` for an infinite one, `.` for a missing one.
pub(super) fn sparkline(series: &[Bar]) -> String {
    let highest = highest(series).unwrap_or(0.0);
    let bar = |bar: &Bar| match bar {
        Bar::Of(value) if highest > 0.0 => LEVELS[((value / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
        Bar::Of(_) => LEVELS[0],
        Bar::Infinite => '!',
        Bar::Missing => '.',
    };
    series.iter().map(bar).collect()
}

/// How much of something is over: the part before, and the part to come.
pub(super) fn filled(share: f64, width: usize) -> (String, String) {
    let before = ((share.clamp(0.0, 1.0) * width as f64) as usize).min(width);
    ("\u{2501}".repeat(before), "\u{2500}".repeat(width - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_in_proportion_to_the_highest() {
        let series = [0.0, 1.0, 4.0, 4.1, 7.9, 8.0].map(Bar::Of);
        assert_eq!(sparkline(&series), "\u{2581}\u{2581}\u{2584}\u{2585}\u{2588}\u{2588}");
        assert_eq!(sparkline(&[Bar::Of(0.0)]), "\u{2581}");
        assert_eq!(sparkline(&[Bar::Missing, Bar::Infinite]), ".!");
        assert_eq!(highest(&[Bar::Infinite, Bar::Missing]), None);
    }

    #[test]
    fn a_bar_is_as_long_as_it_should_be_however_full() {
        for share in [-1.0, 0.0, 0.34, 1.0, 7.0, f64::NAN] {
            let (before, after) = filled(share, 10);
            assert_eq!(before.chars().count() + after.chars().count(), 10);
        }
        assert_eq!(filled(0.39, 10).0.chars().count(), 3);
    }
}
