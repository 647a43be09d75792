//! Filling in the wheel's configuration template, and setting keys in what comes out.
//!
//! The template is YAML with places `{{ name }}`, `{{ name(type) }}` and `{{ name(type): default }}`. What it has no
//! place for is set as a key: only block mappings indented by two spaces are understood, which is all that the
//! one template that the wheel's hash allows consists of.

use super::error::EmbeddedError;

/// Fills in the places of `template`: with what `value` knows by that name, else with the place's own default.
///
/// # Errors
/// Where a place has neither, or is not closed.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, EmbeddedError> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, after) = after.split_once("}}").ok_or_else(|| bad("has a place that is not closed"))?;
        let (name, default) = match place.split_once(':') {
            Some((name, default)) => (name, Some(default.trim().to_owned())),
            None => (place, None),
        };
        let name = name.split('(').next().unwrap_or(name).trim();
        let filled =
            value(name).or(default).ok_or_else(|| bad(&format!("has a place {name:?} unknown to us")))?;
        text.push_str(before);
        text.push_str(&filled);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Sets the key at `path` (such as `["trace", "otlp", "secure"]`) to `value`, written as it is; what is missing of
/// the path is added.
///
/// # Errors
/// Where the path's first key does not exist.
pub(super) fn set_key(text: &str, path: &[&str], value: &str) -> Result<String, EmbeddedError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (at, depth) =
        deepest(&lines, path).ok_or_else(|| bad(&format!("has no key {:?}", path.first().unwrap_or(&""))))?;
    if depth == path.len() {
        let indent = (depth - 1) * 2;
        lines[at] = format!("{:indent$}{}: {value}", "", path[depth - 1]);
    } else {
        let missing = path.iter().enumerate().skip(depth).map(|(level, key)| {
            let value = if level + 1 == path.len() { format!(" {value}") } else { String::new() };
            format!("{:indent$}{key}:{value}", "", indent = level * 2)
        });
        lines.splice(at + 1..at + 1, missing.collect::<Vec<_>>());
    }
    Ok(lines.join("\n") + "\n")
}

/// The line of the longest start of `path` that exists, and that start's length.
fn deepest(lines: &[String], path: &[&str]) -> Option<(usize, usize)> {
    let mut best = None;
    let mut depth = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some((level, key)) = key_of(line) else { continue };
        if level < depth {
            // The block that we were in is over; its keys cannot come again.
            break;
        }
        if level == depth && path.get(depth) == Some(&key) {
            depth += 1;
            best = Some((at, depth));
            if depth == path.len() {
                break;
            }
        }
    }
    best
}

/// The nesting level and the key of a line `  key: ...`; nothing for comments, list items and blank lines.
fn key_of(line: &str) -> Option<(usize, &str)> {
    let (key, _) = line.split_once(':')?;
    let name = key.trim_start();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then_some(((key.len() - name.len()) / 2, name))
}

fn bad(reason: &str) -> EmbeddedError {
    EmbeddedError::Template { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_yaml_ng::Value;

    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "proxy_port" => Some("1234".into()),
            "dir" => Some("\"/a b\"".into()),
            _ => None,
        }
    }

    #[test]
    fn a_place_takes_our_value_else_its_default() {
        let fill = |text| fill(text, known).unwrap();
        assert_eq!(fill("port: {{ proxy_port(int): 19530 }} # x"), "port: 1234 # x");
        assert_eq!(fill("port: {{ other_port(int): 7 }}"), "port: 7");
        assert_eq!(fill("dir: {{dir}}\nrest"), "dir: \"/a b\"\nrest");
        assert_eq!(
            fill("at: localhost:{{ proxy_port(int): 1 }}/{{ tls_mode(int): 0 }}"),
            "at: localhost:1234/0"
        );
    }

    #[test]
    fn a_place_that_nothing_fills_is_an_error_that_names_it() {
        let error = fill("a: {{ new_thing }}", known).unwrap_err().to_string();
        assert!(error.contains("new_thing"), "{error}");
        assert!(fill("a: {{ proxy_port", known).is_err());
    }

    const YAML: &str = "\
# trace: no
etcd:
  endpoints: localhost:2379
  log:
    level: info # a comment
    # level: none
trace:
  exporter: stdout
  otlp:
    secure: true
  jaeger:
    url: # \"http://127.0.0.1:14268\"
log:
  level: info
";

    /// Everything but the value at `path` must be as it was, by a YAML parser's own judgement.
    #[track_caller]
    fn check_set(path: &[&str], value: &str) {
        let mut wanted: Value = serde_yaml_ng::from_str(YAML).unwrap();
        let mut place = &mut wanted;
        for key in path {
            if !place.is_mapping() {
                *place = Value::Mapping(Default::default());
            }
            place = place.as_mapping_mut().unwrap().entry((*key).into()).or_insert(Value::Null);
        }
        *place = serde_yaml_ng::from_str(value).unwrap();
        let changed = set_key(YAML, path, value).unwrap();
        assert_eq!(serde_yaml_ng::from_str::<Value>(&changed).unwrap(), wanted, "{changed}");
    }

    #[test]
    fn a_key_is_set_where_its_path_leads_and_nowhere_else() {
        check_set(&["trace", "exporter"], "otlp");
        check_set(&["trace", "otlp", "secure"], "false");
        check_set(&["log", "level"], "warn");
        check_set(&["etcd", "log", "level"], "warn");
        check_set(&["trace", "jaeger", "url"], "\"http://x\"");
    }

    #[test]
    fn what_is_missing_of_a_path_is_added_below_what_exists() {
        check_set(&["etcd", "config", "path"], "\"/a b/#c.yaml\"");
        check_set(&["trace", "otlp", "endpoint"], "\"localhost:4317\"");
        check_set(&["log", "file", "maxSize"], "20");
        check_set(&["etcd", "log", "path"], "stdout");
    }

    #[test]
    fn a_path_whose_first_key_does_not_exist_is_an_error() {
        assert!(set_key(YAML, &["proxy", "port"], "1").is_err());
    }
}
