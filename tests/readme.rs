//! What README.md tells people to type can be typed, what it links to is there, and its workload loads.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use milvus_load::cli::Cli;
use milvus_load::doctor::Cause;
use milvus_load::measure::{Bottleneck, Finding, Lateness, Load, Statistic, Tail};
use milvus_load::units::{Nanos, SignedNanos};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    ["README.md", "CHANGELOG.md", "docs/findings.md", "docs/doctor.md", "reports/examples/README.md"]
        .map(PathBuf::from)
        .to_vec()
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

/// One of every kind of finding, in every weight and wording that it has.
fn every_finding() -> Vec<Finding> {
    let (name, time) = (|| "search".to_owned(), Nanos::from_millis(1));
    let (operation, end) = (name(), |number: u64| (name(), number));
    let not_sent = |bottleneck| Finding::NotSent { operation: name(), not_sent: 1, offered: 2, bottleneck };
    let saturated = |load| Finding::GeneratorSaturated { worker: 0, busy: 0.95, on_core: 0.9, load };
    let not_indexed = |searches| Finding::NotIndexed { unindexed: 1, rows: 2, searches };
    let late = Lateness { of: Statistic::Mean, response: time, service: time };
    vec![
        Finding::NothingMeasured,
        Finding::GeneratorStopped { longest: time },
        saturated(Load::Open),
        saturated(Load::Closed),
        Finding::ShortOfCpu { operation: name(), wait: time, service: time },
        Finding::GeneratorLate { operation: name(), late },
        Finding::Shortfall { stream: name(), planned: 2, offered: 1 },
        not_sent(Bottleneck::Generator),
        not_sent(Bottleneck::Server),
        Finding::TooFewSamples { expression: name(), offered: 1, needed: 2 },
        Finding::ClockStep { gained: SignedNanos::difference(time, Nanos::ZERO) },
        Finding::ServerGone,
        Finding::ServerChanged { before: name(), after: name() },
        Finding::WorkerFailed { reason: name(), after: time },
        Finding::ShardMissing { missing: vec![1], of: 2 },
        Finding::RunDied { after: time },
        Finding::RowsMissing { expected: 2, found: 1 },
        not_indexed(true),
        not_indexed(false),
        Finding::BusyMachine { others: 1.0, cores: 2 },
        Finding::StolenTime { share: 0.1 },
        Finding::Drift { operation: name(), first: time, last: time },
        Finding::WaitedForStream { operation: name(), late },
        Finding::StreamLimit { waits: 1 },
        Finding::ConnectionsLost { lost: 1, failures: 0 },
        Finding::UnevenRequests { most: end(2), least: end(1) },
        Finding::UnevenP99 { slowest: (name(), Tail::Answered(time)), fastest: (name(), time) },
        Finding::CollectionChanged { what: "rows", before: 1, after: 2 },
        Finding::Failures { operation: name(), failed: 1, offered: 2, message: None },
        Finding::Timeouts { operation: name(), timed_out: 1, offered: 2 },
        Finding::FewHits { operation, expected: 2, returned: 1, short: 1, empty: 0 },
        Finding::BodiesLate { count: 1 },
        Finding::CollectorMissing { endpoint: name() },
        Finding::SpansLost { recorded: 2, dropped: 1, failed: 0 },
        Finding::CalibrationFailed { judged: 2, missed: 1, noisy: 0 },
        Finding::CalibrationFailed { judged: 2, missed: 0, noisy: 1 },
        Finding::CollectionGrew { before: 1, after: 2, unindexed: None },
        Finding::NoCollector { endpoint: name() },
        Finding::SharedCores,
        Finding::Interrupted { after: time },
    ]
}

