//! Rows by key and by filter: what comes back is what was asked for, by going through the rows here.

use std::collections::BTreeSet;

use milvus_load::data::ScalarValue;
use serde_json::Value;

use crate::requests::{Described, Row, query};
use crate::support::{Sandbox, findings, trusted};

/// One scalar of each type, and every way to ask for rows.
pub const LOOKUP: &str = r#"
description = "Lookups"
target.timeout = "60s"

[collection]
name = "run_lookup"
rows = 3_000
vector = { name = "vector", type = "float", dim = 16, metric = "l2" }
index = { type = "HNSW", params = { M = 8, efConstruction = 64 } }
scalars = [
    { name = "flag", type = "bool" },
    { name = "small", type = "int32", distinct = 7 },
    { name = "n", type = "int64", distinct = 50 },
    { name = "ratio", type = "float", distinct = 20 },
    { name = "price", type = "double", distinct = 300 },
    { name = "colour", type = "varchar", distinct = 10 },
]

[data]
queries = 200

[load]
rate = 60
arrival = "constant"
connections = 2
max_in_flight = 10_000
warmup = "500ms"
duration = "3s"
drain = "60s"

[[operations]]
kind = "get"
keys = 7
output_fields = ["vector", "flag", "small", "n", "ratio", "price", "colour"]

[[operations]]
kind = "query"
name = "by_n"
filter = "n == {n}"

[[operations]]
kind = "query"
name = "cheap"
filter = "price < {price}"
output_fields = ["price"]
limit = 100
offset = 5

[[operations]]
kind = "query"
name = "by_colour"
filter = "colour == '{colour}'"
output_fields = ["colour", "n"]

[[operations]]
kind = "query"
name = "any"
limit = 40

[[operations]]
kind = "query"
name = "count"
filter = "small >= 3"
output_fields = ["count(*)"]

[[operations]]
kind = "query"
name = "open"
filter = "n < 10 and flag == true"
"#;

fn hits(report: &Value, operation: &str) -> [u64; 5] {
    ["expected", "returned", "empty", "short", "unknown"]
        .map(|field| report["operations"][operation]["hits"][field].as_u64().unwrap())
}

#[test]
fn every_answer_of_a_run_holds_the_rows_that_match() {
    let sandbox = Sandbox::on("run_lookup");
    sandbox.write("lookup.toml", LOOKUP);
    let run = sandbox.run(&["lookup.toml"]);
    let report = run.report(0);
    trusted(report);
    assert!(!findings(report).contains(&"few_hits"), "{:?}", findings(report));
    let succeeded = |operation: &str| report["operations"][operation]["succeeded"].as_u64().unwrap();
    for (operation, each) in [
        ("get", Some(7)),
        ("by_n", None),
        ("cheap", None),
        ("by_colour", None),
        ("any", Some(40)),
        ("count", Some(1)),
    ] {
        let [expected, returned, _, short, unknown] = hits(report, operation);
        assert!(succeeded(operation) > 0 && expected > 0, "{operation}");
        assert_eq!((returned, short, unknown), (expected, 0, 0), "{operation}");
        if let Some(each) = each {
            assert_eq!(expected, each * succeeded(operation), "{operation}");
        }
    }
    let [expected, returned, empty, short, unknown] = hits(report, "open");
    assert_eq!((expected, empty, short, unknown), (0, 0, 0, succeeded("open")), "no law says how many");
    let described = Described::new(LOOKUP);
    let matching = |row: &u64| {
        let n = described.layout.scalar_value(2, *row);
        matches!(n, ScalarValue::Int(n) if n < 10)
            && described.layout.scalar_value(0, *row) == ScalarValue::Bool(true)
    };
    assert_eq!(returned, (0..3_000).filter(matching).count() as u64 * succeeded("open"));
    assert!(report["operations"]["get"]["rows_per_s"].is_f64());
    assert!(report["operations"]["get"]["vectors_per_s"].is_null());

    // The same collection as somebody else's: it may hold anything, so only what its own count tells is judged.
    let never = sandbox.run(&["lookup.toml", "--set", "collection.prepare=never", "--duration", "2s"]);
    let report = never.report(0);
    let of = |operation: &str| report["operations"][operation]["succeeded"].as_u64().unwrap();
    let [expected, returned, _, short, unknown] = hits(report, "by_n");
    assert_eq!((expected, short, unknown), (0, 0, of("by_n")));
    assert!(returned > 0);
    assert_eq!(hits(report, "any"), [40 * of("any"), 40 * of("any"), 0, 0, 0]);
    assert_eq!(hits(report, "get"), [7 * of("get"), 7 * of("get"), 0, 0, 0]);
}

