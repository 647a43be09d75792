//! Drawings in characters: intervals beneath each other, and a line of bars.

/// One line of a forest plot.
pub(super) struct Interval {
    pub label: String,
    pub low: f64,
    pub estimate: f64,
    pub high: f64,
    /// What it comes to, in a word or two; may be empty.
    pub note: String,
}

/// Characters across.
const ACROSS: usize = 61;

/// Intervals on one scale with zero marked; what lies within `band` of it is shaded. `show` writes the ends of the scale.
pub(super) fn forest(rows: &[Interval], band: f64, show: &dyn Fn(f64) -> String) -> Vec<String> {
    let ends = rows.iter().flat_map(|row| [row.low.abs(), row.high.abs()]).chain([band]);
    let reach = ends.filter(|end| end.is_finite()).fold(1e-9, f64::max);
    let width = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    let column = |value: f64| {
        let place = (value / reach).clamp(-1.0, 1.0) * (ACROSS / 2) as f64 + (ACROSS / 2) as f64;
        (place.round() as usize).min(ACROSS - 1)
    };
    let line = |row: &Interval| {
        let mut cells = vec![' '; ACROSS];
        cells[column(-band)..=column(band)].fill('\u{2591}');
        cells[column(0.0)] = '\u{2502}';
        cells[column(row.low)..=column(row.high)].fill('\u{2500}');
        cells[column(row.low)] = '\u{251c}';
        cells[column(row.high)] = '\u{2524}';
        cells[column(row.estimate)] = '\u{25cf}';
        let drawn: String = cells.into_iter().collect();
        format!("{:>width$} {drawn}  {}", row.label, row.note).trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let (left, right) = (show(-reach), show(reach));
    let middle = (ACROSS - 1) / 2;
    let before = " ".repeat(middle.saturating_sub(left.chars().count()));
    let after = " ".repeat((ACROSS - middle - 1).saturating_sub(right.chars().count()));
    lines.push(format!("{:>width$} {left}{before}0{after}{right}", ""));
    lines
}

/// One bar of eight heights per value, from the lowest to the highest; a dot where there is none.
pub(super) fn sparkline(values: &[Option<f64>], low: f64, high: f64) -> String {
    const BARS: [char; 8] =
        ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
    let bar = |value: &Option<f64>| {
        let Some(value) = value else { return '.' };
        let height = if high > low { (value - low) / (high - low) } else { 0.0 };
        BARS[((height.clamp(0.0, 1.0) * 7.0).round() as usize).min(7)]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_lies_where_its_numbers_say() {
        let rows =
            [Interval { label: "at 1".into(), low: 0.05, estimate: 0.075, high: 0.1, note: "costs".into() }];
        let lines = forest(&rows, 0.02, &|share| format!("{:+.0} %", share * 100.0));
        let cells: Vec<char> = lines[0].chars().skip("at 1 ".len()).collect();
        assert_eq!((cells[30], cells[45], cells[60]), ('\u{2502}', '\u{251c}', '\u{2524}'));
        // 22.5 of 30 columns.
        assert_eq!(cells.iter().position(|c| *c == '\u{25cf}'), Some(53));
        assert_eq!(cells.iter().filter(|c| **c == '\u{2591}').count(), 12, "6 on either side of zero");
        assert!(lines[0].ends_with("\u{2524}  costs"), "{}", lines[0]);
        assert!(lines[1].contains("-10 %") && lines[1].ends_with("+10 %"), "{}", lines[1]);
    }

    #[test]
    fn bars_go_from_the_lowest_to_the_highest() {
        assert_eq!(sparkline(&[Some(1.0), None, Some(2.0)], 1.0, 2.0), "\u{2581}.\u{2588}");
        assert_eq!(sparkline(&[Some(1.0)], 1.0, 1.0), "\u{2581}");
    }
}
