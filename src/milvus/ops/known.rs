//! What is known of the rows that this tool has put into a collection.

use std::cell::OnceCell;

use crate::data::Occurrences;
use crate::milvus::rows::RowLayout;

/// Beyond so many rows the values of a field are not counted: it would take 80 MB and seconds.
const MOST_ROWS: u64 = 20_000_000;

/// The base rows of a collection of ours, whose values are known.
#[derive(Debug)]
pub struct KnownRows {
    rows: u64,
    /// By scalar field, counted when first asked for.
    occurrences: Vec<OnceCell<Occurrences>>,
}

impl KnownRows {
    /// Rows 0 to `rows` - 1 of that layout.
    pub fn new(layout: &RowLayout, rows: u64) -> Self {
        Self { rows, occurrences: layout.scalars.iter().map(|_| OnceCell::new()).collect() }
    }

    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How often each value of a scalar field occurs; `None` where there are too many rows to count.
    pub(super) fn occurrences(&self, layout: &RowLayout, field: usize) -> Option<&Occurrences> {
        let (cell, (_, source)) = (self.occurrences.get(field)?, layout.scalars.get(field)?);
        (self.rows <= MOST_ROWS).then(|| cell.get_or_init(|| source.occurrences(self.rows)))
    }
}
