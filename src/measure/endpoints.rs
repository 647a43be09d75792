//! What went to each endpoint: by address, and by connection.

use std::collections::BTreeMap;

use super::histogram::Timings;
use super::quantile::{Quantile, quantile};
use super::recorded::ConnectionRecord;
use crate::units::Nanos;

/// One address, or one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointEvidence {
    /// The address, or `connection 3`.
    pub name: String,
    pub connections: u32,
    /// Requests of the window that were sent there.
    pub requests: u64,
    /// Their p99; `None`: too few for one.
    pub p99: Option<TailEvidence>,
}

/// A response time of those that were sent to an endpoint, where one that did not succeed is later than any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tail {
    Answered(Nanos),
    /// It is among those that failed, however fast, or timed out, or took longer than an hour.
    Unanswered,
}

/// A p99 of response times, with what chance leaves open of it.
///
/// With n requests, n/100 lie beyond the true p99, give or take the square root of that: `low` and `high` are the values
/// that n/100 plus and minus 3 of these lie beyond. That supposes independent requests and no distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailEvidence {
    pub p99: Tail,
    /// Hardly above the true one.
    pub low: Tail,
    /// Hardly below the true one.
    pub high: Tail,
}

impl TailEvidence {
    /// Of so many requests, of which those in `answered` were; `None`: too few.
    fn of(answered: &Timings<u64>, requests: u64) -> Option<Self> {
        if requests < Quantile::P99.enough_offered() {
            return None;
        }
        let beyond = requests as f64 / 100.0;
        let at = |sigmas: f64| {
            let left = (beyond + sigmas * beyond.sqrt()).clamp(0.0, requests as f64 - 1.0);
            let rank = requests - left.round() as u64;
            let is_known = rank <= answered.count().saturating_sub(answered.saturated());
            let found = is_known.then(|| answered.at_ranks(&[rank]).first().copied());
            found.flatten().map_or(Tail::Unanswered, Tail::Answered)
        };
        // The very p99 as the report tells it.
        let p99 = quantile(answered, requests, Quantile::P99).map_or(Tail::Unanswered, Tail::Answered);
        Some(Self { p99, low: at(3.0), high: at(-3.0) })
    }
}

/// By address, those that were ever connected to; `peers` by index of the connection. Connections that came from one address to
/// another are an endpoint of their own, for it is not recorded which of the two a request went to.
pub fn by_peer(connections: &[ConnectionRecord], peers: &[Vec<String>]) -> Vec<EndpointEvidence> {
    let mut all: BTreeMap<String, (u32, u64, Timings<u64>)> = BTreeMap::new();
    for (connection, peers) in connections.iter().zip(peers).filter(|(_, peers)| !peers.is_empty()) {
        let mut peers = peers.clone();
        peers.sort();
        let peer = peers.join(" and ");
        let (connections, requests, timings) = all.entry(peer).or_default();
        *connections += 1;
        *requests += connection.requests;
        connection.response.iter().for_each(|response| add(timings, response));
    }
    let endpoint = |(name, (connections, requests, timings)): (String, (u32, u64, Timings<u64>))| {
        EndpointEvidence { name, connections, requests, p99: TailEvidence::of(&timings, requests) }
    };
    all.into_iter().map(endpoint).collect()
}

/// Each connection by itself.
pub fn by_connection(connections: &[ConnectionRecord]) -> Vec<EndpointEvidence> {
    let endpoint = |(index, connection): (usize, &ConnectionRecord)| {
        let mut timings = Timings::new();
        connection.response.iter().for_each(|response| add(&mut timings, response));
        EndpointEvidence {
            name: format!("connection {index}"),
            connections: 1,
            requests: connection.requests,
            p99: TailEvidence::of(&timings, connection.requests),
        }
    };
    connections.iter().enumerate().map(endpoint).collect()
}

