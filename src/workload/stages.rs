//! A stream's rate over the run: constant, or stage by stage; and how the file says the latter.
//!
//! Belongs here: what a stage is and reading it. Does not belong here: when its requests are due, which is
//! [`Schedule`](crate::engine::Schedule)'s.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::kind::{Kind, Value, Wrong};
use super::raw::{Field, Node, Raw};
use super::suggest::{either, nearest};
use crate::units::{Nanos, Rate, UnitError};

/// The most stages that a window is cut into, those of all streams together.
pub const MOST_STAGES: usize = 64;

/// A part of the measured window in which a stream's rate stays, or rises or falls evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    from: f64,
    to: f64,
    length: Nanos,
}

impl Stage {
    /// From one rate to another, in requests per second; 0 is a pause.
    ///
    /// # Errors
    /// Where a rate is not within 0 to 10 million per second, or the length is 0.
    pub fn new(from: f64, to: f64, length: Nanos) -> Result<Self, UnitError> {
        for rate in [from, to].into_iter().filter(|rate| *rate != 0.0) {
            Rate::per_second(rate)?;
        }
        if length == Nanos::ZERO {
            let range = "a stage lasts longer than 0";
            return Err(UnitError::OutOfRange { value: length.to_string(), range });
        }
        Ok(Self { from, to, length })
    }

    /// Requests per second at its start: 0 to 10 million.
    pub const fn start_rate(&self) -> f64 {
        self.from
    }

    /// Requests per second at its end: 0 to 10 million.
    pub const fn end_rate(&self) -> f64 {
        self.to
    }

    /// How long it lasts, above 0.
    pub const fn length(&self) -> Nanos {
        self.length
    }

    /// Its rate that long after its start.
    fn at(&self, since_start: Nanos) -> f64 {
        self.from + (self.to - self.from) * (since_start.as_secs_f64() / self.length.as_secs_f64())
    }
}

/// A stream's rate over the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Rates {
    /// The same from the start of the warm-up to the end.
    Constant(Rate),
    /// As the stages say.
    Staged {
        /// Before the first stage, at the rate it begins with.
        warmup: Nanos,
        /// At least one, some rate of which is above 0.
        stages: Vec<Stage>,
    },
}

impl From<Rate> for Rates {
    fn from(rate: Rate) -> Self {
        Self::Constant(rate)
    }
}

impl Rates {
    /// Whether it never changes, whatever the number of stages.
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Staged { stages, .. } => {
                let first = stages.first().map(|stage| stage.from);
                stages.iter().all(|stage| Some(stage.from) == first && Some(stage.to) == first)
            }
        }
    }

    /// The highest rate that it comes to, in requests per second.
    pub fn highest(&self) -> f64 {
        match self {
            Self::Constant(rate) => rate.get(),
            Self::Staged { stages, .. } => {
                stages.iter().fold(0.0, |most, stage| most.max(stage.from).max(stage.to))
            }
        }
    }

    /// When each stage begins, from the window's start; a constant rate is one stage.
    pub fn starts(&self) -> Vec<Nanos> {
        match self {
            Self::Constant(_) => vec![Nanos::ZERO],
            Self::Staged { stages, .. } => {
                let ends = stages.iter().scan(Nanos::ZERO, |end, stage| {
                    *end = *end + stage.length;
                    Some(*end)
                });
                std::iter::once(Nanos::ZERO).chain(ends).take(stages.len()).collect()
            }
        }
    }

    /// Requests per second just after `start` and just before `end`, both from the window's start and within one stage.
    pub fn over(&self, start: Nanos, end: Nanos) -> (f64, f64) {
        match self {
            Self::Constant(rate) => (rate.get(), rate.get()),
            Self::Staged { stages, .. } => {
                let starts = self.starts();
                let index = starts.partition_point(|begin| *begin <= start).saturating_sub(1);
                let (stage, begin) = (stages[index], starts[index]);
                (stage.at(start - begin), stage.at((end - begin).min(stage.length)))
            }
        }
    }
}

