//! Marks in a plane, in characters.

/// Columns and lines of the plane, its axes not counted.
const COLUMNS: usize = 72;
const LINES: usize = 16;
/// Columns that the numbers of the vertical axis take.
const MARGIN: usize = 10;

/// One mark. Both places are finite, and above 0 on a logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    /// From left to right.
    pub x: f64,
    /// From bottom to top.
    pub y: f64,
    /// What is drawn. Of two in one place the later one is seen.
    pub mark: char,
}

/// How places on an axis are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
}

/// An axis: what it tells, its spacing, and its numbers in words.
pub(super) struct Axis<'a> {
    pub name: &'a str,
    pub scale: Scale,
    pub words: &'a dyn Fn(f64) -> String,
}

impl Axis<'_> {
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).ln(),
        }
    }

    fn value(&self, place: f64) -> f64 {
        match self.scale {
            Scale::Linear => place,
            Scale::Log => place.exp(),
        }
    }

    /// The places of the lowest and the highest value; never the same.
    fn range(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (low, high) = values
            .map(|value| self.place(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
        // A range of nothing would have every mark at its edge.
        let spare = if high - low > 1e-9 { 0.0 } else { low.abs().max(1.0) * 0.05 };
        (low - spare, high + spare)
    }
}

/// Draws the marks between their lowest and highest values; nothing where there are none.
pub(super) fn scatter(marks: &[Mark], across: &Axis<'_>, up: &Axis<'_>) -> Vec<String> {
    if marks.is_empty() {
        return Vec::new();
    }
    let (left, right) = across.range(marks.iter().map(|mark| mark.x));
    let (bottom, top) = up.range(marks.iter().map(|mark| mark.y));
    let mut cells = vec![vec![' '; COLUMNS]; LINES];
    for mark in marks {
        let column = cell(across.place(mark.x), (left, right), COLUMNS);
        let line = LINES - 1 - cell(up.place(mark.y), (bottom, top), LINES);
        cells[line][column] = mark.mark;
    }
    let mut lines = vec![up.name.to_owned()];
    for (index, row) in cells.iter().enumerate() {
        let at = top - (top - bottom) * index as f64 / (LINES - 1) as f64;
        let told = index % 5 == 0;
        let number = if told { (up.words)(up.value(at)) } else { String::new() };
        let rule = if told { '+' } else { '|' };
        let row: String = row.iter().collect();
        lines.push(format!("{number:>MARGIN$} {rule}{}", row.trim_end()));
    }
    lines.push(format!("{:>MARGIN$} +{}", "", "-".repeat(COLUMNS)));
    lines.push(numbers_below(across, (left, right)));
    lines
}

fn cell(place: f64, (low, high): (f64, f64), cells: usize) -> usize {
    let share = ((place - low) / (high - low)).clamp(0.0, 1.0);
    (share * (cells - 1) as f64).round() as usize
}

/// The lowest, the middle and the highest value, and what they are.
fn numbers_below(axis: &Axis<'_>, (low, high): (f64, f64)) -> String {
    let at = |share: f64| (axis.words)(axis.value(low + (high - low) * share));
    let mut line = format!("{:width$}{}", "", at(0.0), width = MARGIN + 2);
    for (text, end) in [(at(0.5), COLUMNS / 2), (format!("{} {}", at(1.0), axis.name), COLUMNS)] {
        let start = (MARGIN + 2 + end).saturating_sub(text.chars().count());
        let padding = start.saturating_sub(line.chars().count()).max(1);
        line.push_str(&" ".repeat(padding));
        line.push_str(&text);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(marks: &[(f64, f64, char)], scale: Scale) -> Vec<String> {
        let marks: Vec<_> = marks.iter().map(|&(x, y, mark)| Mark { x, y, mark }).collect();
        let words = |value: f64| format!("{value:.0}");
        let axis = |name| Axis { name, scale, words: &words };
        scatter(&marks, &axis("across"), &axis("up"))
    }

    #[test]
    fn marks_stand_where_their_values_say() {
        let lines = drawn(&[(1.0, 1.0, 'a'), (10.0, 10.0, 'b'), (100.0, 100.0, 'c')], Scale::Log);
        assert_eq!(lines[0], "up");
        assert_eq!(lines[1], format!("       100 +{}c", " ".repeat(COLUMNS - 1)));
        assert_eq!(lines[LINES], format!("         1 +a"), "{lines:#?}");
        let middle = lines.iter().find(|line| line.contains('b')).unwrap();
        assert_eq!(middle.find('b').unwrap() - MARGIN - 2, COLUMNS / 2, "10 is half way from 1 to 100");
        assert!(lines[LINES + 2].trim_start().starts_with('1'), "{lines:#?}");
        assert!(lines[LINES + 2].ends_with("100 across"));
    }

    #[test]
    fn no_mark_is_no_drawing_and_one_is_no_division_by_0() {
        assert!(drawn(&[], Scale::Linear).is_empty());
        assert!(drawn(&[(5.0, 0.0, 'a')], Scale::Linear).iter().any(|line| line.contains('a')));
    }
}
