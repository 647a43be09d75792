//! The whole grid of some settings: which points there are, in which order they are run, and carrying them out.
//!
//! Belongs here: what a grid is, what of the set-up its points share, the order, what of a stopped sweep is still to be done.
//! Invariant: the order is drawn from a seed that is told, every point is run in both halves of the sweep, and one point is run
//! throughout.

mod carry_out;
mod design;
mod grid;
mod order;
mod resume;

pub use carry_out::{Sweeping, carry_out};
pub use design::{Design, in_minutes};
pub use grid::{Axis, AxisError, Grid, GridError, Point};
pub use resume::{ResumeError, axes, seed};
