//! Why slow requests were slow, in a sentence.

use crate::report::model::{AttributedSet, Attribution, AttributionCause, NotAttributed, RowKind};
use crate::report::terminal::summary::{percent, span};
use crate::report::terminal::table::grouped;

/// Causes told one by one.
const CAUSES: usize = 3;
/// Where the generator's lateness is the cause of a smaller share, what made it late is not told.
const LEAST_LAG: f64 = 0.1;

pub(super) fn sentence(attribution: &Attribution) -> String {
    match attribution.unknown {
        Some(reason) => not_known(attribution, reason),
        None => known(attribution),
    }
}

/// `31 of 40 slow requests (p99, from 203 ms) are slow by the wait for the time tick, 9 by segment search; they take 195 ms longer than
/// typical ones, and 97% of that is the wait for the time tick`; where not every slow request has its trace, `90% of 3,000 slow requests
/// (p99, from 203 ms) are slow by the wait for the time tick, 10% by segment search, by 128 traces; [...]`.
fn known(attribution: &Attribution) -> String {
    let Attribution { slow, typical, lateness, not_succeeded, .. } = attribution;
    let is_whole = slow.complete == slow.requests;
    let causes = by_words(attribution);
    let others = causes.iter().skip(CAUSES).fold(Cause::default(), |all, cause| all.and(cause));
    let others = Cause { words: "other things", ..others };
    let mut told: Vec<String> = causes
        .iter()
        .take(CAUSES)
        .chain((others.traces > 0).then_some(&others))
        .map(|cause| cause.tell(is_whole))
        .collect();
    if !is_whole {
        told.push(format!("by {} traces", grouped(slow.complete)));
    }
    // "31 of 40 slow requests are slow by", once.
    let all = format!(" of {} slow requests ({}) are slow by ", grouped(slow.requests), range(slow));
    let mut sentence = told.join(", ").replacen(" by ", &all, 1);
    let longer = slow.response_us.zip(typical.response_us).map(|(slow, typical)| slow - typical);
    if let Some(longer) = longer.filter(|longer| *longer > 0.0) {
        let share = largest(attribution)
            .map_or_else(String::new, |(words, share)| format!(", and {} is {words}", part_of_that(share)));
        sentence.push_str(&format!("; they take {} longer than typical ones{share}", span(longer)));
    }
    if *not_succeeded > 0 {
        let plural = if *not_succeeded == 1 { "" } else { "s" };
        let count = grouped(*not_succeeded);
        sentence.push_str(&format!("; not among them: {count} request{plural} that did not succeed"));
    }
    if let Some(cause) = lateness {
        sentence.push_str(&format!("; why the generator was late: {cause}"));
    }
    sentence
}

/// Rows that mean the same to people.
#[derive(Clone, Copy, Debug, Default)]
struct Cause<'a> {
    words: &'a str,
    traces: u64,
    share: f64,
    is_lag: bool,
}

impl Cause<'_> {
    fn and(self, other: &Self) -> Self {
        Self { traces: self.traces + other.traces, share: self.share + other.share, ..self }
    }

    fn tell(&self, is_whole: bool) -> String {
        let Self { words, traces, share, .. } = self;
        match is_whole {
            true => format!("{} by {words}", grouped(*traces)),
            false if *share < 0.005 => format!("under 1% by {words}"),
            false => format!("{} by {words}", percent(share.round_to_percent())),
        }
    }
}

/// The causes, those of the same words as one, most frequent first.
fn by_words(attribution: &Attribution) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for AttributionCause { row, words, traces, share, .. } in &attribution.causes {
        let cause = Cause { words, traces: *traces, share: *share, is_lag: *row == RowKind::Lag };
        match causes.iter_mut().find(|known| known.words == words) {
            Some(known) => *known = known.and(&cause),
            None => causes.push(cause),
        }
    }
    causes.sort_by(|a, b| b.share.total_cmp(&a.share));
    causes
}

/// Whether the generator's own lateness is told as a cause, and of enough requests to ask why.
pub(super) fn tells_lag(attribution: &Attribution) -> bool {
    by_words(attribution).iter().take(CAUSES).any(|cause| cause.is_lag && cause.share >= LEAST_LAG)
}