/// How long stages last together.
pub(super) fn total(stages: &[Stage]) -> Nanos {
    stages.iter().fold(Nanos::ZERO, |sum, stage| sum + stage.length)
}

/// How a list of stages is written.
pub(super) const EXAMPLE: &str =
    "[{ rate = 100, duration = \"30s\" }, { ramp_to = 500, duration = \"60s\" }]";

const KEYS: [&str; 3] = ["rate", "ramp_to", "duration"];
const RATE_FIX: &str = "write a number of requests per second from 0 to 10000000";

/// Reads a list of stages.
///
/// # Errors
/// The first thing that is wrong with it, at its own place.
pub(super) fn read(node: &Node) -> Result<Value, Wrong> {
    let Raw::Array(items) = &node.raw else {
        return Err(Wrong::new(
            format!("expected a list of stages, found {}", node.found()),
            format!("write {EXAMPLE}"),
        ));
    };
    if items.is_empty() {
        return Err(Wrong::new("there is no stage in it", format!("write {EXAMPLE}")));
    }
    if items.len() > MOST_STAGES {
        let message = format!("{} stages are more than the {MOST_STAGES} that are told apart", items.len());
        return Err(Wrong::new(message, "write one ramp in place of many small steps"));
    }
    let (mut stages, mut json): (Vec<Stage>, Vec<Json>) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let before = stages.last().map(Stage::end_rate);
        let (stage, said) = one(item, before).map_err(|wrong| Wrong {
            within: format!("[{index}]{}", wrong.within),
            at: wrong.at.or_else(|| Some(item.at.clone())),
            ..wrong
        })?;
        stages.push(stage);
        json.push(Json::Object(said));
    }
    if stages.iter().all(|stage| stage.from + stage.to == 0.0) {
        let message = "no stage has a rate above 0, so there is nothing to do";
        return Err(Wrong::new(
            message,
            "give one of them a rate, such as { rate = 100, duration = \"30s\" }",
        ));
    }
    Ok(Value::Stages(stages, Json::Array(json)))
}

/// One stage after one that ends at the rate `before`, and what was said of it.
fn one(node: &Node, before: Option<f64>) -> Result<(Stage, Map<String, Json>), Wrong> {
    let Raw::Table(fields) = &node.raw else {
        let message = format!("expected a stage, found {}", node.found());
        return Err(Wrong::new(message, "write it in braces, such as { rate = 100, duration = \"30s\" }"));
    };
    let (mut rate, mut ramp_to, mut length, mut said) = (None, None, None, Map::new());
    for field in fields {
        let value = value_of(field).map_err(|wrong| Wrong {
            within: format!(".{}", field.key),
            at: wrong.at.or_else(|| Some(field.node.at.clone())),
            ..wrong
        })?;
        said.insert(field.key.clone(), value.json());
        match (field.key.as_str(), value) {
            ("rate", Value::Number(number)) => rate = Some(number),
            ("ramp_to", Value::Number(number)) => ramp_to = Some(number),
            (_, Value::Duration(duration, _)) => length = Some(duration),
            _ => {}
        }
    }
    let fix = "add duration = \"30s\": how long the stage lasts";
    let length: Duration = length.ok_or_else(|| Wrong::new("the stage has no duration", fix))?;
    let (from, to) = match (rate.or(before), rate, ramp_to) {
        (Some(from), _, Some(to)) => (from, to),
        (_, Some(rate), None) => (rate, rate),
        (None, _, Some(_)) => {
            return Err(Wrong::new(
                "the first stage has no stage before it whose rate its ramp could start from",
                "add the rate that it starts from, such as { rate = 0, ramp_to = 100, duration = \"30s\" }",
            ));
        }
        (_, None, None) => {
            let fix = "add rate = 100 (a step) or ramp_to = 500 (a ramp from where the stage before ends)";
            return Err(Wrong::new("the stage has neither rate nor ramp_to", fix));
        }
    };
    let stage = Stage::new(from, to, length.into()).map_err(|e| Wrong::new(e.to_string(), RATE_FIX))?;
    Ok((stage, said))
}

