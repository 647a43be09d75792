//! Was anything drifting? Every slot in the order of time, and beneath it, over the same slots, what else the machine did.

use maud::{Markup, html};

use super::super::super::axis::{Axis, Tick};
use super::super::super::chart::{Figure, Key, Plot, UNITS, line, number, percent};
use super::super::super::mark::Mark;
use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td};
use super::super::super::text::short;
use super::super::super::tick_count;
use super::nothing;
use crate::report::experiment::overhead::{Mode, Overhead, OverheadSlot};
use crate::report::experiment::overhead_sentence::{metric_words, share};
use crate::report::experiment::percent as in_percent;
use crate::report::terminal::summary::short as digits;
use crate::report::terminal::table::grouped;

const HEIGHT: u32 = 220;
const STRIP: u32 = 44;
/// Blocks that are named on the axis, at most.
const NAMED: usize = 8;
/// Arms that are drawn as lines through all their slots.
const OFF: f64 = 0.0;

pub(super) fn panel(overhead: &Overhead) -> Panel {
    let body = match overhead.slots.is_empty() {
        true => nothing("No slot was completed."),
        false => html! {
            p class="note" {
                "Every block holds every arm, in random order. So what drifts slowly against a block meets all arms alike and is taken out; what comes and \
                 goes within a block is noise. Stolen time and other programs are shown, and decide nothing."
            }
            (figure(overhead))
        },
    };
    Panel { id: "drift", title: "Over time", question: "Was anything drifting?", body }
}

fn figure(overhead: &Overhead) -> Markup {
    let slots = &overhead.slots;
    let x = axis(slots);
    let (name, value) = metric_words(&overhead.primary);
    let mut plots = vec![values(overhead, &x, &name, value)];
    plots.extend(strip(
        "stolen by the hypervisor, of the machine's time",
        slots,
        &x,
        0.05,
        in_percent,
        |slot| slot.stolen,
    ));
    plots.extend(strip("cores that other programs kept busy", slots, &x, 1.0, tick_count, |slot| {
        slot.others_cores
    }));
    let mut keys: Vec<Key> =
        overhead.arms.iter().enumerate().map(|(index, arm)| Mark::of(index).key(&short(&arm.arm))).collect();
    keys.push(Key::line("offs", "joins the slots that were off"));
    let figure = Figure {
        id: "drift-figure",
        title: &format!("{} of every slot", short(&name)),
        about: "From left to right in the order of time, block by block. The vertical axis does not begin at zero.",
        x: &x,
        x_label: if overhead.mode == Mode::OwnFraction { "pair" } else { "block" },
        plots,
        keys,
        table: table(overhead, &x),
        is_open: false,
    };
    figure.markup()
}

/// One unit for each slot; where blocks begin is named.
fn axis(slots: &[OverheadSlot]) -> Axis {
    let begins = |index: usize| index == 0 || slots[index].block != slots[index - 1].block;
    let starts: Vec<usize> = (0..slots.len()).filter(|index| begins(*index)).collect();
    let every = starts.len().div_ceil(NAMED).max(1);
    let mut axis = Axis::linear(0.0, slots.len() as f64, |_| String::new());
    let tick = |start: &usize| Tick { at: *start as f64, text: (slots[*start].block + 1).to_string() };
    axis.ticks = starts.iter().step_by(every).map(tick).collect();
    axis
}

/// The middle of a slot.
fn place(index: usize, x: &Axis) -> f64 {
    x.place(index as f64 + 0.5)
}

