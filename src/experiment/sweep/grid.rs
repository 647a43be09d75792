//! What is varied, and the workload at every combination.

use std::str::FromStr;

use crate::run::Settings;
use crate::workload::Override;

/// More points than anybody waits for.
const MOST_POINTS: usize = 1_000;

/// A key of the workload and the values that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Dotted, as `--set` takes it.
    pub key: String,
    /// As written; two or more but where another axis has them.
    pub values: Vec<String>,
}

/// Something else than `key=a,b,...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AxisError {
    /// No key, or no values.
    #[error("write key=a,b,... with a dotted key, such as load.concurrency=1,4,16")]
    NoValues,
    /// `a,,b`.
    #[error("there is an empty value in {0:?}: write key=a,b,... with no comma too many")]
    Empty(String),
    /// `a,a`.
    #[error("{0} is there twice: every point is run more than once anyway")]
    Twice(String),
}

impl FromStr for Axis {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        let (key, values) = text.split_once('=').ok_or(AxisError::NoValues)?;
        let (key, values) = (key.trim(), values.trim());
        if key.is_empty() || values.is_empty() {
            return Err(AxisError::NoValues);
        }
        let values: Vec<String> = split(values).into_iter().map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(AxisError::Empty(text.to_owned()));
        }
        if let Some(twice) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
            return Err(AxisError::Twice(twice.1.clone()));
        }
        Ok(Self { key: key.to_owned(), values })
    }
}

/// At every comma that is in no brackets, braces or quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_i32, None);
    for (place, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth -= 1,
            (None, ',') if depth <= 0 => {
                pieces.push(&text[start..place]);
                start = place + 1;
            }
            (None, _) => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// The workload at one combination.
pub struct Point {
    /// Of each axis, which value.
    pub places: Vec<usize>,
    /// With these values in force.
    pub settings: Settings,
}

/// All combinations; the last axis changes fastest.
pub struct Grid {
    /// What is varied.
    pub axes: Vec<Axis>,
    /// Two or more.
    pub points: Vec<Point>,
}

/// A grid that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// One key on two axes.
    #[error("--vary {0} is there twice: give all its values at once, separated by commas")]
    KeyTwice(String),
    /// Nothing varies.
    #[error("the grid has one point: give --vary two values or more, or use `milvus-load run`")]
    OnePoint,
    /// Too many.
    #[error("the grid has {0} points, more than {MOST_POINTS}: vary fewer keys, or give them fewer values")]
    TooManyPoints(usize),
    /// Another server.
    #[error(
        "--vary {0}: a sweep is of one server: sweep each of them and compare, or vary any key outside of target (of those only \
         target.timeout)"
    )]
    Target(String),
    /// A workload that cannot be run.
    #[error("at {label}: {source:#}")]
    Point {
        /// Which point.
        label: String,
        /// Why.
        source: anyhow::Error,
    },
}

impl Grid {
    /// The workload at every combination, read with `resolve` from what is said over the file.
    ///
    /// # Errors
    /// Where a key or a value is wrong, at any point; where there are too few or too many.
    pub fn resolve(
        axes: Vec<Axis>,
        resolve: impl Fn(Vec<Override>) -> anyhow::Result<Settings>,
    ) -> Result<Self, GridError> {
        for (index, axis) in axes.iter().enumerate() {
            if axes[..index].iter().any(|before| before.key == axis.key) {
                return Err(GridError::KeyTwice(axis.key.clone()));
            }
            if axis.key.starts_with("target.") && axis.key != "target.timeout" {
                return Err(GridError::Target(axis.key.clone()));
            }
        }
        let count = axes.iter().fold(1_usize, |count, axis| count.saturating_mul(axis.values.len()));
        match count {
            0 | 1 => return Err(GridError::OnePoint),
            2..=MOST_POINTS => {}
            many => return Err(GridError::TooManyPoints(many)),
        }
        let point = |number: usize| {
            let places = places(&axes, number);
            let varied = axes
                .iter()
                .zip(&places)
                .map(|(axis, &place)| Override::flag("--vary", &axis.key, axis.values[place].clone()));
            let settings = resolve(varied.collect())
                .map_err(|source| GridError::Point { label: label(&axes, &places), source })?;
            Ok(Point { places, settings })
        };
        let points = (0..count).map(point).collect::<Result<_, GridError>>()?;
        Ok(Self { axes, points })
    }

