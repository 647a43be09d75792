//! What an overhead experiment says in one sentence, and the words for its metrics.

use super::overhead::{ArmEffect, Change, CostLine, EffectVerdict, Effects, Overhead};
use crate::units::Nanos;

/// `Tracing every request costs +6.1 % p50 (95 % CI 2.9 .. 9.4), so 10 % about +0.6 % if cost is proportional, and ...`.
pub(in crate::report) fn sentence(overhead: &Overhead) -> String {
    let Some(primary) = overhead.metrics.first() else { return "Nothing was measured.".to_owned() };
    let Some(full) = primary.arms.first() else {
        let reason = primary.unknown.as_deref().unwrap_or("no slot has it");
        return format!("Nothing can be said of {}: {reason}.", metric_words(&primary.metric).0);
    };
    let mut parts = vec![about(primary, full, true)];
    parts.extend(second(overhead).map(|(effects, arm)| about(effects, arm, false)));
    let tail = tail(overhead).map(|(effects, arm)| about(effects, arm, false));
    let mut text = format!("Tracing {} {}", requests(full.fraction), parts.join(", and "));
    if let Some(tail) = tail {
        text.push_str(&format!("; {tail}"));
    }
    text.push('.');
    match full.verdict {
        EffectVerdict::Stopped => text.push_str(" It was stopped by hand, so nothing is decided."),
        EffectVerdict::TooFewBlocks => text.push_str(" There are too few complete blocks for a decision."),
        _ => {}
    }
    text
}

/// `Tracing every request`, whoever decides on it.
fn requests(fraction: f64) -> String {
    if fraction >= 1.0 { "every request".to_owned() } else { format!("{} of requests", share(fraction)) }
}

/// The server's CPU per request: far less noisy than any time.
fn second(overhead: &Overhead) -> Option<(&Effects, &ArmEffect)> {
    find(overhead, |metric| metric == "server.cpu_us_per_request")
}

/// p99 of the operation that the primary metric is of.
fn tail(overhead: &Overhead) -> Option<(&Effects, &ArmEffect)> {
    let operation = overhead.primary.split('.').next().unwrap_or_default();
    find(overhead, |metric| metric == format!("{operation}.response.p99_us") && metric != overhead.primary)
}

fn find(overhead: &Overhead, is_it: impl Fn(&str) -> bool) -> Option<(&Effects, &ArmEffect)> {
    let effects = overhead.metrics.iter().find(|effects| is_it(&effects.metric))?;
    Some((effects, effects.arms.first()?))
}

fn about(effects: &Effects, arm: &ArmEffect, with_line: bool) -> String {
    let words = in_a_sentence(&effects.metric);
    let interval = format!("(95 % CI {} .. {})", number(arm.change.low), number(arm.change.high));
    let line = effects
        .line
        .as_ref()
        .filter(|_| with_line && arm.fraction >= 1.0)
        .map_or_else(String::new, proportional);
    match (arm.verdict, arm.excluded_above) {
        (EffectVerdict::NoneSeen, Some(excluded)) => {
            format!(
                "shows no effect on {}: more than {} for the worse is excluded",
                words.trim_start_matches("of "),
                share(excluded)
            )
        }
        (EffectVerdict::Costs, _) => {
            format!("costs {} {words} {interval}{line}", percent(arm.change.estimate))
        }
        (EffectVerdict::Gains, _) => {
            format!("seems to gain: {} {words} {interval}", percent(arm.change.estimate))
        }
        _ => format!("comes with {} {words} {interval}", percent(arm.change.estimate)),
    }
}

/// With its article, where it has one.
fn in_a_sentence(metric: &str) -> String {
    let (words, _) = metric_words(metric);
    if metric.starts_with("server.") || metric.starts_with("generator.") {
        format!("of the {words}")
    } else {
        words
    }
}

fn proportional(line: &CostLine) -> String {
    format!(", so 10 % about {} if cost is proportional", percent(line.at_0_1.estimate))
}

/// What an effect comes to, in a few words.
pub(in crate::report) fn verdict(arm: &ArmEffect) -> String {
    let words = arm.verdict.words();
    match arm.excluded_above {
        Some(above) => format!("{words}, > {} excluded", share(above)),
        None => words.to_owned(),
    }
}

/// `+6.1 % (2.9 .. 9.4)`.
pub(in crate::report) fn changed(change: Change) -> String {
    format!("{} ({} .. {})", percent(change.estimate), number(change.low), number(change.high))
}

/// `+6.1 %`.
pub(in crate::report) fn percent(share: f64) -> String {
    let sign = if share < 0.0 { "-" } else { "+" };
    format!("{sign}{} %", digits(share.abs() * 100.0))
}

/// `6.1 %`, without a sign.
pub(in crate::report) fn share(share: f64) -> String {
    format!("{} %", digits(share * 100.0))
}

/// `-2.9`, in percent.
fn number(share: f64) -> String {
    let sign = if share < 0.0 { "-" } else { "" };
    format!("{sign}{}", digits(share.abs() * 100.0))
}

/// Two digits at least, and one behind the point below 100.
fn digits(percent: f64) -> String {
    match percent.abs() {
        small if small < 0.995 => format!("{percent:.2}"),
        usual if usual < 99.95 => format!("{percent:.1}"),
        _ => format!("{percent:.0}"),
    }
}

/// The words for a metric, and how its values are shown.
pub(in crate::report) fn metric_words(metric: &str) -> (String, fn(f64) -> String) {
    let time: fn(f64) -> String = |micros| Nanos::new((micros * 1e3).round() as u64).to_string();
    match metric {
        "succeeded_per_s" => ("throughput".to_owned(), |rate| format!("{rate:.1}/s")),
        "server.cpu_us_per_request" => ("server's CPU per request".to_owned(), time),
        "server.rss_bytes" => {
            ("server's memory".to_owned(), |bytes| format!("{:.0} MiB", bytes / f64::from(1 << 20)))
        }
        "generator.cpu_us_per_request" => ("generator's CPU per request".to_owned(), time),
        "generator.worker_cpu_us_per_request" => ("its workers' CPU per request".to_owned(), time),
        other => {
            let words: Vec<&str> = other.trim_end_matches("_us").split('.').collect();
            match words[..] {
                [operation, "response", statistic] => (format!("{operation} {statistic}"), time),
                _ => (other.to_owned(), |value| format!("{value}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::experiment::samples;

    #[test]
    fn an_effect_that_was_seen_is_told_with_the_line_and_the_servers_cpu_and_the_tail_with_what_is_excluded()
    {
        assert_eq!(
            sentence(&samples::overhead()),
            "Tracing every request costs +6.1 % search p50 (95 % CI 2.9 .. 9.4), so 10 % about +0.61 % if cost is proportional, and costs \
             +4.0 % of the server's CPU per request (95 % CI 3.1 .. 4.9); shows no effect on search p99: more than 38.0 % for the worse \
             is excluded."
        );
    }

    #[test]
    fn nothing_is_claimed_where_nothing_is_known_or_it_was_stopped() {
        let mut overhead = samples::overhead();
        overhead.metrics[0].arms[0].verdict = EffectVerdict::Stopped;
        let text = sentence(&overhead);
        assert!(text.contains("comes with +6.1 %") && text.ends_with("nothing is decided."), "{text}");
        overhead.metrics[0].arms.clear();
        overhead.metrics[0].unknown = Some("2 complete blocks".into());
        assert_eq!(sentence(&overhead), "Nothing can be said of search p50: 2 complete blocks.");
    }
}
