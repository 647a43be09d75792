//! The JSON Schema of the workload file, made from the table of keys.
//!
//! It says what one value may be and which keys exclude each other; what needs more than that is the loader's.

use serde_json::{Map, Value, json};

use super::keys::{self, Fallback, KEYS, Key};
use super::kind::Kind;
use super::stages::MOST_STAGES;

/// The schema of a workload file, JSON Schema draft 2020-12. Whatever the loader takes, it takes.
pub fn schema() -> Value {
    let mut root = table("", None);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["$id"] = json!("milvus-load/workload/1");
    root["title"] = json!("A workload of milvus-load");
    root["required"] = json!(["operations"]);
    let load =
        [["rate", "concurrency"], ["rate", "stages"], ["concurrency", "stages"], ["duration", "stages"]];
    root["properties"]["load"]["allOf"] = exclude(&load);
    root["properties"]["trace"]["allOf"] = exclude(&[["jaeger_ui", "link"]]);
    root
}

/// Pairs of keys of a table that cannot both be said.
fn exclude(pairs: &[[&str; 2]]) -> Value {
    pairs.iter().map(|both| json!({ "not": { "required": both } })).collect()
}

/// The table with this path; of an operation, with the keys of its kind.
fn table(path: &str, kind: Option<&str>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for name in keys::children(path) {
        let child = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match keys::find(&child) {
            Some(key) if key.built && for_kind(key, kind) => {
                if key.default == Fallback::Required {
                    required.push(name);
                }
                properties.insert(name.to_owned(), leaf(key));
            }
            Some(_) => {}
            None => {
                properties.insert(name.to_owned(), table(&child, None));
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn for_kind(key: &Key, kind: Option<&str>) -> bool {
    key.only_for.is_empty() || kind.is_some_and(|kind| key.only_for.contains(&kind))
}

fn leaf(key: &Key) -> Value {
    let mut schema = match key.path {
        "operations" => json!({ "type": "array", "minItems": 1, "items": { "oneOf": operations() } }),
        path if key.kind == Kind::Tables => {
            json!({ "type": "array", "items": table(&format!("{path}[]"), None) })
        }
        _ => of_kind(&key.kind),
    };
    let description = match key.default {
        Fallback::Words(words) => format!("{}. Default: {words}.", key.doc),
        Fallback::Toml(_) | Fallback::Required => format!("{}.", key.doc),
    };
    schema["description"] = json!(description);
    if let Fallback::Toml(text) = key.default {
        let node = super::raw::value(text, false, &super::Origin::Default);
        if let Ok(value) = key.kind.read(&node) {
            schema["default"] = value.json();
        }
    }
    schema
}

/// One schema per kind of operation that is built.
fn operations() -> Vec<Value> {
    let kinds = KEYS.iter().find(|key| key.path == "operations[].kind").map(|key| key.kind);
    let Some(Kind::Choice { built, .. }) = kinds else { return Vec::new() };
    built
        .iter()
        .map(|kind| {
            let mut schema = table("operations[]", Some(kind));
            schema["properties"]["kind"] = json!({ "const": kind });
            schema["allOf"] = exclude(&[
                ["rate", "concurrency"],
                ["rate", "stages"],
                ["concurrency", "stages"],
                ["weight", "rate"],
                ["weight", "concurrency"],
                ["weight", "stages"],
            ]);
            schema
        })
        .collect()
}

fn of_kind(kind: &Kind) -> Value {
    const DURATION: &str = r"^\s*[+]?[0-9.]+([eE][+-]?[0-9]+)?\s*(ns|us|µs|ms|s|m|h)\s*$";
    match kind {
        Kind::Text { empty: true } => json!({ "type": "string" }),
        Kind::Text { empty: false } | Kind::Path | Kind::Uri => json!({ "type": "string", "minLength": 1 }),
        Kind::Identifier => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,254}$" }),
        Kind::OperationName => json!({ "type": "string", "pattern": "^[a-z0-9_]{1,64}$" }),
        Kind::IndexType => json!({ "type": "string", "pattern": "^[A-Za-z0-9_]+$" }),
        Kind::Url => json!({ "type": "string", "pattern": "^\\s*[hH][tT][tT][pP][sS]?://[^@]+$" }),
        Kind::Link => {
            json!({ "type": "string", "pattern": "^\\s*[hH][tT][tT][pP][sS]?://[^@]*\\{trace_id\\}[^@]*$" })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Positive => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Kind::Rate => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 10_000_000 }),
        Kind::RateOrZero => json!({ "type": "number", "minimum": 0, "maximum": 10_000_000 }),
        Kind::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
        Kind::Choice { built, .. } => choice(built),
        Kind::Slow => {
            json!({ "type": "string", "anyOf": [{ "pattern": "^\\s*[pP][0-9.]+\\s*$" }, { "pattern": DURATION }] })
        }
        Kind::Texts => json!({ "type": "array", "items": of_kind(&Kind::Text { empty: false }) }),
        Kind::Urls => json!({ "type": "array", "items": of_kind(&Kind::Url) }),
        Kind::Stages => stages(),
        Kind::Params => json!({ "type": "object" }),
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Thresholds => {
            json!({ "type": "object", "additionalProperties": { "type": "string", "pattern": "^\\s*[<>]=?.+$" } })
        }
        Kind::Tables => json!({ "type": "array" }),
    }
}

fn stages() -> Value {
    let rate = of_kind(&Kind::RateOrZero);
    let stage = json!({
        "type": "object",
        "properties": { "rate": rate, "ramp_to": rate, "duration": of_kind(&Kind::Duration { zero: false }) },
        "required": ["duration"],
        "anyOf": [{ "required": ["rate"] }, { "required": ["ramp_to"] }],
        "additionalProperties": false,
    });
    json!({ "type": "array", "minItems": 1, "maxItems": MOST_STAGES, "items": stage })
}

/// The words in lower case for completion, and in whatever case for validation.
fn choice(words: &[&str]) -> Value {
    let any_case = |word: &str| -> String {
        word.chars().map(|c| format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())).collect()
    };
    let pattern = words.iter().map(|word| any_case(word)).collect::<Vec<_>>().join("|");
    json!({ "type": "string", "anyOf": [{ "enum": words }, { "pattern": format!("^({pattern})$") }] })
}
