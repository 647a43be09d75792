//! Axes: where a value stands, and which values are named.

/// A value that is named on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) text: String,
}

/// From a value to its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
    pub(super) ticks: Vec<Tick>,
}

/// Named values at most, where steps can be chosen.
const TICKS: f64 = 5.0;

impl Axis {
    /// From `from` to `to` exactly.
    pub(super) fn linear(from: f64, to: f64, text: impl Fn(f64) -> String) -> Self {
        Self::linear_in(TICKS, from, to, text)
    }

    /// As [`Self::linear`], with so many steps between named values at most.
    pub(super) fn linear_in(ticks: f64, from: f64, to: f64, text: impl Fn(f64) -> String) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self::with_step(from, to, step((to - from) / ticks), text)
    }

    /// From `from` to `to` exactly, with these ticks.
    pub(super) fn linear_with(from: f64, to: f64, ticks: Vec<Tick>) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, is_log: false, ticks }
    }

    fn with_step(from: f64, to: f64, step: f64, text: impl Fn(f64) -> String) -> Self {
        let (first, last) = ((from / step).ceil() as i64, (to / step + 1e-9).floor() as i64);
        let ticks = (first..=last).map(|n| n as f64 * step).map(|at| Tick { at, text: text(at) }).collect();
        Self { from, to, is_log: false, ticks }
    }

    /// From 0 to a round number at or above `most`.
    pub(super) fn from_zero(most: f64, text: impl Fn(f64) -> String) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step(most / 2.0);
        Self::with_step(0.0, (most / step).ceil() * step, step, text)
    }

    /// Logarithmic, from a round number at or below `low` to one at or above `high`; both above 0.
    pub(super) fn log(low: f64, high: f64, text: impl Fn(f64) -> String) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        // What scatters little is not blown up.
        let (from, to) = (round_down(low), round_up(high.max(low * 4.0)));
        let decades = (to / from).log10();
        let (factors, every): (&[f64], i32) = match decades {
            d if d < 1.6 => (&[1.0, 2.0, 5.0], 1),
            d if d < 3.2 => (&[1.0, 3.0], 1),
            d if d < 6.5 => (&[1.0], 1),
            _ => (&[1.0], 2),
        };
        let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
        let within = |at: &f64| *at >= from * 0.999 && *at <= to * 1.001;
        let named = (first..=last).filter(|power| power.rem_euclid(every) == 0);
        let named = named.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        let ticks = named.filter(within).map(|at| Tick { at, text: text(at) }).collect();
        Self { from, to, is_log: true, ticks }
    }

    /// Logarithmic, from `from` to `to` exactly, both above 0; round values between them are named.
    pub(super) fn log_within(from: f64, to: f64, text: impl Fn(f64) -> String) -> Self {
        let within = |ticks: Vec<Tick>| -> Vec<Tick> {
            ticks.into_iter().filter(|tick| tick.at >= from && tick.at <= to).collect()
        };
        let ticks = within(Self::log(from, to, &text).ticks);
        // Less than three of 1, 2 and 5: even steps.
        let ticks = if ticks.len() < 3 { within(Self::linear(from, to, &text).ticks) } else { ticks };
        Self::log_with(from, to, ticks)
    }

    /// Logarithmic, from `from` to `to` exactly, with these ticks.
    pub(super) fn log_with(from: f64, to: f64, ticks: Vec<Tick>) -> Self {
        Self { from, to, is_log: true, ticks }
    }

    /// 0 at the beginning, 1 at the end; what lies beyond an end is put there.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = match self.is_log {
            false => (value - self.from) / (self.to - self.from),
            true => (value / self.from).ln() / (self.to / self.from).ln(),
        };
        // A NaN has no place; 0 is one that a picture can be drawn with.
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        match self.is_log {
            false => self.from + place * (self.to - self.from),
            true => self.from * (self.to / self.from).powf(place),
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(least)
}

fn round_up(value: f64) -> f64 {
    step(value)
}

fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step <= value * 1.000_001)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn a_logarithmic_axis_has_equal_steps_for_equal_factors_and_round_ends() {
        let axis = Axis::log(1_300.0, 83_000.0, |at| format!("{at:.0}"));
        assert_eq!((axis.value(0.0).round(), axis.value(1.0).round()), (1_000.0, 100_000.0));
        assert!((axis.place(10_000.0) - 0.5).abs() < 1e-12);
        assert_eq!(texts(&axis), ["1000", "3000", "10000", "30000", "100000"]);
        assert_eq!((axis.place(1.0), axis.place(1e9), axis.place(f64::NAN)), (0.0, 1.0, 0.0));
        assert_eq!(texts(&Axis::log(3.0, 3.0, |at| at.to_string())), ["2", "5", "10", "20"]);
    }

    #[test]
    fn a_logarithmic_axis_with_ends_of_its_own_names_what_is_round_within_them() {
        let axis = Axis::log_within(90.0, 480.0, |at| at.to_string());
        assert_eq!((axis.value(0.0), axis.value(1.0).round()), (90.0, 480.0));
        assert_eq!(texts(&axis), ["100", "200", "300", "400"], "of 1, 2 and 5 there were two");
        assert_eq!(texts(&Axis::log_within(90.0, 2_100.0, |at| at.to_string())), ["100", "300", "1000"]);
        assert_eq!(
            texts(&Axis::log_within(95.0, 105.0, |at| at.to_string())),
            ["96", "98", "100", "102", "104"]
        );
    }

    #[test]
    fn a_linear_axis_names_round_values_and_no_more_than_fit() {
        let axis = Axis::linear(0.0, 30.0, |at| at.to_string());
        assert_eq!(texts(&axis), ["0", "10", "20", "30"]);
        assert_eq!(axis.place(7.5), 0.25);
        assert_eq!(texts(&Axis::from_zero(0.0, |at| at.to_string())), ["0", "0.5", "1"]);
        assert_eq!(texts(&Axis::from_zero(104.0, |at| at.to_string())), ["0", "100", "200"]);
    }
}
