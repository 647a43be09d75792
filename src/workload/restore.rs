//! A workload from the list of its settings: what a record keeps of it, read back without its file.

use serde_json::{Map, Value};

use super::{Origin, Override, Setting, Workload, WorkloadError, load_text};

/// The lists of tables, whose settings name the table: `operations.search.top_k`.
const LISTS: [&str; 2] = ["operations.", "collection.scalars."];

/// The workload of which `settings` were in force, by the same version of this program. Of `[target]` only what decides what is
/// measured: the rest names files and servers of the machine that ran it. `database` is the one in use.
///
/// # Errors
/// Where settings are missing or wrong, so that they never were those of a workload.
pub fn restore(name: &str, database: &str, settings: Vec<Setting>) -> Result<Workload, WorkloadError> {
    let mut tables = Tables::default();
    let mut overrides = Vec::new();
    for setting in settings.iter().filter(|setting| !is_local(&setting.key)) {
        match LISTS.iter().find_map(|list| Some((*list, setting.key.strip_prefix(list)?))) {
            Some((list, path)) => tables.add(list, path, &setting.value),
            // Defaults are this version's own, and fill in what nobody said.
            None if setting.from == Origin::Default => {}
            None => overrides.push(replayed(&setting.key, &setting.value)),
        }
    }
    let mut workload = load_text(name, &tables.text(), &overrides)?;
    if let Some(endpoint) = settings.iter().find(|setting| setting.key == "trace.otlp_endpoint") {
        // Its default depends on the protocol that the environment named.
        endpoint.value.as_str().unwrap_or_default().clone_into(&mut workload.trace.otlp_endpoint);
    }
    database.clone_into(&mut workload.target.database);
    workload.settings = settings;
    workload.notices.clear();
    Ok(workload)
}

fn is_local(key: &str) -> bool {
    key.starts_with("target.") && key != "target.timeout"
}

fn replayed(key: &str, value: &Value) -> Override {
    let setting = Setting { key: key.to_owned(), value: value.clone(), from: Origin::Set };
    Override { key: key.to_owned(), value: setting.as_toml(), origin: Origin::Set }
}

/// The tables of the lists, in the order in which their settings come.
#[derive(Default)]
struct Tables([Vec<(String, Map<String, Value>)>; 2]);

impl Tables {
    fn add(&mut self, list: &str, path: &str, value: &Value) {
        let (name, path) = path.split_once('.').unwrap_or((path, ""));
        let tables = &mut self.0[usize::from(list != LISTS[0])];
        let is_new = tables.iter().all(|(known, _)| known != name);
        if is_new {
            tables.push((name.to_owned(), Map::from_iter([("name".to_owned(), name.into())])));
        }
        let Some((_, table)) = tables.iter_mut().find(|(known, _)| known == name) else { return };
        match path.split_once('.') {
            None => _ = table.insert(path.to_owned(), value.clone()),
            // Of a free table within it, such as `params`, whose keys may have dots of their own.
            Some((free, key)) => {
                let free = table.entry(free).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(free) = free {
                    free.insert(key.to_owned(), value.clone());
                }
            }
        }
    }

    /// As a workload file that has nothing else.
    fn text(self) -> String {
        let [operations, scalars] = self
            .0
            .map(|tables| Value::Array(tables.into_iter().map(|(_, table)| Value::Object(table)).collect()));
        let value = |value| Setting { key: String::new(), value, from: Origin::Set }.as_toml();
        format!("operations = {}\ncollection.scalars = {}\n", value(operations), value(scalars))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{TemplateKind, template};

    /// All of a workload but where it came from.
    fn told(workload: &Workload) -> String {
        let nothing_local = crate::workload::Target {
            uri: None,
            token: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            metrics: vec![],
            ..workload.target.clone()
        };
        let bare = Workload { settings: vec![], notices: vec![], target: nothing_local, ..workload.clone() };
        format!("{bare:#?}")
    }

    #[track_caller]
    fn comes_back(text: &str, overrides: &[Override]) {
        let workload = load_text("w", text, overrides).unwrap();
        let database = workload.target.database.clone();
        let restored = restore("w", &database, workload.settings.clone()).unwrap();
        assert_eq!(told(&restored), told(&workload));
        assert_eq!(restored.settings, workload.settings);
    }

    #[test]
    fn every_workload_that_is_shipped_comes_back_from_its_settings() {
        let shipped = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/workloads")).unwrap();
        let mut seen = 0;
        for file in shipped.map(|entry| entry.unwrap().path()) {
            comes_back(&std::fs::read_to_string(file).unwrap(), &[]);
            seen += 1;
        }
        assert!(seen >= 5);
        for kind in TemplateKind::ALL {
            comes_back(&template(kind), &[]);
        }
    }

    #[test]
    fn keys_with_dots_quotes_and_numbers_of_all_sizes_come_back() {
        let text = r#"
            description = "it's \"quoted\"\nand has two lines"
            target.uri = "http://somewhere:1/shop"
            target.token_file = "nowhere"
            [collection]
            vector = { name = "v", type = "float", dim = 8, metric = "ip" }
            index = { type = "HNSW", params = { M = 8, efConstruction = 16 } }
            scalars = [{ name = "b", type = "int64", distinct = 3 }, { name = "a", type = "varchar" }]
            [data]
            seed = 9223372036854775807
            [load]
            stages = [{ rate = 10, duration = "1s" }, { ramp_to = 20.5, duration = "1500ms" }]
            [[operations]]
            kind = "search"
            name = "z"
            weight = 2.5
            filter = "a == '{a}' and b > 1"
            params = { ef = 17 }
            [[operations]]
            kind = "search"
            name = "closed"
            concurrency = 3
            [trace]
            link = "https://example/{trace_id}?a=b"
            resource = { "service.namespace" = "x" }
            [thresholds]
            "z.response.p99" = "< 50ms"
            "errors" = "< 1%"
        "#;
        let text = text.replace("target.token_file = \"nowhere\"\n", "");
        comes_back(&text, &[]);
        let environment =
            Override::environment("OTEL_EXPORTER_OTLP_ENDPOINT", "trace.otlp_endpoint", "http://c:1");
        comes_back(&text, &[environment, Override::set("load.connections=3").unwrap()]);
    }

    #[test]
    fn settings_of_no_workload_are_refused() {
        assert!(restore("w", "", vec![]).is_err());
        let wrong = Setting { key: "load.rate".to_owned(), value: "fast".into(), from: Origin::Set };
        assert!(restore("w", "", vec![wrong]).is_err());
    }
}
