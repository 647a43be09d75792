//! Every point, its runs together; and every run, which leads to its own page.

use maud::{Markup, html};

use super::super::super::page::Panel;
use super::super::super::table::{Row, Table, Td, cut};
use super::super::super::text::short;
use super::drift::verdict;
use super::{Runs, each};
use crate::report::experiment::sweep::document::{name_of, table};
use crate::report::experiment::words::{errors, rate_cell, time};
use crate::report::experiment::{Experiment, Figures, Sweep};
use crate::report::terminal::table::Cell;

pub(super) fn panel(experiment: &Experiment, sweep: &Sweep, runs: &Runs<'_>) -> Panel {
    let body = html! {
        (each(sweep, |_, operation| html! {
            (points(sweep, operation).markup())
            (every_run(experiment, sweep, operation, runs))
        }))
        p class="note" {
            "Of a point's runs, those that can be trusted are told together: rates and errors by their mean, times by their geometric mean."
        }
    };
    Panel { id: "points", title: "Points", question: "What did each point measure?", body }
}

fn points(sweep: &Sweep, operation: &str) -> Table {
    let mut rows = cut(&table(sweep, operation));
    if let Some(first) = rows.first_mut().and_then(|heading| heading.first_mut()) {
        *first = Cell::from("point");
    }
    let columns = rows.first().map_or(0, Vec::len);
    for row in &mut rows {
        row.resize_with(columns, || Cell::from(""));
    }
    Table { last_left: 1, ..Table::of("Points, their runs together", 1 + sweep.varied.len(), rows) }
}

fn every_run(experiment: &Experiment, sweep: &Sweep, operation: &str, runs: &Runs<'_>) -> Markup {
    let keys = sweep.short_keys();
    let heading: Vec<&str> = ["run", "point"]
        .into_iter()
        .chain(keys)
        .chain(["succeeded/s", "p50", "p99", "errors", "verdict", "report"])
        .collect();
    let mut table = Table::new("Runs, in their order", 2 + sweep.varied.len(), &heading);
    table.last_left = 2;
    let all = sweep.points.iter().enumerate();
    let mut all: Vec<_> =
        all.flat_map(|(index, point)| point.runs.iter().map(move |run| (index, point, run))).collect();
    all.sort_by_key(|(_, _, run)| run.place);
    for (index, point, run) in all {
        let none = Figures::default();
        let figures = run.operations.get(operation).unwrap_or(&none);
        let mut cells: Vec<Td> = vec![(run.place + 1).to_string().into(), name_of(index).into()];
        cells.extend(point.values.iter().map(|value| Td::from(short(value))));
        cells.extend([
            Td::from(rate_cell(figures.succeeded_per_s)),
            time(figures, "p50_us", figures.p50_us).into(),
            time(figures, "p99_us", figures.p99_us).into(),
            errors(figures.errors).into(),
            verdict(run).into(),
            runs.named_by(experiment, &run.run).into(),
        ]);
        table.push(Row::from_iter(cells));
    }
    table.behind("Every run")
}
