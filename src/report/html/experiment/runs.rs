//! The reports of an experiment's runs, which lie beside it: for what experiment.json does not repeat, such as histograms.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::super::text::short;
use crate::report::experiment::{Experiment, RunReference};
use crate::report::html::HTML_FILE;
use crate::report::{RunReport, store};

/// Where the runs of an experiment are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    /// The experiment's directory; `None`: nowhere.
    directory: Option<&'a Path>,
}

impl<'a> Runs<'a> {
    /// Beside experiment.json, in `directory`.
    pub const fn beside(directory: &'a Path) -> Self {
        Self { directory: Some(directory) }
    }

    /// Nowhere: the page shows what experiment.json holds.
    pub const fn nowhere() -> Self {
        Self { directory: None }
    }

    fn path(&self, run: &RunReference) -> Option<PathBuf> {
        Some(self.directory?.join(&run.report))
    }

    /// `None` where it is not there, or cannot be read: the page then does without.
    pub(super) fn report(&self, run: &RunReference) -> Option<RunReport> {
        store::read(&self.path(run)?).ok()
    }

    /// The run's own page, as this page links to it; `None`: it has none beneath the experiment's directory.
    pub(super) fn page(&self, run: &RunReference) -> Option<String> {
        let relative = Path::new(&run.report).parent().filter(|directory| directory.is_relative())?;
        let page = relative.join(HTML_FILE);
        self.directory?.join(&page).is_file().then(|| page.to_str().map(str::to_owned)).flatten()
    }

    /// The run's ID, which leads to its page where there is one.
    pub(super) fn named(&self, run: &RunReference) -> Markup {
        let id = short(&run.id);
        // A path is never a scheme, as it starts with `./`.
        let page = self.page(run).map(|page| format!("./{page}"));
        html! { @match page { Some(page) => a href=(page) { (id) }, None => (id) } }
    }

    /// The same, of the experiment's run with this ID.
    pub(super) fn named_by(&self, experiment: &Experiment, id: &str) -> Markup {
        match experiment.runs.iter().find(|run| run.id == id) {
            Some(run) => self.named(run),
            None => html! { (short(id)) },
        }
    }
}
