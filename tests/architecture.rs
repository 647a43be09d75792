//! The map in src/lib.rs is true: rooms use only what its table allows, and every test that it names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let entries =
        std::fs::read_dir(under).into_iter().flatten().map(|entry| entry.expect("a readable entry").path());
    entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"))
        .flat_map(|p| rust_files(&p))
        .collect()
}

fn map() -> String {
    std::fs::read_to_string(source().join("lib.rs")).expect("src/lib.rs")
}

/// The rows of the table: a room and the rooms that it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let map = map();
    let rooms: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rows = map.lines().filter(|line| line.starts_with("//! | [`")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let room = cells[1].trim_matches(['[', '`', ']']).to_owned();
        let uses: BTreeSet<String> = match cells[3] {
            "nothing" => BTreeSet::new(),
            "everything" => rooms.iter().map(ToString::to_string).collect(),
            named => named.split(", ").map(str::to_owned).collect(),
        };
        (room, uses)
    });
    let table: BTreeMap<_, _> = rows.collect();
    let named: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(named, rooms.iter().copied().collect(), "every room stands in the table");
    table
}

/// The rooms named by `crate::room` in code; comments may point anywhere.
fn used(code: &str) -> BTreeSet<String> {
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    for (room, allowed) in table() {
        let files = [source().join(format!("{room}.rs")), source().join(&room)]
            .into_iter()
            .flat_map(|p| rust_files(&p));
        let mut seen = 0;
        for file in files.filter(|file| file.exists()) {
            seen += 1;
            let code = std::fs::read_to_string(&file).expect("readable");
            for other in used(&code) {
                let fine = other == room || allowed.contains(&other);
                assert!(
                    fine,
                    "{} uses {other}, which the table in src/lib.rs does not allow {room}",
                    file.display()
                );
            }
        }
        assert!(seen > 0, "no file of {room}");
    }
}

#[test]
fn a_use_in_code_is_seen_and_one_in_a_comment_is_not() {
    assert_eq!(used("    use crate::milvus::Session;\n//! [`crate::report`]\n/// crate::data\n").len(), 1);
    assert_eq!(used("let x = crate::units::Nanos::ZERO;"), BTreeSet::from(["units".to_owned()]));
}

#[test]
fn every_test_that_the_map_names_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = rust_files(&source()).into_iter().chain(rust_files(&tests));
    let code: String = files.map(|file| std::fs::read_to_string(file).expect("readable")).collect();
    let map = map();
    let text: String = map.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    // Tests are sentences: they are the names in backticks with three underscores or more.
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.matches('_').count() >= 3 && !name.contains(' '))
        .collect();
    assert!(named.len() >= 15, "the map names its guards: {named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "src/lib.rs names {name}, and there is no such test");
    }
}
