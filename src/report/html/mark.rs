//! Marks of series, told apart by their shape: colour only helps.

use maud::{Markup, html};

use super::chart::{Key, number, percent};

/// How many series have a mark of their own; further ones begin again.
const SERIES: usize = 6;

/// The mark of one series, wherever it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(usize);

impl Mark {
    /// Of the first, second, ... series of a page.
    pub(super) const fn of(series: usize) -> Self {
        Self(series % SERIES)
    }

    /// Its colour; a line of the same series has it too.
    pub(super) const fn class(self) -> &'static str {
        ["s0", "s1", "s2", "s3", "s4", "s5"][self.0]
    }

    /// About the origin.
    const fn shape(self) -> &'static str {
        match self.0 {
            0 => "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
            1 => "M-3.5-3.5h7v7h-7z",
            2 => "M0-5L5 4H-5z",
            3 => "M0-5L5 0L0 5L-5 0z",
            4 => "M0 5L5-4H-5z",
            _ => "M-4-4L4 4M4-4L-4 4",
        }
    }

    /// The first two are hollow: they are what others are held against.
    const fn filling(self) -> &'static str {
        match self.0 {
            0 | 1 => "hollow",
            5 => "hollow bare",
            _ => "solid",
        }
    }

    fn drawn(self) -> Markup {
        let class = format!("mark {} {}", self.filling(), self.class());
        let fill = if self.filling() == "solid" { "currentColor" } else { "none" };
        html! { path class=(class) d=(self.shape()) fill=(fill) stroke="currentColor" {} }
    }

    /// At a place along the horizontal axis, and so many pixels from the top.
    pub(super) fn at(self, place: f64, top: f64) -> Markup {
        html! { svg x=(percent(place)) y=(number(top)) overflow="visible" { (self.drawn()) } }
    }

    pub(super) fn key(self, words: &str) -> Key {
        Key {
            sign: html! { svg x="11" y="6" overflow="visible" { (self.drawn()) } },
            words: words.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_shape_of_its_own_and_stands_where_it_is_put() {
        let drawn: Vec<String> =
            (0..SERIES).map(|series| Mark::of(series).at(0.25, 12.0).into_string()).collect();
        for (index, one) in drawn.iter().enumerate() {
            assert!(one.contains("x=\"25%\" y=\"12\""), "{one}");
            assert_eq!(drawn.iter().position(|other| other == one), Some(index));
        }
        assert_eq!(Mark::of(SERIES), Mark::of(0));
    }
}