/// The row that the workload describes, with all of its fields.
fn row(described: &Described, row: u64) -> Row {
    let mut values = std::collections::BTreeMap::from([("id".to_owned(), row.to_string())]);
    for (field, (scalar, _)) in described.layout.scalars.iter().enumerate() {
        values.insert(scalar.name.clone(), described.layout.scalar_value(field, row).to_string());
    }
    Row { values, vector: Some(described.vector(row)) }
}

#[test]
fn get_returns_exactly_the_keys_asked_with_their_right_values() {
    let sandbox = Sandbox::on("run_lookup");
    sandbox.write("lookup.toml", LOOKUP);
    sandbox.run(&["lookup.toml", "--duration", "1s"]).report(0);
    let described = Described::new(LOOKUP);
    let mut asked = BTreeSet::new();
    for place in 0..20 {
        let (expected, message) = described.request(0, place);
        let request =
            <milvus_load::milvus::proto::milvus::QueryRequest as prost::Message>::decode(&message[..])
                .unwrap();
        let keys = request.expr.strip_prefix("id in [").unwrap().strip_suffix(']').unwrap();
        let keys: BTreeSet<i64> = keys.split(',').map(|key| key.parse().unwrap()).collect();
        let rows = query(&message);
        assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), keys);
        assert_eq!((rows.len(), expected), (7, Some(7)));
        for (key, found) in rows {
            assert_eq!(found, row(&described, key as u64), "row {key}");
        }
        asked.extend(keys);
    }
    assert!(asked.len() > 100, "drawn from all rows: {}", asked.len());
}

#[test]
fn a_query_by_filter_returns_exactly_the_rows_that_match() {
    let sandbox = Sandbox::on("run_lookup");
    sandbox.write("lookup.toml", LOOKUP);
    sandbox.run(&["lookup.toml", "--duration", "1s"]).report(0);
    let header = LOOKUP.split("[[operations]]").next().unwrap();
    let numbers = ["small", "n", "ratio", "price"].map(|name| (name, format!("{{{name}}}"), 6));
    let words = [("flag", "{flag}".to_owned(), 2), ("colour", "'{colour}'".to_owned(), 2)];
    for (name, value, operators) in numbers.into_iter().chain(words) {
        for operator in ["==", "!=", "<", "<=", ">", ">="].into_iter().take(operators) {
            let described = Described::new(&format!(
                "{header}\n[[operations]]\nkind = \"query\"\nfilter = \"{name} {operator} {value}\"\n"
            ));
            let field = described.layout.scalars.iter().position(|(scalar, _)| scalar.name == name).unwrap();
            let (expected, message) = described.request(0, 3);
            let drawn = described.layout.filter_value(field, 3);
            let matching =
                |row: &i64| compare(operator, &described.layout.scalar_value(field, *row as u64), &drawn);
            let keys: Vec<i64> = (0..3_000).filter(matching).collect();
            let rows = query(&message);
            assert_eq!(rows.into_keys().collect::<Vec<_>>(), keys, "{name} {operator} {drawn}");
            assert_eq!(expected, Some(keys.len() as u32), "{name} {operator} {drawn}");
        }
    }
}

fn compare(operator: &str, a: &ScalarValue, b: &ScalarValue) -> bool {
    let number = |value: &ScalarValue| match value {
        ScalarValue::Int(n) => *n as f64,
        ScalarValue::Float(n) => *n,
        other => panic!("{other:?} is no number"),
    };
    match operator {
        "==" => a == b,
        "!=" => a != b,
        "<" => number(a) < number(b),
        "<=" => number(a) <= number(b),
        ">" => number(a) > number(b),
        ">=" => number(a) >= number(b),
        other => panic!("{other}"),
    }
}
