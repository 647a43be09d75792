//! From the other things that a run knows to their places in the report: settings, verdict, resources.

use serde_json::{Map, Value};

use super::model::{Finding, Generator, LoadKind, Setting, Severity, Verdict, WorkerUse};
use crate::measure::{self, ProcessSnapshot, WorkerTime};
use crate::units::Nanos;
use crate::workload::{self, LoadModel, Origin, Stream};

pub fn settings(settings: &[workload::Setting]) -> Vec<Setting> {
    let of = |setting: &workload::Setting| Setting {
        key: setting.key.clone(),
        value: with_seed_as_text(&setting.key, &setting.value),
        from: origin(&setting.from),
    };
    settings.iter().map(of).collect()
}

/// The workload as one JSON value, put together from its dotted settings: `operations.search.top_k` is found at
/// `operations`, `search`, `top_k`.
pub fn workload_value(settings: &[workload::Setting]) -> Value {
    let mut root = Map::new();
    for setting in settings {
        insert(&mut root, &setting.key, with_seed_as_text(&setting.key, &setting.value));
    }
    Value::Object(root)
}

fn insert(table: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((head, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(head.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// A seed has 64 bits; most JSON readers keep 53.
fn with_seed_as_text(key: &str, value: &Value) -> Value {
    match value {
        Value::Number(seed) if key == "seed" || key.ends_with(".seed") => Value::String(seed.to_string()),
        other => other.clone(),
    }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Flag(flag) => flag.clone(),
        Origin::Set => "--set".to_owned(),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::File { line, column } => format!("file {line}:{column}"),
        Origin::Default => "default".to_owned(),
    }
}

/// How a workload's streams start their requests.
pub fn load_kind(streams: &[Stream]) -> LoadKind {
    let open = streams.iter().filter(|stream| matches!(stream.model, LoadModel::Open { .. })).count();
    match open {
        0 => LoadKind::Closed,
        all if all == streams.len() => LoadKind::Open,
        _ => LoadKind::Mixed,
    }
}

/// The verdict in words.
pub fn verdict(verdict: &measure::Verdict) -> Verdict {
    let findings: Vec<_> = verdict.findings.iter().map(|finding| (None, finding.clone())).collect();
    self::findings(&findings)
}

/// Findings in words, each with whom it is about where that is not the whole run.
pub fn findings(findings: &[(Option<String>, measure::Finding)]) -> Verdict {
    let worded = |(about, finding): &(Option<String>, measure::Finding)| Finding {
        code: finding.code().to_owned(),
        severity: match finding.severity() {
            measure::Severity::Error => Severity::Error,
            measure::Severity::Warning => Severity::Warning,
            measure::Severity::Note => Severity::Note,
        },
        message: match about {
            Some(about) => format!("{about}: {finding}"),
            None => finding.to_string(),
        },
        cause: finding.cause().to_owned(),
        remedy: finding.remedy().to_owned(),
    };
    let is_error = |(_, finding): &(_, measure::Finding)| finding.severity() == measure::Severity::Error;
    Verdict { trusted: !findings.iter().any(is_error), findings: findings.iter().map(worded).collect() }
}

/// What the generator cost between two snapshots, for `sent` requests; `workers` is the CPU time of the worker threads,
/// which have ended by the second one, and what of it they busy-waited.
pub fn generator(
    before: &ProcessSnapshot,
    after: &ProcessSnapshot,
    (workers, spun): (Nanos, Nanos),
    sent: u64,
) -> Generator {
    let cpu = after.cpu - before.cpu - spun;
    let parts = after.parts_since(before, workers).unwrap_or_default();
    Generator {
        cpu_us_per_request: (sent > 0 && cpu > Nanos::ZERO).then(|| cpu.as_micros_f64() / sent as f64),
        cpu_s: parts.into_iter().map(|(part, cpu)| (part.name().to_owned(), cpu.as_secs_f64())).collect(),
        busy_wait_s: spun.as_secs_f64(),
        rss_peak_bytes: after.rss_peak,
        workers: Vec::new(),
    }
}

/// What the kernel gave a worker thread.
pub fn worker(time: &WorkerTime) -> WorkerUse {
    WorkerUse {
        cpu_share: time.cpu_share(),
        busy_share: time.busy_share(),
        wait_us: time.cpu.and_then(|cpu| cpu.mean_wait()).map(Nanos::as_micros_f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting(key: &str, value: Value, from: Origin) -> workload::Setting {
        workload::Setting { key: key.to_owned(), value, from }
    }

    #[test]
    fn settings_become_a_tree_and_seeds_become_text() {
        let all = [
            setting("data.seed", json!(u64::MAX), Origin::Default),
            setting("operations.search.top_k", json!(10), Origin::File { line: 3, column: 1 }),
            setting("operations.search.params.ef", json!(64), Origin::Set),
        ];
        let expected = json!({
            "data": { "seed": "18446744073709551615" },
            "operations": { "search": { "top_k": 10, "params": { "ef": 64 } } },
        });
        assert_eq!(workload_value(&all), expected);
        let from: Vec<_> = settings(&all).into_iter().map(|s| s.from).collect();
        assert_eq!(from, ["default", "file 3:1", "--set"]);
    }

    #[test]
    fn cost_per_request_needs_requests() {
        let at = |cpu| ProcessSnapshot { cpu: Nanos::from_millis(cpu), parts: None, rss_peak: None };
        let spun = generator(&at(100), &at(300), (Nanos::from_millis(150), Nanos::from_millis(120)), 10_000);
        assert_eq!((spun.cpu_us_per_request, spun.busy_wait_s), (Some(8.0), 0.12), "busy-waiting is no work");
        assert_eq!(
            generator(&at(100), &at(300), (Nanos::ZERO, Nanos::ZERO), 10_000).cpu_us_per_request,
            Some(20.0)
        );
        assert_eq!(generator(&at(100), &at(300), (Nanos::ZERO, Nanos::ZERO), 0).cpu_us_per_request, None);
        assert!(generator(&at(100), &at(300), (Nanos::ZERO, Nanos::ZERO), 1).cpu_s.is_empty());
    }
}
