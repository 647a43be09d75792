use super::*;
use crate::report::waterfall::Path;
use crate::trace::attribution::Piece;
use crate::trace::spans::{Kind, Span};

/// A moment long after 1970, in nanoseconds.
const DUE: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
const CLIENT: u64 = 1;

/// From `start` to `end`, in milliseconds after it was due.
fn span(span_id: u64, parent: u64, (service, name): (&str, &str), start: u64, end: u64) -> Span {
    Span {
        trace_id: 7,
        span_id,
        parent: Some(parent).filter(|id| *id != 0),
        resource: 0,
        service: service.into(),
        name: name.into(),
        kind: Kind::Internal,
        start: DUE + start * MS,
        end: DUE + end * MS,
        is_error: false,
    }
}

fn piece(span: Option<usize>, start: u64, end: u64) -> Piece {
    Piece { span, start: DUE + start * MS, end: DUE + end * MS }
}

/// Due at 0, sent after 4 ms, done after 32: two milliseconds for each of the 16 cells that bars have in 80 columns.
const REQUEST: Request =
    Request { trace_id: 7, span_id: CLIENT, intended: DUE, sent: DUE + 4 * MS, done: DUE + 32 * MS };

fn search() -> Vec<Span> {
    let server = "standalone";
    vec![
        span(CLIENT, 0, ("milvus-client", "Search books"), 4, 32),
        span(3, 2, (server, "Proxy-Search"), 8, 28),
        Span { is_error: true, ..span(5, 3, ("segcore", "SegCoreSearch"), 20, 26) },
        span(4, 3, (server, "Delegator-waitTSafe"), 10, 20),
        span(2, CLIENT, (server, "milvus.proto.milvus.MilvusService/Search"), 6, 30),
        span(6, 3, (server, "asynchronous"), 12, 50),
    ]
}

fn path() -> Vec<Piece> {
    vec![
        piece(None, 4, 6),
        piece(Some(4), 6, 8),
        piece(Some(1), 8, 10),
        piece(Some(3), 10, 20),
        piece(Some(2), 20, 26),
        piece(Some(1), 26, 28),
        piece(Some(4), 28, 30),
        piece(None, 30, 32),
    ]
}

