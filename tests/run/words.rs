//! A server's words cannot steer the terminal that they are shown on.

use milvus_load::truth::{Effect, Rpc, Script, TruthServer, When};

use crate::support::Sandbox;

/// Clears the screen, sets the title, colours, links and turns round, in the ways that terminals know.
const ATTACK: &str =
    "no\u{1b}[2J\u{1b}]0;owned\u{7} such\u{9b}31m \u{202e}collection\u{2066}\r\u{1b}]8;;http://evil\u{1b}\\!";
/// What is left of it.
const WORDS: &str = "no such collection !";

fn milvus(rpc: Rpc, when: When) -> TruthServer {
    let attack = Effect::Milvus { code: 65_535, reason: ATTACK.to_owned() };
    TruthServer::start(Script::default().fault(rpc, when, attack)).unwrap()
}

#[track_caller]
fn is_harmless(text: &str) {
    let steers = |c: &char| {
        c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = text.chars().filter(steers).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

#[test]
fn those_of_a_failed_request_are_cleaned_in_the_summary_and_whole_in_the_report() {
    let sandbox = Sandbox::new();
    let milvus = milvus(Rpc::Search, When::Every(5));
    let args = ["run", "small.toml", "--uri", &milvus.uri(), "--set", "collection.rows=0"];
    let run = sandbox.end(&mut sandbox.tool(&args));
    assert_eq!(run.report(0)["operations"]["search"]["errors"][0]["message"], ATTACK);
    is_harmless(&run.stdout);
    is_harmless(&run.stderr);
    assert!(run.stdout.contains(WORDS), "{}", run.stdout);
    let json = sandbox.end(&mut sandbox.tool(&["report", "latest", "--format", "json"]));
    is_harmless(&json.stdout);
    let read: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(&read, run.report(0));
}

#[test]
fn those_of_an_error_that_ends_the_run_are_cleaned_on_stderr() {
    let sandbox = Sandbox::new();
    let milvus = milvus(Rpc::CreateCollection, When::Always);
    let run = sandbox.end(&mut sandbox.tool(&["run", "small.toml", "--uri", &milvus.uri()]));
    run.ended_with(1);
    run.said(&["error: ", WORDS]);
    is_harmless(&run.stderr);
}
