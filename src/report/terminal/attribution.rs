//! Why slow requests were slow: a sentence and a short table per operation.

use std::borrow::Cow;
use std::io::{self, Write};

use super::super::model::{Attribution, AttributionRow, NoInterval, RunReport, SlowMoment};
use super::WIDTH;
use super::sections::{percent, span};
use super::slow::cut;
use super::table::{Cell, Style, Tone, table, wrap};
use super::words::clean;

/// Rows told one by one, the others as one.
const ROWS: usize = 6;
/// Longer words are cut, so that a line fits.
const LONGEST: usize = 33;
/// Moments told one by one.
const MOMENTS: usize = 4;

pub(super) fn lines(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for (name, attribution) in &report.attribution {
        writeln!(out)?;
        let text = format!("{}: {}", clean(name), clean(&attribution.sentence));
        wrap(&text, WIDTH - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        if attribution.rows.is_empty() {
            continue;
        }
        table(out, style, 1, &cells(attribution))?;
        if let Some(note) = rest(attribution) {
            wrap(&note, WIDTH - 2)
                .iter()
                .try_for_each(|line| writeln!(out, "  {}", style.paint(Tone::Dim, line)))?;
        }
    }
    Ok(())
}

/// A place where time goes, or several together.
pub(in crate::report) struct Told<'a> {
    /// What it means; foreign.
    pub(in crate::report) words: Cow<'a, str>,
    pub(in crate::report) slow_us: f64,
    pub(in crate::report) typical_us: f64,
    pub(in crate::report) difference_us: f64,
    /// Of the difference, in words.
    pub(in crate::report) interval: String,
    pub(in crate::report) share: Option<f64>,
}

impl Told<'_> {
    /// Its numbers, for a row.
    pub(in crate::report) fn numbers(&self) -> [Cell; 5] {
        let share = self.share.map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", 100.0 * share));
        let times = [span(self.slow_us), span(self.typical_us), signed(self.difference_us)].map(Cell::from);
        let [slow, typical, difference] = times;
        [slow, typical, difference, self.interval.as_str().into(), share.into()]
    }
}

pub(in crate::report) const HEADING: [&str; 6] =
    ["mean time in", "slow", "typical", "difference", "95 % CI", "share"];

/// The largest differences, and the others together.
pub(in crate::report) fn told(attribution: &Attribution) -> Vec<Told<'_>> {
    let mut rows: Vec<&AttributionRow> = attribution.rows.iter().collect();
    rows.sort_by(|a, b| b.difference_us.abs().total_cmp(&a.difference_us.abs()));
    let alone = if rows.len() > ROWS + 1 { ROWS } else { rows.len() };
    let mut told: Vec<Told<'_>> = Vec::new();
    for row in &rows[..alone] {
        let interval = row.low_us.zip(row.high_us);
        let interval = interval
            .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", signed(low), signed(high)));
        told.push(Told {
            words: (&*row.words).into(),
            slow_us: row.slow_us,
            typical_us: row.typical_us,
            difference_us: row.difference_us,
            interval,
            share: row.share,
        });
    }
    if rows.len() > alone {
        let sum = |of: fn(&AttributionRow) -> f64| rows[alone..].iter().map(|row| of(row)).sum::<f64>();
        told.push(Told {
            words: format!("{} others", rows.len() - alone).into(),
            slow_us: sum(|row| row.slow_us),
            typical_us: sum(|row| row.typical_us),
            difference_us: sum(|row| row.difference_us),
            interval: String::new(),
            share: rows[alone..].iter().map(|row| row.share).sum(),
        });
    }
    told
}

/// The same as rows, the heading first.
pub(in crate::report) fn cells(attribution: &Attribution) -> Vec<Vec<Cell>> {
    let row = |told: Told<'_>| {
        let words = Cell(cut(&clean(&told.words), LONGEST), Tone::Strong);
        [words].into_iter().chain(told.numbers()).collect()
    };
    [HEADING.map(Cell::from).to_vec()].into_iter().chain(told(attribution).into_iter().map(row)).collect()
}