fn values(overhead: &Overhead, x: &Axis, name: &str, value: fn(f64) -> String) -> Plot {
    let known: Vec<(usize, &OverheadSlot, f64)> = overhead
        .slots
        .iter()
        .enumerate()
        .filter_map(|(index, slot)| Some((index, slot, *slot.values.get(&overhead.primary)?)))
        .collect();
    let (low, high) = known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (.., value)| {
        (low.min(*value), high.max(*value))
    });
    // Slots that hardly differ are not blown up.
    let spare = ((high - low) * 0.06).max(high.abs() * 0.01);
    let y = if known.is_empty() {
        Axis::linear(0.0, 1.0, value)
    } else {
        Axis::linear(low - spare, high + spare, value)
    };
    let mut plot = Plot { height: HEIGHT, heading: short(name), y, stretched: html! {}, over: html! {} };
    if known.is_empty() {
        plot.y.ticks.clear();
        plot.over = html! { text class="note" x="50%" y=(HEIGHT / 2) text-anchor="middle" { "not known in any slot" } };
        return plot;
    }
    let off = known.iter().filter(|(_, slot, _)| slot.fraction == OFF);
    plot.stretched =
        line("offs", off.map(|(index, _, value)| Some((place(*index, x) * UNITS, plot.y(*value)))));
    let arm = |slot: &OverheadSlot| overhead.arms.iter().position(|arm| arm.arm == slot.arm);
    plot.over = html! {
        (servers(overhead, x))
        @for (index, slot, value) in &known {
            @if let Some(arm) = arm(slot) { (Mark::of(arm).at(place(*index, x), plot.y(*value))) }
        }
    };
    plot
}

/// Where another server process took over, as in an experiment that was resumed.
fn servers(overhead: &Overhead, x: &Axis) -> Markup {
    let slots = &overhead.slots;
    let changes = (1..slots.len()).filter(|index| {
        // There, every slot has a process of its own.
        overhead.mode != Mode::OwnFraction && slots[*index].server != slots[*index - 1].server
    });
    html! {
        @for index in changes {
            @let at = percent(x.place(index as f64));
            line class="stage" x1=(at) x2=(at) y1="0" y2=(HEIGHT) stroke="currentColor" stroke-dasharray="2 3" {}
            text class="label" x=(at) dx="4" y="12" { "server process " (slots[index].server + 1) }
        }
    }
}

/// A bar for each slot; `None` where nothing is known of any. The axis goes up to `least` at least.
fn strip(
    heading: &str,
    slots: &[OverheadSlot],
    x: &Axis,
    least: f64,
    text: fn(f64) -> String,
    value: impl Fn(&OverheadSlot) -> Option<f64>,
) -> Option<Plot> {
    let known: Vec<(usize, f64)> =
        slots.iter().enumerate().filter_map(|(index, slot)| Some((index, value(slot)?))).collect();
    let most = known.iter().map(|(_, value)| *value).reduce(f64::max)?;
    let y = Axis::from_zero(most.max(least), text);
    let mut plot =
        Plot { height: STRIP, heading: heading.to_owned(), y, stretched: html! {}, over: html! {} };
    let mut path = String::new();
    for (index, value) in known {
        let from = x.place(index as f64 + 0.1) * UNITS;
        let width = x.place(index as f64 + 0.9) * UNITS - from;
        path.push_str(&format!(
            "M{} {STRIP}V{}h{}V{STRIP}z",
            number(from),
            number(plot.y(value)),
            number(width)
        ));
    }
    plot.stretched = html! { path class="beside" d=(path) fill="currentColor" {} };
    Some(plot)
}

fn table(overhead: &Overhead, x: &Axis) -> Table {
    let (name, value) = metric_words(&overhead.primary);
    let heading = ["block", "arm", "began", &short(&name), "stolen", "others' cores", "sent", "sampled"];
    let mut table = Table::new("Every slot, in the order of time", 2, &heading);
    let first = overhead.slots.first().map_or(0, |slot| slot.start_unix_us);
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    for (index, slot) in overhead.slots.iter().enumerate() {
        let began = slot.start_unix_us.saturating_sub(first) as f64 / 1e6;
        let cells: [Td; 8] = [
            (slot.block + 1).to_string().into(),
            short(&slot.arm).into(),
            format!("{} s", digits(began)).into(),
            or_unknown(slot.values.get(&overhead.primary).map(|known| value(*known))).into(),
            or_unknown(slot.stolen.map(share)).into(),
            or_unknown(slot.others_cores.map(|cores| format!("{cores:.2}"))).into(),
            grouped(slot.sent).into(),
            grouped(slot.sampled).into(),
        ];
        table.push(Row { at: Some(place(index, x)), ..Row::from_iter(cells) });
    }
    table
}
