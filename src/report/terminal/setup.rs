//! What set-up took, step by step.

use super::super::model::SetupStep;
use super::sections::span;

/// `5.30 s: create 80.0 ms, insert 2.10 s (3 retries), ready 1.02 s`; `None` where nothing was done.
pub(in crate::report) fn sentence(steps: &[SetupStep]) -> Option<String> {
    let mut sums: Vec<(&str, f64, u64)> = Vec::new();
    for SetupStep { step, seconds, retries, .. } in steps {
        match sums.iter_mut().find(|(name, ..)| name == step) {
            Some((_, all, again)) => (*all, *again) = (*all + seconds, *again + retries),
            None => sums.push((step, *seconds, *retries)),
        }
    }
    let total: f64 = sums.iter().map(|(_, seconds, _)| seconds).sum();
    let parts: Vec<String> = sums.into_iter().map(part).collect();
    (!parts.is_empty()).then(|| format!("{}: {}", span(total * 1e6), parts.join(", ")))
}

fn part((name, seconds, retries): (&str, f64, u64)) -> String {
    // What is waited for is that the collection is ready.
    let name = if name == "wait" { "ready" } else { name };
    let again = match retries {
        0 => String::new(),
        1 => " (1 retry)".to_owned(),
        more => format!(" ({more} retries)"),
    };
    // A number is not parted from its unit at a line's end.
    format!("{name} {}{again}", span(seconds * 1e6)).replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_name_are_told_as_one_and_add_up() {
        let step = |name: &str, seconds, retries| SetupStep {
            step: name.to_owned(),
            seconds,
            retries,
            trace_id: None,
        };
        let steps = [
            step("inspect", 0.004, 0),
            step("create", 0.08, 0),
            step("insert", 2.1, 3),
            step("inspect", 0.016, 1),
            step("wait", 1.0, 0),
        ];
        assert_eq!(
            sentence(&steps).unwrap().replace('\u{a0}', " "),
            "3.20 s: inspect 20.0 ms (1 retry), create 80.0 ms, insert 2.10 s (3 retries), ready 1.00 s"
        );
        assert_eq!(sentence(&[]), None);
    }
}
