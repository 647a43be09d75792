//! What README.md tells people to type can be typed, what it links to is there, and its workload loads.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use milvus_load::cli::Cli;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    ["README.md", "CHANGELOG.md", "reports/examples/README.md"].map(PathBuf::from).to_vec()
}

/// The fenced blocks of a language, without their fences.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let (mut all, mut open): (Vec<String>, Option<Vec<&str>>) = (Vec::new(), None);
    let mut wanted = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                wanted = info == language;
                open = Some(Vec::new());
            }
            (Some(_), Some(lines)) => {
                if wanted {
                    all.push(lines.join("\n"));
                }
            }
            (None, Some(mut lines)) => {
                lines.push(line);
                open = Some(lines);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    all
}

/// A shell line's words: quotes hold words together, `#` begins a comment, `>` and `|` end what the program sees.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#' | '>' | '|') if word.is_none() => break,
            (None, ' ') => all.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// The arguments for milvus-load in a shell line; `None` where it calls something else.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words = words(line);
    let mut words =
        words.iter().map(String::as_str).skip_while(|word| word.contains('=')).collect::<Vec<_>>();
    if words.starts_with(&["cargo", "run", "--release", "--"]) {
        words.drain(..4);
    } else if words.first() == Some(&"milvus-load") {
        words.remove(0);
    } else {
        return None;
    }
    Some(words.into_iter().map(str::to_owned).collect())
}

#[test]
fn every_command_that_is_shown_is_one() {
    let mut seen = 0;
    for page in pages() {
        let text = read(page.to_str().expect("a name in UTF-8"));
        let shown = blocks(&text, "sh").join("\n").replace("\\\n", " ");
        for line in shown.lines() {
            let Some(arguments) = arguments(line) else { continue };
            seen += 1;
            let all = std::iter::once("milvus-load".to_owned()).chain(arguments);
            if let Err(error) = Cli::try_parse_from(all) {
                panic!("{}: {line}\n{error}", page.display());
            }
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn a_shell_line_is_taken_apart_as_a_shell_does() {
    let of = |line| arguments(line).unwrap_or_default();
    assert_eq!(of("A=b milvus-load run w.toml   # said"), ["run", "w.toml"]);
    assert_eq!(of("cargo run --release -- run w.toml"), ["run", "w.toml"]);
    assert_eq!(of("milvus-load run w.toml --set 'a=b c' > x"), ["run", "w.toml", "--set", "a=b c"]);
    assert_eq!(arguments("docker compose up --wait"), None);
}

#[test]
fn every_file_that_is_linked_is_there() {
    for page in pages() {
        let text = read(page.to_str().expect("a name in UTF-8"));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let file = root().join(page.parent().unwrap_or(Path::new(""))).join(target);
            assert!(file.exists(), "{} links to {target}", page.display());
        }
    }
}

#[test]
fn the_headings_that_are_linked_are_there() {
    let text = read("README.md");
    let anchor = |heading: &str| {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -".contains(*c))
            .collect::<String>();
        kept.trim().replace(' ', "-")
    };
    let headings: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    for target in text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(headings.iter().any(|heading| heading == target), "{target} is none of {headings:?}");
    }
}

#[test]
fn the_workload_that_is_shown_loads() {
    let shown = blocks(&read("README.md"), "toml");
    assert!(!shown.is_empty());
    let directory = tempfile::tempdir().expect("a directory");
    for text in shown {
        let file = directory.path().join("shown.toml");
        std::fs::write(&file, &text).expect("is written");
        milvus_load::workload::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_rust_that_is_asked_for_is_the_one_that_cargo_asks_for() {
    let manifest = read("Cargo.toml");
    let wanted =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("rust-version");
    let wanted = format!("Rust {}", wanted.trim_matches('"'));
    assert!(read("README.md").contains(&wanted), "README.md does not name {wanted}");
}