/// What explains most of the difference, rows of the same words as one, with its share.
fn largest(attribution: &Attribution) -> Option<(&str, f64)> {
    let mut shares: Vec<(&str, f64)> = Vec::new();
    for row in &attribution.rows {
        let share = row.share?;
        match shares.iter_mut().find(|(words, _)| *words == row.words) {
            Some((_, sum)) => *sum += share,
            None => shares.push((&row.words, share)),
        }
    }
    shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Over 100 %, where other rows are shorter than in typical requests.
fn part_of_that(share: f64) -> String {
    match share.round_to_percent() {
        share if share > 1.0 => "most of it".to_owned(),
        share => format!("{} of that", percent(share)),
    }
}

trait RoundToPercent {
    fn round_to_percent(self) -> Self;
}

impl RoundToPercent for f64 {
    fn round_to_percent(self) -> Self {
        (self * 100.0).round() / 100.0
    }
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
        NotAttributed::TooFewRequests
        | NotAttributed::NotSlower
        | NotAttributed::NotSampled
        | NotAttributed::NoTraces => String::new(),
    };
    format!("why slow requests are slow is not known: {}{numbers}", reason.words())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::AttributionRow;
    use crate::report::samples;

    /// Of 41 requests 32 by the wait and 9 by the search, as in `samples`.
    fn told() -> Attribution {
        samples::attribution()
    }

    #[test]
    fn shares_of_the_requests_are_told_and_counts_only_where_each_has_its_trace() {
        let start = "78% of 41 slow requests (p99, from 203 ms) are slow by the wait for the time tick, 22% by segment search, \
                     by 40 traces; they take";
        assert!(sentence(&told()).starts_with(start), "{}", sentence(&told()));
        let mut whole = told();
        whole.slow.requests = 40;
        assert!(
            sentence(&whole).starts_with(
                "31 of 40 slow requests (p99, from 203 ms) are slow by the wait for the time tick, 9 by segment search; \
                 they take"
            ),
            "{}",
            sentence(&whole)
        );
        let mut rare = told();
        rare.causes[1].share = 0.001;
        assert!(
            sentence(&rare).contains(", under 1% by segment search, by 40 traces;"),
            "{}",
            sentence(&rare)
        );
    }

    #[test]
    fn rows_of_the_same_words_are_told_as_one() {
        let mut twice = told();
        let half = |cause: &AttributionCause| AttributionCause { share: cause.share / 2.0, ..cause.clone() };
        let wait = half(&twice.causes[0]);
        twice.causes = vec![wait.clone(), twice.causes[1].clone(), AttributionCause { traces: 0, ..wait }];
        // Each half of the wait explains less than the search does.
        let (wait, search) = (twice.rows[0].clone(), twice.rows[1].clone());
        let row = |row, share| AttributionRow { share: Some(share), ..row };
        twice.rows = vec![row(search, 0.4), row(wait.clone(), 0.3), row(wait, 0.3)];
        let sentence = sentence(&twice);
        assert!(sentence.starts_with("78% of 41 slow requests"), "{sentence}");
        assert!(sentence.contains("tick, 22% by segment search, by 40 traces;"), "{sentence}");
        assert!(sentence.ends_with(", and 60% of that is the wait for the time tick"), "{sentence}");
    }

    #[test]
    fn more_than_all_of_the_difference_is_most_of_it() {
        let mut over = told();
        over.rows[0].share = Some(1.3);
        assert!(
            sentence(&over).ends_with(", and most of it is the wait for the time tick"),
            "{}",
            sentence(&over)
        );
        over.rows[0].share = Some(1.004);
        assert!(sentence(&over).contains("100% of that"), "{}", sentence(&over));
    }

    #[test]
    fn lateness_is_explained_only_where_it_is_told_and_not_rare() {
        let with = |share, before: usize| {
            let mut told = told();
            let lag =
                AttributionCause { row: RowKind::Lag, words: "late".into(), share, ..told.causes[1].clone() };
            let other = |i| AttributionCause { words: format!("{i}"), share: 0.3, ..told.causes[0].clone() };
            told.causes = (0..before).map(other).chain([lag]).collect();
            tells_lag(&told)
        };
        assert_eq!([with(0.5, 0), with(0.1, 2), with(0.09, 2), with(0.2, 3)], [true, true, false, false]);
    }
}