    /// `load.concurrency=4 operations.search.params.ef=16`.
    pub fn label(&self, point: usize) -> String {
        self.points.get(point).map_or_else(String::new, |point| label(&self.axes, &point.places))
    }
}

fn places(axes: &[Axis], number: usize) -> Vec<usize> {
    let mut rest = number;
    let mut places: Vec<usize> = axes
        .iter()
        .rev()
        .map(|axis| {
            let place = rest % axis.values.len();
            rest /= axis.values.len();
            place
        })
        .collect();
    places.reverse();
    places
}

fn label(axes: &[Axis], places: &[usize]) -> String {
    let said = axes.iter().zip(places).map(|(axis, &place)| format!("{}={}", axis.key, axis.values[place]));
    said.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::env::OtelEnv;
    use crate::workload::load_text;

    fn grid(vary: &[&str]) -> Result<Grid, GridError> {
        let axes = vary.iter().map(|axis| axis.parse().unwrap()).collect();
        Grid::resolve(axes, |varied| {
            let text = "[load]\nrate = 5\n[[operations]]\nkind = \"search\"\n";
            let workload = load_text("w", text, &varied)?;
            Ok(Settings { workload, otel: OtelEnv::default(), notices: vec![] })
        })
    }

    #[track_caller]
    fn refused(vary: &[&str]) -> String {
        grid(vary).err().expect("is refused").to_string()
    }

    #[test]
    fn values_are_split_at_commas_that_are_in_no_brackets() {
        let values = |text: &str| text.parse::<Axis>().map(|axis| axis.values);
        assert_eq!(values("a=1, 4,16").unwrap(), ["1", "4", "16"]);
        assert_eq!(
            values("a=[1,2],{b = 1, c = 2},\"x,y\",it's").unwrap(),
            ["[1,2]", "{b = 1, c = 2}", "\"x,y\"", "it's"]
        );
        assert_eq!(values("a"), Err(AxisError::NoValues));
        assert_eq!(values("=1"), Err(AxisError::NoValues));
        assert_eq!(values("a="), Err(AxisError::NoValues));
        assert_eq!(values("a=1,,2"), Err(AxisError::Empty("a=1,,2".to_owned())));
        assert_eq!(values("a=1,2,1"), Err(AxisError::Twice("1".to_owned())));
    }

    #[test]
    fn the_last_axis_changes_fastest_and_each_point_has_its_settings() {
        let grid = grid(&["load.rate=10,20", "operations.search.top_k=1,2,3"]).unwrap();
        assert_eq!(grid.points.len(), 6);
        assert_eq!(grid.label(4), "load.rate=20 operations.search.top_k=2");
        let value = |key: &str| {
            let settings = &grid.points[4].settings.workload.settings;
            settings.iter().find(|setting| setting.key == key).unwrap().value.clone()
        };
        assert_eq!((value("load.rate"), value("operations.search.top_k")), (20.0.into(), 2.into()));
    }

    #[test]
    fn a_value_may_make_a_closed_loop_of_an_open_one() {
        assert_eq!(grid(&["load.concurrency=1,4"]).unwrap().points.len(), 2);
    }

    #[test]
    fn a_wrong_key_or_value_is_refused_with_the_point_and_the_fix() {
        assert!(refused(&["load.rat=1,2"]).contains("did you mean rate?"), "{}", refused(&["load.rat=1,2"]));
        let told = refused(&["load.rate=1,x"]);
        assert!(told.contains("load.rate=x") && told.contains("--vary"), "{told}");
        assert!(refused(&["load.rate=1"]).contains("one point"));
        assert!(refused(&["load.rate=1,2", "load.rate=3"]).contains("twice"));
        assert!(refused(&["target.uri=a,b"]).contains("one server"));
        let many: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
        let axis = |key: &str| format!("{key}={}", many.join(","));
        let told = refused(&[&axis("load.rate"), &axis("operations.search.top_k")]);
        assert!(told.contains("1600 points"), "{told}");
    }
}
