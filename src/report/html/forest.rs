//! A forest plot: changes one beneath the other on one scale, each a mark within its interval, against zero and against the noise.

use maud::{Markup, html};

use super::axis::Axis;
use super::chart::{Key, Plot, number, percent};
use crate::report::experiment::percent as in_percent;
use crate::report::terminal::slow::cut;

/// Pixels of a row: its words, and its interval beneath them.
const ROW: u32 = 40;
/// Of which the words take these.
const WORDS: u32 = 14;
/// Steps of the axis at most: its numbers are short.
const STEPS: f64 = 6.0;
/// Longest words; the table has them whole.
const LONGEST: usize = 44;

/// A change with its 95 % interval, as shares: 0.02 is 2 % more.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) estimate: f64,
    pub(super) high: f64,
    /// What changed.
    pub(super) label: String,
    /// How much, and what it comes to. Small screens have no room for it: the table tells it too.
    pub(super) aside: String,
    pub(super) seen: Seen,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Worse,
    Better,
    /// No change, or nothing is decided.
    Nothing,
}

impl Seen {
    const fn class(self) -> &'static str {
        match self {
            Self::Worse => "bad",
            Self::Better => "good",
            Self::Nothing => "open",
        }
    }

    fn mark(self) -> Markup {
        let (shape, fill) = match self {
            Self::Worse => ("M0-5.5L5.5 0L0 5.5L-5.5 0z", "currentColor"),
            Self::Better => ("M-4.5-4.5h9v9h-9z", "currentColor"),
            Self::Nothing => ("M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", "none"),
        };
        html! { path class={ "estimate " (self.class()) } d=(shape) fill=(fill) stroke="currentColor" {} }
    }

    pub(super) fn key(self, words: &str) -> Key {
        Key { sign: html! { svg x="11" y="6" overflow="visible" { (self.mark()) } }, words: words.to_owned() }
    }
}

/// What the shaded band is.
pub(super) fn noise_key(words: &str) -> Key {
    Key {
        sign: html! { rect class="noise" x="2" y="0" width="18" height="12" fill="currentColor" fill-opacity="0.15" {} },
        words: words.to_owned(),
    }
}

/// An axis with room for all intervals, zero, and a band on either side of it. Few that are far longer than the others are cut, so that
/// these can still be seen.
pub(super) fn axis<'a>(intervals: impl IntoIterator<Item = &'a Interval>, band: f64) -> Axis {
    let ends: Vec<(f64, f64)> = intervals.into_iter().map(|interval| (interval.low, interval.high)).collect();
    let mut reaches: Vec<f64> = ends.iter().map(|(low, high)| low.abs().max(high.abs())).collect();
    reaches.sort_by(f64::total_cmp);
    let most = 4.0 * reaches.get(reaches.len() / 2).copied().unwrap_or(0.0).max(band);
    let low = ends.iter().fold(-band, |least, (low, _)| least.min(low.max(-most)));
    let high = ends.iter().fold(band, |most_yet, (_, high)| most_yet.max(high.min(most)));
    // What reaches the edge would be taken for cut.
    let spare = ((high - low) * 0.03).max(0.000_5);
    Axis::linear_in(STEPS, low.min(0.0) - spare, high.max(0.0) + spare, signed)
}

/// `+5 %`, `0`.
pub(super) fn signed(share: f64) -> String {
    match share {
        0.0 => "0".to_owned(),
        share if share > 0.0 => format!("+{}", in_percent(share)),
        share => in_percent(share),
    }
}

/// What is so far from zero as `band`, or nearer, is noise; `None`: that is not known.
pub(super) fn plot(heading: &str, intervals: &[Interval], band: Option<f64>, x: &Axis) -> Plot {
    let height = ROW * intervals.len() as u32 + 6;
    let mut y = Axis::linear(0.0, 1.0, |_| String::new());
    y.ticks.clear();
    let zero = percent(x.place(0.0));
    let over = html! {
        @if let Some(band) = band {
            @let (from, to) = (x.place(-band), x.place(band));
            rect class="noise" x=(percent(from)) width=(percent(to - from)) y="0" height=(height) fill="currentColor" fill-opacity="0.15" {}
        }
        line class="zero" x1=(zero) x2=(zero) y1="0" y2=(height) stroke="currentColor" {}
        @for (row, interval) in (0..).zip(intervals) { (drawn(interval, x, row * ROW)) }
    };
    Plot { height, heading: cut(heading, LONGEST), y, stretched: html! {}, over }
}

