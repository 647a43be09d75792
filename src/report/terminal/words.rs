//! Foreign words made fit for a terminal: a server or a collector must not move its cursor, colour it or turn its text round.

use std::iter::Peekable;
use std::str::Chars;

/// Text on one line, without escape sequences (ECMA-48) and marks of direction; any other control character, and so a
/// line's end, becomes a space.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            _ if is_direction(next) => {}
            _ if is_steering(next) => cleaned.push(' '),
            _ => cleaned.push(next),
        }
    }
    cleaned
}

/// Whether a terminal, or a program that shows text, acts on the character instead of showing it.
pub(in crate::report) fn is_steering(c: char) -> bool {
    c.is_control() || is_direction(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks, embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What follows an ESC: a control sequence, a string, or intermediates and one final character.
fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some('P' | 'X' | ']' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            let _final = rest.next_if(|c| matches!(c, '0'..='~'));
        }
    }
}

/// Parameters and intermediates, then one final character.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    let _final = rest.next_if(|c| matches!(c, '@'..='~'));
}

/// A string up to its end, ST or BEL. One that never ends loses its beginning alone, so that it cannot hide what follows.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    while let Some(next) = ahead.next() {
        if matches!(next, '\u{7}' | '\u{9c}') || (next == '\u{1b}' && ahead.next_if_eq(&'\\').is_some()) {
            *rest = ahead;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_go_whole_and_what_they_surround_stays() {
        for (text, cleaned) in [
            ("a\u{1b}[31;1mred\u{1b}[0m b", "ared b"),
            ("a\u{9b}2Jb", "ab"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\b", "alinkb"),
            ("a\u{1b}P1$q\u{9c}b", "ab"),
            ("a\u{9d}0;title\u{9c}b", "ab"),
            ("a\u{1b}(0b", "ab"),
            ("a\u{1b}cb", "ab"),
            ("a\u{1b}]never ends", "anever ends"),
            ("a\u{1b}[31", "a"),
            ("a\u{1b}", "a"),
            ("a\u{1b}\u{1b}[31mb", "ab"),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }

    #[test]
    fn control_characters_are_spaces_and_marks_of_direction_are_gone() {
        assert_eq!(clean("a\r\nb\tc\u{8}\u{7f}\u{85}d\u{2028}e\0"), "a  b c   d e ");
        assert_eq!(clean("a\u{202e}gnp.exe\u{2066}\u{200f}\u{61c}"), "agnp.exe");
    }

    #[test]
    fn all_other_text_stays_as_it_is() {
        for text in ["", "collection not found", "größer als 1 µs, \u{65e5}\u{672c}\u{8a9e}", "[31m and ]0;"]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn nothing_that_is_left_steers_whatever_comes_in() {
        let ends = ['\u{1b}', '[', ']', '\u{9b}', '\u{7}', '\\', 'm', '\u{202e}', '\n', '(', 'x'];
        for number in 0..ends.len().pow(4) {
            let text: String =
                (0..4).map(|place| ends[number / ends.len().pow(place) % ends.len()]).collect();
            assert!(!clean(&text).chars().any(is_steering), "{text:?}");
        }
    }
}
