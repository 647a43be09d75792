//! What being sampled costs a request itself, in a sentence per operation.

use std::io::{self, Write};

use super::super::model::{Difference, RunReport, Sampling};
use super::WIDTH;
use super::sections::span;
use super::table::{Style, Tone, grouped, wrap};
use super::words::clean;

pub(super) fn lines(report: &RunReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let told: Vec<(&String, &Sampling)> = report
        .operations
        .iter()
        .filter_map(|(name, operation)| Some((name, operation.sampling.as_ref()?)))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for (name, sampling) in told {
        let text = format!("{}: {}", clean(name), sentence(sampling));
        wrap(&text, WIDTH - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    writeln!(out, "  {}", style.paint(Tone::Dim, LEFT_OUT))
}

pub(in crate::report) const LEFT_OUT: &str =
    "of the service time, at this load; that sampled requests make others queue is not in it";

/// `a sampled request pays +41.0 us at the median, 95 % CI 33.0 us to 49.0 us (310 sampled, 2,690 not)`.
pub(in crate::report) fn sentence(sampling: &Sampling) -> String {
    let Sampling { sampled, unsampled, service } = sampling;
    let counts = format!("({} sampled, {} not)", grouped(*sampled), grouped(*unsampled));
    match (service.p50_us, service.unknown.get("p50_us")) {
        (Some(difference), _) => format!("a sampled request pays {} {counts}", at_the_median(difference)),
        (None, reason) => {
            let reason =
                reason.map_or_else(|| "unknown".to_owned(), |reason| reason.name().replace('_', " "));
            format!("what a sampled request pays is not known: {reason} {counts}")
        }
    }
}

fn at_the_median(difference: Difference) -> String {
    let Difference { difference_us, low_us, high_us } = difference;
    let interval =
        format!("{} at the median, 95 % CI {} to {}", signed(difference_us), signed(low_us), signed(high_us));
    match low_us <= 0.0 && high_us >= 0.0 {
        true => format!("{interval}: no cost seen, more than {} is excluded", span(high_us)),
        false => interval,
    }
}

/// `+41.0 us`.
fn signed(micros: f64) -> String {
    let sign = if micros < 0.0 { '-' } else { '+' };
    format!("{sign}{}", span(micros.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{SamplingDifferences, UnknownReason};
    use crate::report::samples;

    fn text(p50_us: Option<Difference>) -> String {
        let unknown = match p50_us {
            Some(_) => Default::default(),
            None => [("p50_us".to_owned(), UnknownReason::TooFew)].into(),
        };
        let service = SamplingDifferences { p50_us, unknown, ..SamplingDifferences::default() };
        sentence(&Sampling { sampled: 310, unsampled: 2_690, service })
    }

    #[test]
    fn a_cost_is_told_with_its_interval_and_none_with_what_is_excluded() {
        let of = |difference_us, low_us, high_us| Some(Difference { difference_us, low_us, high_us });
        assert_eq!(
            text(of(41.0, 33.0, 49.0)),
            "a sampled request pays +41.0 us at the median, 95 % CI +33.0 us to +49.0 us (310 sampled, 2,690 not)"
        );
        assert_eq!(
            text(of(1.0, -3.0, 5.0)),
            "a sampled request pays +1.00 us at the median, 95 % CI -3.00 us to +5.00 us: no cost seen, \
             more than 5.00 us is excluded (310 sampled, 2,690 not)"
        );
        assert_eq!(text(None), "what a sampled request pays is not known: too few (310 sampled, 2,690 not)");
    }

    #[test]
    fn the_summary_tells_it_where_some_are_sampled_and_some_are_not() {
        let told = |report: &RunReport| {
            let mut bytes = Vec::new();
            lines(report, Style::Plain, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let text = told(&samples::full());
        assert!(text.starts_with("\n  search: a sampled request pays "), "{text}");
        assert_eq!(told(&samples::empty()), "");
    }
}
