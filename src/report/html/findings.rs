//! What was found of a measurement, each with its cause and its remedy.

use maud::{Markup, html};

use super::table::class;
use super::text::short;
use super::toned;
use crate::report::model::Finding;
use crate::report::terminal::summary::severity_words;
use crate::report::terminal::table::Cell;

/// Nothing where there are none.
pub(super) fn findings(findings: &[Finding]) -> Markup {
    html! { @if !findings.is_empty() { ul class="findings" { @for finding in findings { (self::finding(finding)) } } } }
}

fn finding(Finding { code, severity, message, cause, remedy }: &Finding) -> Markup {
    let (tone, name) = severity_words(*severity);
    html! {
        li class=(class(tone).unwrap_or_default()) {
            p { (toned(&Cell(name.to_owned(), tone))) " " strong { (short(message)) } " " code class="dim" { (short(code)) } }
            dl {
                div { dt { "cause" } dd { (short(cause)) } }
                div { dt { "remedy" } dd { (short(remedy)) } }
            }
        }
    }
}
