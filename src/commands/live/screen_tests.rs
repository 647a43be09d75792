use std::io::Read as _;

use super::super::terminal::Terminal;
use super::*;

/// A screen on a pipe, which takes nothing once it is full, as a terminal does that was stopped.
struct Piped {
    screen: Screen,
    reader: std::fs::File,
    terminal: Terminal,
}

impl Piped {
    fn new(width: usize) -> Self {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        Self { screen: Screen::new(writer), reader: reader.into(), terminal: Terminal::new(width) }
    }

    /// Lets the terminal take what there is.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Ends with the error that there is no more for now.
        let _ = self.reader.read_to_end(&mut bytes);
        bytes
    }

    fn shown(&mut self) -> String {
        let bytes = self.take();
        self.terminal.feed(&bytes);
        self.terminal.text()
    }

    fn draw(&mut self, lines: &[&str]) -> bool {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        self.screen.draw(&lines)
    }
}

#[test]
fn lines_are_drawn_in_place_and_what_is_said_stays_above_them() {
    let mut piped = Piped::new(20);
    assert!(piped.draw(&["one", "two", "three"]));
    assert_eq!(piped.shown(), "one\ntwo\nthree");
    assert_eq!((piped.terminal.cursor(), piped.terminal.wraps()), ((0, 0), true));
    assert!(piped.draw(&["1", "2"]));
    assert_eq!(piped.shown(), "1\n2", "nothing is left of longer lines, and of more");
    piped.screen.say("said\ntwice");
    assert_eq!(piped.shown(), "said\ntwice\n1\n2");
    assert!(piped.draw(&["last"]));
    assert_eq!(piped.shown(), "said\ntwice\nlast");
    let Piped { screen, mut reader, mut terminal } = piped;
    assert!(screen.close());
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    terminal.feed(&bytes);
    assert_eq!(
        (terminal.text().as_str(), terminal.cursor(), terminal.wraps()),
        ("said\ntwice", (2, 0), true)
    );
}

#[test]
fn a_line_that_is_too_long_for_a_terminal_made_narrower_takes_no_second_row() {
    let mut piped = Piped::new(4);
    assert!(piped.draw(&["abcdefgh", "ijkl"]));
    assert_eq!(piped.shown(), "abch\nijkl");
    assert_eq!(piped.terminal.cursor(), (0, 0));
}

#[test]
fn nothing_is_left_behind_when_the_terminal_is_made_narrower_or_wider() {
    let mut piped = Piped::new(16);
    piped.screen.say("before");
    for (width, lines) in
        [(16, ["0123456789abcdef", "second"]), (5, ["narrow", "again"]), (30, ["wide", "2"])]
    {
        piped.terminal.resize(width);
        assert!(piped.draw(&lines));
        let seen: Vec<String> = lines.iter().map(|line| line.chars().take(width - 1).collect()).collect();
        let shown = piped.shown();
        let shown: Vec<&str> = shown.lines().collect();
        // "before" may take two rows by now.
        let last_two = &shown[shown.len() - 2..];
        assert!(shown.len() <= 4 && "before".starts_with(shown[0]), "{shown:?}");
        assert!(last_two.iter().zip(&seen).all(|(shown, seen)| shown.starts_with(seen)), "{shown:?}");
    }
}

/// Returning is the proof: a write that waits would wait for ever here.
#[test]
fn a_terminal_that_takes_nothing_stops_nobody_and_is_given_whole_drawings_later() {
    let mut piped = Piped::new(200);
    let long = "x".repeat(150);
    let drawn = (0..10_000).take_while(|_| piped.draw(&[&long, "end"])).count();
    assert!(drawn < 10_000, "the pipe is full");
    assert!(!piped.draw(&["left out"]));
    (0..100_000).for_each(|number| piped.screen.say(&format!("said {number}")));
    assert!(piped.screen.pending.len() < 2 * MOST_PENDING, "what is kept is bounded");
    let mut bytes = Vec::new();
    while !piped.screen.flush() {
        bytes.extend(piped.take());
    }
    bytes.extend(piped.take());
    // The terminal refuses sequences that are not whole.
    piped.terminal.feed(&bytes);
    let shown = piped.terminal.text();
    assert!(shown.starts_with("said 0\nsaid 1\n") && shown.ends_with(&format!("{long}\nend")), "{shown}");
    assert!(!shown.contains("left out"));
    assert!(piped.draw(&["again"]));
    assert!(piped.shown().ends_with("\nagain"));
}

#[test]
fn a_terminal_that_takes_nothing_is_let_go() {
    let mut piped = Piped::new(20);
    while piped.draw(&["something"]) {}
    assert!(!piped.screen.close());
}

#[test]
fn a_terminal_that_has_hung_up_is_no_failure() {
    let mut piped = Piped::new(20);
    assert!(piped.draw(&["something"]));
    drop(piped.reader);
    piped.screen.say("nobody");
    assert!(piped.screen.draw(&["more".to_owned()]) && piped.screen.close());
}
