//! Marks of points: a shape tells what a point is, and colour only helps.

use maud::{Markup, html};

use super::chart::{Key, number, percent};

/// About ten pixels wide, so that they are told apart on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Square,
    Triangle,
    Diamond,
    Plus,
    Wedge,
    Cross,
}

impl Shape {
    /// About the origin.
    const fn path(self) -> &'static str {
        match self {
            Self::Disc => "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
            Self::Square => "M-3.5-3.5h7v7h-7z",
            Self::Triangle => "M0-5L5 4H-5z",
            Self::Diamond => "M0-5L5 0L0 5L-5 0z",
            Self::Plus => "M-1.6-4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
            Self::Wedge => "M0 5L5-4H-5z",
            Self::Cross => "M-4-4L4 4M4-4L-4 4",
        }
    }
}

/// How a kind of points is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) shape: Shape,
    pub(super) is_hollow: bool,
    /// Gives the colour; a line of the same series has it too.
    pub(super) class: &'static str,
}

const fn mark(shape: Shape, is_hollow: bool, class: &'static str) -> Mark {
    Mark { shape, is_hollow, class }
}

/// The first two are hollow: they are what others are held against.
const SERIES: [Mark; 6] = [
    mark(Shape::Disc, true, "s0"),
    mark(Shape::Square, true, "s1"),
    mark(Shape::Triangle, false, "s2"),
    mark(Shape::Diamond, false, "s3"),
    mark(Shape::Wedge, false, "s4"),
    mark(Shape::Cross, true, "s5"),
];

impl Mark {
    /// Of the first, second, ... series of a page; beyond the last they begin again.
    pub(super) const fn of(series: usize) -> Self {
        SERIES[series % SERIES.len()]
    }

    pub(super) const fn class(self) -> &'static str {
        self.class
    }

    fn drawn(self) -> Markup {
        let filling = match (self.shape, self.is_hollow) {
            (Shape::Cross, _) => "hollow bare",
            (_, true) => "hollow",
            (_, false) => "solid",
        };
        let fill = if filling == "solid" { "currentColor" } else { "none" };
        html! { path class={ "mark " (filling) " " (self.class) } d=(self.shape.path()) fill=(fill) stroke="currentColor" {} }
    }

    /// At a place along the horizontal axis, and so many pixels from the top.
    pub(super) fn at(self, place: f64, top: f64) -> Markup {
        html! { svg x=(percent(place)) y=(number(top)) overflow="visible" { (self.drawn()) } }
    }

    /// The same; the pointer is told the words.
    pub(super) fn told_at(self, place: f64, top: f64, words: &str) -> Markup {
        html! { svg x=(percent(place)) y=(number(top)) overflow="visible" { title { (words) } (self.drawn()) } }
    }

    pub(super) fn key(self, words: &str) -> Key {
        Key {
            sign: html! { svg x="11" y="6" overflow="visible" { (self.drawn()) } },
            words: words.to_owned(),
        }
    }

    /// With the line, of this class, that leads through such points.
    pub(super) fn line_key(self, line: &str, words: &str) -> Key {
        let Key { sign: line, words } = Key::line(line, words);
        let Key { sign, words } = self.key(&words);
        Key { sign: html! { (line) (sign) }, words }
    }
}

/// Words at points, of which none hides another.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    taken: Vec<(f64, f64, f64)>,
}

/// Of the width, for a letter: at 360 pixels a plot is about 250 wide.
pub(super) const LETTER: f64 = 0.03;
const LINE: f64 = 13.0;

impl Labels {
    /// Above a point, or else beneath it; nothing where there is room in neither place.
    pub(super) fn put(&mut self, place: f64, top: f64, height: u32, text: &str) -> Markup {
        let half = LETTER / 2.0 * text.chars().count() as f64;
        let is_free = |y: f64| {
            let collides = |&(x, other, width): &(f64, f64, f64)| {
                (place - x).abs() < half + width && (y - other).abs() < LINE
            };
            y >= LINE - 3.0 && y <= f64::from(height) - 3.0 && !self.taken.iter().any(collides)
        };
        let Some(y) = [top - 9.0, top + 18.0].into_iter().find(|y| is_free(*y)) else { return html! {} };
        self.taken.push((place, y, half));
        html! { text class="at" x=(percent(place)) y=(number(y)) text-anchor="middle" { (text) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_shape_of_its_own_and_stands_where_it_is_put() {
        let drawn: Vec<String> =
            (0..SERIES.len()).map(|series| Mark::of(series).at(0.25, 12.0).into_string()).collect();
        for (index, one) in drawn.iter().enumerate() {
            assert!(one.contains("x=\"25%\" y=\"12\""), "{one}");
            assert_eq!(drawn.iter().position(|other| other == one), Some(index));
        }
        assert_eq!(Mark::of(SERIES.len()), Mark::of(0));
    }

    #[test]
    fn no_label_hides_another() {
        let mut labels = Labels::default();
        let mut put = |place, top| labels.put(place, top, 200, "16").into_string();
        assert!(put(0.5, 100.0).contains("x=\"50%\" y=\"91\""));
        assert!(put(0.5, 100.0).contains("y=\"118\""), "beneath it");
        assert_eq!(put(0.52, 101.0), "", "nowhere");
        assert!(put(0.6, 100.0).contains("y=\"91\""), "far enough");
        assert!(put(0.9, 4.0).contains("y=\"22\""), "within the plot");
    }
}