/// Histograms of narrow and of wide counters: bucket by bucket, which leaves the bounds of ranks as they are.
fn add(to: &mut Timings<u64>, from: &Timings<u32>) {
    to.merge_packed(&from.pack(&mut super::histogram::PackScratch::default()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Verdict;
    use crate::measure::{Counters, Evidence, OperationEvidence};
    use crate::random::{splitmix64, unit_interval};

    fn connection(spans: impl IntoIterator<Item = u64>) -> ConnectionRecord {
        let mut response = Timings::new();
        spans.into_iter().for_each(|span| response.record(Nanos::new(span)));
        ConnectionRecord { requests: response.count(), response: Some(response) }
    }

    #[test]
    fn connections_to_one_address_are_one_end() {
        let connections = [connection(1..=600), connection([5; 10]), connection(601..=1_000), connection([])];
        let peers = ["a:1", "b:1", "a:1"].map(|peer| vec![peer.to_owned()]);
        let ends = by_peer(&connections, &[peers.to_vec(), vec![vec![]]].concat());
        assert_eq!(
            ends.iter().map(|e| (e.name.as_str(), e.connections, e.requests)).collect::<Vec<_>>(),
            [("a:1", 2, 1_000), ("b:1", 1, 10)]
        );
        // 10 of 1..=1000 lie beyond 990; 10 + 3 sqrt(10) = 19.5 and 10 - 9.5 = 0.5 round to 19 and 1.
        let at = |nanos| Tail::Answered(Nanos::new(nanos));
        let tail = TailEvidence { p99: at(990), low: at(981), high: at(999) };
        assert_eq!((ends[0].p99, ends[1].p99), (Some(tail), None));
        assert_eq!(by_connection(&connections)[1].name, "connection 1");
    }

    #[test]
    fn connections_that_went_from_one_address_to_another_are_booked_under_neither() {
        let connections = [connection([1; 3]), connection([1; 4]), connection([1; 5])];
        let peers = [&["a:1", "b:1"][..], &["b:1", "a:1"], &["a:1"]];
        let peers = peers.map(|peers| peers.iter().map(|peer| (*peer).to_owned()).collect());
        let ends = by_peer(&connections, &peers);
        let told: Vec<_> = ends.iter().map(|e| (e.name.as_str(), e.connections, e.requests)).collect();
        assert_eq!(told, [("a:1", 1, 5), ("a:1 and b:1", 2, 7)]);
    }

    /// Of 1,000 requests over each, so many did not succeed, the others did at once.
    #[test]
    fn a_percentile_of_an_end_is_that_of_all_that_was_sent_there_and_not_of_the_survivors() {
        let with =
            |unsuccessful: u64| ConnectionRecord { requests: 1_000, ..connection(1..=1_000 - unsuccessful) };
        let at = |nanos| Tail::Answered(Nanos::new(nanos));
        let tails: Vec<_> =
            by_connection(&[0, 9, 10, 20].map(with)).iter().map(|endpoint| endpoint.p99.unwrap()).collect();
        assert_eq!(tails[0], TailEvidence { p99: at(990), low: at(981), high: at(999) });
        assert_eq!(tails[1], TailEvidence { p99: at(990), low: at(981), high: Tail::Unanswered });
        assert_eq!(tails[2], TailEvidence { p99: Tail::Unanswered, ..tails[1] });
        assert_eq!(tails[3].low, Tail::Unanswered, "20 are more than chance makes of 1 %");
        assert_eq!(by_connection(&[ConnectionRecord { requests: 999, response: None }])[0].p99, None);
    }

    /// What is known of an endpoint is what did not succeed there: whether it got an error at once or nothing at all, nobody can say.
    #[test]
    fn requests_that_failed_at_once_are_not_said_to_have_got_no_answer() {
        let failing = ConnectionRecord { requests: 2_000, ..connection((1..=1_900).map(|k| k * 1_000)) };
        let connections = by_connection(&[connection((1..=2_000).map(|k| k * 1_000)), failing]);
        let evidence = Evidence { connections, ..Evidence::default() };
        let found = Verdict::of(&evidence).findings;
        let finding = found.iter().find(|finding| finding.code() == "uneven_p99").expect("5 % are too many");
        assert_eq!(
            finding.to_string(),
            "of connection 1's requests, 1 % or more did not succeed, so it has no p99; that of connection 0 is 1.98 ms"
        );
    }

    /// Exponential times, whose tail is long, four connections that are all alike, and one that is three times slower.
    #[test]
    fn chance_alone_hardly_ever_makes_a_spread_and_a_slow_replica_does() {
        let mut state = 1u64;
        let mut times = |count: usize, mean: f64| -> Vec<u64> {
            let roll = |_| {
                state += 1;
                (-unit_interval(splitmix64(state)).max(1e-12).ln() * mean) as u64
            };
            (0..count).map(roll).collect()
        };
        let mut is_found = |means: [f64; 4]| {
            let all: Vec<_> = means.iter().map(|mean| connection(times(2_000, *mean))).collect();
            let operation = OperationEvidence {
                counters: Counters { succeeded: 8_000, ..Counters::default() },
                ..OperationEvidence::default()
            };
            let evidence = Evidence {
                operations: vec![operation],
                connections: by_connection(&all),
                ..Evidence::default()
            };
            !Verdict::of(&evidence).findings.is_empty()
        };
        let alike = (0..300).filter(|_| is_found([5e6; 4])).count();
        assert!(alike <= 1, "{alike} of 300");
        let slow = (0..50).filter(|_| is_found([5e6, 5e6, 5e6, 15e6])).count();
        assert!(slow >= 48, "{slow} of 50");
    }
}
