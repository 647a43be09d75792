//! The page around what is shown: one file, no network, no script needed, and a policy of its own that allows nothing else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::text::steady;

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("script.js");

/// A part of a page, which answers one question.
pub(super) struct Panel {
    /// Unique on the page; not foreign.
    pub(super) id: &'static str,
    /// What it is about, in a word or two.
    pub(super) title: &'static str,
    pub(super) question: &'static str,
    pub(super) body: Markup,
}

impl Panel {
    fn markup(&self) -> Markup {
        html! {
            section id=(self.id) aria-labelledby={ (self.id) "-question" } {
                p class="title" { (self.title) }
                h2 id={ (self.id) "-question" } { (self.question) }
                (self.body)
            }
        }
    }
}

/// The whole page.
pub(super) fn page(title: &str, header: &Markup, panels: &[Panel], footer: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content="milvus-load";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (header) }
                nav aria-label="Parts of this page" {
                    ul { @for panel in panels { li { a href={ "#" (panel.id) } { (panel.title) } } } }
                }
                main { @for panel in panels { (panel.markup()) } }
                footer { (footer) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    steady(page.into_string())
}

/// As a content security policy names what it allows.
pub(super) fn hash(content: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(content)))
}
