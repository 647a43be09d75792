//! Slow against typical: rows with their intervals, causes, episodes.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::episodes::{Together, episode_of, episodes, moments};
use super::sentence;
use super::sets::{PartOfSet, Set};
use super::words;
use crate::report::model::{Attribution, AttributionCause, AttributionRow, NoInterval};
use crate::stats::{EpisodeStratum, FEWEST_EPISODES, StatsError, Stratum, episodes_difference};
use crate::trace::attribution::{Part, Row};
use crate::trace::spans::Kind;

pub(super) fn compare(source: &Source<'_>, slow: &Set, typical: &Set) -> Attribution {
    let episodes = episodes(source, slow);
    let typical_means = means(slow, typical);
    let response = |set: &Set| set.mean(|told| told.exemplar.response().get() as f64);
    let longer = response(slow) - response(typical);
    let mut rows: Vec<AttributionRow> = typical_means
        .keys()
        .map(|row| row_of(row, (slow, typical), &episodes, longer, source.record.exemplars.seed()))
        .collect();
    // Stable: equal ones stay in the order of rows.
    rows.sort_by(|a, b| b.difference_us.total_cmp(&a.difference_us));
    let moments = if episodes.len() < FEWEST_EPISODES { moments(source, &episodes) } else { Vec::new() };
    let mut attribution = Attribution {
        sentence: String::new(),
        slow: slow.summary(),
        typical: typical.summary(),
        rows,
        causes: causes(slow, &typical_means),
        episodes: episodes.len() as u64,
        moments,
        not_succeeded: source.not_succeeded(),
        lateness: None,
        unknown: None,
    };
    attribution.sentence = sentence::sentence(&attribution);
    attribution
}

/// Of every row that any of the requests has, its mean over the typical ones.
fn means(slow: &Set, typical: &Set) -> BTreeMap<Row, f64> {
    let rows = slow.weighted().chain(typical.weighted()).flat_map(|(_, told)| told.rows.keys().cloned());
    let rows: BTreeSet<Row> = rows.collect();
    rows.into_iter().map(|row| (row.clone(), typical.mean(|told| told.at(&row)))).collect()
}

fn row_of(
    row: &Row,
    (slow, typical): (&Set, &Set),
    episodes: &[Together],
    longer: f64,
    seed: u64,
) -> AttributionRow {
    let micros = |nanos: f64| nanos / 1e3;
    let (slow_mean, typical_mean) = (slow.mean(|told| told.at(row)), typical.mean(|told| told.at(row)));
    let difference = slow_mean - typical_mean;
    let interval = episodes_difference(&by_episodes(slow, episodes, row), &strata(typical, row), seed);
    let interval = interval.map_err(|reason| match reason {
        StatsError::TooFew { .. } => NoInterval::TooFewEpisodes,
        _ => NoInterval::TooRare,
    });
    let Named { service, span, kind, before, after_last } = Named::of(row);
    AttributionRow {
        row: words::kind(row),
        words: words::words(row),
        service,
        span,
        kind,
        before,
        after_last,
        slow_us: micros(slow_mean),
        typical_us: micros(typical_mean),
        difference_us: micros(difference),
        low_us: interval.ok().map(|interval| micros(interval.low)),
        high_us: interval.ok().map(|interval| micros(interval.high)),
        unknown: interval.err(),
        share: (longer > 0.0).then(|| difference / longer),
    }
}

/// What a span's row is named by.
#[derive(Default)]
struct Named {
    service: Option<String>,
    span: Option<String>,
    kind: Option<String>,
    before: Option<String>,
    after_last: bool,
}

impl Named {
    fn of(row: &Row) -> Self {
        let Row::Span { service, name, kind, part } = row else { return Self::default() };
        Self {
            service: Some(service.to_string()),
            span: Some(name.to_string()),
            kind: Some(kind_name(*kind).to_owned()),
            before: if let Part::Before(next) = part { Some(next.to_string()) } else { None },
            after_last: *part == Part::AfterLast,
        }
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
    }
}

fn strata(set: &Set, row: &Row) -> Vec<Stratum> {
    let of = |part: &PartOfSet| Stratum {
        weight: part.requests as f64,
        values: part.told.iter().map(|told| told.at(row)).collect(),
    };
    told_parts(set).map(of).collect()
}

fn by_episodes(slow: &Set, episodes: &[Together], row: &Row) -> Vec<EpisodeStratum> {
    let with = |(stratum, part): (Stratum, &PartOfSet)| EpisodeStratum {
        stratum,
        episodes: part.told.iter().filter_map(|told| episode_of(told, episodes)).collect(),
    };
    strata(slow, row).into_iter().zip(told_parts(slow)).map(with).collect()
}

fn told_parts(set: &Set) -> impl Iterator<Item = &PartOfSet> {
    set.parts.iter().filter(|part| !part.told.is_empty())
}

/// The cause of a slow request is the row by which it exceeds typical ones most.
fn causes(slow: &Set, typical: &BTreeMap<Row, f64>) -> Vec<AttributionCause> {
    let mut counted: BTreeMap<&Row, (u64, f64)> = BTreeMap::new();
    let mut all = 0.0;
    for (weight, told) in slow.weighted() {
        all += weight;
        let excess = |row: &Row, mean: f64| told.at(row) - mean;
        let most = typical.iter().max_by(|a, b| excess(a.0, *a.1).total_cmp(&excess(b.0, *b.1)));
        if let Some((row, _)) = most {
            let (traces, weights) = counted.entry(row).or_default();
            *traces += 1;
            *weights += weight;
        }
    }
    let mut causes: Vec<AttributionCause> = counted
        .into_iter()
        .map(|(row, (traces, weight))| {
            let Named { service, span, kind, before, after_last } = Named::of(row);
            AttributionCause {
                row: words::kind(row),
                words: words::words(row),
                service,
                span,
                kind,
                before,
                after_last,
                traces,
                requests: weight,
                share: weight / all,
            }
        })
        .collect();
    causes.sort_by(|a, b| b.share.total_cmp(&a.share));
    causes
}