/// What the table leaves open.
pub(in crate::report) fn rest(attribution: &Attribution) -> Option<String> {
    let Attribution { slow, typical, moments, episodes, rows, .. } = attribution;
    let mut told = Vec::new();
    if rows.iter().any(|row| row.unknown == Some(NoInterval::TooFewEpisodes)) {
        let at: Vec<String> = moments.iter().take(MOMENTS).map(moment).collect();
        let more = moments.len().saturating_sub(MOMENTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        told.push(format!(
            "no intervals: slow requests came in {episodes} episodes only, {}{more}",
            at.join(", ")
        ));
    }
    let left_out = [("slow", slow), ("typical", typical)].into_iter().filter_map(|(name, set)| {
        let share = set.left_out.filter(|share| *share >= 0.005)?;
        Some(format!(
            "{} of the {name} requests have no whole trace",
            percent((share * 100.0).round() / 100.0)
        ))
    });
    told.extend(left_out);
    (!told.is_empty()).then(|| told.join("; "))
}

fn moment(moment: &SlowMoment) -> String {
    let SlowMoment { at_s, length_s, traces } = moment;
    let plural = if *traces == 1 { "" } else { "s" };
    format!("at {at_s:.1} s for {} ({traces} trace{plural})", span(length_s * 1e6))
}

/// `+41.0 us`.
fn signed(micros: f64) -> String {
    let sign = if micros < 0.0 { '-' } else { '+' };
    format!("{sign}{}", span(micros.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::NotAttributed;
    use crate::report::samples;

    fn text(attribution: Attribution) -> Vec<String> {
        let report =
            RunReport { attribution: [("search".to_owned(), attribution)].into(), ..samples::empty() };
        let mut bytes = Vec::new();
        lines(&report, Style::Plain, &mut bytes).unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        String::from_utf8(bytes).unwrap().lines().map(words).collect()
    }

    #[test]
    fn the_sentence_comes_first_and_the_largest_differences_after_it() {
        let text = text(samples::attribution());
        assert_eq!(text[1..4].join(" "), format!("search: {}", samples::attribution().sentence));
        assert_eq!(
            text[4..],
            [
                "mean time in slow typical difference 95 % CI share",
                "the wait for the time tick 180 ms 2.00 us +180 ms +151 ms to +202 ms 91%",
                "segment search 19.5 ms 1.50 ms +18.0 ms +9.50 ms to +40.0 ms 9%",
                "the generator's own lateness 98.0 us 98.0 us +0 ns - 0%",
                "outside Milvus (network) 400 us 400 us +0 ns -20.0 us to +20.0 us 0%",
                "2% of the slow requests have no whole trace",
            ]
        );
    }

    #[test]
    fn many_rows_are_told_as_one_and_few_episodes_by_their_moments() {
        let mut many = samples::attribution();
        let row =
            AttributionRow { slow_us: 10.0, typical_us: 4.0, difference_us: 6.0, ..many.rows[2].clone() };
        many.rows.extend(std::iter::repeat_n(row, 6));
        let text_of_many = text(many.clone());
        assert!(text_of_many.contains(&"4 others 518 us 506 us +12.0 us 0%".to_owned()), "{text_of_many:?}");

        many.rows.iter_mut().for_each(|row| row.unknown = Some(NoInterval::TooFewEpisodes));
        let moment = |at_s| SlowMoment { at_s, length_s: 0.25, traces: 10 };
        many.episodes = 5;
        many.moments = [1.0, 2.0, 3.0, 4.0, 5.0].map(moment).to_vec();
        let text = text(many).join(" ");
        assert!(
            text.contains(
                "no intervals: slow requests came in 5 episodes only, at 1.0 s for 250 ms (10 traces), "
            ),
            "{text}"
        );
        assert!(text.contains("at 4.0 s for 250 ms (10 traces) and 1 more; 2% of"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_a_sentence_alone() {
        let unknown = Attribution {
            rows: Vec::new(),
            unknown: Some(NotAttributed::NotSampled),
            sentence: "why slow requests are slow is not known: no request was sampled".to_owned(),
            ..samples::attribution()
        };
        assert_eq!(
            text(unknown)[1..],
            ["search: why slow requests are slow is not known: no request was sampled"]
        );
    }
}