fn drawn(spans: &[Span], path: Result<&[Piece], String>, width: usize, style: Style) -> String {
    let path = path.map(|pieces| Path { pieces, moved: &[] });
    let waterfall = Waterfall { request: REQUEST, operation: "search", spans, path };
    let mut bytes = Vec::new();
    render(&waterfall, width, style, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn plain(spans: &[Span], path: &[Piece]) -> String {
    drawn(spans, Ok(path), 80, Style::Plain)
}

#[test]
fn spans_stand_beneath_their_parents_with_bars_to_scale_and_the_path_marked() {
    let expected = "      start   length  on path  span                             0        32.0 ms
  *    0 ns  4.00 ms  4.00 ms  lag: due, and not yet sent       ░░
  * 4.00 ms  28.0 ms  4.00 ms  milvus-client: Search books        █────────────█
  * 6.00 ms  24.0 ms  4.00 ms   standalone: …/Search               █──────────█
  * 8.00 ms  20.0 ms  4.00 ms    Proxy-Search                       █────────█
  * 10.0 ms  10.0 ms  10.0 ms     Delegator-waitTSafe                █████
    12.0 ms  38.0 ms              asynchronous                        ─────────>
  * 20.0 ms  6.00 ms  6.00 ms     ! segcore: SegCoreSearch                ███
    * and █: the critical path, whose parts add up to the response; ─: within
    the span, but another's part
    !: it failed
";
    let text = plain(&search(), &path());
    assert_eq!(text, expected);
}

#[test]
fn what_is_on_the_path_adds_up_to_the_response() {
    let text = plain(&search(), &path());
    let column: f64 = text
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("  *"))
        .filter_map(|line| line[22..29].trim().strip_suffix(" ms")?.parse::<f64>().ok())
        .sum();
    assert!((column - 32.0).abs() < 1e-9, "{column} in\n{text}");
}

#[test]
fn without_a_path_nothing_is_marked_and_the_reason_is_told() {
    let text = drawn(&search(), Err("no span of the server".to_owned()), 80, Style::Plain);
    assert!(!text.contains(OWN) && text.contains("not known: no span of the server"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  *")).count(), 1, "but for the lag: {text}");
}

#[test]
fn a_request_without_its_span_is_drawn_from_what_the_report_knows() {
    let text = plain(&search()[1..], &[piece(None, 4, 32)]);
    assert!(text.lines().nth(2).unwrap().contains("28.0 ms  28.0 ms  search  "), "{text}");
}

#[test]
fn what_does_not_hang_beneath_the_request_is_drawn_apart() {
    let mut spans = search();
    spans.push(span(20, 99, ("standalone", "lost its parent"), 5, 6));
    spans.push(span(21, 0, ("standalone", "another root"), 0, 7));
    spans.push(span(22, 23, ("standalone", "ring"), 8, 9));
    spans.push(span(23, 22, ("standalone", "ring too"), 8, 9));
    spans.push(span(24, 24, ("standalone", "its own parent"), 9, 9));
    // Equal IDs: the first counts.
    spans.push(span(2, 0, ("standalone", "twice"), 0, 36));
    let text = plain(&spans, &path());
    let apart: Vec<&str> = text.lines().skip_while(|line| !line.contains("not beneath")).skip(1).collect();
    for (line, name) in apart.iter().zip(["another root", "lost its", "ring", "ring too", "its own"]) {
        assert!(line.contains(name), "{name} is not in {line:?} of\n{text}");
    }
    assert!(!text.contains("twice"), "{text}");
}

#[test]
fn of_hundreds_of_spans_those_on_the_path_and_the_longest_are_drawn_and_the_rest_is_counted() {
    let mut spans = search();
    // 300 of 1 ms beneath Proxy-Search, and one of 3 ms that is on the path at last.
    spans.extend((0..300).map(|index| span(100 + index, 3, ("standalone", "short"), 9, 10)));
    spans.push(span(99, 3, ("standalone", "longer"), 9, 12));
    let text = plain(&spans, &path());
    assert!(text.contains("longer") && text.contains("SegCoreSearch"), "{text}");
    // 306 beneath the request, 100 of them drawn.
    assert!(text.contains("206 spans left out: none of them on the path, the longest 1.00 ms"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("short")).count(), 94, "{text}");
}

#[test]
fn a_trace_deeper_than_any_stack_is_drawn() {
    let deep = (0..200_000_u64).map(|index| span(2 + index, 1 + index, ("s", "deep"), 5, 6));
    let spans: Vec<Span> = std::iter::once(search().remove(0)).chain(deep).collect();
    let text = plain(&spans, &[piece(None, 4, 32)]);
    assert!(text.contains("199,900 spans left out"), "{text}");
}

#[test]
fn every_width_is_kept_and_no_foreign_text_steers_the_terminal() {
    let mut spans = search();
    spans[1].name = "a\u{1b}[31mb\n\u{202e}c".repeat(40).into();
    spans[1].service = "\u{1b}]0;title\u{7}".into();
    for (index, span) in spans.iter_mut().enumerate() {
        // One that starts before it was due, one that never ends.
        span.start = if index == 2 { 0 } else { span.start };
        span.end = if index == 3 { u64::MAX } else { span.end };
    }
    for width in [0, 60, 80, 100, 161, 10_000] {
        let text = drawn(&spans, Ok(&path()), width, Style::Plain);
        for line in text.lines() {
            assert!(line.chars().count() <= width.clamp(60, 160), "{width}: {line:?}");
            assert!(!line.contains('\u{1b}') && !line.contains('\u{202e}'), "{line:?}");
        }
    }
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let coloured = drawn(&search(), Ok(&path()), 80, Style::Color);
    assert!(coloured.contains("\u{1b}[31m"), "the one that failed");
    let bare: Vec<String> = coloured.lines().map(|line| clean(line).trim_end().to_owned()).collect();
    assert_eq!(bare, plain(&search(), &path()).lines().map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn spans_whose_clocks_were_put_in_line_are_drawn_where_they_lie_then() {
    let mut spans = search();
    // By a clock that is 7 ms behind.
    (spans[2].start, spans[2].end) = (DUE + 13 * MS, DUE + 19 * MS);
    let moved = [0, 0, 7 * MS as i64, 0, 0, 0];
    let pieces = path();
    let path = Ok(Path { pieces: &pieces, moved: &moved });
    let waterfall = Waterfall { request: REQUEST, operation: "search", spans: &spans, path };
    let mut bytes = Vec::new();
    render(&waterfall, 80, Style::Plain, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let note = "    1 span moved by up to 7.00 ms to lie within what called them: clocks of machines differ";
    assert_eq!(
        text.lines().filter(|line| !note.contains(line.trim())).collect::<Vec<_>>().join("\n"),
        plain(&search(), &pieces).trim_end()
    );
}