fn value_of(field: &Field) -> Result<Value, Wrong> {
    let at_key =
        |message: String, fix: String| Wrong { at: Some(field.at.clone()), ..Wrong::new(message, fix) };
    match field.key.as_str() {
        "rate" | "ramp_to" => Kind::RateOrZero.read(&field.node),
        "duration" => Kind::Duration { zero: false }.read(&field.node),
        "concurrency" => Err(at_key(
            "a stage is a rate of an open loop; the concurrency of a closed loop stays as it is".to_owned(),
            "write rate or ramp_to; or, in place of stages, one concurrency and a duration".to_owned(),
        )),
        other => {
            let fix = match nearest(other, KEYS.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("a stage takes {}", either(&KEYS)),
            };
            Err(at_key("there is no such key".to_owned(), fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_constant_where_no_stage_changes_it() {
        let staged = |rates: &[(f64, f64)]| {
            let stage = |&(from, to)| Stage::new(from, to, Nanos::from_secs(1)).unwrap();
            Rates::Staged { warmup: Nanos::ZERO, stages: rates.iter().map(stage).collect() }
        };
        assert!(Rates::Constant(Rate::per_second(5.0).unwrap()).is_constant());
        assert!(staged(&[(5.0, 5.0), (5.0, 5.0)]).is_constant());
        assert!(!staged(&[(5.0, 5.0), (6.0, 6.0)]).is_constant());
        assert!(!staged(&[(5.0, 6.0)]).is_constant());
        assert_eq!(staged(&[(5.0, 6.0), (6.0, 2.0)]).highest(), 6.0);
    }
    use crate::workload::{Origin, raw};

    fn stages(text: &str) -> Vec<(f64, f64, u64)> {
        match read(&raw::value(text, false, &Origin::Set)) {
            Ok(Value::Stages(stages, _)) => {
                stages.iter().map(|stage| (stage.from, stage.to, stage.length.get() / 1_000_000)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ramp_starts_where_the_stage_before_ends_or_at_a_rate_of_its_own() {
        let text = "[{ rate = 5, duration = \"1s\" }, { ramp_to = 20.5, duration = \"500ms\" }, \
                    { ramp_to = 0, duration = \"2s\" }, { rate = 0, duration = \"1s\" }, \
                    { rate = 7, ramp_to = 9, duration = \"1s\" }]";
        let expected =
            [(5.0, 5.0, 1_000), (5.0, 20.5, 500), (20.5, 0.0, 2_000), (0.0, 0.0, 1_000), (7.0, 9.0, 1_000)];
        assert_eq!(stages(text), expected);
        assert_eq!(stages("[{ rate = 0, ramp_to = 3, duration = \"1s\" }]"), [(0.0, 3.0, 1_000)]);
    }

    #[test]
    fn a_stage_that_cannot_be_is_not_made() {
        let second = Nanos::from_secs(1);
        for (from, to, length) in
            [(-1.0, 1.0, second), (1.0, 2e7, second), (f64::NAN, 1.0, second), (1.0, 1.0, Nanos::ZERO)]
        {
            assert!(Stage::new(from, to, length).is_err(), "{from} {to} {length}");
        }
    }

    #[test]
    fn the_rate_of_any_part_of_a_stage_is_on_its_line() {
        let stage = |from, to, seconds| Stage::new(from, to, Nanos::from_secs(seconds)).unwrap();
        let stages = vec![stage(10.0, 10.0, 4), stage(10.0, 50.0, 8)];
        let rates = Rates::Staged { warmup: Nanos::from_secs(3), stages };
        let at = Nanos::from_secs;
        assert_eq!(rates.starts(), [at(0), at(4)]);
        assert_eq!(rates.over(at(0), at(4)), (10.0, 10.0));
        assert_eq!(rates.over(at(4), at(12)), (10.0, 50.0));
        assert_eq!(rates.over(at(6), at(8)), (20.0, 30.0), "5 more each second");
    }
}
