//! Reports whose every text is an attack on the page that shows it.

use std::collections::BTreeMap;
use std::path::Path;

use milvus_load::report::RunReport;
use milvus_load::report::experiment::Experiment;
use milvus_load::trace::kept::{TRACES_OTLP_FILE, read_otlp, write_otlp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pages::{EXPERIMENT, REPORT, Source};

/// A text that sets `canary`, or the title, if a page lets it; `mark` is in it, and in no report.
pub struct Attack {
    pub name: &'static str,
    pub text: &'static str,
    pub mark: &'static str,
}

pub const ATTACKS: [Attack; 3] = [
    Attack {
        name: "markup",
        text: "\"><script>canary=document.title='canary'</script><img src=x onerror=\"canary=1\"><svg onload=\"canary=2\"><a href=\"javascript:void(canary=3)\" \
               id=\"canary\">a</a></svg><p onclick=\"canary=4\">' onclick='canary=5' onmouseover='canary=6' \" onclick=\"canary=7\" onmouseover=\"canary=8\" \
               autofocus onfocus=\"canary=9\" style=\"all:unset\" </style></title></desc></script><script>canary=document.title='canary'</script>",
        mark: "onerror=\"canary=1\"",
    },
    Attack {
        name: "script as a link",
        text: "javascript:void(canary=document.title='canary')",
        mark: "javascript:void(canary",
    },
    Attack {
        name: "link with more in it",
        text: "http://127.0.0.1:9/\"onclick=\"canary=1\"onmouseover=\"canary=2\"'onclick='canary=3'><img/src=x/onerror=canary=4>",
        mark: "onclick=\"canary=1\"",
    },
];

/// No text, however long, makes a page wider than its screen.
pub const LONG: Attack = Attack {
    name: "a long word",
    text: "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    mark: "WWWWWWWWWWWWWWWWWWWWWWWW",
};

/// A copy of the report, and of the traces beside it, in which every text that can be is the attack.
pub fn attacked(source: &Source, attack: &Attack, directory: &Path) -> Source {
    let traces = source.directory.join(TRACES_OTLP_FILE);
    if let Ok(file) = std::fs::File::open(&traces) {
        let mut otlp = Vec::new();
        write_otlp(&read_otlp(file).unwrap(), &mut otlp).unwrap();
        let mut otlp = serde_json::from_slice(&otlp).unwrap();
        attack_spans(&mut otlp, attack.text);
        std::fs::write(directory.join(TRACES_OTLP_FILE), otlp.to_string()).unwrap();
    }
    let is_run = source.directory.join(REPORT).is_file();
    let file = if is_run { REPORT } else { EXPERIMENT };
    let text = std::fs::read_to_string(source.directory.join(file)).unwrap();
    let value = match is_run {
        true => attacked_json::<RunReport>(&text, attack.text),
        false => attacked_json::<Experiment>(&text, attack.text),
    };
    std::fs::write(directory.join(file), value.to_string()).unwrap();
    Source { name: format!("{}, {}", source.name, attack.name), directory: directory.to_owned() }
}

fn attacked_json<T: DeserializeOwned>(text: &str, attack: &str) -> Value {
    // The names of operations are keys as well.
    let attack_json = Value::from(attack).to_string();
    let mut value: Value = serde_json::from_str(&text.replace("\"search\"", &attack_json)).unwrap();
    assert!(T::deserialize(&value).is_ok(), "the names of operations cannot be attacked");
    let mut places = BTreeMap::new();
    find_texts(&value, String::new(), String::new(), &mut places);
    // Those of one kind at once: what one of them may not be, none may.
    for places in places.values() {
        let mut other = value.clone();
        for place in places {
            *other.pointer_mut(place).unwrap() = attack.into();
        }
        if T::deserialize(&other).is_ok() {
            value = other;
        }
    }
    value
}

/// Places of texts by their kind, which is the place without the numbers in it.
fn find_texts(value: &Value, place: String, kind: String, places: &mut BTreeMap<String, Vec<String>>) {
    // Of a text that is no histogram nothing is drawn; without its IDs a request has no trace; another schema is another program's.
    const KEPT: [&str; 4] = ["histogram", "trace_id", "span_id", "schema"];
    match value {
        Value::String(_) if !KEPT.iter().any(|key| place.ends_with(&format!("/{key}"))) => {
            places.entry(kind).or_default().push(place);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_texts(item, format!("{place}/{index}"), format!("{kind}/*"), places);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                find_texts(item, format!("{place}/{key}"), format!("{kind}/{key}"), places);
            }
        }
        _ => {}
    }
}

/// Names, and the values of attributes.
fn attack_spans(value: &mut Value, attack: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| attack_spans(item, attack)),
        Value::Object(fields) => {
            for (key, item) in fields {
                match item {
                    Value::String(text) if ["name", "stringValue", "message"].contains(&key.as_str()) => {
                        attack.clone_into(text);
                    }
                    other => attack_spans(other, attack),
                }
            }
        }
        _ => {}
    }
}
