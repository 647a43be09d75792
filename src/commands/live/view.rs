//! A snapshot as lines for a terminal of any size: what does not fit is left out, the least telling first.

use crate::measure::{Second, Shown};
use crate::report::terminal::{Style, Tone};
use crate::units::Nanos;

use super::bars::{self, Bar};
use super::line::{Line, cut, wrapped};
use super::screen::Size;
use super::snapshot::{Row, Snapshot};
use super::words;

/// Operations that are shown.
const MOST_ROWS: usize = 8;
/// Of a name.
const WIDEST_NAME: usize = 24;
/// Rank of the column that makes room for a series.
const OFFERED: u8 = 7;
/// A series of fewer seconds says little.
const SHORTEST_SERIES: usize = 10;
const LONGEST_SERIES: usize = 60;

/// No wider than the terminal, and with a line to spare, fewer than it has.
pub(super) fn lines(snapshot: &Snapshot, size: Size, style: Style) -> Vec<String> {
    // A character in the last column makes some terminals go on to the next line.
    let width = usize::from(size.columns).saturating_sub(1).max(1);
    let height = usize::from(size.rows).saturating_sub(1).max(1);
    let mut lines = head(snapshot, width);
    lines.extend(wrapped(facts(snapshot), width));
    lines.truncate(height);
    let rate = rate_series(snapshot, width).filter(|_| height > lines.len() + 2);
    let room = (height - lines.len()).saturating_sub(rate.iter().len());
    if room >= 2 {
        lines.extend(table(snapshot, width, room));
    }
    lines.extend(rate);
    lines.iter().map(|line| line.painted(width, style)).collect()
}

/// Where the load is: in one line where there is room.
fn head(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let times = snapshot.times;
    let phase = Line::of(snapshot.phase.words(), Tone::Strong);
    let left = snapshot.left().map_or_else(String::new, |left| format!(", {} left", words::length(left)));
    let place = Line::of(format!("{}{left}", words::place(times.now, times.end)), Tone::Plain);
    let title = (!snapshot.title.is_empty()).then(|| Line::of(snapshot.title.clone(), Tone::Strong));
    let share = times.now.as_secs_f64() / times.end.as_secs_f64();
    let taken = phase.width() + place.width() + 4;
    let bar = (width >= taken + 8).then(|| {
        let (before, after) = bars::filled(share, (width - taken).min(40));
        let mut bar = Line::of(before, Tone::Good);
        bar.push(after, Tone::Dim);
        bar
    });
    let rest = wrapped([Some(phase), bar, Some(place)].into_iter().flatten(), width);
    title.into_iter().chain(rest).collect()
}

/// What there is of all operations together.
fn facts(snapshot: &Snapshot) -> Vec<Line> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String, tone: Tone| {
        let mut fact = Line::of(format!("{name} "), Tone::Dim);
        fact.push(value, tone);
        facts.push(fact);
    };
    if let Some(total) = snapshot.total() {
        fact("offered", format!("{}/s", words::rate(total.offered_per_s)), Tone::Plain);
        fact("ok", format!("{}/s", words::rate(total.succeeded_per_s)), Tone::Plain);
    }
    fact("in flight", snapshot.in_flight.to_string(), Tone::Plain);
    if let Some(age) = snapshot.oldest {
        fact(
            "oldest",
            words::time(age),
            if age >= Nanos::from_secs(1) { Tone::Warning } else { Tone::Plain },
        );
    }
    let (errors, recent) = (snapshot.errors(), snapshot.total().map_or(0, |total| total.unsuccessful));
    let tone = if recent > 0 { Tone::Bad } else { Tone::Plain };
    fact(
        "errors",
        if recent > 0 { format!("{errors}, {recent} just now") } else { errors.to_string() },
        tone,
    );
    facts
}

/// A column of the table.
struct Column {
    heading: String,
    /// What is left out first has the highest.
    rank: u8,
    cells: Vec<(String, Tone)>,
    is_left: bool,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|(text, _)| super::line::columns(text));
        cells.chain([super::line::columns(&self.heading)]).max().unwrap_or(0)
    }
}

/// One line for each operation beneath a heading, in at most so many lines.
fn table(snapshot: &Snapshot, width: usize, height: usize) -> Vec<Line> {
    let all = snapshot.rows.len();
    let most = MOST_ROWS.min(height - 1);
    // The last line says how many are left out.
    let shown = if all > most { most.saturating_sub(1) } else { all };
    let rows = &snapshot.rows[..shown];
    let mut columns = columns(rows, width);
    let taken =
        |columns: &[Column]| columns.iter().map(Column::width).sum::<usize>() + 2 * (columns.len() - 1);
    while columns.len() > 1 && taken(&columns) > width {
        let highest = columns.iter().map(|column| column.rank).max();
        columns.retain(|column| Some(column.rank) != highest);
    }
    let room = |columns: &[Column]| width.saturating_sub(taken(columns) + 2);
    let mut series = series_column(rows, room(&columns));
    if series.is_none()
        && let Some(offered) = columns.iter().position(|column| column.rank == OFFERED)
    {
        // Of all operations together it is told above.
        let column = columns.remove(offered);
        series = series_column(rows, room(&columns));
        if series.is_none() {
            columns.insert(offered, column);
        }
    }
    columns.extend(series);
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let line = |cell: &dyn Fn(&Column) -> (String, Tone)| {
        let mut line = Line::default();
        for (index, (column, width)) in columns.iter().zip(&widths).enumerate() {
            let (text, tone) = cell(column);
            let padding = " ".repeat(width - super::line::columns(&text));
            let gap = if index == 0 { "" } else { "  " };
            match column.is_left {
                true => line.push(gap, Tone::Plain).push(text, tone).push(padding, Tone::Plain),
                false => line.push(gap, Tone::Plain).push(padding, Tone::Plain).push(text, tone),
            };
        }
        line
    };
    let mut lines = vec![line(&|column| (column.heading.clone(), Tone::Dim))];
    lines.extend((0..shown).map(|row| line(&|column| column.cells[row].clone())));
    if shown < all {
        lines.push(Line::of(format!("[{} more]", all - shown), Tone::Dim));
    }
    lines
}

