//! What of the set-up the points of a grid share, how long it all takes, and the order.

use std::time::Duration;

use crate::report::experiment::sweep::SetUp;
use crate::units::Nanos;
use crate::workload::{Access, Prepare, Setting, Workload};

use super::grid::Grid;
use super::order::{PASSES, order};

/// The point that is run throughout: the first of the grid.
pub(super) const CONTROL: usize = 0;

/// A sweep before it starts.
pub struct Design {
    /// The points.
    pub grid: Grid,
    /// Decides the order.
    pub seed: u64,
    /// What of the set-up is shared.
    pub set_up: SetUp,
    /// The point of each run, in order.
    pub order: Vec<usize>,
    /// How many set-ups differ.
    pub set_ups: usize,
    /// The set-up of each point.
    groups: Vec<usize>,
}

impl Design {
    /// Draws the order.
    pub fn new(grid: Grid, seed: u64) -> Self {
        let (groups, set_ups) = groups(&grid);
        let writes = grid.points.iter().any(|point| point.settings.workload.has(Access::Writes));
        let set_up = match () {
            () if writes && grid.points.iter().all(|point| is_restored(&point.settings.workload)) => {
                SetUp::PerRun
            }
            () if writes => SetUp::Grown,
            () if set_ups > 1 => SetUp::PerGroup,
            () => SetUp::Shared,
        };
        // Where every run has a set-up of its own anyway, nothing needs to stay together.
        let (groups, set_ups) = match set_up {
            SetUp::PerRun => (vec![0; groups.len()], 1),
            SetUp::Shared | SetUp::PerGroup | SetUp::Grown => (groups, set_ups),
        };
        let order = order(seed, &groups, CONTROL);
        Self { grid, seed, set_up, order, set_ups, groups }
    }

    /// The set-up of a point.
    pub(super) fn group(&self, point: usize) -> Option<usize> {
        self.groups.get(point).copied()
    }

    /// What the windows of runs of these points take together, with their warm-ups; set-up, draining and spans come on top.
    pub fn load_time(&self, points: impl IntoIterator<Item = usize>) -> Duration {
        let of = |point: usize| {
            let load = &self.grid.points[point].settings.workload.load;
            load.warmup + load.duration
        };
        points.into_iter().map(of).sum()
    }

    /// What comes, in a few lines.
    pub fn describe(&self) -> Vec<String> {
        let sizes: Vec<String> = self.grid.axes.iter().map(|axis| axis.values.len().to_string()).collect();
        let points = self.grid.points.len();
        let size =
            if sizes.len() > 1 { format!("{} = {points}", sizes.join(" x ")) } else { points.to_string() };
        let controls = self.order.len() - points * PASSES as usize;
        let set_up = match self.set_up {
            SetUp::Shared => "the collection is made ready once for all of them".to_owned(),
            SetUp::PerGroup => format!(
                "{} of them differ in the collection: points of one set-up stay together, and each set-up is made {PASSES} times",
                self.set_ups
            ),
            SetUp::PerRun => "the workload writes: the collection is made ready anew for every run".to_owned(),
            SetUp::Grown => "the workload writes and what it writes is kept: the collection grows from run to run, and the order \
                             being random, no point is favoured"
                .to_owned(),
        };
        let lengths = Nanos::from(self.load_time(self.order.iter().copied()));
        vec![
            format!(
                "sweep: {size} points, each run {PASSES} times, the first {controls} times more to show drift: {} runs (seed {})",
                self.order.len(),
                self.seed
            ),
            format!("       {set_up}"),
            format!(
                "       windows and warm-ups take {}; set-up and draining come on top",
                in_minutes(lengths)
            ),
        ]
    }
}

/// `45 s`, `12 min`, `3.2 h`.
pub fn in_minutes(time: Nanos) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3_600.0),
    }
}

/// Whether what earlier runs have written is gone after a set-up.
fn is_restored(workload: &Workload) -> bool {
    match workload.collection.prepare {
        Prepare::Auto => !workload.collection.keep_writes,
        Prepare::Always => true,
        Prepare::Never => false,
    }
}

/// The set-up of each point, numbered from 0, and how many there are.
fn groups(grid: &Grid) -> (Vec<usize>, usize) {
    let mut known: Vec<Vec<&Setting>> = Vec::new();
    let mut groups = Vec::new();
    for point in &grid.points {
        let own = of_set_up(&point.settings.workload);
        let same = |other: &Vec<&Setting>| {
            let pairs = || other.iter().zip(&own);
            other.len() == own.len() && pairs().all(|(a, b)| a.key == b.key && a.value == b.value)
        };
        let place = known.iter().position(same).unwrap_or_else(|| {
            known.push(own.clone());
            known.len() - 1
        });
        groups.push(place);
    }
    (groups, known.len())
}

/// What a collection is made ready by: all that is said of it and of its data, but how it is read; and how many rows an insert
/// takes at once, which decides where the next ones begin.
fn of_set_up(workload: &Workload) -> Vec<&Setting> {
    let decides = |setting: &&Setting| {
        let key = setting.key.as_str();
        let is_collections = key.starts_with("collection.") && key != "collection.consistency";
        let is_datas = key.starts_with("data.") && key != "data.queries";
        is_collections || is_datas || (key.starts_with("operations.") && key.ends_with(".batch"))
    };
    workload.settings.iter().filter(decides).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Settings;
    use crate::trace::env::OtelEnv;
    use crate::workload::load_text;

    fn design(more: &str, vary: &[&str]) -> Design {
        let axes = vary.iter().map(|axis| axis.parse().unwrap()).collect();
        let grid = Grid::resolve(axes, |varied| {
            let text = format!(
                "[load]\nrate = 5\nwarmup = \"1s\"\nduration = \"9s\"\n[[operations]]\nkind = \"search\"\n{more}"
            );
            let workload = load_text("w", &text, &varied)?;
            Ok(Settings { workload, otel: OtelEnv::default(), notices: vec![] })
        });
        Design::new(grid.unwrap(), 1)
    }

    const INSERT: &str = "[[operations]]\nkind = \"insert\"\n";

    #[test]
    fn load_and_search_parameters_need_no_set_up_of_their_own() {
        let design = design(
            "",
            &["load.rate=5,6", "operations.search.params.ef=16,64", "collection.consistency=strong,bounded"],
        );
        assert_eq!((design.set_up, design.set_ups, design.order.len()), (SetUp::Shared, 1, 8 * 2 + 5));
        let told = design.describe().join("\n");
        assert!(
            told.contains("2 x 2 x 2 = 8 points") && told.contains("21 runs") && told.contains("4 min"),
            "{told}"
        );
    }

    #[test]
    fn points_that_differ_in_collection_or_index_are_grouped() {
        let design = design("", &["collection.index.params.M=8,16", "load.rate=5,6"]);
        assert_eq!((design.set_up, design.set_ups), (SetUp::PerGroup, 2));
        assert!(design.describe()[1].starts_with("       2 of them differ"), "{:?}", design.describe());
    }

    #[test]
    fn a_workload_that_writes_is_restored_for_every_run_or_grows_where_that_is_asked_for() {
        assert_eq!(design(INSERT, &["load.rate=5,6"]).set_up, SetUp::PerRun);
        let kept = format!("{INSERT}[collection]\nkeep_writes = true\n");
        assert_eq!(design(&kept, &["load.rate=5,6"]).set_up, SetUp::Grown);
    }
}