/// Code, severity, cause and remedy in the page are the tool's own; only the bounds are told in its own words.
#[test]
fn the_page_of_findings_says_what_the_tool_says() {
    let page = read("docs/findings.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_end_matches(" |").split(" | ").collect();
        let &[code, severity, bound, cause, remedy] = cells.as_slice() else { panic!("five cells: {line}") };
        assert!(!bound.trim().is_empty(), "{line}");
        [code.trim_end_matches('`'), severity, cause, remedy].map(str::to_owned)
    });
    let told: Vec<[String; 4]> = every_finding()
        .iter()
        .map(|finding| [finding.code(), finding.severity().name(), finding.cause(), finding.remedy()])
        .map(|cells| cells.map(str::to_owned))
        .collect();
    assert_eq!(rows.collect::<Vec<_>>(), told);
    // None is forgotten: the code spells every kind once.
    let source = read("src/measure/finding.rs");
    let codes = source.split("fn code(").nth(1).unwrap().lines().filter(|line| line.contains("=> \""));
    let told: std::collections::BTreeSet<&str> = told.iter().map(|row| row[0].as_str()).collect();
    let spelled: std::collections::BTreeSet<&str> = codes.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(told, spelled);
}

/// Of each kind one, in the order in which the code spells them.
fn every_cause() -> Vec<Cause> {
    use Cause::*;
    let endpoint = || "http://localhost:4317".to_owned();
    vec![
        MilvusName,
        MilvusRefused,
        MilvusSpeaksTls,
        MilvusWithoutTls,
        MilvusCertificate,
        MilvusOtherService,
        MilvusSilent,
        MilvusLogin,
        MilvusFails,
        ExporterOff { exporter: "noop".into() },
        ConfigurationNotRead,
        EndpointEmpty,
        EndpointWithScheme { host_and_port: "host:port".into() },
        EndpointIsLoopback,
        EndpointPort { port: None },
        MethodHttp,
        SecureOn,
        EmbeddedSecureOn { endpoint: endpoint() },
        SecureOff,
        EmbeddedExportsNothing { endpoint: endpoint() },
        EmbeddedExportsElsewhere { endpoint: endpoint() },
        ExporterFailedToStart,
        ExportFails,
        ConfigurationWithoutEffect,
        VersionHangs,
        SegcoreIgnoresSecure,
        NoSegcore,
        NothingArrives,
        HeaderDropped,
        FlagIgnored,
        CameLater,
        ClocksApart,
        OwnFractionZero,
        RequestIdBlocksSampling,
        CollectorName,
        CollectorRefused,
        OtlpNotEnabled,
        CollectorOnLocalhostOnly,
        UiPort,
        HttpPort,
        GrpcPort,
        CollectorOtherService,
        CollectorSpeaksTls,
        CollectorWithoutTls,
        CollectorCertificate,
        CollectorSilent,
        ExportRefused,
        ExportSwitchedOff,
        JaegerName,
        JaegerRefused,
        JaegerLogin,
        JaegerBasePath { address: None },
        JaegerOtherService,
        JaegerUnwell,
        AnotherJaeger,
        MilvusExportsElsewhere,
    ]
}

/// Code, problem and fix in the page are the tool's own; only the signals are told in its own words.
#[test]
fn the_page_of_causes_says_what_doctor_says() {
    let page = read("docs/doctor.md");
    let causes = page.split("| code |").nth(1).expect("a table of causes");
    let rows = causes.lines().filter_map(|line| line.strip_prefix("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_end_matches(" |").split(" | ").collect();
        let &[code, problem, signal, fix] = cells.as_slice() else { panic!("four cells: {line}") };
        assert!(!signal.trim().is_empty(), "{line}");
        [code.trim_end_matches('`'), problem, fix].map(str::to_owned)
    });
    let told = |cause: &Cause| [cause.code().to_owned(), cause.problem().to_owned(), cause.fix()];
    let told: Vec<[String; 3]> = every_cause().iter().map(told).collect();
    assert_eq!(rows.collect::<Vec<_>>(), told);
    // None is forgotten: the code spells every kind once.
    let source = read("src/doctor/cause.rs");
    let codes = source.split("fn code(").nth(1).unwrap().split("fn problem(").next().unwrap();
    let spelled: std::collections::BTreeSet<&str> = codes
        .lines()
        .filter(|line| line.contains("=> \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let told: std::collections::BTreeSet<&str> = told.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(told, spelled);
}