fn drawn(interval: &Interval, x: &Axis, top: u32) -> Markup {
    let Interval { low, estimate, high, label, aside, seen } = interval;
    let middle = f64::from(top + WORDS + 13);
    let is_shown = |value: f64| value >= x.value(0.0) && value <= x.value(1.0);
    let ends = [(*low, "M5-4L0 0L5 4"), (*high, "M-5-4L0 0L-5 4")];
    let at = |value: f64| percent(x.place(value));
    html! {
        text class="row" x="-50" y=(top + WORDS) { (cut(label, LONGEST)) }
        text class="aside" x="100%" y=(top + WORDS) text-anchor="end" { (cut(aside, LONGEST)) }
        line class={ "whisker " (seen.class()) } x1=(at(*low)) x2=(at(*high)) y1=(number(middle)) y2=(number(middle)) stroke="currentColor" {}
        @for (end, arrow) in ends {
            svg x=(at(end)) y=(number(middle)) overflow="visible" {
                path class={ "whisker " (seen.class()) } d=(if is_shown(end) { "M0-4V4" } else { arrow }) fill="none" stroke="currentColor" {}
            }
        }
        @if is_shown(*estimate) { svg x=(at(*estimate)) y=(number(middle)) overflow="visible" { (seen.mark()) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval([low, estimate, high]: [f64; 3]) -> Interval {
        Interval { low, estimate, high, label: "at 1".into(), aside: String::new(), seen: Seen::Worse }
    }

    #[test]
    fn an_interval_lies_where_its_numbers_say() {
        // From -10 % to +10 %: 2 % is at 60 % of the width, 5 % at 75, 8 % at 90; the noise from 45 to 55.
        let x = Axis::linear(-0.1, 0.1, signed);
        let over = plot("search p50", &[interval([0.02, 0.05, 0.08])], Some(0.01), &x).over.into_string();
        assert!(over.contains(r#"class="whisker bad" x1="60%" x2="90%" y1="27" y2="27""#), "{over}");
        assert!(
            over.contains(r#"<svg x="75%" y="27" overflow="visible"><path class="estimate bad""#),
            "{over}"
        );
        assert!(over.contains(r#"class="noise" x="45%" width="10%""#), "{over}");
        assert!(over.contains(r#"class="zero" x1="50%" x2="50%""#), "{over}");
    }

    #[test]
    fn an_axis_has_room_for_zero_the_noise_and_all_but_what_is_far_longer_than_others() {
        let within = |axis: &Axis, value: f64| value > axis.value(0.0) && value < axis.value(1.0);
        let usual = [interval([0.02, 0.05, 0.08]), interval([0.03, 0.06, 0.09])];
        let axis = super::axis(&usual, 0.04);
        assert!(within(&axis, -0.04) && within(&axis, 0.09) && !within(&axis, 0.1));
        let with_long = [usual[0].clone(), interval([-0.5, 2.0, 9.0]), usual[1].clone()];
        let axis = super::axis(&with_long, 0.04);
        assert!(within(&axis, 0.09) && !within(&axis, 0.5), "{axis:?}");
        let over = plot("", &with_long, None, &axis).over.into_string();
        assert!(
            over.contains("M5-4L0 0L5 4") && over.contains("M-5-4L0 0L-5 4"),
            "cut on both sides: {over}"
        );
        assert_eq!(over.matches("class=\"estimate").count(), 2, "one lies outside: {over}");
        let nothing = super::axis(&[], 0.0);
        assert!(within(&nothing, 0.0));
    }

    #[test]
    fn ticks_have_their_sign() {
        assert_eq!([-0.05, 0.0, 0.1, 0.002].map(signed), ["-5 %", "0", "+10 %", "+0.2 %"]);
    }
}
