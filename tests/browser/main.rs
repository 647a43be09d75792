//! Every page in a real browser: it is quiet, harmless, whole without script, as wide as its screen, accessible, and printable.
//!
//! Needs Chromium and axe-core, which the other tests do not; `.ci/run` has both and runs this.
#![cfg(target_os = "linux")]

mod attack;
mod axe;
mod checks;
mod chromium;
mod mutations;
mod numbers;
mod pages;
#[path = "../common/tool.rs"]
mod tool;

use attack::{ATTACKS, LONG, attacked};
use checks::{CHECKS, canaries, foreign, quiet, shown, sideways};
use chromium::Browser;

#[test]
#[ignore = "needs Chromium and axe-core: MILVUS_LOAD_AXE=<axe.min.js> cargo test --test browser -- --ignored"]
fn every_page_passes_every_check() {
    let (directory, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut sources = pages::examples();
    sources.push(pages::with_traces(directory.path()));
    let mut browser = Browser::start();
    let mut problems = Vec::new();
    let mut pages: Vec<_> = sources.iter().map(|source| pages::page(source, &out)).collect();
    pages.push(pages::index(&sources, "an index", "search", &out));
    for page in &pages {
        for check in &CHECKS {
            let start = std::time::Instant::now();
            let found = (check.problems)(&mut browser, page);
            println!("{} · {}: {} problems, {:.1?}", page.name, check.name, found.len(), start.elapsed());
            found.iter().for_each(|problem| println!("    {problem}"));
            problems.extend(
                found.into_iter().map(|problem| format!("{} · {}: {problem}", page.name, check.name)),
            );
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
#[ignore = "needs Chromium: cargo test --test browser -- --ignored"]
fn no_text_of_a_report_acts_on_its_page() {
    let (directory, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut sources = pages::examples();
    sources.push(pages::with_traces(directory.path()));
    let mut browser = Browser::start();
    let mut problems = Vec::new();
    for attack in ATTACKS.iter().chain([&LONG]) {
        let directories: Vec<_> = sources.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let attacked =
            |(source, directory): (_, &tempfile::TempDir)| attacked(source, attack, directory.path());
        let attacked: Vec<_> = sources.iter().zip(&directories).map(attacked).collect();
        let mut pages: Vec<_> = attacked.iter().map(|source| pages::page(source, &out)).collect();
        let name = format!("an index, {}", attack.name);
        pages.push(pages::index(&attacked, &name, "<b onclick=\"canary=1\" id=\"canary\">", &out));
        for page in &pages {
            let shown = shown(&mut browser, page, attack.mark);
            assert!(shown >= 1, "{}: no text of it is shown", page.name);
            let mut found = foreign(&mut browser, page);
            found.extend(sideways(&mut browser, page));
            if attack.name != LONG.name {
                found.extend(quiet(&mut browser, page));
                found.extend(canaries(&mut browser, page));
            }
            println!("{}: shown {shown} times, {} problems", page.name, found.len());
            problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", page.name)));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
