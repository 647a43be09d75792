//! Intervals drawn in characters, one above the other.

/// Columns for intervals.
const COLUMNS: usize = 49;

/// A name and the interval that belongs to it, as shares.
pub(super) struct Row {
    pub name: String,
    pub low: f64,
    pub estimate: f64,
    pub high: f64,
}

/// One line for each row, on one scale that shows 0 and reaches at most to -100 % and +100 %; beyond, an interval ends in `<` or `>`. None
/// where there is nothing to see.
pub(super) fn forest(rows: &[Row]) -> Vec<String> {
    let low = rows.iter().map(|row| row.low).fold(0.0, f64::min).max(-1.0);
    let high = rows.iter().map(|row| row.high).fold(0.0, f64::max).min(1.0);
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    if high - low <= 0.0 {
        return Vec::new();
    }
    let column = |share: f64| {
        let place = (share.clamp(low, high) - low) / (high - low) * (COLUMNS - 1) as f64;
        place.round() as usize
    };
    let line = |row: &Row| {
        let mut drawn = [' '; COLUMNS];
        drawn[column(0.0)] = ':';
        drawn[column(row.low)..=column(row.high)].fill('-');
        drawn[column(row.low)] = if row.low < low { '<' } else { '|' };
        drawn[column(row.high)] = if row.high > high { '>' } else { '|' };
        if (low..=high).contains(&row.estimate) {
            drawn[column(row.estimate)] = 'o';
        }
        let drawn: String = drawn.iter().collect();
        format!("{:<width$}  {}", row.name, drawn.trim_end())
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.push(format!("{:<width$}  {}", "", axis(low, high, column(0.0))));
    lines
}

/// The ends of the scale, and 0 where there is room for it.
fn axis(low: f64, high: f64, zero: usize) -> String {
    let label = |share: f64| if share == 0.0 { "0".to_owned() } else { format!("{:+.1} %", share * 100.0) };
    let (left, right) = (label(low), label(high));
    let middle = if low < 0.0 && high > 0.0 { "0" } else { "" };
    let before_right = COLUMNS.saturating_sub(right.chars().count());
    let mut text = left;
    if zero > text.chars().count() && zero + 1 < before_right {
        text = format!("{text:<zero$}{middle}");
    }
    format!("{text:<before_right$}{right}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, low: f64, estimate: f64, high: f64) -> Row {
        Row { name: name.into(), low, estimate, high }
    }

    #[test]
    fn intervals_stand_on_one_scale_with_zero_in_it() {
        // 48 steps from -12 % to +36 %: one per percent.
        let lines = forest(&[row("a", 0.04, 0.1, 0.36), row("longer", -0.12, -0.02, 0.0)]);
        assert_eq!(lines[0], format!("a       {}:   |-----o{}|", " ".repeat(12), "-".repeat(25)));
        assert_eq!(lines[1], "longer  |---------o-|");
        assert_eq!(lines[2], format!("        -12.0 %     0{}+36.0 %", " ".repeat(29)));
    }

    #[test]
    fn what_is_off_the_scale_points_there_and_nothing_draws_nothing() {
        let lines = forest(&[row("a", 0.5, 2.0, 3.0)]);
        assert!(lines[0].ends_with("|----------------------->") && !lines[0].contains('o'), "{lines:?}");
        assert!(lines[1].trim_start().starts_with('0') && lines[1].ends_with("+100.0 %"), "{lines:?}");
        assert!(forest(&[]).is_empty() && forest(&[row("a", 0.0, 0.0, 0.0)]).is_empty());
    }
}
