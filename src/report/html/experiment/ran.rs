//! What ran: the command, the seed, the server, the machine, and each run.

use maud::{Markup, html};

use super::super::page::Panel;
use super::super::table::{Row, Table, Td};
use super::super::text::short;
use super::Runs;
use crate::report::experiment::{Experiment, RunReference};
use crate::report::terminal::table::{Cell, Tone};

pub(super) fn panel(experiment: &Experiment, runs: &Runs<'_>) -> Panel {
    let about = &experiment.experiment;
    let facts = [("started", short(&about.started)), ("seed", short(&about.seed)), ("ID", short(&about.id))];
    let body = html! {
        code class="command" { (short(&about.command)) }
        (super::super::facts(facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, html! { (value) }))))
        (table(experiment, runs))
    };
    Panel { id: "ran", title: "What ran", question: "What ran?", body }
}

fn table(experiment: &Experiment, runs: &Runs<'_>) -> Markup {
    let mut table = Table::new("Runs", 3, &["run", "what it was", "verdict"]);
    for run in &experiment.runs {
        table.push(Row::from_iter([runs.named(run).into(), short(&run.label).into(), verdict(run)]));
    }
    html! { @if !table.rows.is_empty() { (table.behind("The runs")) } }
}

fn verdict(run: &RunReference) -> Td {
    match run.trusted {
        true => Cell("trusted".to_owned(), Tone::Good).into(),
        false => Cell("not trusted".to_owned(), Tone::Bad).into(),
    }
}
