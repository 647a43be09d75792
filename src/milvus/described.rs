//! An index as the server describes it, whoever made it.

use serde_json::{Map, Value};

use super::proto::common::KeyValuePair;
use super::proto::milvus::IndexDescription;

/// What DescribeIndex says of one index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedIndex {
    /// Its type, such as `HNSW`; `None`: not told.
    pub kind: Option<String>,
    /// Its distance measure, such as `COSINE`; `None`: not told.
    pub metric: Option<String>,
    /// Its build parameters. Servers tell them as one JSON text under `params`, or each as a text of its own.
    pub params: Map<String, Value>,
}

impl DescribedIndex {
    /// Reads a description; texts that are numbers become numbers.
    pub fn of(index: &IndexDescription) -> Self {
        let mut described = Self::default();
        for KeyValuePair { key, value } in &index.params {
            match (key.as_str(), serde_json::from_str(value)) {
                ("index_type", _) => described.kind = Some(value.clone()),
                ("metric_type", _) => described.metric = Some(value.clone()),
                ("params", Ok(Value::Object(params))) => {
                    described.params.extend(params.into_iter().map(|(key, value)| (key, as_number(value))));
                }
                _ => _ = described.params.insert(key.clone(), as_number(Value::String(value.clone()))),
            }
        }
        described
    }
}

/// `"16"` as 16, for servers say it either way; everything else as it is.
fn as_number(value: Value) -> Value {
    let number = value.as_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok());
    number.map_or(value, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_read_from_one_json_text_or_one_by_one() {
        let described = |pairs: &[(&str, &str)]| {
            let pair =
                |(key, value): &(&str, &str)| KeyValuePair { key: (*key).into(), value: (*value).into() };
            DescribedIndex::of(&IndexDescription {
                params: pairs.iter().map(pair).collect(),
                ..IndexDescription::default()
            })
        };
        let common = [("index_type", "HNSW"), ("metric_type", "L2")];
        let as_text = described(&[&common[..], &[("params", r#"{"M":"8","efConstruction":64}"#)]].concat());
        let one_by_one = described(&[&common[..], &[("M", "8"), ("efConstruction", "64")]].concat());
        assert_eq!((as_text.kind.as_deref(), as_text.metric.as_deref()), (Some("HNSW"), Some("L2")));
        assert_eq!(Value::Object(as_text.params.clone()), json!({ "M": 8, "efConstruction": 64 }));
        assert_eq!(as_text, one_by_one);
        // Foreign texts are kept as they are.
        let odd = described(&[("params", "none"), ("mmap.enabled", "true")]);
        assert_eq!(Value::Object(odd.params), json!({ "params": "none", "mmap.enabled": "true" }));
        assert_eq!((odd.kind, odd.metric), (None, None));
    }
}
