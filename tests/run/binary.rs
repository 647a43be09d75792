//! Binary vectors: an exact search returns the nearest by brute force.

use crate::requests::{Described, search};
use crate::support::{Sandbox, trusted};

/// A collection of bits; distance and index as given.
pub fn workload(metric: &str, index: &str, params: &str) -> String {
    format!(
        r#"
description = "Bits"
target.timeout = "60s"

[collection]
name = "run_bits_{metric}_{index}"
rows = 3_000
vector = {{ name = "bits", type = "binary", dim = 64, metric = "{metric}" }}
index = {{ type = "{index}" }}
scalars = [{{ name = "n", type = "int64", distinct = 50 }}]

[data]
clusters = 20
queries = 200

[load]
rate = 50
arrival = "constant"
connections = 2
max_in_flight = 10_000
warmup = "500ms"
duration = "2s"
drain = "60s"

[[operations]]
kind = "search"
nq = 3
top_k = 10
params = {params}
"#
    )
}

fn hamming(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a ^ b).count_ones())).sum()
}

fn jaccard(a: &[u8], b: &[u8]) -> f64 {
    let count = |of: fn(u8, u8) -> u8| a.iter().zip(b).map(|(a, b)| of(*a, *b).count_ones()).sum::<u32>();
    1.0 - f64::from(count(|a, b| a & b)) / f64::from(count(|a, b| a | b))
}

/// Distances are those of brute force, nearest first; of rows as far as the last hit any may be returned, of nearer ones all are.
#[track_caller]
fn exact(text: &str, distance: fn(&[u8], &[u8]) -> f64) {
    let described = Described::new(text);
    let sandbox = Sandbox::on(&described.workload.collection.name);
    sandbox.write("bits.toml", text);
    let run = sandbox.run(&["bits.toml"]);
    let report = run.report(0);
    trusted(report);
    let searches = &report["operations"]["search"];
    assert_eq!(searches["hits"]["returned"], searches["succeeded"].as_u64().unwrap() * 30);
    assert_eq!((&searches["hits"]["short"], &searches["hits"]["unknown"]), (&0.into(), &0.into()));

    let rows: Vec<Vec<u8>> = (0..3_000).map(|row| described.vector(row)).collect();
    for place in 0..10 {
        let (expected, message) = described.request(0, place);
        assert_eq!(expected, Some(30));
        for (of, hits) in search(&message).into_iter().enumerate() {
            let query = described.query_vector(place * 3 + of as u64);
            let mut all: Vec<(f64, u64)> =
                (0..).zip(&rows).map(|(id, row)| (distance(&query, row), id)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(hits.len(), 10);
            for ((id, score), (nearest, _)) in hits.iter().zip(&all) {
                let own = distance(&query, &rows[*id as usize]);
                assert!((own - f64::from(*score)).abs() < 1e-6, "row {id}: {own}, not {score}");
                assert!((own - nearest).abs() < 1e-6, "row {id} at {own} where {nearest} is the next");
            }
            let last = all[9].0;
            let ids: std::collections::HashSet<u64> = hits.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids.len(), 10, "a row comes once");
            let nearer = all.iter().take_while(|(distance, _)| last - distance > 1e-6);
            assert!(nearer.clone().all(|(_, id)| ids.contains(id)), "{ids:?} lacks one of the nearest");
        }
    }
}

#[test]
fn hamming_by_brute_force_finds_the_nearest() {
    exact(&workload("hamming", "BIN_FLAT", "{}"), hamming);
}

#[test]
fn jaccard_by_brute_force_finds_the_nearest() {
    exact(&workload("jaccard", "BIN_FLAT", "{}"), jaccard);
}

/// The file says nothing of vectors: their type, dimensions and metric are the server's.
#[test]
fn a_collection_of_bits_that_is_taken_as_it_is_is_searched_as_bits() {
    let sandbox = Sandbox::on("run_bits_jaccard_BIN_FLAT");
    sandbox.write("bits.toml", &workload("jaccard", "BIN_FLAT", "{}"));
    sandbox.run(&["bits.toml", "--duration", "1s"]).report(0);
    let never = "[collection]\nname = \"run_bits_jaccard_BIN_FLAT\"\nprepare = \"never\"\n\
                 [load]\nrate = 20\nwarmup = \"0s\"\nduration = \"2s\"\n[[operations]]\nkind = \"search\"\n";
    sandbox.write("never.toml", never);
    let run = sandbox.run(&["never.toml"]);
    let report = run.report(0);
    let search = &report["operations"]["search"];
    assert!(search["succeeded"].as_u64() > Some(0) && search["succeeded"] == search["offered"], "{search}");
    assert_eq!(search["hits"]["returned"], search["succeeded"].as_u64().unwrap() * 10);
}

/// Looking into all of the lists of an inverted file is brute force again.
#[test]
fn an_inverted_file_that_is_looked_through_finds_the_nearest() {
    let text = workload("hamming", "BIN_IVF_FLAT", "{ nprobe = 16 }")
        .replace("\"BIN_IVF_FLAT\" }", "\"BIN_IVF_FLAT\", params = { nlist = 16 } }");
    exact(&text, hamming);
}
