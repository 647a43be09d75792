//! Whether a column is in order, by another reading of its numbers than the script's.

use serde::Deserialize;

/// A column of a table, and what clicks on its heading made of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sort {
    table: String,
    heading: String,
    /// Its order says something.
    is_fixed: bool,
    has_button: bool,
    before: Vec<String>,
    first: Option<Press>,
    second: Option<Press>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Press {
    cells: Vec<String>,
    says: Option<String>,
    /// Whether it still has the same rows, each as it was.
    is_whole: bool,
}

pub fn problems(sort: &Sort) -> Vec<String> {
    let name = format!("{:?}, column {:?}", sort.table, sort.heading);
    let mut problems = Vec::new();
    // Two rows and fewer are seen at once; a column without heading has nothing to click on.
    let wants_button = !sort.is_fixed && sort.before.len() > 2 && !sort.heading.is_empty();
    if wants_button != sort.has_button {
        problems.push(format!("{name}: {} button", if sort.has_button { "a" } else { "no" }));
    }
    for (press, word, is_up) in [(&sort.first, "ascending", true), (&sort.second, "descending", false)] {
        let Some(press) = press else { continue };
        if press.says.as_deref() != Some(word) {
            problems.push(format!("{name}: says {:?}, not {word}", press.says));
        }
        if !press.is_whole {
            problems.push(format!("{name}: other rows than before"));
        }
        // A row may count bytes where another one counts seconds; and numbers come before words.
        let values: Vec<Option<(f64, &str)>> = press.cells.iter().map(|cell| number(cell)).collect();
        let is_ordered = ["", "us", "B"].iter().all(|base| {
            let of = values.iter().flatten().filter(|(_, unit)| unit == base).map(|(value, _)| *value);
            if is_up { of.is_sorted() } else { of.is_sorted_by(|one, other| one >= other) }
        });
        let words = values.iter().map(Option::is_none);
        let are_apart = if is_up { words.is_sorted() } else { words.rev().is_sorted() };
        if !is_ordered || !are_apart {
            problems.push(format!("{name}, {word}: {:?}", press.cells));
        }
    }
    problems
}

/// The first number of a cell in its base unit, and that; `None`: it begins with none.
fn number(cell: &str) -> Option<(f64, &'static str)> {
    let cell = cell.replace(',', "");
    let (sign, rest) = match cell.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1.0, rest),
        None => (1.0, cell.strip_prefix('+').unwrap_or(&cell)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let value: f64 = rest[..end].parse().ok()?;
    let unit = rest[end..].split_whitespace().next().unwrap_or_default();
    let (factor, base) = match unit {
        "ns" => (1e-3, "us"),
        "us" => (1.0, "us"),
        "ms" => (1e3, "us"),
        "s" => (1e6, "us"),
        "min" => (60e6, "us"),
        "h" => (3_600e6, "us"),
        "B" => (1.0, "B"),
        "KiB" => (1024.0, "B"),
        "MiB" => (1024.0 * 1024.0, "B"),
        "GiB" => (1024.0 * 1024.0 * 1024.0, "B"),
        _ => (1.0, ""),
    };
    Some((sign * value * factor, base))
}

#[test]
fn numbers_are_read_in_their_units() {
    for (cell, number_of) in [
        ("1,234", Some((1_234.0, ""))),
        ("2.5 ms", Some((2_500.0, "us"))),
        ("+40 us to 90 us", Some((40.0, "us"))),
        ("2 KiB", Some((2_048.0, "B"))),
        ("-1.5%", Some((-1.5, ""))),
        ("too few", None),
        ("", None),
    ] {
        assert_eq!(number(cell), number_of, "{cell}");
    }
}
