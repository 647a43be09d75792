//! Exit codes, and what goes to which stream.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Sandbox, errors, server};
use crate::verdict::{is_exit, is_trusted_but_for_the_machine};

const BRIEF: [&str; 5] = ["small.toml", "--duration", "1s", "--set", "load.warmup=0s"];

#[test]
fn wrong_usage_and_a_wrong_file_are_2_and_touch_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.toml", "[load]\nrate = 5\nwarmpu = \"5s\"\n[[operations]]\nkind = \"search\"\n");
    for (args, parts) in [
        (&["wrong.toml"][..], &["wrong.toml:3:1", "load.warmpu", "did you mean warmup?"][..]),
        (&["missing.toml"], &["missing.toml", "milvus-load init"]),
        (&["small.toml", "--rate", "fast"], &["--rate", "load.rate"]),
        (&["small.toml", "--rate", "5", "--concurrency", "5"], &["--concurrency"]),
        (&["small.toml", "--set", "load.rate"], &["--set takes key=value"]),
        (&["small.toml", "--set", "load.raet=5"], &["load.raet", "did you mean rate?"]),
        (&["small.toml", "--uri", "http://root:pw@host"], &["MILVUS_TOKEN"]),
        (&["small.toml", "--frobnicate"], &["--frobnicate"]),
    ] {
        let run = sandbox.end(sandbox.tool(&["run"]).args(args));
        run.ended_with(2);
        run.said(parts);
        assert_eq!(run.stdout, "");
    }
    assert!(!sandbox.path().join("reports").exists());
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_before_any_load() {
    let sandbox = Sandbox::new();
    sandbox.write("a-file", "");
    let run = sandbox.end(&mut sandbox.tool(&["run", "small.toml", "--out", "a-file"]));
    run.ended_with(1);
    run.said(&["a-file", "--out"]);
    assert!(sandbox.servers().is_empty());
}

#[test]
fn thresholds_decide_over_3_and_4_and_only_distrust_can_be_switched_off() {
    let sandbox = Sandbox::new();
    for (settings, code, met) in [
        (&["thresholds.search.response.p50=< 1h"][..], 0, Value::Bool(true)),
        (&["thresholds.search.response.p50=< 1ns"], 3, Value::Bool(false)),
        // p99.9 of 50 requests: nobody knows.
        (&["thresholds.search.response.p99.9=< 1h"], 4, Value::Null),
    ] {
        let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        let report = sandbox.run(&[&BRIEF[..], &set].concat()).report(code).clone();
        assert_eq!(report["thresholds"][0]["met"], met, "{}", report["thresholds"]);
        assert_eq!(errors(&report).contains(&"too_few_samples"), code == 4);
        assert_eq!(is_trusted_but_for_the_machine(&report), code != 4, "{}", report["verdict"]);
        let code = if code == 4 { 0 } else { code };
        sandbox.run(&[&BRIEF[..], &set, &["--allow-untrusted"]].concat()).ended_with(code);
    }
    lists_all_newest_first(&sandbox);
}

/// The page that lists the reports, which each run has brought up to date.
#[track_caller]
fn lists_all_newest_first(sandbox: &Sandbox) {
    let reports = sandbox.path().join("reports");
    let page = std::fs::read_to_string(reports.join("index.html")).unwrap();
    let mut runs = sandbox.runs();
    runs.sort();
    let links = |file: &str| {
        let link = |run: &PathBuf| format!("./{}", run.join(file).strip_prefix(&reports).unwrap().display());
        runs.iter().rev().map(link).collect::<Vec<_>>()
    };
    for file in ["report.html", "report.json"] {
        let listed: Vec<&str> = page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| link.ends_with(file))
            .collect();
        assert_eq!(listed, links(file));
        assert!(listed.iter().all(|link| reports.join(link).is_file()), "{listed:?}");
    }
    assert_eq!(runs.len(), 6);
    assert!(page.contains("1 of 1 threshold not met") && page.contains("✗ not trusted"));
}

#[test]
fn json_on_stdout_is_the_report_and_nothing_else() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&[&BRIEF[..], &["--json"]].concat());
    let printed: Value = serde_json::from_str(&run.stdout).expect("nothing but JSON");
    assert_eq!(&printed, run.report(0));
    let again = sandbox.end(&mut sandbox.tool(&["report", "latest"]));
    again.ended_with(0);
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), printed);
}

#[test]
fn without_a_terminal_there_are_no_colours_and_no_moving_lines() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&BRIEF);
    run.ended_with(0);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.is_empty() && !text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    }
    // The last lines: where it is, and what to type next.
    let last: Vec<&str> = run.stdout.trim_end().lines().rev().take(4).collect();
    let parts = ["milvus-load slow ", "index.html", "report.html", "report.json"];
    assert!(last.iter().zip(parts).all(|(line, part)| line.contains(part)), "{last:?}");
}

#[test]
fn a_run_goes_on_although_nobody_listens_to_what_it_says() {
    let sandbox = Sandbox::new();
    let deaf = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let mut tool = sandbox.tool(&["run", "--uri", &server().uri]);
    let status = tool.args(BRIEF).stdout(deaf()).stderr(deaf()).status().unwrap();
    let latest = sandbox.end(&mut sandbox.tool(&["report", "latest"]));
    latest.ended_with(0);
    let report = serde_json::from_str(&latest.stdout).unwrap();
    assert!(is_exit(0, status.code(), Some(&report)), "{status}");
    crate::books::check(&report);
}

/// The directory goes while the run is under way: as with a full disk, what was measured has no other place to be.
#[test]
fn a_report_that_cannot_be_stored_is_shown_and_printed_whole() {
    let sandbox = Sandbox::new();
    for json in [&[][..], &["--json"]] {
        let args = [&["run"], &BRIEF[..], &["--uri", &server().uri], json].concat();
        let mut run = sandbox.start(&mut sandbox.tool(&args));
        run.until_said("collection run_small");
        std::fs::remove_dir_all(sandbox.path().join("reports")).unwrap();
        let run = run.wait(&sandbox);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        run.said(&["cannot write to", "report.json", "standard output"]);
        let start = if json.is_empty() { run.stdout.find("\n{\n").unwrap() } else { 0 };
        assert_eq!(run.stdout[..start].contains("response"), json.is_empty(), "{}", run.stdout);
        let report: Value = serde_json::from_str(&run.stdout[start..]).expect("the report, once");
        crate::books::check(&report);
        assert_eq!(report["operations"]["search"]["offered"], 50);
        let command = report["run"]["command"].as_str().unwrap();
        assert!(
            command.starts_with("milvus-load run small.toml --duration 1s --set load.warmup=0s"),
            "{command}"
        );
    }
}
