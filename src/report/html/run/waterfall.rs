//! A trace as a waterfall: a table of its spans, each with a bar to scale, the critical path bold.

use maud::{Markup, html};

use super::super::chart::percent;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::events::Events;
use crate::report::terminal::slow::cut;
use crate::report::waterfall::{Layout, Line, Waterfall, What, shortened};
use crate::units::{Nanos, SignedNanos};

/// Characters for a name, where it can be said shorter; and at most.
const NAME: usize = 34;
const LONGEST_NAME: usize = 120;
/// Deeper spans are not moved further to the right; the style sheet knows so many steps.
const DEEPEST: usize = 12;

pub(super) fn waterfall(waterfall: &Waterfall<'_>, events: &Events, caption: &str) -> Markup {
    let layout = Layout::new(waterfall);
    let mut table = Table {
        last_left: 1,
        // Sorted, it would be no tree.
        is_fixed: true,
        ..Table::new(caption, 1, &["span", "start", "length", "on path", "from due to done"])
    };
    for line in &layout.lines {
        table.push(row(line, &layout, events));
    }
    if !layout.apart.is_empty() {
        table.push(Row::from_iter([html! { span class="note" { "not beneath the request:" } }]));
        for line in &layout.apart {
            table.push(row(line, &layout, events));
        }
    }
    html! {
        (table.markup())
        @for note in notes(&layout) { p class="note" { (note) } }
    }
}

fn row(line: &Line<'_>, layout: &Layout<'_>, events: &Events) -> Row {
    let on_path = line.on_path();
    let is_on_path = on_path > 0;
    let service = match line.service {
        Some("") => Some("(no service)"),
        service => service,
    };
    let told = cut(&shortened(line.name, NAME), LONGEST_NAME);
    let name = html! {
        span class={ "span in-" (line.indent.min(DEEPEST)) } title=(cut(line.name, LONGEST_NAME)) {
            @if line.is_error { span class="bad" { "✗ failed " } }
            @if let Some(service) = service { span class="dim" { (cut(service, LONGEST_NAME)) ": " } }
            @if is_on_path { b { (told) } } @else { (told) }
            @if let Some(failure) = line.span.and_then(|(span, _)| events.failure(span)) { " " span class="bad" { (failure) } }
        }
        @if let Some((span, moved)) = line.span {
            div class={ "in-" (line.indent.min(DEEPEST)) } { (events.listed(span, moved, layout.request.intended)) }
        }
    };
    let start = since(line.start, layout.request.intended);
    let time = |nanos: u64| Nanos::new(nanos).to_string();
    let cells: [Td; 5] = [
        name.into(),
        start.into(),
        time(line.length()).into(),
        if is_on_path { html! { b { (time(on_path)) } }.into() } else { "".into() },
        bar(line, layout).into(),
    ];
    Row::from_iter(cells)
}

/// As `1.50 ms`, or with its sign where it was before.
pub(super) fn since(moment: u64, intended: u64) -> String {
    let since = SignedNanos::difference(Nanos::new(moment), Nanos::new(intended));
    if since.is_negative { since.to_string() } else { since.length.to_string() }
}

/// The span thin, and what of it is on the path thick.
fn bar(line: &Line<'_>, layout: &Layout<'_>) -> Markup {
    let (first, last) = (layout.request.intended, layout.request.done);
    let length = last.saturating_sub(first).max(1) as f64;
    let place = |moment: u64| (moment.saturating_sub(first) as f64 / length).min(1.0);
    let piece = |class: &str, (from, to): (u64, u64), (top, height): (u32, u32)| {
        let (from, to) = (place(from), place(to));
        html! { rect class=(class) x=(percent(from)) width=(percent(to - from)) y=(top) height=(height) fill="currentColor" {} }
    };
    let class = if line.what == What::Lag { "lag" } else { "path" };
    html! {
        svg class="bar" width="100%" height="14" aria-hidden="true" {
            (piece("open", (line.start, line.end), (5, 4)))
            @for own in &line.own { (piece(class, *own, (1, 12))) }
        }
    }
}

fn notes(layout: &Layout<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    notes.push(match layout.unknown {
        None => {
            "Bold names and thick bars are the critical path, whose parts add up to the response.".to_owned()
        }
        Some(why) => format!("The critical path is not known: {}.", short(why)),
    });
    if !layout.left_out.is_empty() {
        let on_path = layout.left_out.iter().map(Line::on_path).sum();
        notes.push(format!(
            "{} spans are left out; {} of the path is theirs.",
            layout.left_out.len(),
            Nanos::new(on_path)
        ));
    }
    if let Some(most) = layout.moved.iter().max() {
        notes.push(format!(
            "{} spans are moved by up to {} to lie within what called them: clocks of machines differ.",
            layout.moved.len(),
            Nanos::new(*most)
        ));
    }
    notes
}
