//! The page of `overhead`.

use maud::html;

use super::super::document::block;
use super::super::page::Panel;
use super::Runs;
use crate::report::experiment::Experiment;
use crate::report::experiment::overhead::Overhead;

pub(super) fn panels(experiment: &Experiment, _overhead: &Overhead, _runs: &Runs<'_>) -> Vec<Panel> {
    let document = experiment.document();
    let body = html! { @for part in document.blocks() { (block(part, "Numbers")) } };
    vec![Panel { id: "found", title: "Found", question: "What was found?", body }]
}
