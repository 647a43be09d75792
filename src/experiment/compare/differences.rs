//! What is not the same in all runs that are compared, beyond their numbers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::report::RunReport;
use crate::report::circumstances::{Circumstances, weight};
use crate::report::experiment::Difference;

/// What differs between the runs of `groups`, or within one of them, by key.
pub fn between(groups: &[Vec<&RunReport>]) -> Vec<Difference> {
    let facts: Vec<Vec<BTreeMap<String, Value>>> = groups
        .iter()
        .map(|runs| runs.iter().map(|run| Circumstances::from(*run).facts()).collect())
        .collect();
    let mut keys: Vec<&String> = facts.iter().flatten().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |key: &String| {
        let values: Vec<Vec<Value>> = facts.iter().map(|runs| distinct(key, runs)).collect();
        let first = values.first()?.first()?;
        let differs = values.iter().any(|of_group| of_group.len() != 1 || of_group.first() != Some(first));
        differs.then(|| Difference { key: key.clone(), values: values.clone(), weight: weight(key) })
    };
    keys.into_iter().filter_map(of).collect()
}

fn distinct(key: &str, runs: &[BTreeMap<String, Value>]) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for run in runs {
        let value = run.get(key).cloned().unwrap_or(Value::Null);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::experiment::Weight;
    use crate::report::model::{LoadKind, Run, Server, Setting, State};

    fn report(settings: &[(&str, Value)], server: Server) -> RunReport {
        let mut report = RunReport::new(Run {
            id: "1".into(),
            name: "w".into(),
            command: String::new(),
            version: "1".into(),
            started: String::new(),
            started_unix_us: 0,
            measured_s: 1.0,
            load_model: LoadKind::Open,
            state: State::Complete,
        });
        let setting = |(key, value): &(&str, Value)| Setting {
            key: (*key).to_owned(),
            value: value.clone(),
            from: "default".into(),
        };
        report.settings = settings.iter().map(setting).collect();
        report.server = Some(server);
        report
    }

    fn server(uri: &str, version: &str, embedded: bool) -> Server {
        Server { uri: uri.into(), version: Some(version.into()), embedded, ..Server::default() }
    }

    fn found(groups: &[Vec<&RunReport>]) -> Vec<(String, Weight)> {
        between(groups).into_iter().map(|difference| (difference.key, difference.weight)).collect()
    }

    #[test]
    fn what_was_sent_and_to_which_server_decides_and_names_and_ports_do_not() {
        let a = report(
            &[
                ("load.rate", json!(100)),
                ("collection.name", json!("a")),
                ("data.seed", json!("1")),
                ("trace.link", json!("x")),
                ("trace.sample_fraction", json!(1.0)),
                ("thresholds.errors", json!("< 1%")),
            ],
            server("http://127.0.0.1:1", "2.3.5", true),
        );
        let b = report(
            &[
                ("load.rate", json!(200)),
                ("collection.name", json!("b")),
                ("data.seed", json!("2")),
                ("trace.link", json!("y")),
                ("trace.sample_fraction", json!(0.5)),
                ("load.spin", json!("off")),
            ],
            server("http://127.0.0.1:2", "2.4.0", true),
        );
        assert_eq!(found(&[vec![&a], vec![&a]]), []);
        let expected = [
            ("data.seed", Weight::Told),
            ("load.rate", Weight::Decides),
            ("load.spin", Weight::Decides),
            ("server.version", Weight::Decides),
            ("trace.sample_fraction", Weight::Decides),
        ];
        assert_eq!(found(&[vec![&a], vec![&b]]), expected.map(|(key, weight)| (key.to_owned(), weight)));
        let spin = &between(&[vec![&a], vec![&b]])[2];
        assert_eq!(spin.values, [vec![Value::Null], vec![json!("off")]]);
    }

    #[test]
    fn named_servers_differ_by_their_address_and_runs_within_a_group_by_anything() {
        let one = report(&[("load.rate", json!(1))], server("http://a:1", "2", false));
        let two = report(&[("load.rate", json!(2))], server("http://b:1", "2", false));
        let found = between(&[vec![&one, &two, &one]]);
        let keys: Vec<&str> = found.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["load.rate", "server.uri"]);
        assert_eq!(found[0].values, [vec![json!(1), json!(2)]]);
    }
}
