//! Foreign text and links: what a page may hold of them.
//!
//! Markup in foreign text is escaped where it is put into the page, as maud does with every text. What would steer how text is shown is
//! replaced in the whole page at once, so that no place can forget it.

use crate::report::terminal::slow::cut;
use crate::report::terminal::words::is_steering;

/// Longer texts are cut: a page is for reading, and report.json has the whole.
pub(super) const LONGEST: usize = 600;

/// At most [`LONGEST`] characters.
pub(super) fn short(text: &str) -> String {
    cut(text, LONGEST)
}

/// As [`short`], for a paragraph: a percent sign stays with its number.
pub(super) fn prose(text: &str) -> String {
    short(text).replace(" %", "\u{a0}%")
}

/// The page without control characters and marks of direction: each is replaced by the sign for what cannot be shown.
pub(super) fn steady(page: String) -> String {
    match page.chars().any(|c| c != '\n' && is_steering(c)) {
        false => page,
        true => page.chars().map(|c| if c != '\n' && is_steering(c) { '\u{fffd}' } else { c }).collect(),
    }
}

/// A link that may be followed: to a page of the web, and nothing else.
pub(super) fn link(url: &str) -> Option<&str> {
    let has = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let is_clean = !url.chars().any(|c| is_steering(c) || c.is_whitespace());
    ((has("http://") || has("https://")) && is_clean && url.len() <= 2_000).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_web_are_linked() {
        for good in ["http://localhost:16686/trace/1", "HTTPS://x/?a=b&c=\"d\""] {
            assert_eq!(link(good), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            " http://x",
            "data:text/html,x",
            "http:/x",
            "java\nscript:x",
            "http://x\u{202e}",
            "file:///x",
            "",
            "ｈttp://x",
            "vbscript:http://",
        ] {
            assert_eq!(link(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_steers_is_replaced_and_all_else_stays() {
        let page = "a\u{1b}[31mb\u{202e}c\u{2028}d\te\n\u{65e5}".to_owned();
        assert_eq!(steady(page), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}e\n\u{65e5}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "ä".repeat(LONGEST);
        assert_eq!(short(&text), text);
        let cut = short(&format!("{text}ä"));
        assert!(cut.chars().count() == LONGEST && cut.ends_with("ä…"));
    }
}