fn columns(rows: &[Row], width: usize) -> Vec<Column> {
    let column = |heading: &str, rank: u8, cell: &dyn Fn(&Row) -> (String, Tone)| Column {
        heading: heading.to_owned(),
        rank,
        cells: rows.iter().map(cell).collect(),
        is_left: false,
    };
    let none = || ("-".to_owned(), Tone::Dim);
    let per_second = |of: fn(&crate::measure::RecentRates) -> f64| {
        move |row: &Row| row.rates.as_ref().map_or_else(none, |l| (words::rate(of(l)), Tone::Plain))
    };
    let time = |of: fn(&crate::measure::RecentTimes) -> Shown| {
        move |row: &Row| row.times.as_ref().map_or_else(none, |times| words::shown(of(times)))
    };
    let name = |row: &Row| (cut(&row.name, WIDEST_NAME.min(width / 3)), Tone::Plain);
    let max = |row: &Row| row.times.and_then(|times| times.max).map_or_else(none, words::shown);
    let errors = |row: &Row| {
        let recent = row.rates.map_or(0, |rates| rates.unsuccessful);
        (row.errors.to_string(), if recent > 0 { Tone::Bad } else { Tone::Plain })
    };
    let over = |row: &Row| row.times.map_or_else(none, |times| (words::window(times.over), Tone::Dim));
    vec![
        Column { is_left: true, ..column("response", 0, &name) },
        column("offered/s", OFFERED, &per_second(|rates| rates.offered_per_s)),
        column("ok/s", 3, &per_second(|rates| rates.succeeded_per_s)),
        column("errors", 4, &errors),
        column("p50", 2, &time(|times| times.p50)),
        column("p99", 1, &time(|times| times.p99)),
        column("max", 5, &max),
        column("in last", 6, &over),
    ]
}

/// The last column, where there is room: where the slowest hundredth of each second begins, and the highest of them.
fn series_column(rows: &[Row], room: usize) -> Option<Column> {
    let series = |row: &Row| -> Vec<Bar> { row.seconds.iter().map(p99_bar).collect() };
    let highest = |row: &Row| bars::highest(&series(row)).map_or_else(String::new, most);
    let suffix = rows.iter().map(|row| highest(row).len()).max()?;
    let length = room.checked_sub(suffix + 1)?.min(LONGEST_SERIES);
    let heading = if room < 25 { "slowest 1%" } else { "slowest 1% of each second" };
    let cell = |row: &Row| {
        let series = series(row);
        let series = &series[series.len().saturating_sub(length)..];
        // The highest of those that are seen.
        let highest = bars::highest(series).map_or_else(String::new, most);
        (format!("{} {highest}", bars::sparkline(series)), Tone::Plain)
    };
    (length >= SHORTEST_SERIES).then(|| Column {
        heading: cut(heading, room),
        rank: 8,
        cells: rows.iter().map(cell).collect(),
        is_left: true,
    })
}

fn most(nanos: f64) -> String {
    words::time(Nanos::new(nanos as u64))
}

fn p99_bar(second: &Second) -> Bar {
    match second.p99 {
        None => Bar::Missing,
        Some(Shown::Is(time)) => Bar::Of(time.get() as f64),
        Some(Shown::Over(_) | Shown::Unknown(_)) => Bar::Infinite,
    }
}

/// The rate of what succeeded, second by second.
fn rate_series(snapshot: &Snapshot, width: usize) -> Option<Line> {
    let all = snapshot.succeeded_by_second();
    let range = |rates: &[f64]| {
        let (lowest, highest) =
            (rates.iter().copied().reduce(f64::min)?, rates.iter().copied().reduce(f64::max)?);
        Some(format!(" {} to {}", words::rate(lowest), words::rate(highest)))
    };
    let label = "ok/s by second ";
    let length = width.checked_sub(label.len() + range(&all)?.len())?.min(LONGEST_SERIES);
    let seen = &all[all.len().saturating_sub(length)..];
    let series: Vec<Bar> = seen.iter().map(|rate| Bar::Of(*rate)).collect();
    let mut line = Line::of(label, Tone::Dim);
    line.push(bars::sparkline(&series), Tone::Plain).push(range(seen)?, Tone::Dim);
    (length >= SHORTEST_SERIES).then_some(line)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
