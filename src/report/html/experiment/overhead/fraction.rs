//! Which fraction can be afforded? The cost by fraction, if it is proportional to it.

use maud::{Markup, html};

use super::super::super::axis::Axis;
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent};
use super::super::super::forest::signed;
use super::super::super::mark::Mark;
use super::super::super::page::Panel;
use super::super::super::table::{Table, cut};
use super::super::super::text::{prose, short};
use super::super::super::tick_count;
use super::document;
use crate::report::experiment::overhead::{CostLine, Effects, Overhead};
use crate::report::experiment::overhead_sentence::metric_words;

const HEIGHT: u32 = 150;
/// The cost that budgets are asked for.
const BUDGET: f64 = 0.02;
/// Of the arms that were measured.
const MEASURED: Mark = Mark::of(2);

/// `None` where no line could be fitted.
pub(super) fn panel(overhead: &Overhead) -> Option<Panel> {
    let lines: Vec<(&Effects, &CostLine)> =
        document::drawn(overhead).filter_map(|effects| Some((effects, effects.line.as_ref()?))).collect();
    let (effects, first) = lines.first()?;
    let x = Axis::linear(0.0, 1.0, tick_count);
    let figure = Figure {
        id: "fraction-figure",
        title: "Cost by sample fraction",
        about: "If cost is proportional: a line through zero and the arms, with its 95 % interval.",
        x: &x,
        x_label: "sample fraction",
        plots: lines.iter().map(|(effects, line)| plot(effects, line, &x)).collect(),
        keys: vec![
            Key::line("response", "if cost is proportional"),
            wedge_key(),
            MEASURED.key("as measured, with its 95 % interval"),
            Key::line("bound", "2 % for the worse"),
        ],
        table: Table::of("If cost is proportional to the fraction", 1, cut(&document::lines(overhead))),
        is_open: true,
    };
    let body = html! {
        p class="answer" { (prose(&answer(effects, first))) }
        p class="note" { "Requests that wait for each other make cost grow faster than the fraction, so what the line says of small fractions is too much rather than too little." }
        (figure.markup())
    };
    Some(Panel { id: "fraction", title: "Fractions", question: "Which fraction can be afforded?", body })
}

fn answer(effects: &Effects, line: &CostLine) -> String {
    let name = short(&metric_words(&effects.metric).0);
    let fits = match line.lack_of_fit_p {
        Some(p) if p < 0.05 => " The arms do not lie on such a line, so take it with care.",
        _ => "",
    };
    let within = document::rounded_down(line.fraction_within_2_percent);
    match line.fraction_within_2_percent {
        none if none <= 0.0 => {
            format!("If cost is proportional, no fraction excludes more than 2 % on {name}.{fits}")
        }
        all if all >= 1.0 => {
            format!("If cost is proportional, more than 2 % on {name} is excluded at every fraction.{fits}")
        }
        _ => format!(
            "If cost is proportional, more than 2 % on {name} is excluded up to a fraction of {within}.{fits}"
        ),
    }
}

fn wedge_key() -> Key {
    Key {
        sign: html! { rect class="wedge" x="0" y="0" width="22" height="12" fill="currentColor" fill-opacity="0.15" {} },
        words: "its 95 % interval".to_owned(),
    }
}

fn plot(effects: &Effects, cost: &CostLine, x: &Axis) -> Plot {
    let worse = if effects.more_is_better { -BUDGET } else { BUDGET };
    let ends = effects.arms.iter().flat_map(|arm| [arm.change.low, arm.change.high]);
    let ends = ends.chain([cost.at_1.low, cost.at_1.high, 0.0, worse * 1.3]);
    let (low, high) = ends.fold((0.0, 0.0), |(low, high): (f64, f64), end| (low.min(end), high.max(end)));
    let heading = short(&metric_words(&effects.metric).0);
    let mut plot = Plot {
        height: HEIGHT,
        heading,
        y: Axis::linear(low, high, signed),
        stretched: html! {},
        over: html! {},
    };
    let end = x.place(1.0) * UNITS;
    let start = x.place(0.0) * UNITS;
    let y = |value: f64| number(plot.y(value));
    let wedge =
        format!("M{} {}L{} {}V{}z", number(start), y(0.0), number(end), y(cost.at_1.high), y(cost.at_1.low));
    let stretched = html! {
        path class="wedge" d=(wedge) fill="currentColor" fill-opacity="0.15" {}
        (line("response", [Some((start, plot.y(0.0))), Some((end, plot.y(cost.at_1.estimate)))]))
    };
    let over = over(effects, cost, &plot, x, worse);
    plot.stretched = stretched;
    plot.over = over;
    plot
}

fn over(effects: &Effects, cost: &CostLine, plot: &Plot, x: &Axis, worse: f64) -> Markup {
    let y = |value: f64| number(plot.y(value));
    let within = cost.fraction_within_2_percent;
    html! {
        line class="zero" x1="0" x2="100%" y1=(y(0.0)) y2=(y(0.0)) stroke="currentColor" {}
        line class="bound" x1="0" x2="100%" y1=(y(worse)) y2=(y(worse)) stroke="currentColor" stroke-dasharray="6 4" {}
        @if within > 0.0 && within < 1.0 {
            @let at = percent(x.place(within));
            line class="bound" x1=(at) x2=(at) y1="0" y2=(HEIGHT) stroke="currentColor" stroke-dasharray="6 4" {}
            text class="label" x=(at) dx="6" y="12" { "up to " (document::rounded_down(within)) }
        }
        @for arm in &effects.arms {
            @let at = percent(x.place(arm.fraction));
            line class={ "whisker " (MEASURED.class()) } x1=(at) x2=(at) y1=(y(arm.change.low)) y2=(y(arm.change.high)) stroke="currentColor" {}
            (MEASURED.at(x.place(arm.fraction), plot.y(arm.change.estimate)))
        }
    }
}
