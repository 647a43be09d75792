use crate::measure::{RecentRates, RecentTimes, Unknown};

use super::super::line::columns;
use super::super::snapshot::{Phase, Times};
use super::*;

fn cell(rate: f64, p99: Option<Shown>) -> Second {
    Second { succeeded_per_s: rate, p99 }
}

fn row(name: &str, offered: f64, p99: Shown) -> Row {
    let ms = Nanos::from_millis;
    Row {
        name: name.to_owned(),
        rates: Some(RecentRates { offered_per_s: offered, succeeded_per_s: offered, unsuccessful: 0 }),
        times: Some(RecentTimes {
            over: Nanos::from_millis(5_010),
            p50: Shown::Is(Nanos::new(2_140_000)),
            p99,
            max: Some(Shown::Is(ms(31))),
        }),
        errors: 0,
        seconds: (1..=12).map(|second| cell(offered, Some(Shown::Is(ms(second))))).collect(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        title: String::new(),
        phase: Phase::Measuring,
        times: Times {
            now: Nanos::from_millis(12_080),
            end: Nanos::from_secs(35),
            warmup: Nanos::from_secs(5),
        },
        rows: vec![row("search", 180.0, Shown::Is(Nanos::new(8_440_000)))],
        in_flight: 2,
        oldest: None,
    }
}

fn two() -> Snapshot {
    let insert = Row { errors: 3, ..row("insert", 5.0, Shown::Unknown(Unknown::TooFew)) };
    let rows = [snapshot().rows, vec![insert]].concat();
    Snapshot {
        rows,
        title: "run 3 of 12: B".to_owned(),
        oldest: Some(Nanos::from_millis(1_340)),
        ..snapshot()
    }
}

fn at(snapshot: &Snapshot, columns: u16, rows: u16) -> Vec<String> {
    lines(snapshot, Size { columns, rows }, Style::Plain)
}

#[track_caller]
fn is(lines: &[String], expected: &str) {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn in_120_columns_all_is_shown() {
    is(
        &at(&two(), 120, 30),
        "\
run 3 of 12: B
measuring  ━━━━━━━━━━━━━───────────────────────────  12 of 35 s, 23 s left
offered 185/s  ok 185/s  in flight 2  oldest 1.3 s  errors 3
response  offered/s  ok/s  errors     p50      p99    max  in last  slowest 1% of each second
search          180   180       0  2.1 ms   8.4 ms  31 ms      5 s  ▁▂▂▃▄▄▅▆▆▇██ 12 ms
insert          5.0   5.0       3  2.1 ms  too few  31 ms      5 s  ▁▂▂▃▄▄▅▆▆▇██ 12 ms
ok/s by second ████████████ 185 to 185",
    );
}

#[test]
fn in_80_columns_what_tells_least_is_left_out() {
    is(
        &at(&two(), 80, 30),
        "\
run 3 of 12: B
measuring  ━━━━━━━━━━━━━───────────────────────────  12 of 35 s, 23 s left
offered 185/s  ok 185/s  in flight 2  oldest 1.3 s  errors 3
response  ok/s  errors     p50      p99    max  in last  slowest 1%
search     180       0  2.1 ms   8.4 ms  31 ms      5 s  ▁▂▂▃▄▄▅▆▆▇██ 12 ms
insert     5.0       3  2.1 ms  too few  31 ms      5 s  ▁▂▂▃▄▄▅▆▆▇██ 12 ms
ok/s by second ████████████ 185 to 185",
    );
}

#[test]
fn in_40_columns_the_percentiles_remain() {
    is(
        &at(&two(), 40, 30),
        "\
run 3 of 12: B
measuring  12 of 35 s, 23 s left
offered 185/s  ok 185/s  in flight 2
oldest 1.3 s  errors 3
response  ok/s  errors     p50      p99
search     180       0  2.1 ms   8.4 ms
insert     5.0       3  2.1 ms  too few
ok/s by second ████████████ 185 to 185",
    );
}

#[test]
fn no_size_makes_it_wider_or_higher_than_the_terminal() {
    let many = Snapshot { rows: (0..12).flat_map(|_| two().rows).collect(), ..two() };
    let long = Snapshot { title: "\u{65e5}\u{672c}\u{8a9e} ".repeat(40), ..two() };
    let empty = Snapshot { rows: vec![], ..snapshot() };
    for snapshot in [snapshot(), two(), many, long, empty] {
        for width in 1..200 {
            for height in [1, 2, 3, 4, 6, 9, 24] {
                let lines = at(&snapshot, width, height);
                assert!(lines.len() <= usize::from(height.max(2) - 1), "{width} x {height}: {lines:?}");
                let most = usize::from(width.max(2) - 1);
                assert!(lines.iter().all(|line| columns(line) <= most), "{width} x {height}: {lines:?}");
            }
        }
    }
}

#[test]
fn of_many_operations_the_rest_is_counted() {
    let many = Snapshot { rows: (0..12).flat_map(|_| two().rows).collect(), ..two() };
    let lines = at(&many, 100, 40);
    assert!(lines.iter().any(|line| line == "[17 more]"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("search")).count(), 4);
}

#[test]
fn colours_are_there_where_they_are_wanted_and_change_nothing_else() {
    let bad = Snapshot { rows: vec![row("search", 1.0, Shown::Over(Nanos::from_secs(4)))], ..two() };
    let size = Size { columns: 120, rows: 30 };
    let colored = lines(&bad, size, Style::Color).join("\n");
    assert!(colored.contains("\u{1b}[31m>4.0 s\u{1b}[0m"), "{colored:?}");
    let bare = ["1", "2", "31", "32", "33", "0"]
        .iter()
        .fold(colored, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
    assert_eq!(bare, lines(&bad, size, Style::Plain).join("\n"));
    assert!(!bare.contains('\u{1b}'));
}

#[test]
fn what_hangs_and_what_failed_shows_in_the_series() {
    let mut stalled = snapshot();
    let unanswered = Some(Shown::Unknown(Unknown::Unanswered));
    stalled.rows[0].seconds.extend([cell(0.0, None), cell(0.0, None), cell(3.0, unanswered)]);
    let lines = at(&stalled, 120, 30);
    assert!(lines[3].contains("▁▂▂▃▄▄▅▆▆▇██..! 12 ms"), "{lines:?}");
    assert!(lines[4].ends_with("▁▁▁ 0.0 to 180"), "{lines:?}");
}

#[test]
fn before_there_are_numbers_none_is_made_up() {
    let bare = Row { rates: None, times: None, seconds: vec![], ..snapshot().rows[0].clone() };
    let early = Snapshot { phase: Phase::WarmingUp, rows: vec![bare], ..snapshot() };
    is(
        &at(&early, 100, 30),
        "\
warming up  ━━━━━━━━━━━━━───────────────────────────  12 of 35 s, 23 s left
in flight 2  errors 0
response  offered/s  ok/s  errors  p50  p99  max  in last  slowest 1% of each second
search            -     -       0    -    -    -        -",
    );
}

#[test]
fn a_log_gets_all_in_one_line() {
    assert_eq!(
        super::super::plain::line(&two()),
        "progress  run 3 of 12: B  measuring, 12 of 35 s, 23 s left  offered 185/s  ok 185/s  in flight 2 (oldest 1.3 s)  errors 3  \
         search: p50 2.1 ms, p99 8.4 ms in 5 s  insert: p50 2.1 ms, p99 too few in 5 s"
    );
}
