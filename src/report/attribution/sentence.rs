//! Why slow requests were slow, in a sentence.

use crate::report::model::{AttributedSet, Attribution, AttributionCause, NotAttributed};
use crate::report::terminal::summary::{percent, span};

/// Causes told one by one.
const CAUSES: usize = 3;

pub(super) fn sentence(attribution: &Attribution) -> String {
    match attribution.unknown {
        Some(reason) => not_known(attribution, reason),
        None => known(attribution),
    }
}

/// `31 of 40 slow traces (p99, from 203 ms) are slow by the wait for the time tick, 9 by segment search; they take 195 ms longer than
/// typical ones, and 97% of that is the wait for the time tick`.
fn known(attribution: &Attribution) -> String {
    let Attribution { slow, typical, causes, rows, lateness, .. } = attribution;
    let mut told: Vec<String> = causes.iter().take(CAUSES).map(cause).collect();
    let others: u64 = causes.iter().skip(CAUSES).map(|cause| cause.traces).sum();
    told.extend((others > 0).then(|| format!("{others} by other things")));
    // "31 of 40 slow traces are slow by", once.
    let all = format!(" of {} slow traces ({}) are slow by ", slow.complete, range(slow));
    let mut sentence = told.join(", ").replacen(" by ", &all, 1);
    let longer = slow.response_us.zip(typical.response_us).map(|(slow, typical)| slow - typical);
    if let Some((longer, row)) = longer.filter(|longer| *longer > 0.0).zip(rows.first()) {
        let share = row.share.map_or_else(String::new, |share| {
            format!(", and {} of that is {}", percent(share.round_to_percent()), row.words)
        });
        sentence.push_str(&format!("; they take {} longer than typical ones{share}", span(longer)));
    }
    if let Some(cause) = lateness {
        sentence.push_str(&format!("; why the generator was late: {cause}"));
    }
    sentence
}

trait RoundToPercent {
    fn round_to_percent(self) -> Self;
}

impl RoundToPercent for f64 {
    fn round_to_percent(self) -> Self {
        (self * 100.0).round() / 100.0
    }
}

fn cause(cause: &AttributionCause) -> String {
    format!("{} by {}", cause.traces, cause.words)
}

/// `p99, from 203 ms`; `from 20.0 ms`.
fn range(slow: &AttributedSet) -> String {
    match slow.from_us {
        Some(from) if slow.range.starts_with('p') => format!("{}, from {}", slow.range, span(from)),
        _ => format!("from {}", slow.range),
    }
}

fn not_known(attribution: &Attribution, reason: NotAttributed) -> String {
    let Attribution { slow, typical, .. } = attribution;
    let each = |tell: &dyn Fn(&AttributedSet) -> String| {
        format!(" ({} of the slow, {} of the typical)", tell(slow), tell(typical))
    };
    let numbers = match reason {
        NotAttributed::TooFewTraces => each(&|set| set.complete.to_string()),
        NotAttributed::TooManyLeftOut => each(&|set| {
            set.left_out.map_or_else(|| "all".to_owned(), |share| percent(share.round_to_percent()))
        }),
        NotAttributed::TooFewRequests | NotAttributed::NotSampled | NotAttributed::NoTraces => String::new(),
    };
    format!("why slow requests are slow is not known: {}{numbers}", reason.words())
}
